// SPDX-License-Identifier: Apache-2.0
#include "gateway/iscsi/pdu_parser.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <vector>

#include "gateway/iscsi/iscsi_errc.hpp"
#include "storage_object/base/crc32c.hpp"

namespace caisson::iscsi {
namespace {

using Bytes = std::vector<std::byte>;

struct Seen {
  std::uint32_t tag;
  Bytes ahs, data;
  bool intact;
  bool operator==(const Seen&) const = default;
};

class Collector final : public PduSink {
 public:
  Result<std::span<std::byte>> on_header(const PduHeader& header) override {
    if (skip) return std::span<std::byte>();
    memory.emplace_back(std::uint32_t{header.bhs.data_segment_length});
    return std::span<std::byte>(memory.back());
  }
  Result<> on_pdu(const PduHeader& header, std::span<const std::byte> data, bool intact) override {
    seen.push_back({header.bhs.initiator_task_tag, Bytes(header.ahs.begin(), header.ahs.end()),
                    Bytes(data.begin(), data.end()), intact});
    return {};
  }
  bool skip = false;
  std::deque<Bytes> memory;
  std::vector<Seen> seen;
};

void add(Bytes& to, std::span<const std::byte> bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

Bytes pdu(std::uint32_t tag, std::size_t data_length, std::size_t ahs_words, bool digests,
          bool damaged = false) {
  auto header = make_header<Bhs>(Opcode::scsi_command);
  header.initiator_task_tag = tag;
  header.data_segment_length = static_cast<std::uint32_t>(data_length);
  header.total_ahs_length = static_cast<std::uint8_t>(ahs_words);
  Bytes out;
  add(out, bytes_of(header));
  out.resize(out.size() + ahs_words * 4, std::byte{0xa5});
  if (digests) add(out, bytes_of(le32(crc32c(Bytes(out)))));
  Bytes data(padded(static_cast<std::uint32_t>(data_length)));
  for (std::size_t i = 0; i < data_length; ++i) data[i] = static_cast<std::byte>(i + tag);
  add(out, data);
  if (digests && !data.empty()) add(out, bytes_of(le32(crc32c(data) + (damaged ? 1 : 0))));
  return out;
}

Bytes stream(bool digests) {
  Bytes all;
  for (auto [data, ahs] : {std::pair{0, 0}, {5, 0}, {0, 3}, {64, 1}, {3, 2}, {1, 0}, {0, 0}})
    add(all, pdu(static_cast<std::uint32_t>(all.size()), static_cast<std::size_t>(data),
                 static_cast<std::size_t>(ahs), digests));
  return all;
}

class PduParserSplits : public ::testing::TestWithParam<bool> {};

TEST_P(PduParserSplits, EverySplitGivesTheSamePdus) {
  auto all = stream(GetParam());
  Collector whole;
  PduParser at_once(whole);
  at_once.configure({GetParam(), GetParam(), 8192});
  ASSERT_FALSE(at_once.feed(all));
  ASSERT_EQ(whole.seen.size(), 7u);
  EXPECT_TRUE(at_once.idle());
  for (std::size_t first = 0; first <= all.size(); ++first)
    for (std::size_t second : {first, std::min(first + 7, all.size()), all.size()}) {
      Collector sink;
      PduParser parser(sink);
      parser.configure({GetParam(), GetParam(), 8192});
      std::span<const std::byte> bytes(all);
      ASSERT_FALSE(parser.feed(bytes.first(first)));
      ASSERT_FALSE(parser.feed(bytes.subspan(first, second - first)));
      ASSERT_FALSE(parser.feed(bytes.subspan(second)));
      ASSERT_EQ(sink.seen, whole.seen) << first;
    }
}

TEST_P(PduParserSplits, DataMayBeReceivedInPlace) {
  auto all = stream(GetParam());
  Collector sink;
  PduParser parser(sink);
  parser.configure({GetParam(), GetParam(), 8192});
  std::span<const std::byte> left(all);
  std::size_t direct_bytes = 0;
  while (!left.empty()) {
    if (auto place = parser.direct(); !place.empty()) {
      auto n = std::min<std::size_t>({place.size(), left.size(), 13});
      std::memcpy(place.data(), left.data(), n);
      left = left.subspan(n);
      direct_bytes += n;
      ASSERT_FALSE(parser.advance(n));
    } else {
      ASSERT_FALSE(parser.feed(left.first(1)));
      left = left.subspan(1);
    }
  }
  Collector whole;
  PduParser at_once(whole);
  at_once.configure({GetParam(), GetParam(), 8192});
  ASSERT_FALSE(at_once.feed(all));
  EXPECT_EQ(sink.seen, whole.seen);
  EXPECT_EQ(direct_bytes, 73u);
}
INSTANTIATE_TEST_SUITE_P(Digests, PduParserSplits, ::testing::Bool());

TEST(PduParser, DamagedDataIsToldDamagedHeadersEnd) {
  Collector sink;
  PduParser parser(sink);
  parser.configure({true, true, 8192});
  ASSERT_FALSE(parser.feed(pdu(1, 10, 0, true, true)));
  ASSERT_EQ(sink.seen.size(), 1u);
  EXPECT_FALSE(sink.seen[0].intact);
  auto bad = pdu(2, 0, 0, true);
  bad[20] ^= std::byte{1};
  EXPECT_EQ(parser.feed(bad), make_error_code(IscsiErrc::header_digest));
}

TEST(PduParser, RefusesWhatWasNotAgreed) {
  Collector sink;
  PduParser parser(sink);
  parser.configure({false, false, 100});
  EXPECT_EQ(parser.feed(pdu(1, 101, 0, false)), make_error_code(IscsiErrc::segment_too_long));
  PduParser other(sink);
  auto unknown = pdu(1, 0, 0, false);
  unknown[0] = std::byte{0x25};
  EXPECT_EQ(other.feed(unknown), make_error_code(IscsiErrc::bad_opcode));
  EXPECT_TRUE(sink.seen.empty());
}

TEST(PduParser, SkipsDataNobodyWants) {
  Collector sink;
  sink.skip = true;
  PduParser parser(sink);
  parser.configure({true, true, 8192});
  auto two = pdu(1, 100, 0, true, true);
  add(two, pdu(2, 0, 0, true));
  ASSERT_FALSE(parser.feed(two));
  ASSERT_EQ(sink.seen.size(), 2u);
  EXPECT_TRUE(sink.seen[0].data.empty());
  EXPECT_EQ(sink.seen[1].tag, 2u);
}

}  // namespace
}  // namespace caisson::iscsi

// SPDX-License-Identifier: Apache-2.0
#include "nbs/wire/frame.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "storage_object/base/crc32c.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::nbs::wire {
namespace {

using ::testing::HasSubstr;

std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

Header request(std::uint16_t opcode = 0x1103, std::uint64_t id = 7) {
  Header header;
  header.opcode = opcode;
  header.request_id = id;
  return header;
}

std::string frame_of(const Header& header, std::string_view body) {
  std::string out;
  append_frame(out, header, body);
  return out;
}

/// A frame whose header was changed after the fact, with a checksum that fits again.
std::string forged(std::string frame, const std::function<void(Header&)>& change) {
  auto header = load<Header>(bytes(frame));
  change(header);
  header.header_crc = crc32c(bytes_of(header).first(offsetof(Header, header_crc)));
  store(std::as_writable_bytes(std::span(frame.data(), sizeof header)), header);
  return frame;
}

Failure failure_of(std::string_view stream, std::uint32_t limit = kMaxControlBody) {
  FrameParser parser(limit);
  parser.feed(bytes(stream));
  auto got = parser.next();
  EXPECT_FALSE(got.has_value());
  return got ? Failure{} : got.error();
}

TEST(NbsFrame, LaysOutEveryFieldBigEndianAtItsOffset) {
  Header header = request(0x0102, 0x0102030405060708);
  header.status = 0xa1a2;
  header.replaces_id = 0x1112131415161718;
  header.object_handle = 0x2122232425262728;
  header.object_config_id = 0x3132333435363738;
  header.grant_config_id = 0x4142434445464748;
  header.offset = 0x5152535455565758;
  header.length = 0x6162636465666768;
  auto frame = frame_of(header, "body");
  ASSERT_EQ(frame.size(), 84U);
  EXPECT_EQ(frame.substr(0, 16),
            std::string("CNBS\x01\x00\x01\x02\x00\x10\xa1\xa2\x00\x00\x00\x04", 16));
  for (std::size_t field = 0; field < 7; ++field)
    EXPECT_EQ(frame[16 + 8 * field], static_cast<char>(field == 0 ? 0x01 : field * 16 + 1))
        << field;
  EXPECT_EQ(load<be32>(bytes(frame).subspan(72)), crc32c(bytes("body")));
  EXPECT_EQ(load<be32>(bytes(frame).subspan(76)), crc32c(bytes(frame).first(76)));
}

TEST(NbsFrame, IsFoundWhateverWayTheStreamIsCutInTwo) {
  auto stream = frame_of(request(1, 1), "first") + frame_of(request(2, 2), "") +
                frame_of(request(3, 3), std::string(300, 'x'));
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    FrameParser parser(kMaxControlBody);
    std::vector<std::string> bodies;
    for (auto part :
         {std::string_view(stream).substr(0, cut), std::string_view(stream).substr(cut)}) {
      parser.feed(bytes(part));
      for (;;) {
        auto frame = parser.next();
        ASSERT_TRUE(frame.has_value()) << "cut at " << cut;
        if (!*frame) break;
        bodies.push_back((*frame)->body);
        EXPECT_EQ((*frame)->header.request_id, bodies.size());
      }
    }
    ASSERT_EQ(bodies.size(), 3U) << "cut at " << cut;
    EXPECT_EQ(bodies[2], std::string(300, 'x'));
    EXPECT_FALSE(parser.partial());
  }
}

TEST(NbsFrame, IsFoundByteByByte) {
  auto stream = frame_of(request(), "some body");
  FrameParser parser(kMaxControlBody);
  for (std::size_t i = 0; i + 1 < stream.size(); ++i) {
    parser.feed(bytes(stream).subspan(i, 1));
    auto frame = parser.next();
    ASSERT_TRUE(frame.has_value() && !*frame);
    EXPECT_TRUE(parser.partial());
  }
  parser.feed(bytes(stream).last(1));
  auto frame = parser.next();
  ASSERT_TRUE(frame.has_value() && *frame);
  EXPECT_EQ((*frame)->body, "some body");
}

TEST(NbsFrame, EveryFlippedBitIsNoticed) {
  const auto good = frame_of(request(), "body");
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    auto bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    EXPECT_EQ(failure_of(bad).code, Errc::protocol) << "bit " << bit;
  }
}

TEST(NbsFrame, RefusesALengthOverTheLimitBeforeItsBodyComes) {
  for (std::uint32_t length : {1025U, 0x7fffffffU, 0x80000000U, 0xffffffffU}) {
    auto stream = forged(frame_of(request(), ""), [&](Header& h) { h.body_length = length; });
    auto failed = failure_of(stream, 1024);
    EXPECT_EQ(failed.code, Errc::protocol);
    EXPECT_THAT(failed.message, HasSubstr("over the limit of 1024"));
  }
}

TEST(NbsFrame, TakesABodyAtTheLimit) {
  FrameParser parser(1024);
  parser.feed(bytes(frame_of(request(), std::string(1024, 'y'))));
  auto frame = parser.next();
  ASSERT_TRUE(frame.has_value() && *frame);
  EXPECT_EQ((*frame)->body.size(), 1024U);
}

TEST(NbsFrame, RefusesUnknownFlagsAndReservedBits) {
  for (unsigned bit = 0; bit < 16; ++bit) {
    if (((kKnownFlags >> bit) & 1) != 0) continue;
    auto stream = forged(frame_of(request(), ""), [&](Header& h) {
      h.flags = static_cast<std::uint16_t>(h.flags | 1U << bit);
    });
    EXPECT_EQ(failure_of(stream).code, Errc::protocol) << "flag bit " << bit;
  }
  auto stream = forged(frame_of(request(), ""), [](Header& h) { h.reserved = 1; });
  EXPECT_EQ(failure_of(stream).code, Errc::protocol);
}

TEST(NbsFrame, AnotherVersionIsRefusedByNameAndAnswerable) {
  FrameParser parser(kMaxControlBody);
  parser.feed(bytes(forged(frame_of(request(9, 42), ""), [](Header& h) { h.version = 2; })));
  auto got = parser.next();
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().code, Errc::unsupported);
  ASSERT_TRUE(parser.refused().has_value());
  EXPECT_EQ(parser.refused()->request_id, 42U);
}

TEST(NbsFrame, WhatIsNoFrameCannotBeAnswered) {
  FrameParser parser(kMaxControlBody);
  parser.feed(
      bytes("GET / HTTP/1.1\r\nHost: somewhere\r\nAccept: */*\r\nUser-Agent: a browser of "
            "sorts\r\n\r\n"));
  EXPECT_FALSE(parser.next().has_value());
  EXPECT_FALSE(parser.refused().has_value());
}

TEST(NbsFrame, RandomBytesNeverMakeAFrame) {
  std::mt19937_64 random(20261101);
  for (int round = 0; round < 2000; ++round) {
    std::string noise(80 + random() % 200, '\0');
    for (auto& c : noise) c = static_cast<char>(random());
    if (round % 2 == 0) noise.replace(0, 5, std::string("CNBS\x01", 5));
    EXPECT_EQ(failure_of(noise).code, Errc::protocol);
  }
}

TEST(NbsFrame, ALongReplyIsCutIntoChunksThatAddUp) {
  std::string body(2 * kReplyChunk + 1, 'z');
  std::string stream;
  auto header = request();
  header.flags = kReply;
  append_reply(stream, header, body);
  FrameParser parser(kMaxControlBody);
  parser.feed(bytes(stream));
  std::string joined;
  for (bool more : {true, true, false}) {
    auto frame = parser.next();
    ASSERT_TRUE(frame.has_value() && *frame);
    EXPECT_EQ(((*frame)->header.flags & kMore) != 0, more);
    EXPECT_LE((*frame)->body.size(), kReplyChunk);
    joined += (*frame)->body;
  }
  EXPECT_EQ(joined, body);
  EXPECT_FALSE(parser.partial());
}

}  // namespace
}  // namespace caisson::nbs::wire

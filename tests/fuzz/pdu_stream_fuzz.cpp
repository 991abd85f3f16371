// SPDX-License-Identifier: Apache-2.0
// Proves that the PDU parser gives the same PDUs, in the same order and with
// the same verdict, however the bytes arrive: at once, in pieces, or with data
// segments received in place. Nothing is asked of the sink beyond the limits.
//
// Input: flags (1 header digest, 2 data digest, 4 digests are made right, 8 the
// sink skips some data), a byte that seeds the pieces, then the stream. With 4
// the stream is read as records of a BHS, its AHS and data, to which padding
// and digests are added.
#include <string>
#include <vector>

#include "gateway/iscsi/pdu_parser.hpp"
#include "storage_object/base/crc32c.hpp"
#include "tests/fuzz/input.hpp"

namespace {

using namespace caisson;
using namespace caisson::iscsi;
using fuzz::require;
using Bytes = std::vector<std::byte>;

constexpr std::uint32_t kMaxData = 8192;

/// Writes down what it is told.
class Recorder final : public PduSink {
 public:
  explicit Recorder(bool skips) : skips_(skips) {}

  Result<std::span<std::byte>> on_header(const PduHeader& header) override {
    require(!open_, "one PDU at a time");
    open_ = true;
    std::uint32_t length = header.bhs.data_segment_length;
    require(length != 0 && length <= kMaxData, "a data segment is within the limit");
    if (skips_ && (length & 1) != 0) return std::span<std::byte>{};
    data_.assign(length, std::byte{0});
    return std::span(data_);
  }

  Result<> on_pdu(const PduHeader& header, std::span<const std::byte> data, bool intact) override {
    require(header.ahs.size() == std::size_t{header.bhs.total_ahs_length} * 4,
            "the additional headers are whole");
    require(data.empty() || (open_ && data.data() == data_.data() && data.size() == data_.size()),
            "data arrives where the sink said");
    require(open_ == (header.bhs.data_segment_length != 0), "on_header announces data");
    open_ = false;
    append(bytes_of(header.bhs));
    append(header.ahs);
    append(data);
    seen.push_back(intact ? std::byte{1} : std::byte{0});
    return {};
  }

  Bytes seen;

 private:
  void append(std::span<const std::byte> bytes) {
    seen.insert(seen.end(), bytes.begin(), bytes.end());
  }

  bool skips_;
  bool open_ = false;
  Bytes data_;
};

struct Parsed {
  Bytes seen;
  Error error;
  bool idle = false;

  bool operator==(const Parsed& other) const {
    return seen == other.seen && error == other.error && (error || idle == other.idle);
  }
};

template <class Feed>
Parsed parse(const PduParser::Config& config, bool skips, Feed feed) {
  Recorder recorder(skips);
  PduParser parser(recorder);
  parser.configure(config);
  Parsed outcome;
  outcome.error = feed(parser);
  outcome.idle = parser.idle();
  outcome.seen = std::move(recorder.seen);
  return outcome;
}

Error in_pieces(PduParser& parser, std::span<const std::byte> stream, fuzz::Pieces pieces) {
  while (!stream.empty()) {
    auto piece = stream.first(std::min(pieces.next(), stream.size()));
    stream = stream.subspan(piece.size());
    if (auto error = parser.feed(piece)) return error;
  }
  return {};
}

/// As a connection receives: data segments straight into their place.
Error in_place(PduParser& parser, std::span<const std::byte> stream, fuzz::Pieces pieces) {
  while (!stream.empty()) {
    auto n = std::min(pieces.next(), stream.size());
    auto place = parser.direct();
    if (!place.empty()) n = std::min(n, place.size());
    auto piece = stream.first(n);
    stream = stream.subspan(n);
    if (!place.empty()) std::ranges::copy(piece, place.begin());
    if (auto error = place.empty() ? parser.feed(piece) : parser.advance(n)) return error;
  }
  return {};
}

void append(Bytes& to, std::span<const std::byte> bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

void append_digest(Bytes& to, std::span<const std::byte> of) {
  append(to, bytes_of(le32(crc32c(of))));
}

/// One PDU as an initiator frames it.
void frame(Bytes& out, fuzz::Input& input, const PduParser::Config& config) {
  auto header = input.take(kBhsLength);
  if (header.size() < kBhsLength) return append(out, header);
  auto bhs = load<Bhs>(header);
  bhs.data_segment_length = bhs.data_segment_length % 512;
  Bytes head, body;
  append(head, bytes_of(bhs));
  append(head, input.take(std::size_t{bhs.total_ahs_length} * 4));
  if (config.header_digest) append_digest(head, head);
  append(out, head);
  append(body, input.take(bhs.data_segment_length));
  if (body.empty()) return;
  body.resize(padded(static_cast<std::uint32_t>(body.size())));
  if (config.data_digest) append_digest(body, body);
  append(out, body);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  auto flags = input.byte();
  fuzz::Pieces pieces(input.byte());
  PduParser::Config config{(flags & 1) != 0, (flags & 2) != 0, kMaxData};
  bool skips = (flags & 8) != 0;
  Bytes stream;
  if ((flags & 4) == 0) append(stream, input.rest());
  while ((flags & 4) != 0 && !input.empty()) frame(stream, input, config);
  auto whole = parse(config, skips, [&](auto& parser) { return parser.feed(stream); });
  auto pieced = parse(config, skips, [&](auto& p) { return in_pieces(p, stream, pieces); });
  auto placed = parse(config, skips, [&](auto& p) { return in_place(p, stream, pieces); });
  require(whole == pieced, "pieces make no difference");
  require(whole == placed, "receiving in place makes no difference");
  require(whole.seen.size() <= stream.size() + stream.size() / kBhsLength + 1,
          "no byte is seen twice");
  return 0;
}

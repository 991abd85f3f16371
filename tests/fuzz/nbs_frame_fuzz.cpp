// SPDX-License-Identifier: Apache-2.0
// Proves of NBS framing: the same frames and the same failure however the bytes
// arrive; a frame that is given out keeps every rule of the header; what is
// appended comes out again unchanged; the body of every known opcode parses to
// a message that survives a round trip, or is refused.
//
// Input: flags (1: records of header and body, made right by append_frame,
// instead of a raw stream), a byte that seeds the pieces, then the stream. A
// record is the opcode, the flags, a length of two bytes, and the body.
#include <string>
#include <vector>

#include "nbs/wire/frame.hpp"
#include "nbs/wire/messages.hpp"
#include "nbs/wire/opcode.hpp"
#include "storage_object/base/crc32c.hpp"
#include "storage_object/base/errc.hpp"
#include "tests/fuzz/input.hpp"

namespace {

using namespace caisson;
using namespace caisson::nbs::wire;
using fuzz::require;

constexpr std::uint32_t kMaxBody = 16384;

struct Parsed {
  std::string seen;  ///< headers and bodies, one behind the other
  Error error;
  bool partial = false;
  bool operator==(const Parsed&) const = default;
};

std::string_view text_of(const Header& header) { return fuzz::as_text(bytes_of(header)); }

void round_trip(std::string_view name, const std::string& body) {
  auto message = make_message(name);
  require(message != nullptr, "the opcode table names messages that exist");
  if (!message->ParseFromString(body)) return;
  auto first = message->SerializeAsString();
  auto again = make_message(name);
  require(again->ParseFromString(first) && again->SerializeAsString() == first,
          "a message survives a round trip");
}

void check(const Frame& frame) {
  require(frame.header.magic == kMagic && frame.header.version == kVersion, "a header of ours");
  require((frame.header.flags & ~kKnownFlags) == 0 && frame.header.reserved == 0, "known flags");
  require(frame.body.size() == frame.header.body_length && frame.body.size() <= kMaxBody,
          "the body is as long as the header says");
  if (const auto* row = find_opcode(frame.header.opcode)) {
    round_trip(row->request, frame.body);
    round_trip(row->reply, frame.body);
  }
}

template <class NextPiece>
Parsed parse(std::string_view stream, NextPiece next_piece) {
  FrameParser parser(kMaxBody);
  Parsed outcome;
  while (!stream.empty() && !outcome.error) {
    auto piece = stream.substr(0, next_piece());
    stream.remove_prefix(piece.size());
    parser.feed(std::as_bytes(std::span(piece)));
    for (;;) {
      auto frame = parser.next();
      if (!frame) outcome.error = frame.error().code;
      if (!frame || !*frame) break;
      check(**frame);
      outcome.seen.append(text_of((*frame)->header)).append((*frame)->body);
    }
  }
  outcome.partial = !outcome.error && parser.partial();
  require(!outcome.error || outcome.error == Errc::protocol || outcome.error == Errc::unsupported,
          "a broken stream is one of two errors");
  return outcome;
}

std::string framed(fuzz::Input& input) {
  std::string stream;
  while (!input.empty()) {
    Header header;
    header.opcode = input.pair();
    header.flags = static_cast<std::uint16_t>(input.pair() & kKnownFlags);
    header.request_id = input.byte();
    auto body = fuzz::as_text(input.take(input.pair() % (kMaxBody + 1)));
    auto before = stream.size();
    append_frame(stream, header, body);
    require(stream.size() == before + sizeof header + body.size(), "a frame is header and body");
  }
  return stream;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  google::protobuf::LogSilencer quiet;  // of text that is no UTF-8
  fuzz::Input input(data, size);
  bool frames = (input.byte() & 1) != 0;
  fuzz::Pieces pieces(input.byte());
  auto stream = frames ? framed(input) : std::string(fuzz::as_text(input.rest()));
  auto whole = parse(stream, [&] { return stream.size(); });
  auto pieced = parse(stream, [&] { return pieces.next(); });
  require(whole == pieced, "pieces make no difference");
  require(stream.starts_with(whole.seen), "what comes out is what went in");
  require(!frames || whole.seen == stream, "frames of ours come out whole");
  return 0;
}

// SPDX-License-Identifier: Apache-2.0
#include "nbs/wire/frame.hpp"

#include <fmt/format.h>

#include "storage_object/base/crc32c.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::nbs::wire {
namespace {

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::uint32_t crc_of(const Header& header) {
  return crc32c(bytes_of(header).first(offsetof(Header, header_crc)));
}

Failure broken(std::string what) {
  return failure(Errc::protocol, "the NBS stream is broken: " + std::move(what));
}

}  // namespace

void append_frame(std::string& out, Header header, std::string_view body) {
  header.flags = static_cast<std::uint16_t>(header.flags | kBodyCrc);
  header.body_length = static_cast<std::uint32_t>(body.size());
  header.body_crc = crc32c(as_bytes(body));
  header.header_crc = crc_of(header);
  auto raw = bytes_of(header);
  out.append(reinterpret_cast<const char*>(raw.data()), raw.size());
  out.append(body);
}

void append_reply(std::string& out, Header header, std::string_view body) {
  const std::uint16_t flags = header.flags;
  while (body.size() > kReplyChunk) {
    header.flags = flags | kMore;
    append_frame(out, header, body.substr(0, kReplyChunk));
    body.remove_prefix(kReplyChunk);
  }
  header.flags = flags;
  append_frame(out, header, body);
}

void FrameParser::feed(std::span<const std::byte> bytes) {
  buffer_.erase(0, taken_);
  taken_ = 0;
  if (buffer_.empty() && buffer_.capacity() > kReplyChunk) buffer_.shrink_to_fit();
  buffer_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

Outcome<> FrameParser::check(const Header& header) {
  if (header.magic != kMagic) return broken("a frame starts with something else than CNBS");
  if (header.header_crc != crc_of(header)) return broken("a header checksum does not match");
  refused_ = header;
  if (header.version != kVersion)
    return failure(Errc::unsupported,
                   fmt::format("NBS version {} is not spoken here", header.version),
                   fmt::format("speak version {}", kVersion));
  if (header.reserved != 0 || (header.flags & ~kKnownFlags) != 0)
    return broken("a header has bits set that mean nothing in this version");
  if (header.body_length > max_body_)
    return broken(
        fmt::format("a body of {} bytes is over the limit of {}", header.body_length, max_body_));
  return {};
}

Outcome<std::optional<Frame>> FrameParser::next() {
  auto rest = std::string_view(buffer_).substr(taken_);
  if (rest.size() < sizeof(Header)) return std::nullopt;
  Frame frame{load<Header>(as_bytes(rest)), {}};
  if (auto fine = check(frame.header); !fine) return fine.error();
  auto body = rest.substr(sizeof(Header));
  if (body.size() < frame.header.body_length) return std::nullopt;
  body = body.substr(0, frame.header.body_length);
  if ((frame.header.flags & kBodyCrc) != 0 && frame.header.body_crc != crc32c(as_bytes(body)))
    return broken("a body checksum does not match");
  refused_.reset();
  frame.body = body;
  taken_ += sizeof(Header) + body.size();
  return frame;
}

}  // namespace caisson::nbs::wire

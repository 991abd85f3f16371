// SPDX-License-Identifier: Apache-2.0
// The NBS frame: one fixed header before every request, reply and event, then
// body_length bytes: a control.proto message, or raw block data
// (docs/protocol/nbs.md, "Header").
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "storage_object/base/byte_order.hpp"
#include "storage_object/base/result.hpp"

namespace caisson::nbs::wire {

inline constexpr std::uint32_t kMagic = 0x434e4253;  // "CNBS"
inline constexpr std::uint8_t kVersion = 1;

/// Bits of Header::flags. The others stay zero until a feature of HELLO gives
/// them a meaning; taken already: 0x0020 FUA, 0x0040 replaces_id is set,
/// 0x0080 a MAC follows the body.
enum Flag : std::uint16_t {
  kReply = 0x0001,     ///< answers the request of the same id; without it and kEvent: a request
  kEvent = 0x0002,     ///< nobody asked: request_id is 0
  kProgress = 0x0004,  ///< with kReply: `offset` of `length` done; the answer comes later
  kMore = 0x0008,      ///< with kReply: the body goes on in the next frame of this id
  kBodyCrc = 0x0010,   ///< body_crc holds the CRC32C of the body
};
inline constexpr std::uint16_t kKnownFlags = kReply | kEvent | kProgress | kMore | kBodyCrc;

struct Header {
  be32 magic = kMagic;
  std::uint8_t version = kVersion;
  std::uint8_t reserved = 0;
  be16 opcode;
  be16 flags;
  be16 status;            ///< Status; 0 in requests
  be32 body_length;       ///< bytes behind this header
  be64 request_id;        ///< unique per session over all its connections, from 1
  be64 replaces_id;       ///< data: the request this write was sent as before
  be64 object_handle;     ///< data: which opened object
  be64 object_config_id;  ///< data: what the client knows of size, members, owner
  be64 grant_config_id;   ///< data: what the client knows of its grant
  be64 offset;            ///< data: bytes from the object's start; progress: done
  be64 length;            ///< data: bytes of the object; progress: total
  be32 body_crc;          ///< with kBodyCrc; else 0
  be32 header_crc;        ///< CRC32C of the 76 bytes before
};
static_assert(sizeof(Header) == 80 && WireLayout<Header>);
static_assert(offsetof(Header, opcode) == 6 && offsetof(Header, body_length) == 12);
static_assert(offsetof(Header, request_id) == 16 && offsetof(Header, offset) == 56);
static_assert(offsetof(Header, body_crc) == 72 && offsetof(Header, header_crc) == 76);

/// Largest body of one control frame.
inline constexpr std::uint32_t kMaxControlBody = 1U << 20;
/// Bodies of replies longer than this go out in several frames (kMore).
inline constexpr std::size_t kReplyChunk = 256U << 10;
/// Largest reply over all its frames.
inline constexpr std::size_t kMaxReplyTotal = 64U << 20;

struct Frame {
  Header header;
  std::string body;
};

/// Appends header and body to `out`. Fills in body_length, both checksums and
/// kBodyCrc. The caller keeps to the limit of its peer.
void append_frame(std::string& out, Header header, std::string_view body);

/// Appends one reply as one or more frames of at most kReplyChunk body bytes.
void append_reply(std::string& out, Header header, std::string_view body);

/// Cuts a byte stream into frames. Holds what was fed and not yet taken out:
/// feed() only when next() had no whole frame, and it never holds more than one
/// frame and one feed. A failure is final: the stream has no frame boundary any
/// more.
class FrameParser {
 public:
  explicit FrameParser(std::uint32_t max_body) : max_body_(max_body) {}

  void feed(std::span<const std::byte> bytes);

  /// The next whole frame, or nullopt until more bytes came. Failures:
  /// Errc::protocol (no frame: magic, checksum, flags, length) and
  /// Errc::unsupported (another version).
  Outcome<std::optional<Frame>> next();

  /// True in the middle of a frame.
  bool partial() const noexcept { return taken_ < buffer_.size(); }

  /// After a failure: the header, if its magic and checksum were right, so that
  /// the refusal can name the request.
  const std::optional<Header>& refused() const noexcept { return refused_; }

 private:
  Outcome<> check(const Header& header);

  std::uint32_t max_body_;
  std::string buffer_;
  std::size_t taken_ = 0;
  std::optional<Header> refused_;
};

}  // namespace caisson::nbs::wire

// SPDX-License-Identifier: Apache-2.0
// PDUs on their way out: many in one gathered send, data referenced in place.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "gateway/iscsi/body.hpp"
#include "gateway/iscsi/command.hpp"
#include "gateway/iscsi/pdu.hpp"
#include "storage_object/base/buffer.hpp"
#include "storage_object/base/result.hpp"

namespace caisson::iscsi {

/// What a PDU is counted as while it is unsent: each kind has a bound of its own.
enum class PduKind : std::uint8_t {
  data,     ///< bounded by the command data it carries
  status,   ///< ends a command
  request,  ///< R2T
  control,  ///< the rest
};
inline constexpr std::size_t kPduKinds = 4;

/// One PDU to send, pooled. `data` points into `small`, `owned`, or into the
/// data of a command that the last PDU about it carries as `command`.
struct OutPdu {
  std::array<std::byte, kBhsLength + kDigestLength> header;
  std::array<std::byte, 3 + kDigestLength> tail;  ///< padding and data digest
  std::uint8_t header_length = kBhsLength;
  std::uint8_t tail_length = 0;
  PduKind kind = PduKind::data;
  const std::byte* data = nullptr;
  std::uint32_t data_length = 0;
  std::array<std::byte, 96> small;  ///< sense, or a rejected header
  Buffer owned;
  BodyCharge charge;           ///< of `owned`
  Command* command = nullptr;  ///< to release once this is sent
  OutPdu* next = nullptr;

  std::size_t length() const noexcept { return header_length + data_length + tail_length; }
};

/// Who gets the commands back whose data has left.
class SendObserver {
 public:
  virtual void on_sent(Command& command) noexcept = 0;

 protected:
  ~SendObserver() = default;
};

/// Single-threaded.
class SendQueue {
 public:
  explicit SendQueue(SendObserver& observer) : observer_(observer) {}
  ~SendQueue() { clear(); }
  SendQueue(const SendQueue&) = delete;
  SendQueue& operator=(const SendQueue&) = delete;

  void set_digests(bool header, bool data) noexcept {
    header_digest_ = header;
    data_digest_ = data;
  }

  /// A PDU from the pool, without data.
  static OutPdu& make();

  /// Sets the header's data segment length, adds padding and digests, queues.
  template <HeaderLayout T>
  void push(OutPdu& pdu, T header) {
    header.data_segment_length = pdu.data_length;
    store(std::span(pdu.header), header);
    finish(pdu);
  }

  bool empty() const noexcept { return head_ == nullptr; }
  std::size_t bytes() const noexcept { return bytes_; }
  /// Unsent PDUs of a kind.
  std::size_t count(PduKind kind) const noexcept { return counts_[static_cast<std::size_t>(kind)]; }

  /// Sends what the socket takes. True: the queue is empty; false: it would
  /// block. An error ends the connection.
  Result<bool> send(int socket);

  /// Gives back a PDU that will not be queued.
  void discard(OutPdu& pdu) noexcept;

  /// Forgets everything unsent; commands go back to the observer.
  void clear() noexcept;

 private:
  void finish(OutPdu& pdu);
  std::size_t gather(std::span<IoVec> vectors) const noexcept;
  void consume(std::size_t sent) noexcept;
  void pop() noexcept;

  SendObserver& observer_;
  OutPdu* head_ = nullptr;
  OutPdu* tail_ = nullptr;
  std::size_t head_sent_ = 0;  ///< bytes of head_ that have left
  std::size_t bytes_ = 0;
  std::array<std::size_t, kPduKinds> counts_{};
  bool header_digest_ = false;
  bool data_digest_ = false;
};

}  // namespace caisson::iscsi

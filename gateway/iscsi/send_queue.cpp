// SPDX-License-Identifier: Apache-2.0
#include "gateway/iscsi/send_queue.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "storage_object/base/crc32c.hpp"
#include "storage_object/base/pool.hpp"

namespace caisson::iscsi {
namespace {

constexpr std::size_t kVectors = 384;  // of one send: 128 reads with digests

}  // namespace

OutPdu& SendQueue::make() {
  auto* pdu = PerThreadPool<OutPdu>::acquire();
  pdu->header_length = kBhsLength;
  pdu->tail_length = 0;
  pdu->kind = PduKind::data;
  pdu->data = nullptr;
  pdu->data_length = 0;
  pdu->command = nullptr;
  pdu->next = nullptr;
  return *pdu;
}

void SendQueue::finish(OutPdu& pdu) {
  std::span<std::byte> header(pdu.header);
  if (header_digest_) {
    store(header.subspan(kBhsLength), le32(crc32c(header.first(kBhsLength))));
    pdu.header_length = kBhsLength + kDigestLength;
  }
  if (pdu.data_length != 0) {
    auto pad = padded(pdu.data_length) - pdu.data_length;
    std::span<std::byte> tail(pdu.tail);
    std::ranges::fill(tail.first(pad), std::byte{0});
    pdu.tail_length = static_cast<std::uint8_t>(pad);
    if (data_digest_) {
      auto sum = crc32c(tail.first(pad), crc32c({pdu.data, pdu.data_length}));
      store(tail.subspan(pad), le32(sum));
      pdu.tail_length += kDigestLength;
    }
  }
  (head_ == nullptr ? head_ : tail_->next) = &pdu;
  tail_ = &pdu;
  bytes_ += pdu.length();
  ++counts_[static_cast<std::size_t>(pdu.kind)];
}

std::size_t SendQueue::gather(std::span<IoVec> vectors) const noexcept {
  std::size_t count = 0;
  auto skip = head_sent_;
  auto add = [&](const std::byte* data, std::size_t length) {
    auto cut = std::min(skip, length);
    skip -= cut;
    if (length > cut) vectors[count++] = {const_cast<std::byte*>(data) + cut, length - cut};
  };
  for (auto* pdu = head_; pdu != nullptr && count + 3 <= vectors.size(); pdu = pdu->next) {
    add(pdu->header.data(), pdu->header_length);
    add(pdu->data, pdu->data_length);
    add(pdu->tail.data(), pdu->tail_length);
  }
  return count;
}

void SendQueue::pop() noexcept {
  auto* pdu = head_;
  head_ = pdu->next;
  bytes_ -= pdu->length();
  --counts_[static_cast<std::size_t>(pdu->kind)];
  discard(*pdu);
}

void SendQueue::discard(OutPdu& pdu) noexcept {
  auto* command = pdu.command;
  pdu.owned = {};
  pdu.charge.reset();
  PerThreadPool<OutPdu>::release(&pdu);
  if (command != nullptr) observer_.on_sent(*command);
}

void SendQueue::consume(std::size_t sent) noexcept {
  head_sent_ += sent;
  while (head_ != nullptr && head_sent_ >= head_->length()) {
    head_sent_ -= head_->length();
    pop();
  }
}

Result<bool> SendQueue::send(int socket) {
  while (head_ != nullptr) {
    std::array<IoVec, kVectors> vectors;
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = gather(vectors);
    auto sent = ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
    if (sent < 0) return {boost::system::in_place_error, errno, boost::system::system_category()};
    consume(static_cast<std::size_t>(sent));
  }
  return true;
}

void SendQueue::clear() noexcept {
  while (head_ != nullptr) pop();
  head_sent_ = 0;
}

}  // namespace caisson::iscsi

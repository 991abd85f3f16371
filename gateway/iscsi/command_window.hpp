// SPDX-License-Identifier: Apache-2.0
// The numbers that say which commands a session takes now (RFC 7143 4.2.2.1).
#pragma once

#include <algorithm>
#include <cstdint>

#include "gateway/iscsi/pdu.hpp"

namespace caisson::iscsi {

/// ExpCmdSN and MaxCmdSN. At most `size` commands are open at a time: the
/// window closes by one for each open command and opens when it ends. Answers
/// that the initiator does not read close it too, once they and what is open
/// come to more than a window: who reads has never so many.
class CommandWindow {
 public:
  CommandWindow(std::uint32_t first, std::uint32_t size) noexcept
      : size_(size), expected_(first), max_(first + size - 1) {}

  std::uint32_t size() const noexcept { return size_; }
  std::uint32_t expected() const noexcept { return expected_; }
  /// As last promised to the initiator.
  std::uint32_t max() const noexcept { return max_; }
  /// What to promise now that so many statuses are unsent; never takes a
  /// promise back.
  std::uint32_t promise(std::size_t unsent) noexcept {
    auto bound = std::size_t{2} * size_;
    auto unread = static_cast<std::uint32_t>(bound - std::min(bound, unsent + open_));
    auto candidate = expected_ + std::min(size_ - std::min(size_, open_), unread) - 1;
    if (serial_less(max_, candidate)) max_ = candidate;
    return max_;
  }

  /// expected() <= number <= max(), in serial arithmetic.
  bool contains(std::uint32_t number) const noexcept {
    return !serial_less(number, expected_) && !serial_less(max_, number);
  }

  /// The expected number was delivered.
  void advance() noexcept { ++expected_; }
  /// A delivered command stays open.
  void opened() noexcept { ++open_; }
  void closed() noexcept { --open_; }

 private:
  std::uint32_t size_;
  std::uint32_t expected_;
  std::uint32_t max_;
  std::uint32_t open_ = 0;
};

}  // namespace caisson::iscsi

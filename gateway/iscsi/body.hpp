// SPDX-License-Identifier: Apache-2.0
// Account of the memory that a session holds beside its commands' data: bodies
// of pings and texts while they arrive, are held, or wait to be sent.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

namespace caisson::iscsi {

/// Of one session. On its thread only; `total` is every session's.
class BodyAccount {
 public:
  /// `total` lives as long as `owner` does. Limits in bytes.
  BodyAccount(std::shared_ptr<void> owner, std::atomic<std::size_t>& total, std::size_t limit,
              std::size_t total_limit) noexcept
      : owner_(std::move(owner)), total_(total), limit_(limit), total_limit_(total_limit) {}

  /// False: a limit forbids it, and nothing has changed.
  bool take(std::size_t bytes) noexcept {
    if (bytes == 0) return true;
    if (held_ + bytes > limit_ || total_.load(std::memory_order_relaxed) + bytes > total_limit_)
      return false;
    held_ += bytes;
    total_.fetch_add(bytes, std::memory_order_relaxed);
    return true;
  }
  void give_back(std::size_t bytes) noexcept {
    held_ -= bytes;
    total_.fetch_sub(bytes, std::memory_order_relaxed);
  }

 private:
  std::shared_ptr<void> owner_;
  std::atomic<std::size_t>& total_;
  std::size_t limit_;
  std::size_t total_limit_;
  std::size_t held_ = 0;
};

/// Bytes that are in an account for as long as this lives; goes where the memory goes.
class BodyCharge {
 public:
  BodyCharge() = default;
  ~BodyCharge() { reset(); }
  BodyCharge(BodyCharge&& other) noexcept
      : account_(std::move(other.account_)), bytes_(std::exchange(other.bytes_, 0)) {}
  BodyCharge& operator=(BodyCharge&& other) noexcept {
    reset();
    account_ = std::move(other.account_);
    bytes_ = std::exchange(other.bytes_, 0);
    return *this;
  }

  /// Instead of what it was. False: a limit forbids it, and it is empty.
  bool set(std::shared_ptr<BodyAccount> account, std::size_t bytes) noexcept {
    reset();
    if (!account->take(bytes)) return false;
    account_ = std::move(account);
    bytes_ = bytes;
    return true;
  }
  void reset() noexcept {
    if (auto account = std::exchange(account_, nullptr)) account->give_back(bytes_);
    bytes_ = 0;
  }

 private:
  std::shared_ptr<BodyAccount> account_;
  std::size_t bytes_ = 0;
};

}  // namespace caisson::iscsi

// SPDX-License-Identifier: Apache-2.0
// Small things every user of system calls here needs.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <utility>

#include "storage_object/base/result.hpp"

namespace caisson::posix {

inline Error system_error(int number) noexcept {
  return Error(number, boost::system::system_category());
}

/// errno as an Error.
inline Error last_error() noexcept { return system_error(errno); }

/// Calls again while a signal interrupts.
template <class Call>
auto retried(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

/// A descriptor that closes itself.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int number) : number_(number) {}
  ~UniqueFd() {
    if (number_ >= 0) ::close(number_);
  }
  UniqueFd(UniqueFd&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  int get() const noexcept { return number_; }
  int release() noexcept { return std::exchange(number_, -1); }

 private:
  int number_ = -1;
};

}  // namespace caisson::posix

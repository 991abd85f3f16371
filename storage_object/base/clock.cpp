// SPDX-License-Identifier: Apache-2.0
#include "storage_object/base/clock.hpp"

namespace caisson {
namespace {

class SystemClock final : public Clock {
 public:
  Monotonic monotonic() const noexcept override { return std::chrono::steady_clock::now(); }
  Wall wall() const noexcept override { return std::chrono::system_clock::now(); }
};

}  // namespace

const Clock& Clock::system() noexcept {
  static const SystemClock instance;
  return instance;
}

}  // namespace caisson

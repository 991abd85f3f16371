// SPDX-License-Identifier: Apache-2.0
#include "storage_object/object/per_thread.hpp"

#include "storage_object/base/executor.hpp"

namespace caisson::object {
namespace {

std::array<std::atomic<bool>, kIoThreadSlots> taken{};

/// Held for the life of a thread.
struct Number {
  std::size_t index = kIoThreadSlots;

  Number() {
    for (std::size_t i = 0; i < kIoThreadSlots; ++i)
      if (!taken[i].exchange(true, std::memory_order_acq_rel)) {
        index = i;
        return;
      }
  }
  ~Number() {
    if (index != kIoThreadSlots) taken[index].store(false, std::memory_order_release);
  }
};

}  // namespace

std::size_t io_thread_slot() noexcept {
  if (Executor::current() == nullptr) return kIoThreadSlots;
  thread_local Number number;
  return number.index;
}

}  // namespace caisson::object

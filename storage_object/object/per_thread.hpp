// SPDX-License-Identifier: Apache-2.0
// State that each I/O thread keeps for itself, readable by all.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>

namespace caisson::object {

inline constexpr std::size_t kIoThreadSlots = 32;

/// A small number of the calling thread, unique among the living threads that
/// asked; nullopt-like kIoThreadSlots on a thread that is no executor (its
/// requests may end on other threads) or when all numbers are taken.
std::size_t io_thread_slot() noexcept;

/// A T of each I/O thread, made when that thread first asks. T's members are
/// atomics: one thread writes, any reads.
template <class T>
class PerThread {
 public:
  PerThread() = default;
  ~PerThread() {
    for (auto& slot : slots_) delete slot.load(std::memory_order_relaxed);
  }
  PerThread(const PerThread&) = delete;
  PerThread& operator=(const PerThread&) = delete;

  /// The calling thread's own; nullptr where io_thread_slot() has none.
  T* mine() {
    auto index = io_thread_slot();
    if (index == kIoThreadSlots) return nullptr;
    auto* own = slots_[index].load(std::memory_order_acquire);
    if (own == nullptr) slots_[index].store(own = new T(), std::memory_order_release);
    return own;
  }

  template <class Visitor>
  void for_each(Visitor visit) const {
    for (const auto& slot : slots_)
      if (const auto* one = slot.load(std::memory_order_acquire)) visit(*one);
  }
  template <class Visitor>
  void for_each(Visitor visit) {
    for (auto& slot : slots_)
      if (auto* one = slot.load(std::memory_order_acquire)) visit(*one);
  }

 private:
  std::array<std::atomic<T*>, kIoThreadSlots> slots_{};
};

}  // namespace caisson::object

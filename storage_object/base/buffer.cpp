// SPDX-License-Identifier: Apache-2.0
#include "storage_object/base/buffer.hpp"

#include <sanitizer/asan_interface.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

namespace caisson {
namespace {

constexpr std::size_t kLargestPooled = std::size_t{1} << 20;
constexpr std::size_t kClasses = 9;  // 4 KiB … 1 MiB
constexpr std::size_t kKeptBytesPerClass = std::size_t{8} << 20;

std::size_t class_of(std::size_t capacity) {
  // The bound tells the optimiser what every caller has checked.
  return std::min(static_cast<std::size_t>(std::countr_zero(capacity)) - 12, kClasses - 1);
}

class Pool {
 public:
  ~Pool() {
    for (auto& free : free_)
      for (auto* block : free) std::free(block);
  }
  std::byte* take(std::size_t capacity) {
    auto& free = free_[class_of(capacity)];
    if (free.empty()) return nullptr;
    auto* block = free.back();
    free.pop_back();
    return block;
  }
  bool give(std::byte* block, std::size_t capacity) {
    auto& free = free_[class_of(capacity)];
    if (free.size() * capacity >= kKeptBytesPerClass) return false;
    free.push_back(block);
    return true;
  }

 private:
  std::array<std::vector<std::byte*>, kClasses> free_;
};

Pool& pool() {
  thread_local Pool instance;
  return instance;
}

}  // namespace

Buffer::Buffer(std::size_t size) : size_(size) {
  if (size == 0) return;
  capacity_ = std::max(std::bit_ceil(size), kBufferAlignment);
  if (capacity_ <= kLargestPooled) data_ = pool().take(capacity_);
  if (data_ == nullptr)
    data_ = static_cast<std::byte*>(std::aligned_alloc(kBufferAlignment, capacity_));
  if (data_ == nullptr) throw std::bad_alloc();
  // Under AddressSanitizer the pool hides no overrun and no use after free.
  ASAN_UNPOISON_MEMORY_REGION(data_, size_);
  ASAN_POISON_MEMORY_REGION(data_ + size_, capacity_ - size_);
}

Buffer::~Buffer() {
  if (data_ == nullptr) return;
  ASAN_POISON_MEMORY_REGION(data_, capacity_);
  if (capacity_ <= kLargestPooled && pool().give(data_, capacity_)) return;
  ASAN_UNPOISON_MEMORY_REGION(data_, capacity_);
  std::free(data_);
}

std::uint64_t total_length(std::span<const IoVec> vectors) noexcept {
  std::uint64_t sum = 0;
  for (const auto& v : vectors) sum += v.iov_len;
  return sum;
}

std::size_t scatter(std::span<const IoVec> to, std::uint64_t skip,
                    std::span<const std::byte> from) noexcept {
  std::size_t done = 0;
  for (const auto& v : to) {
    if (skip >= v.iov_len) {
      skip -= v.iov_len;
      continue;
    }
    auto n = std::min<std::size_t>(v.iov_len - skip, from.size() - done);
    if (n == 0) break;
    std::memcpy(static_cast<std::byte*>(v.iov_base) + skip, from.data() + done, n);
    done += n;
    skip = 0;
  }
  return done;
}

std::size_t gather(std::span<std::byte> to, std::span<const IoVec> from,
                   std::uint64_t skip) noexcept {
  std::size_t done = 0;
  for (const auto& v : from) {
    if (skip >= v.iov_len) {
      skip -= v.iov_len;
      continue;
    }
    auto n = std::min<std::size_t>(v.iov_len - skip, to.size() - done);
    if (n == 0) break;
    std::memcpy(to.data() + done, static_cast<const std::byte*>(v.iov_base) + skip, n);
    done += n;
    skip = 0;
  }
  return done;
}

bool all_zero(std::span<const std::byte> bytes) noexcept {
  return bytes.empty() || (bytes[0] == std::byte{0} &&
                           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace caisson

// SPDX-License-Identifier: Apache-2.0
// Data buffers: 4096-aligned (fit for O_DIRECT), pooled per thread, so that
// the hot path allocates nothing.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace caisson {

/// One run of memory of a scattered request. The system's own type, so that
/// backends hand the list on without copying it.
using IoVec = ::iovec;

inline constexpr std::size_t kBufferAlignment = 4096;

/// An owned, aligned buffer. Empty when default-made or moved from. Given back
/// to the pool of the thread that destroys it.
class Buffer {
 public:
  Buffer() = default;
  /// At least `size` bytes, 4096-aligned, content undefined. Rounded up to a
  /// power of two from 4 KiB; above 1 MiB it is not pooled. Throws bad_alloc.
  explicit Buffer(std::size_t size);
  ~Buffer();
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }

  std::byte* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  std::span<std::byte> span() const noexcept { return {data_, size_}; }
  IoVec iovec() const noexcept { return {data_, size_}; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

/// Sum of the lengths.
std::uint64_t total_length(std::span<const IoVec> vectors) noexcept;

/// Copies `from` into the scattered memory, starting `skip` bytes into it;
/// stops at whichever ends first. Returns the bytes copied.
std::size_t scatter(std::span<const IoVec> to, std::uint64_t skip,
                    std::span<const std::byte> from) noexcept;

/// Copies out of scattered memory, starting `skip` bytes into it. Returns the
/// bytes copied.
std::size_t gather(std::span<std::byte> to, std::span<const IoVec> from,
                   std::uint64_t skip) noexcept;

/// True when every byte is zero.
bool all_zero(std::span<const std::byte> bytes) noexcept;

}  // namespace caisson

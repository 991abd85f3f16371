// SPDX-License-Identifier: Apache-2.0
// A file read from front to back through memory of one size.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "storage_object/base/buffer.hpp"
#include "storage_object/base/result.hpp"
#include "storage_object/file_store/file.hpp"

namespace caisson::snapshot {

/// The file as long as it was at open(); it outlives the window.
class Window {
 public:
  static Outcome<Window> open(file_store::File& file, const std::string& label);

  std::uint64_t size() const noexcept { return size_; }
  /// What stands from `offset` on: at least `least` bytes (kLargest at most), fewer
  /// only where the file ends. Valid until the next call.
  Outcome<std::span<const std::byte>> at(std::uint64_t offset, std::size_t least);

  static constexpr std::size_t kLargest = 128 * 1024;

 private:
  Window(file_store::File& file, const std::string& label, std::uint64_t size)
      : file_(&file), label_(label), size_(size) {}

  file_store::File* file_;
  std::string label_;
  std::uint64_t size_;
  Buffer buffer_;
  std::uint64_t from_ = 0;
  std::size_t filled_ = 0;
};

/// "LABEL: cannot DOING: what the system said", with the code nearest to it.
Failure file_failure(const std::string& label, const char* doing, const Error& error);

}  // namespace caisson::snapshot

// SPDX-License-Identifier: Apache-2.0
// Parameter data put together from layouts and text.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "storage_object/base/byte_order.hpp"

namespace caisson::scsi {

class Reply {
 public:
  template <WireLayout T>
  Reply& put(const T& layout) {
    return bytes(bytes_of(layout));
  }
  Reply& bytes(std::span<const std::byte> more) {
    data_.insert(data_.end(), more.begin(), more.end());
    return *this;
  }
  Reply& text(std::string_view more) { return bytes(std::as_bytes(std::span(more))); }
  Reply& zeros(std::size_t count) {
    data_.resize(data_.size() + count);
    return *this;
  }
  /// Overwrites a layout put before, once what it counts is known.
  template <WireLayout T>
  void patch(std::size_t offset, const T& layout) {
    store(std::span(data_).subspan(offset), layout);
  }

  /// Takes out what turned out not to be asked for.
  void erase(std::size_t offset, std::size_t count) {
    auto from = data_.begin() + static_cast<std::ptrdiff_t>(offset);
    data_.erase(from, from + static_cast<std::ptrdiff_t>(count));
  }

  std::size_t size() const noexcept { return data_.size(); }
  std::span<const std::byte> data() const noexcept { return data_; }

 private:
  std::vector<std::byte> data_;
};

}  // namespace caisson::scsi

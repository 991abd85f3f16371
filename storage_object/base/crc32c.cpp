// SPDX-License-Identifier: Apache-2.0
#include "storage_object/base/crc32c.hpp"

#include <isa-l/crc.h>

#include <algorithm>

namespace caisson {

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t previous) noexcept {
  constexpr std::size_t kStep = std::size_t{1} << 30;  // ISA-L counts in int
  auto crc = ~previous;
  while (!bytes.empty()) {
    auto piece = bytes.first(std::min(bytes.size(), kStep));
    auto* data = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(piece.data()));
    crc = ::crc32_iscsi(data, static_cast<int>(piece.size()), crc);
    bytes = bytes.subspan(piece.size());
  }
  return ~crc;
}

}  // namespace caisson

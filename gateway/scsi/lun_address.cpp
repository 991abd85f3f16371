// SPDX-License-Identifier: Apache-2.0
#include "gateway/scsi/lun_address.hpp"

namespace caisson::scsi {
namespace {

constexpr std::uint64_t kFlat = 0x4000;        // 16 bits: method 01b, 14-bit number
constexpr std::uint64_t kExtendedFlat = 0xd2;  // 8 bits: method 11b, length 01b, 0010b

}  // namespace

std::optional<std::uint64_t> lun_number(std::uint64_t address) noexcept {
  if (address >> 56 == kExtendedFlat) {
    if ((address & 0xffffffff) != 0) return std::nullopt;
    return address >> 32 & 0xffffff;
  }
  if ((address & 0xffffffffffff) != 0) return std::nullopt;
  auto first = address >> 48;
  if (first <= 0xff) return first;
  if ((first & 0xc000) == kFlat) return first & 0x3fff;
  return std::nullopt;
}

std::uint64_t lun_address(std::uint64_t number) noexcept {
  if (number <= 0xff) return number << 48;
  if (number <= 0x3fff) return (kFlat | number) << 48;
  return kExtendedFlat << 56 | number << 32;
}

}  // namespace caisson::scsi

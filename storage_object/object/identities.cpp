// SPDX-License-Identifier: Apache-2.0
#include "storage_object/object/identities.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "storage_object/base/random.hpp"

namespace caisson::object {
namespace {

std::string hex(std::span<const std::byte> bytes) {
  std::string text;
  for (auto b : bytes) text += fmt::format("{:02x}", std::to_integer<unsigned>(b));
  return text;
}

std::string random_digits(std::size_t count) {
  std::array<std::byte, 16> bytes;
  fill_random(bytes);
  return hex(bytes).substr(0, count);
}

bool digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool hex_digit(char c) noexcept { return digit(c) || (c >= 'a' && c <= 'f'); }

}  // namespace

std::string make_naa(std::string_view oui) {
  if (oui.empty()) return "3" + random_digits(15);
  std::string lower(oui);
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'F' ? char(c - 'A' + 'a') : c; });
  return "6" + lower + random_digits(25);
}

std::string make_serial(const Uuid& uuid) { return hex(std::span(uuid.bytes).first(8)); }

std::string make_target_name(std::string_view authority, std::string_view node,
                             std::string_view lun) {
  return fmt::format("iqn.{}:{}:{}", authority, node, lun);
}

bool valid_naa(std::string_view naa) noexcept {
  auto type = naa.empty() ? '\0' : naa[0];
  auto length = type == '3' ? 16U : type == '6' ? 32U : 0U;
  return length != 0 && naa.size() == length && std::ranges::all_of(naa, hex_digit);
}

bool valid_serial(std::string_view serial) noexcept {
  return serial.size() == 16 && std::ranges::all_of(serial, hex_digit);
}

}  // namespace caisson::object

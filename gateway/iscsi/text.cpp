// SPDX-License-Identifier: Apache-2.0
#include "gateway/iscsi/text.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <charconv>

#include "storage_object/base/errc.hpp"

namespace caisson::iscsi {
namespace {

bool key_character(char c) noexcept {  // RFC 7143 6.1, standard-label
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '-' || c == '+' || c == '@' || c == '_';
}

Outcome<TextPair> parse_pair(std::string_view line) {
  auto equals = line.find('=');
  if (equals == std::string_view::npos) return failure(Errc::protocol, "a key without a value");
  TextPair pair{line.substr(0, equals), line.substr(equals + 1)};
  if (pair.key.empty() || pair.key.size() > kMaxKeyLength ||
      !std::ranges::all_of(pair.key, key_character))
    return failure(Errc::protocol, "a malformed key");
  if (pair.value.size() > kMaxLongValue) return failure(Errc::protocol, "a value is too long");
  return pair;
}

std::optional<std::vector<std::byte>> parse_hex(std::string_view digits, std::size_t limit) {
  if (digits.empty() || (digits.size() + 1) / 2 > limit) return std::nullopt;
  std::vector<std::byte> bytes;
  // An odd number of digits has an implied leading zero.
  for (std::size_t at = 0, n = digits.size() % 2 == 0 ? 2 : 1; at < digits.size(); at += n, n = 2) {
    unsigned value = 0;
    auto [end, error] = std::from_chars(digits.data() + at, digits.data() + at + n, value, 16);
    if (error != std::errc{} || end != digits.data() + at + n) return std::nullopt;
    bytes.push_back(static_cast<std::byte>(value));
  }
  return bytes;
}

std::optional<std::vector<std::byte>> parse_base64(std::string_view text, std::size_t limit) {
  if (text.empty() || text.size() % 4 != 0 || text.size() / 4 * 3 > limit + 2) return std::nullopt;
  auto padding = text.ends_with("==") ? 2u : text.ends_with('=') ? 1u : 0u;
  std::vector<std::byte> bytes(text.size() / 4 * 3);
  auto n = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                           reinterpret_cast<const unsigned char*>(text.data()),
                           static_cast<int>(text.size()));
  if (n < 0 || static_cast<std::size_t>(n) != bytes.size()) return std::nullopt;
  bytes.resize(bytes.size() - padding);
  if (bytes.size() > limit) return std::nullopt;
  return bytes;
}

}  // namespace

Outcome<std::vector<TextPair>> parse_text(std::string_view text) {
  std::vector<TextPair> pairs;
  while (!text.empty()) {
    auto end = text.find('\0');
    if (end == std::string_view::npos) return failure(Errc::protocol, "a key without its end");
    if (end != 0) {  // more than one NUL in a row is tolerated as padding
      auto pair = parse_pair(text.substr(0, end));
      if (!pair) return pair.error();
      if (pairs.size() == kMaxKeys) return failure(Errc::protocol, "too many keys");
      pairs.push_back(*pair);
    }
    text.remove_prefix(end + 1);
  }
  return pairs;
}

void append_text(std::string& text, std::string_view key, std::string_view value) {
  text.append(key).append(1, '=').append(value).append(1, '\0');
}

std::optional<std::uint64_t> parse_number(std::string_view value) noexcept {
  int base = 10;
  if (value.starts_with("0x") || value.starts_with("0X")) {
    base = 16;
    value.remove_prefix(2);
  }
  std::uint64_t number = 0;
  auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number, base);
  if (value.empty() || error != std::errc{} || end != value.data() + value.size())
    return std::nullopt;
  return number;
}

std::optional<std::vector<std::byte>> parse_binary(std::string_view value, std::size_t limit) {
  if (value.starts_with("0x") || value.starts_with("0X")) return parse_hex(value.substr(2), limit);
  if (value.starts_with("0b") || value.starts_with("0B"))
    return parse_base64(value.substr(2), limit);
  return std::nullopt;
}

std::string format_binary(std::span<const std::byte> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "0x";
  for (auto b : bytes) {
    text += kDigits[std::to_integer<unsigned>(b) >> 4];
    text += kDigits[std::to_integer<unsigned>(b) & 15];
  }
  return text;
}

std::string lower_name(std::string_view name) {
  std::string lower(name);
  for (auto& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

std::vector<std::string_view> split_list(std::string_view value) {
  std::vector<std::string_view> items;
  for (;;) {
    auto comma = value.find(',');
    items.push_back(value.substr(0, comma));
    if (comma == std::string_view::npos) return items;
    value.remove_prefix(comma + 1);
  }
}

}  // namespace caisson::iscsi

// SPDX-License-Identifier: Apache-2.0
#include "storage_object/base/iscsi_name.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "storage_object/base/errc.hpp"

namespace caisson {
namespace {

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_hex(char c) noexcept { return is_digit(c) || (c >= 'a' && c <= 'f'); }
constexpr bool is_label(char c) noexcept {
  return is_digit(c) || (c >= 'a' && c <= 'z') || c == '-';
}
constexpr bool is_allowed(char c) noexcept { return is_label(c) || c == '.' || c == ':'; }

bool is_domain(std::string_view domain) noexcept {
  for (;;) {
    auto label = domain.substr(0, domain.find('.'));
    if (label.empty() || label.front() == '-' || label.back() == '-' ||
        !std::ranges::all_of(label, is_label))
      return false;
    if (label.size() == domain.size()) return true;
    domain.remove_prefix(label.size() + 1);
  }
}

// What is wrong with the part behind the type; nullptr: nothing.

const char* fault_of_iqn(std::string_view rest) noexcept {
  constexpr std::string_view kDate = "dddd-dd.";
  auto fits = [](char c, char shape) { return shape == 'd' ? is_digit(c) : c == shape; };
  if (rest.size() < kDate.size() || !std::ranges::equal(rest.substr(0, kDate.size()), kDate, fits))
    return "behind iqn. it has no year, month and point";
  auto month = (rest[5] - '0') * 10 + rest[6] - '0';
  if (month < 1 || month > 12) return "its month is none";
  rest.remove_prefix(kDate.size());
  return is_domain(rest.substr(0, rest.find(':'))) ? nullptr
                                                   : "behind the date it has no domain name";
}

const char* fault_of_eui(std::string_view rest) noexcept {
  return rest.size() == 16 && std::ranges::all_of(rest, is_hex)
             ? nullptr
             : "behind eui. it has not 16 hexadecimal digits";
}

const char* fault_of_naa(std::string_view rest) noexcept {
  return (rest.size() == 16 || rest.size() == 32) && std::ranges::all_of(rest, is_hex)
             ? nullptr
             : "behind naa. it has neither 16 nor 32 hexadecimal digits";
}

struct Type {
  std::string_view prefix;
  const char* (*fault)(std::string_view) noexcept;
};
constexpr Type kTypes[] = {{"iqn.", fault_of_iqn}, {"eui.", fault_of_eui}, {"naa.", fault_of_naa}};

const char* fault_of(std::string_view name) noexcept {
  if (name.size() > kMaxIscsiName) return "it is longer than 223 bytes";
  if (!std::ranges::all_of(name, is_allowed))
    return "only letters, digits, '-', '.' and ':' stand in one";
  const auto* type = std::ranges::find_if(
      kTypes, [&](const Type& candidate) { return name.starts_with(candidate.prefix); });
  if (type == std::end(kTypes)) return "it begins with none of iqn., eui. and naa.";
  return type->fault(name.substr(type->prefix.size()));
}

}  // namespace

Outcome<std::string> checked_iscsi_name(std::string_view name) {
  std::string folded(name);
  for (auto& c : folded)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  const auto* fault = fault_of(folded);
  if (fault == nullptr) return folded;
  return failure(Errc::invalid_argument,
                 fmt::format("'{}' is not an iSCSI name: {}", name.substr(0, kMaxIscsiName), fault),
                 "it looks like iqn.1993-08.org.debian:01:abcdef; the initiator shows its own");
}

}  // namespace caisson

// SPDX-License-Identifier: Apache-2.0
#include "storage_object/base/address.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "storage_object/base/errc.hpp"

namespace caisson {
namespace {

Failure bad_address(std::string_view text, const char* cause) {
  return failure(Errc::invalid_argument, fmt::format("\"{}\" {}", text, cause),
                 "Write ADDR:PORT with a numeric address, IPv6 in brackets: 192.0.2.1:3260, "
                 "[2001:db8::1]:3260, [::]:3260 for all.");
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

/// The one spelling of a numeric address; empty if it is none.
std::string canonical(int family, const std::string& host) {
  unsigned char bytes[sizeof(in6_addr)];
  char text[INET6_ADDRSTRLEN];
  if (::inet_pton(family, host.c_str(), bytes) != 1) return {};
  return ::inet_ntop(family, bytes, text, sizeof text);
}

}  // namespace

std::string Address::to_string() const {
  return is_v6() ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

Outcome<Address> parse_address(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad_address(text, "has no port");
  auto host = text.substr(0, colon);
  const bool brackets = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (brackets) host = host.substr(1, host.size() - 2);
  const auto port = parse_port(text.substr(colon + 1));
  if (!port) return bad_address(text, "has no port from 0 to 65535 at its end");
  if (host.find('\0') != std::string_view::npos) return bad_address(text, "is no address");
  auto found = canonical(brackets ? AF_INET6 : AF_INET, std::string(host));
  if (found.empty()) return bad_address(text, "is not a numeric address and a port");
  return Address{std::move(found), *port};
}

}  // namespace caisson

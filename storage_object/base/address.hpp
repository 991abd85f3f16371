// SPDX-License-Identifier: Apache-2.0
// An address and a port, as administrators write them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "storage_object/base/result.hpp"

namespace caisson {

/// An IP address and a TCP port. Names are not resolved: what a listener is
/// bound to must not depend on a name server.
struct Address {
  std::string host;        ///< numeric, IPv6 without brackets, in canonical form
  std::uint16_t port = 0;  ///< 0: any free one

  bool is_v6() const noexcept { return host.find(':') != std::string::npos; }
  /// "192.0.2.1:3260", "[::1]:3260".
  std::string to_string() const;
  bool operator==(const Address&) const = default;
};

/// From the form that to_string() gives; Errc::invalid_argument for any other.
Outcome<Address> parse_address(std::string_view text);

}  // namespace caisson

// SPDX-License-Identifier: Apache-2.0
// TransportIDs of iSCSI initiator ports (SPC-4 7.6.4.6).
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace caisson::scsi {

/// The TransportID of an initiator port named "iqn…,i,0x<isid>". Names that
/// differ in case only have the same one.
std::string transport_id(std::string_view initiator_port);

struct ParsedTransportId {
  std::string id;          ///< as transport_id() would write it
  std::size_t length = 0;  ///< bytes it takes in the list
};

/// The TransportID at the start of `list`; nullopt: it is cut, malformed, of
/// another transport, or names a device without a port.
std::optional<ParsedTransportId> parse_transport_id(std::span<const std::byte> list);

}  // namespace caisson::scsi

// SPDX-License-Identifier: Apache-2.0
// Names that a disk keeps for life.
#pragma once

#include <string>
#include <string_view>

#include "storage_object/base/uuid.hpp"

namespace caisson::object {

/// A new NAA designator in hex digits (SPC-4 7.8.6.6): type 6 with that OUI (6
/// hex digits) and 100 random bits, or, with none, type 3 (locally assigned) and
/// 60 random bits.
std::string make_naa(std::string_view oui);

/// The unit serial number (VPD page 80) of an object: 16 hex digits of its UUID.
std::string make_serial(const Uuid& uuid);

/// iqn.<authority>:<node>:<lun>
std::string make_target_name(std::string_view authority, std::string_view node,
                             std::string_view lun);

}  // namespace caisson::object

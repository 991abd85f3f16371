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

// Whether a trailer's identity has the form in which it could have been made here;
// a share user can write any.

/// As make_naa() makes them, with any OUI: type 3, 16 digits, or type 6, 32; lower case.
bool valid_naa(std::string_view naa) noexcept;
/// 16 lower-case hex digits.
bool valid_serial(std::string_view serial) noexcept;

}  // namespace caisson::object

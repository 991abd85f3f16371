// SPDX-License-Identifier: Apache-2.0
// The form of iSCSI names (RFC 7143 4.2.7, RFC 3980 for naa., RFC 3722).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "storage_object/base/result.hpp"

namespace caisson {

inline constexpr std::size_t kMaxIscsiName = 223;  ///< bytes; RFC 7143 4.2.7.2

/// The name in its normal form, in which names are compared: capitals folded.
/// An iqn. name has a year, a month and a reversed domain name, then perhaps ':'
/// and more; eui. is followed by 16 hexadecimal digits, naa. by 16 or 32. Beside
/// letters and digits only '-', '.' and ':' stand in a name. Names beyond ASCII are
/// refused: nothing here could tell that two of them are the same in normal form.
/// Errc::invalid_argument, with what is wrong.
Outcome<std::string> checked_iscsi_name(std::string_view name);

}  // namespace caisson

// SPDX-License-Identifier: Apache-2.0
// The codes that control paths react to. A code is added only where some
// caller does something different because of it.
#pragma once

#include <boost/system/error_code.hpp>
#include <string>
#include <type_traits>

#include "storage_object/base/result.hpp"

namespace caisson {

enum class Errc {
  invalid_argument = 1,  ///< the request itself is wrong: exit 2
  not_found,             ///< no object of that name
  already_exists,        ///< the name is taken by something different
  in_use,                ///< sessions, locks or dependants forbid it
  permission_denied,     ///< the caller's role or right does not allow it
  no_space,              ///< the store or a quota is full
  io_error,              ///< the file system below failed
  corrupt,               ///< bytes on disk do not say what they must
  offline,               ///< the object is not served now
  unsupported,           ///< this store, file system or version cannot
  stale,                 ///< the caller's configuration id is old
  timed_out,             ///< a limit passed before the answer
  cancelled,             ///< asked to stop, or shutting down
  protocol,              ///< the peer broke the protocol
  partly_done,           ///< some parts done, the message lists the rest: exit 3
  internal,              ///< a bug; logged with where
};

const boost::system::error_category& errc_category() noexcept;
boost::system::error_code make_error_code(Errc code) noexcept;

/// Shorthand: Failure{code, message, remedy}.
Failure failure(Errc code, std::string message, std::string remedy = {});

/// The nearest Errc of any code of ours or of the system (ENOSPC, ENOENT, …);
/// Errc::io_error when nothing nearer fits.
Errc to_errc(const Error& code) noexcept;

}  // namespace caisson

template <>
struct boost::system::is_error_code_enum<caisson::Errc> : std::true_type {};

// SPDX-License-Identifier: Apache-2.0
// How expected failure travels: a code on the hot path, a code with words on
// the slow one. Exceptions mean bugs or exhausted memory.
#pragma once

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>
#include <string>
#include <utility>

namespace caisson {

using Error = boost::system::error_code;

/// A value, or a bare code. For paths that run per I/O.
template <class T = void>
using Result = boost::system::result<T, Error>;

/// Why an operation an administrator asked for did not happen: the code that
/// programs react to, and one sentence that names the object and the cause,
/// and one that names the way out (may be empty).
struct Failure {
  Error code;
  std::string message;
  std::string remedy;
};

[[noreturn]] void throw_exception_from_error(const Failure& failure,
                                             const boost::source_location& where);

/// A value, or a Failure. For paths that an administrator waits for.
template <class T = void>
using Outcome = boost::system::result<T, Failure>;

}  // namespace caisson

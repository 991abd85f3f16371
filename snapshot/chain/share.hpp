// SPDX-License-Identifier: Apache-2.0
// Whether files can share blocks at all, by what the file system answered.
#pragma once

#include <boost/system/errc.hpp>

#include "storage_object/base/result.hpp"

namespace caisson::snapshot {

/// They lie on two file systems, or on one that cannot do it for them after all.
inline bool says_never(const Error& error) {
  namespace errc = boost::system::errc;
  return error == errc::cross_device_link || error == errc::invalid_argument ||
         error == errc::operation_not_supported;
}

}  // namespace caisson::snapshot

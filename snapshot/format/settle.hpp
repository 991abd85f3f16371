// SPDX-License-Identifier: Apache-2.0
// Before the files of a process that is gone are believed.
#pragma once

#include <string>

#include "storage_object/base/result.hpp"
#include "storage_object/file_store/file.hpp"

namespace caisson::snapshot {

/// Makes what the file shows durable, and shows what is durable: what a killed process
/// wrote may stand in the page cache only, or there alone after a failed writeback,
/// counted as clean. A record read without this could be believed and gone after
/// the next power cut. A failure: nothing in the file may be relied on. Blocking.
Outcome<> settle(file_store::File& file, const std::string& label);

}  // namespace caisson::snapshot

// SPDX-License-Identifier: Apache-2.0
// Messages as JSON for programs: keys are the field names of control.proto and
// all present, sizes are plain numbers of bytes.
#pragma once

#include <google/protobuf/message.h>

#include <string>

#include "storage_object/base/result.hpp"

namespace caisson::cli {

/// One line without the end of line. Absent messages and optional fields are
/// null, empty lists [].
std::string to_json(const google::protobuf::Message& message);

/// {"error":{"code":"not_found","message":…,"remedy":…}}
std::string to_json(const Failure& failure);

}  // namespace caisson::cli

// SPDX-License-Identifier: Apache-2.0
// Where a gateway is: the forms of `--server`.
#pragma once

#include <chrono>
#include <string_view>

#include "storage_object/base/result.hpp"

namespace caisson::nbs::client {

/// A socket connected to `server` ("unix:PATH"), which the caller closes.
/// Failures as ControlClient::connect.
Outcome<int> open_socket(std::string_view server, std::chrono::milliseconds timeout);

}  // namespace caisson::nbs::client

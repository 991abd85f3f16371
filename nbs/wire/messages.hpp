// SPDX-License-Identifier: Apache-2.0
// Messages of control.proto by the names that the opcode table gives them.
#pragma once

#include <google/protobuf/message.h>

#include <memory>
#include <string_view>

namespace caisson::nbs::wire {

/// A new empty message; nullptr if control.proto has none of that name.
std::unique_ptr<google::protobuf::Message> make_message(std::string_view name);

}  // namespace caisson::nbs::wire

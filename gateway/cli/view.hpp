// SPDX-License-Identifier: Apache-2.0
// Messages as tables and lists for people, by one table of columns.
#pragma once

#include <google/protobuf/message.h>

#include <ostream>
#include <string>
#include <string_view>

#include "gateway/cli/command.hpp"

namespace caisson::cli {

/// Writes what a verb brought back: a table for a list, lines for one object, a
/// sentence for a change.
void render(std::ostream& out, const Command& command, const google::protobuf::Message& request,
            const google::protobuf::Message& reply);

/// Text from elsewhere, made harmless for a terminal: control characters and
/// invalid bytes are shown as \xNN.
std::string printable(std::string_view text);

/// `pattern` with each "{field}" replaced by that field of `message`.
std::string fill_in(std::string_view pattern, const google::protobuf::Message& message);

}  // namespace caisson::cli

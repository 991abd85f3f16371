// SPDX-License-Identifier: Apache-2.0
// `caisson snapshot diff`: a list of any length, written as it comes.
#pragma once

#include <google/protobuf/message.h>

#include "gateway/cli/command.hpp"

namespace caisson::cli {

/// Refuses options that do not go together. Command::adjust.
Outcome<> check_diff(const Typed& typed, google::protobuf::Message& request);

/// Asks for page after page and writes the whole list: to standard output, or to the file
/// of --to, which has its name once it is complete. Command::pages.
Outcome<> write_diff(Paging& paging);

}  // namespace caisson::cli

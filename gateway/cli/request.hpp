// SPDX-License-Identifier: Apache-2.0
// From what was typed to the request message, by the rows of the table.
#pragma once

#include <google/protobuf/message.h>

#include <istream>
#include <memory>

#include "gateway/cli/command.hpp"
#include "storage_object/base/result.hpp"

namespace caisson::cli {

/// The request of `command`. `input` is what "-" reads. Errc::invalid_argument:
/// what was typed is wrong (exit 2); other failures: a secret's file cannot be
/// read.
Outcome<std::unique_ptr<google::protobuf::Message>> build_request(const Command& command,
                                                                  const Typed& typed, bool dry_run,
                                                                  std::istream& input);

}  // namespace caisson::cli

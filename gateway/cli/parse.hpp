// SPDX-License-Identifier: Apache-2.0
// The command line, read by CLI11 as the table of commands says.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "gateway/cli/command.hpp"

namespace caisson::cli {

struct Parsed {
  const Command* command = nullptr;  ///< nullptr: ended already, with `exit`
  int exit = 0;
  Typed typed;
  std::string server;  ///< empty: not given
  bool json = false;
  bool dry_run = false;
  bool yes = false;
  unsigned timeout = 600;  ///< seconds of silence
};

/// Reads `words`. Help and version go to `out`; what is wrong with the words
/// goes to `err`, as JSON if `--output json` is among them.
Parsed parse(const std::vector<std::string>& words, std::ostream& out, std::ostream& err);

}  // namespace caisson::cli

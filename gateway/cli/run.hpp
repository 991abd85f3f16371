// SPDX-License-Identifier: Apache-2.0
// The program `caisson`, without the process around it.
#pragma once

#include <functional>
#include <istream>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace caisson::cli {

/// The world as the program sees it.
struct Console {
  std::ostream& out;
  std::ostream& err;
  std::istream& in;
  bool in_is_terminal = false;   ///< questions may be asked
  bool err_is_terminal = false;  ///< progress bars may be drawn
  std::function<std::optional<std::string>(const char* name)> environment;
  bool out_is_terminal = false;  ///< no place for raw bytes
};

/// What the shell is told.
enum Exit : int { kDone = 0, kFailed = 1, kUsage = 2, kPartlyDone = 3 };

/// Runs one command. `words` are the arguments without the program's name.
int run(const std::vector<std::string>& words, Console& console);

}  // namespace caisson::cli

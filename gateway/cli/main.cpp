// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "gateway/cli/run.hpp"

int main(int argc, char** argv) {
  caisson::cli::Console console{std::cout,
                                std::cerr,
                                std::cin,
                                ::isatty(STDIN_FILENO) == 1,
                                ::isatty(STDERR_FILENO) == 1,
                                [](const char* name) -> std::optional<std::string> {
                                  const char* value = std::getenv(name);
                                  return value != nullptr ? std::optional<std::string>(value)
                                                          : std::nullopt;
                                },
                                ::isatty(STDOUT_FILENO) == 1};
  int exit = caisson::cli::run({argv + 1, argv + argc}, console);
  // An answer that nobody got is no success.
  if (!std::cout.flush() && exit == caisson::cli::kDone) exit = caisson::cli::kFailed;
  return exit;
}

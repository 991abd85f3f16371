// SPDX-License-Identifier: Apache-2.0
// Prints every configuration key, one a line, for the check of the manual.
#include <fmt/core.h>

#include "gateway/config/keys.hpp"

int main() {
  for (const auto& key : caisson::config::keys()) fmt::print("{}\n", key.name);
  for (const auto& key : caisson::config::store_keys()) fmt::print("stores.NAME.{}\n", key.name);
}

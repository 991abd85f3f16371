// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "gateway/config/keys.hpp"

namespace caisson::config {
namespace {

std::string line(std::string_view flag, std::string_view value, std::string_view help,
                 std::string_view fallback) {
  auto left = fmt::format("  {}{}{}", flag, value.empty() ? "" : " ", value);
  auto shown = fallback.empty() ? std::string() : fmt::format(" [{}]", fallback);
  return fmt::format("{}\n      {}{}\n", left, help, shown);
}

}  // namespace

std::string help_text(bool all) {
  std::string text =
      "usage: caissond [FLAG...]\n"
      "Serves files as iSCSI disks. Flags go before the configuration file, that before the\n"
      "defaults in brackets. See caissond(8) and caissond.toml(5).\n\n";
  for (const auto& flag : plain_flags()) text += line(flag.flag, flag.value, flag.help, "");
  for (const auto& key : keys())
    if (all || key.common) text += line(key.flag, key.value, key.help, key.fallback);
  return text;
}

}  // namespace caisson::config

// SPDX-License-Identifier: Apache-2.0
// One log for the whole process: a line an event, to standard error (the
// journal under systemd). Secrets never appear in it.
#pragma once

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace caisson::log {

enum class Level { debug, info, warning, error };

void set_level(Level level) noexcept;
bool enabled(Level level) noexcept;
/// Writes one line; control characters that a peer may have sent are escaped.
void write(Level level, std::string_view line);

template <class... Args>
void at(Level level, fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(level)) write(level, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  at(Level::debug, format, std::forward<Args>(args)...);
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  at(Level::info, format, std::forward<Args>(args)...);
}
template <class... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  at(Level::warning, format, std::forward<Args>(args)...);
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  at(Level::error, format, std::forward<Args>(args)...);
}

}  // namespace caisson::log

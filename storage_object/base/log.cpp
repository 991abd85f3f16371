// SPDX-License-Identifier: Apache-2.0
#include "storage_object/base/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <string>

namespace caisson::log {
namespace {

spdlog::logger& logger() {
  static auto instance = [] {
    auto made = spdlog::stderr_logger_mt("caisson");
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l: %v");
    made->flush_on(spdlog::level::info);
    return made;
  }();
  return *instance;
}

spdlog::level::level_enum translate(Level level) {
  switch (level) {
    case Level::debug: return spdlog::level::debug;
    case Level::info: return spdlog::level::info;
    case Level::warning: return spdlog::level::warn;
    case Level::error: return spdlog::level::err;
  }
  return spdlog::level::err;
}

std::string escaped(std::string_view line) {
  std::string out;
  for (unsigned char c : line)
    if (c < 0x20 || c == 0x7f)
      out += fmt::format("\\x{:02x}", c);
    else
      out += static_cast<char>(c);
  return out;
}

}  // namespace

void set_level(Level level) noexcept { logger().set_level(translate(level)); }

bool enabled(Level level) noexcept { return logger().should_log(translate(level)); }

void write(Level level, std::string_view line) {
  logger().log(translate(level), "{}", escaped(line));
}

}  // namespace caisson::log

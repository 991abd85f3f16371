// SPDX-License-Identifier: Apache-2.0
// Which fields of a message people see, under which words, and where.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace caisson::cli {

enum class Format : std::uint8_t {
  text,
  size,    ///< bytes as 10G; right-aligned
  quota,   ///< a size; 0 is "none"
  number,  ///< right-aligned
  yes_no,
  time,      ///< seconds since the epoch, UTC
  time_ms,   ///< milliseconds
  duration,  ///< seconds as "6d 23h"; 0 is nothing; right-aligned
  table,     ///< a list of messages, below the lines
};

enum Where : std::uint8_t { kList = 1, kShow = 2, kBrief = 4 };  // kBrief: after a change

struct Column {
  std::string_view field;
  std::string_view title;
  Format format = Format::text;
  std::uint8_t where = kList | kShow;
};

/// The columns of a message by its name in control.proto; empty: none is shown.
std::span<const Column> columns_of(std::string_view message) noexcept;

}  // namespace caisson::cli

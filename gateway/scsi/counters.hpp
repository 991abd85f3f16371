// SPDX-License-Identifier: Apache-2.0
// How often each command of the table was performed and refused. Counted per
// thread without contention, summed when read.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "gateway/scsi/task.hpp"

namespace caisson::scsi {

struct CommandCount {
  std::string_view name;      ///< of the table row; "OTHER": no row
  std::uint64_t started = 0;  ///< handed to its function
  std::uint64_t refused = 0;  ///< answered before any data moved
};

void count_started(const Task& task) noexcept;
void count_refused(const Task& task) noexcept;

/// One entry per row in the order of the table, then "OTHER". From any thread.
std::vector<CommandCount> command_counts();

}  // namespace caisson::scsi

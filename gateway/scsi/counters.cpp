// SPDX-License-Identifier: Apache-2.0
#include "gateway/scsi/counters.hpp"

#include <array>
#include <atomic>
#include <memory>
#include <mutex>

#include "gateway/scsi/command.hpp"

namespace caisson::scsi {
namespace {

constexpr std::size_t kRoom = 96;  // rows of the table and one more

struct Cell {
  std::atomic<std::uint64_t> started = 0, refused = 0;
};
using Block = std::array<Cell, kRoom>;

struct Blocks {
  std::mutex mutex;
  std::vector<std::shared_ptr<Block>> all;  // outlive their threads: counts never fall
};

Blocks& blocks() {
  static Blocks instance;
  return instance;
}

Block& own_block() {
  thread_local const auto block = [] {
    auto made = std::make_shared<Block>();
    std::lock_guard lock(blocks().mutex);
    blocks().all.push_back(made);
    return made;
  }();
  return *block;
}

Cell& cell(const Task& task) {
  auto table = command_table();
  auto index = task.command == nullptr ? table.size()
                                       : static_cast<std::size_t>(task.command - table.data());
  return own_block()[index];
}

/// Only its own thread writes a cell, so no read-modify-write is needed.
void increment(std::atomic<std::uint64_t>& value) noexcept {
  value.store(value.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

}  // namespace

void count_started(const Task& task) noexcept { increment(cell(task).started); }
void count_refused(const Task& task) noexcept { increment(cell(task).refused); }

std::vector<CommandCount> command_counts() {
  std::vector<CommandCount> counts;
  for (const auto& row : command_table()) counts.push_back({row.name});
  counts.push_back({"OTHER"});
  std::lock_guard lock(blocks().mutex);
  for (const auto& block : blocks().all)
    for (std::size_t i = 0; i < counts.size(); ++i) {
      counts[i].started += (*block)[i].started.load(std::memory_order_relaxed);
      counts[i].refused += (*block)[i].refused.load(std::memory_order_relaxed);
    }
  return counts;
}

}  // namespace caisson::scsi

// SPDX-License-Identifier: Apache-2.0
// The open commands of a session, by slot and by initiator task tag.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <vector>

#include "gateway/iscsi/command.hpp"

namespace caisson::iscsi {

/// Fixed size; low slots are used first, so that a search by tag reads a few
/// cache lines.
class CommandTable {
 public:
  explicit CommandTable(std::size_t size) : commands_(size), tags_(size, kNoTag) {
    for (auto i = size; i-- > 0;) free_.push_back(static_cast<std::uint16_t>(i));
  }

  bool full() const noexcept { return free_.empty(); }

  void insert(Command& command) {
    command.slot = free_.back();
    free_.pop_back();
    command.tabled = true;
    commands_[command.slot] = &command;
    tags_[command.slot] = command.tag;
    used_ = std::max<std::size_t>(used_, command.slot + std::size_t{1});
  }
  /// One that is in the table: the slot of any other is somebody else's.
  void erase(Command& command) noexcept {
    assert(command.tabled && commands_[command.slot] == &command);
    commands_[command.slot] = nullptr;
    tags_[command.slot] = kNoTag;
    free_.push_back(command.slot);
    command.tabled = false;
    while (used_ > 0 && commands_[used_ - 1] == nullptr) --used_;
  }

  Command* find(std::uint32_t tag) const noexcept {
    auto end = tags_.begin() + static_cast<std::ptrdiff_t>(used_);
    auto found = std::find(tags_.begin(), end, tag);
    return found == end ? nullptr : commands_[static_cast<std::size_t>(found - tags_.begin())];
  }
  Command* at(std::size_t slot) const noexcept { return slot < used_ ? commands_[slot] : nullptr; }
  /// Slots from this one on are free.
  std::size_t end() const noexcept { return used_; }

 private:
  std::vector<Command*> commands_;
  std::vector<std::uint32_t> tags_;
  std::vector<std::uint16_t> free_;  // the back is used next
  std::size_t used_ = 0;             // slots below it may be taken
};

}  // namespace caisson::iscsi

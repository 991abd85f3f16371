// SPDX-License-Identifier: Apache-2.0
// Operations that change all of a disk while hosts are kept out: formatting and
// sanitizing (SBC-3 5.3, 4.11).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "storage_object/base/buffer.hpp"
#include "storage_object/block/block_device.hpp"

namespace caisson::object {

enum class UpkeepState : std::uint8_t {
  none,
  formatting,
  format_failed,    ///< until another format or sanitize succeeds
  sanitizing,       ///< a restart makes `sanitize_failed` of it
  sanitize_failed,  ///< until a sanitize succeeds, or is left where that is allowed
  restoring,        ///< it becomes what a snapshot holds; a start goes on with it
};

constexpr bool is_under_way(UpkeepState state) noexcept {
  return state == UpkeepState::formatting || state == UpkeepState::sanitizing ||
         state == UpkeepState::restoring;
}

/// What the medium holds afterwards.
struct UpkeepRequest {
  enum class Kind : std::uint8_t {
    format,       ///< zeros; space goes back where the object gives it back
    overwrite,    ///< `pattern`, `passes` times, each block of it
    block_erase,  ///< every allocated block overwritten with zeros, then as format
  };
  Kind kind = Kind::format;
  Buffer pattern;            ///< of overwrite: one logical block
  std::uint8_t passes = 1;   ///< of overwrite, 1 to 31
  bool invert = false;       ///< the pattern's complement in every other pass; the first is plain
  bool may_be_left = false;  ///< of a sanitize: its failure ends without another (AUSE)
  std::uint64_t bytes_per_second = 0;  ///< moved at most; 0: as fast as it goes
};

/// Thread-safe; state() costs one relaxed load.
class Upkeep {
 public:
  UpkeepState state() const noexcept { return state_.load(std::memory_order_relaxed); }
  /// Hosts' requests are refused.
  bool keeps_out() const noexcept { return state() != UpkeepState::none; }
  /// How far it is, in 65,536ths.
  std::uint16_t progress() const noexcept { return progress_.load(std::memory_order_relaxed); }
  bool may_be_left() const noexcept { return may_be_left_.load(std::memory_order_relaxed); }

  // For the object.

  void restore(UpkeepState state, bool may_be_left) noexcept {
    may_be_left_.store(may_be_left);
    state_.store(state);
  }
  /// False: one is under way, or would hide that a sanitize failed.
  bool begin(const UpkeepRequest& request) noexcept;
  void advance(std::uint64_t done, std::uint64_t of) noexcept;
  void end(bool failed) noexcept;
  /// A restore, which the gateway itself makes. False: something else is under way, or failed.
  bool begin_restore() noexcept;
  void end_restore() noexcept;
  /// False: the state is another, or may not be left like that.
  bool leave_failure() noexcept;

 private:
  std::atomic<UpkeepState> state_{UpkeepState::none};
  std::atomic<std::uint16_t> progress_{0};
  std::atomic<bool> may_be_left_{false};
};

/// Performs `request` on the whole of `device` as the gateway itself, in small
/// steps on the calling thread's executor (without one: before it returns), and
/// durably. Calls `done` on that thread, once.
void sweep(std::shared_ptr<block::BlockDevice> device, Upkeep& upkeep, UpkeepRequest request,
           std::function<void(Error)> done);

}  // namespace caisson::object

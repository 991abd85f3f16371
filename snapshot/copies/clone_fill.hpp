// SPDX-License-Identifier: Apache-2.0
// What a clone does not have itself yet it reads through its snapshot; in the background,
// and before it is changed, it takes that over (docs/design/capture.md, "Clone").
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "snapshot/chain/chain.hpp"
#include "snapshot/chain/pacer.hpp"
#include "snapshot/copies/fill_map.hpp"
#include "snapshot/copies/origin.hpp"
#include "storage_object/base/control_threads.hpp"
#include "storage_object/base/executor.hpp"
#include "storage_object/block/block_device.hpp"

namespace caisson::snapshot {

struct CloneParts {
  FillPlace place;
  std::string container;  ///< name of its file in the store
  std::shared_ptr<Origin> origin;
  block::BlockDevice* below = nullptr;  ///< the container's data
  ControlThreads* threads = nullptr;
  Pacer* pacer = nullptr;
  const ChainPolicy* policy = nullptr;
  const Clock* clock = &Clock::system();
  /// It has everything itself, durably; called once, on its lane: does not block.
  std::function<void()> filled;
};

/// What of the parts is a pointer outlives close(). pace(), has() and submit_missing(): any thread,
/// and they do not block; the rest blocks: control threads.
///
/// Order of a fill, so that at any power cut a unit is either missing still or wholly there:
/// the container has it; sync of the container; record in the map; only then a write to it
/// goes on.
class CloneFill final : public std::enable_shared_from_this<CloneFill> {
 public:
  /// Never fails: of one whose map is gone or damaged every request fails.
  static std::shared_ptr<CloneFill> open(CloneParts parts);

  /// By which the background sees what hosts do.
  BackgroundPace& pace() noexcept { return pace_; }
  /// Whether the container alone has the range.
  bool has(std::uint64_t offset, std::uint64_t length) const noexcept {
    if (state() == State::whole || length == 0) return true;
    if (state() == State::broken) return false;
    return map_->units().contains_all(offset / kFillUnit, (offset + length - 1) / kFillUnit + 1);
  }
  /// A read, status or change of a range of which has() said no.
  void submit_missing(block::IoRequest& request);
  /// Whether blocks of the container are, or will be, the snapshot's too.
  bool shares_blocks() const noexcept { return state() != State::whole && may_share_.load(); }

  /// Hundredths of the snapshot that the container has; 0 of one that is damaged.
  unsigned percent() const noexcept;

  /// One bounded background step now, for who paces it himself; false: nothing is left.
  bool step();
  /// The background ends. Nothing is in flight.
  void close();

 private:
  enum class State : std::uint8_t { filling, whole, broken };
  enum class Step : std::uint8_t { idle, later, failed, worked };
  struct Waiter {
    block::IoRequest* request = nullptr;
    Executor* executor = nullptr;
    std::uint64_t next = 0;    ///< up to here nothing is missing
    std::uint64_t length = 0;  ///< bytes from there on
  };
  /// What one commit takes over.
  struct Batch {
    std::vector<Run> filled, holes;
    bool written = false;
  };

  explicit CloneFill(CloneParts parts) : parts_(std::move(parts)) {}
  State state() const noexcept { return state_.load(std::memory_order_acquire); }
  Outcome<> load();

  // Requests (clone_requests.cpp).
  Error read(block::IoRequest& request);
  Error status(block::IoRequest& request);
  Error read_piece(std::uint64_t offset, std::span<std::byte> into);
  std::uint64_t piece_end(std::uint64_t offset, std::uint64_t end, bool& own) const;
  void hold_back(block::IoRequest& request);
  void post_work();
  void work();
  std::deque<Waiter> take_waiters();
  void round(std::deque<Waiter>& waiters);
  Outcome<> fill_for(std::deque<Waiter>& waiters);
  void let_go(const Waiter& waiter, Error error);

  // Taking over, on the lane.
  Outcome<> take(Run run, Batch& batch);
  Outcome<std::uint64_t> take_some(const Run& run, Batch& batch);
  Outcome<bool> share(std::uint64_t offset, std::uint64_t length, Batch& batch);
  Outcome<> copy(const Run& run, std::uint64_t length, Batch& batch);
  Outcome<> commit(const Batch& batch);
  Failure cannot(const char* doing, const Error& error) const;

  // The background.
  void schedule(Pacer::Clock::time_point when);
  void background();
  Step step_once();
  Step fill_some();
  Step finish();
  Step failed(const Failure& why);

  const CloneParts parts_;
  const std::shared_ptr<ControlLane> lane_ = std::make_shared<ControlLane>();
  std::atomic<State> state_{State::filling};
  std::atomic<bool> may_share_{false};
  BackgroundPace pace_{*parts_.clock, parts_.place.clone};
  std::atomic<bool> closed_{false};
  std::unique_ptr<FillMap> map_;
  /// An open file of its own: what a sync of it hears of a failed writeback the hosts'
  /// flush of theirs hears too.
  std::unique_ptr<file_store::File> file_;

  std::mutex waiting_mutex_;  // guards what follows
  std::deque<Waiter> waiting_;
  bool working_ = false;

  std::uint64_t cursor_ = 0;  ///< the lane's: where the background goes on, a unit
  std::string said_;          ///< the lane's: the failure that was logged last
};

}  // namespace caisson::snapshot

// SPDX-License-Identifier: Apache-2.0
// The snapshots of one LUN, oldest first, and the engine that keeps them what they
// were at their cuts (docs/design/capture.md).
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "snapshot/chain/background_pace.hpp"
#include "snapshot/chain/changes.hpp"
#include "snapshot/chain/clone_cost.hpp"
#include "snapshot/chain/member_list.hpp"
#include "snapshot/chain/pacer.hpp"
#include "snapshot/index/capture_index.hpp"
#include "storage_object/base/clock.hpp"
#include "storage_object/base/control_threads.hpp"
#include "storage_object/block/block_device.hpp"

namespace caisson::snapshot {

/// Set by an administrator at any time.
struct ChainPolicy {
  std::atomic<bool> hosts_first{true};  ///< when a capture fails: the snapshots go, not the write
  std::atomic<unsigned> pace{3};        ///< see HostPace
};

/// Told on the chain's lane, or by open(), of what happens by itself; may block.
class ChainObserver {
 public:
  virtual ~ChainObserver() = default;
  /// It is whole: in the catalog from then on.
  virtual void on_whole(const Uuid& lun, const Member& member) = 0;
  /// These are no images of anything any more. True: that is durable in the catalog, of
  /// all that are no ghosts. False: it is asked again.
  virtual bool on_invalid(const Uuid& lun, std::span<const std::shared_ptr<Member>> members,
                          const std::string& why) = 0;
  /// A ghost has left nothing behind. True: its row is gone, durably. False: it is asked
  /// again.
  virtual bool on_gone(const Uuid& lun, const Member& member) = 0;
};

struct ChainParts {
  Uuid lun;
  Place place;
  block::BlockDevice* live = nullptr;        ///< the container's data, below the capture
  std::shared_ptr<file_store::File> source;  ///< the container's file, to clone from
  ControlThreads* threads = nullptr;
  Pacer* pacer = nullptr;
  const ChainPolicy* policy = nullptr;
  ChainObserver* observer = nullptr;
  const Clock* clock = &Clock::system();
  /// A file of its own for what older ones have captured that copy; empty: that stays in
  /// memory. It may go at any time while the chain does not exist.
  std::string index = {};
  std::string boot = CaptureIndex::this_boot();
};

/// What of the parts is a pointer outlives the chain's close(). pace(), holds_back()
/// and hold_back(): any thread, and they do not block. The rest blocks: control threads,
/// not the lane's own work; after close() it fails with Errc::offline.
class Chain final : public std::enable_shared_from_this<Chain> {
 public:
  using Members = MemberList;

  /// Takes up the snapshots that the catalog knows, ascending. One that is damaged is
  /// invalid, and so are those that read through it; nothing else fails for that.
  static std::shared_ptr<Chain> open(ChainParts parts, std::span<const Member::Known> known);
  ~Chain();

  /// By which the background sees what hosts do.
  BackgroundPace& pace() noexcept { return pace_; }
  /// Whether something in the range must be captured before it may change.
  bool holds_back(std::uint64_t offset, std::uint64_t length) const noexcept {
    const auto* needed = needed_.load(std::memory_order_acquire);
    return needed != nullptr && !needed->covers(offset, length);
  }
  /// Submits `request` to the live data once its range is captured, on the thread that
  /// called. It ends with BlockErrc::no_space or write_error where that is impossible
  /// and hosts do not come first.
  void hold_back(block::IoRequest& request);

  // A cut, in this order (docs/design/capture.md, "The cut"), under hold_cuts().

  /// Has most of what is only cached written, so that captures find little of it. Does not
  /// block; begins no more of it after `limit`, but a file that hangs may never end it.
  std::future<void> write_back(std::chrono::milliseconds limit);
  Outcome<std::shared_ptr<Member>> prepare(const MapHeader& header);
  /// After a prepare() that failed: nothing is left of its files. A failure: perhaps.
  Outcome<> clean_up(const Uuid& snapshot);
  /// From now on `member` captures. Nothing that changes data is in flight.
  void switch_to(std::shared_ptr<Member> member) noexcept;
  /// The record of its cut is durable.
  Outcome<> commit(const std::shared_ptr<Member>& member);
  /// It was prepared and will not be cut: its files go.
  void discard(const std::shared_ptr<Member>& member);

  /// Nobody sees it any more; what older ones need of it stays until they do not. At
  /// once, whatever it holds. The catalog calls it a ghost already.
  Outcome<> remove(const Uuid& snapshot);
  /// Before the catalog has the name.
  Outcome<> rename(const Uuid& snapshot, const std::string& name);

  /// The LUN has another name: so has the folder of its snapshots, or has it after the
  /// next start.
  void renamed(std::string_view lun);

  /// Captures the whole range for the snapshot that captures, if there is one.
  Outcome<> capture(std::uint64_t offset, std::uint64_t length);
  /// Until it is let go, by the thread that asked, nothing begins to capture.
  std::unique_lock<std::mutex> hold_cuts() { return std::unique_lock(cut_mutex_); }

  /// What the snapshot holds there, whole or not. Aligned to the disk's logical block.
  Outcome<> read(const Uuid& snapshot, std::uint64_t offset, std::span<std::byte> into) const;

  /// Whether the snapshot has data at `offset`, and how far that holds, `length` bytes at
  /// most. A hole reads as zeros; what cannot be told is data. Errors as read().
  Outcome<file_store::FileExtent> extent(const Uuid& snapshot, std::uint64_t offset,
                                         std::uint64_t length) const;
  /// The open image of one that is whole; nullptr: it is not.
  std::shared_ptr<file_store::File> whole_image(const Uuid& snapshot) const;

  /// Makes the range of the container what the snapshot holds, by sharing the blocks of its
  /// image; what a newer one still needs of it is captured first. Nobody else changes it
  /// meanwhile. False, and nothing has changed: it must be copied. Durable after a flush.
  Outcome<bool> share_back(const Uuid& snapshot, std::uint64_t offset, std::uint64_t length);

  /// Names every block from `offset` on, a multiple of kChangeBlock, that may differ
  /// between two snapshots, or between one and now: at least all that do. Fills `room`
  /// (not empty). The list ends where `to` does; what it has behind the end of `from` is
  /// compared with zeros. Of "now", what was written before the call is in the list, what
  /// is written during it may be. Each call flushes the container's cached writes, except
  /// by captures or contents.
  ///
  /// Errc::not_found, corrupt: one of them is not there, or no image any more;
  /// invalid_argument: `from` is the newer one.
  Outcome<ChangesPage> changes(const Uuid& from, const std::optional<Uuid>& to,
                               std::uint64_t offset, std::span<Changed> room,
                               ChangesOptions options = {}) const;

  /// Looks whether the public file of a whole one is as it should be. If not it is no image
  /// any more, and neither is what reads through it; the observer is told.
  void check_public(const Uuid& snapshot);

  /// Oldest first, ghosts and invalid ones included.
  std::shared_ptr<const Members> members() const;
  std::shared_ptr<Member> find(const Uuid& snapshot) const;
  /// Whether images share blocks with the container, those included that are going.
  bool shares_blocks() const;
  /// Whether images become whole by themselves, in that store and shared there.
  bool shares_blocks_in(const file_store::Store& store) const {
    return parts_.place.store == &store && parts_.source->traits().clone;
  }

  /// One bounded step on the way to a whole image with its public name, whichever
  /// primitive the snapshot has: how many bytes are missing after it, 0 when it is there.
  Outcome<std::uint64_t> complete_some(const Uuid& snapshot);

  /// One background step now, for who paces it himself: false when nothing is left to
  /// do, or nothing that can be done now.
  bool step();
  /// Ends: nothing is held back from now on, the background stops. Nothing is in flight.
  void close();

 private:
  struct Waiter;
  class Listing;
  struct Loading;
  class Use;
  struct Removal {
    std::shared_ptr<Member> member;
    bool forget = false;  ///< its row goes too
    bool begun = false;
    bool unindexed = false;
    std::uint64_t cursor = 0;  ///< up to here it is not in the index any more
  };
  struct Retired {
    std::shared_ptr<const CapturedUnits> units;
    std::uint64_t switches = 0;  ///< when they were needed last
  };
  /// How a background step went; of several kinds the greatest counts.
  enum class Step { idle, later, failed, worked };

  explicit Chain(ChainParts parts);
  void load(std::span<const Member::Known> known);
  Outcome<FolderContents> find_files();
  std::shared_ptr<Member> load_one(const Member::Known& known, bool newest, Loading& loading);
  void find_missing(Loading& loading);
  void finish_loading(Loading& loading);
  void settle_whole(const Member::Known& known, Member& member);
  void spoil_dependents();

  // On the lane.
  void post_work();
  void work();
  void gather();
  std::deque<Waiter*> take_waiters();
  void round(std::deque<Waiter*>& waiters);
  Outcome<> capture_for(std::deque<Waiter*>& waiters);
  std::uint64_t hole_after(const Waiter& waiter) const;
  Outcome<> capture_units(Member& active, std::vector<Run> wanted);
  void relieve(Member& active, std::uint64_t units);
  void let_go(Waiter& waiter, Error error);
  void capture_failed(std::deque<Waiter*>& waiters, const Failure& why);
  bool give_up(const Failure& why);
  Outcome<> tell_invalid();
  void need_no_more(const Member& member);
  std::shared_ptr<Member> active() const;
  std::int64_t wall_ms() const;
  template <class Job>
  Outcome<> on_lane(Job job);

  // The background, on the lane.
  void kick();
  void schedule(Pacer::Clock::time_point when);
  void background();
  Step step_once();
  Step tell_invalid_again();
  Step drop_ghosts();
  Step give_space_back();
  Outcome<bool> remove_some(Removal& removal);
  Step complete_next();
  Step move_pre_images();
  Step hand_on();
  Step fold_some();
  Outcome<> fold(Member& member);
  Outcome<> unfold(Member& member);
  Outcome<bool> unindex_some(Removal& removal);
  Outcome<std::shared_ptr<CaptureIndex>> index();
  Step remake_index();
  Outcome<> remake(CaptureIndex& fresh);
  void distrust_index() const;
  void drop(const std::shared_ptr<Member>& member);
  void remove_later(Removal removal);
  static bool needed_by_older(const Members& members, std::size_t index);
  Step fill(const std::shared_ptr<Member>& member, file_store::File& from);
  Step finish(const std::shared_ptr<Member>& member);
  Outcome<> complete_by_copy(const std::shared_ptr<Member>& member);
  Outcome<> complete_by_reflink(const Member& member);
  Outcome<> take_missing(Member& member, Run run);
  Step background_failed(const Failure& why);
  void replace(const std::function<void(Members&)>& change);

  /// The first member from `index` on that has the byte itself, else the container. What
  /// it says of the container was true of every byte up to `until` at some time during the
  /// call; what it says of a member stays true.
  Outcome<Holder> holder_at(const Members& members, std::size_t index, std::uint64_t offset,
                            std::uint64_t end) const;
  Outcome<Holder> folded_holder(const Members& members, std::size_t first, std::size_t stop,
                                std::uint64_t offset, std::uint64_t end) const;
  static std::uint64_t first_that_captures(const Members& members);
  Outcome<std::size_t> readable(const Members& members, const Uuid& snapshot, std::uint64_t offset,
                                std::uint64_t length) const;
  Outcome<bool> still_live(const Members& before, const Uuid& snapshot, std::uint64_t offset,
                           std::uint64_t end) const;
  Outcome<file_store::FileExtent> extent_of(const Holder& holder, std::uint64_t offset) const;
  Outcome<std::uint64_t> read_some(const Uuid& snapshot, std::uint64_t offset,
                                   std::span<std::byte> into) const;

  const ChainParts parts_;
  std::atomic<const CapturedUnits*> needed_{nullptr};
  BackgroundPace pace_{*parts_.clock, parts_.lun};
  std::atomic<std::uint64_t> switches_{0};
  const std::shared_ptr<ControlLane> lane_ = std::make_shared<ControlLane>();

  const std::shared_ptr<ControlLane> write_back_lane_ = std::make_shared<ControlLane>();
  std::atomic<bool> writing_back_{false};
  std::mutex cut_mutex_;
  mutable std::mutex members_mutex_;
  std::shared_ptr<const Members> members_ = std::make_shared<const Members>();
  std::shared_ptr<CaptureIndex> index_;  ///< changed on the lane, with members_mutex_
  mutable std::atomic<bool> index_broken_{false};

  std::mutex waiting_mutex_;
  std::deque<Waiter*> waiting_;
  bool working_ = false;
  std::size_t expected_ = 0;  ///< waiters of the next round, once those of the last are back
  std::condition_variable enough_;

  // The lane's.
  CloneCost clone_cost_;
  std::chrono::nanoseconds round_took_{0};
  std::deque<Removal> removals_;
  std::atomic<bool> removing_{false};  ///< there are some; for anybody
  std::vector<Retired> retired_;       ///< perhaps still looked at
  std::vector<std::shared_ptr<Member>>
      untold_;                   ///< invalid ones of which the catalog does not say so
  std::string background_said_;  ///< the failure that was logged last
  std::uint64_t cursor_ = 0;     ///< the unit at which the background goes on, in that member
  Uuid cursor_of_;

  std::uint64_t fold_cursor_ = 0;  ///< up to here the units of that one are in the index
  Uuid fold_of_;
  Uuid exported_;  ///< stays in memory: it is on its way to a whole image
  unsigned turn_ = 0;

  std::atomic<bool> closed_{false};
  mutable std::atomic<unsigned> users_{0};  ///< of the parts, besides the lane
  std::mutex background_mutex_;
  bool scheduled_ = false;
};

}  // namespace caisson::snapshot

// SPDX-License-Identifier: Apache-2.0
// Snapshots that are cut, and removed, by the clock.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "snapshot/manager/manager.hpp"
#include "snapshot/manager/ticker.hpp"
#include "snapshot/policy/schedule_clock.hpp"
#include "storage_object/base/clock.hpp"
#include "storage_object/base/control_threads.hpp"
#include "storage_object/catalog/catalog.hpp"

namespace caisson::snapshot {

struct ScheduleView {
  catalog::ScheduleRecord record;  ///< texts in normal form
  std::int64_t next_at = 0;        ///< seconds since the epoch; 0: never
  std::int64_t last_at = 0;        ///< seconds since the epoch; 0: not yet
  std::string last_result;         ///< one sentence
};

struct ScheduleChange {
  ScheduleView schedule;
  bool changed = false;
};

struct ScheduleOptions {
  Manager* snapshots = nullptr;
  catalog::Catalog* catalog = nullptr;
  LunHost* luns = nullptr;
  Pacer* pacer = nullptr;  ///< nullptr: one of its own
  const Clock* clock = &Clock::system();
};

/// Makes the runs of all schedules, each on a lane of its own: a LUN that hangs holds up the
/// schedules that name it and no others. The catalog alone says what there is. A run that fails is
/// the event `schedule.failed`, and the next one is made all the same; a LUN that is not online is
/// left out of it. After each run its schedule's retention removes what it made itself, nobody
/// locked and nothing stands on: an event each. Invalid ones stay for an administrator to see.
///
/// Thread-safe; every call blocks: control threads only. What a call reports is durable.
/// With dry_run a call makes the same checks, and changes nothing.
class ScheduleRunner {
 public:
  explicit ScheduleRunner(ScheduleOptions options);
  ~ScheduleRunner();  ///< stop()

  /// Once the LUNs are online: what was missed is made now.
  void start();
  /// Returns when the runs that are under way have ended, or after 10 s.
  void stop();

  Outcome<std::vector<ScheduleView>> list();  // by name
  Outcome<ScheduleView> show(std::string_view name);
  /// It begins now; its state is not looked at. The same once more changes nothing.
  /// Errc::already_exists: another has that name; invalid_argument: a text of it is wrong;
  /// unsupported: it quiesces.
  Outcome<ScheduleChange> create(const catalog::ScheduleRecord& record, bool dry_run);
  /// Edits it under the lock that every change takes. What `edit` fails with is returned.
  /// With another time, or enabled again, it begins now.
  Outcome<ScheduleChange> change(std::string_view name,
                                 const std::function<Outcome<>(catalog::ScheduleRecord&)>& edit,
                                 bool dry_run);
  /// Its snapshots stay; one that is made later under that name takes them over.
  Outcome<> remove(std::string_view name, bool dry_run);

  /// Begins what is due, for who paces it himself, and waits a second for it at most; says
  /// how long to wait for the next time.
  std::chrono::nanoseconds tick();

 private:
  struct Entry {
    ScheduleClock clock;
    std::string saved;  ///< the state that the catalog has
    bool first = true;  ///< not asked yet in this life of the process
    std::int64_t last_at = 0;
    std::string last_result;
    bool running = false;  ///< on its lane, whose the rest is meanwhile; guarded by runs_mutex_
    const std::shared_ptr<ControlLane> lane = std::make_shared<ControlLane>();
  };
  using EntryPtr = std::shared_ptr<Entry>;

  EntryPtr begin_run(const catalog::ScheduleRecord& record);
  void run_if_due(const catalog::ScheduleRecord& record, Entry& entry);
  EntryPtr entry_of(const catalog::ScheduleRecord& record);
  bool is_running(const Entry& entry);
  bool made_already(const catalog::ScheduleRecord& record, const ScheduledRun& run);
  std::string make(const catalog::ScheduleRecord& record, const ScheduledRun& run);
  std::vector<std::string> online(const catalog::ScheduleRecord& record);
  Outcome<std::string> cut(const catalog::ScheduleRecord& record,
                           const std::vector<std::string>& luns, const ScheduledRun& run);
  void prune(const catalog::ScheduleRecord& record, const std::string& lun);
  void remove_one(const catalog::ScheduleRecord& record, const SnapshotView& snapshot,
                  const std::string& why);
  void save_state(const catalog::ScheduleRecord& record, Entry& entry);
  void failed(const catalog::ScheduleRecord& record, const std::string& text);
  void note(std::string_view kind, std::string_view object, std::string_view actor,
            const std::string& text);

  Outcome<std::optional<catalog::ScheduleRecord>> find(std::string_view name);
  Outcome<> check(catalog::ScheduleRecord& record);
  Outcome<> check_luns(const catalog::ScheduleRecord& record);
  Outcome<ScheduleChange> put(const catalog::ScheduleRecord& record, bool dry_run);
  void begin_anew(catalog::ScheduleRecord& record) const;

  const ScheduleOptions options_;
  std::unique_ptr<Pacer> own_pacer_;
  Pacer* pacer_;
  std::mutex records_mutex_;  ///< one change of a record at a time
  std::mutex tick_mutex_;     ///< one tick at a time; guards what follows
  std::map<std::string, EntryPtr> entries_;
  std::map<std::string, std::string> unread_;  ///< what was said of those nobody understands
  std::mutex runs_mutex_;
  std::condition_variable run_ended_;
  std::size_t runs_ = 0;  ///< under way; guarded by runs_mutex_
  ControlThreads threads_;
  std::unique_ptr<Ticker> ticker_;
};

}  // namespace caisson::snapshot

// SPDX-License-Identifier: Apache-2.0
// An I_T nexus (SAM-5 4.7): one initiator port's view of one target. The
// transport makes one per session and hands it the session's commands.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gateway/scsi/directory.hpp"
#include "gateway/scsi/task.hpp"
#include "gateway/scsi/task_set.hpp"
#include "gateway/scsi/unit_slot.hpp"
#include "storage_object/block/block_errc.hpp"

namespace caisson::scsi {

struct NexusIdentity {
  std::uint64_t id = 0;  ///< unique in this process; `session drop ID`
  std::uint64_t host = 0;
  std::string host_name;
  std::string initiator_port;  ///< "iqn…,i,0x<isid>" (RFC 7143 3.4.2… transport id)
  std::string target_name;
  std::uint16_t relative_port = 1;  ///< relative target port identifier, VPD 83
  std::uint16_t portal_group = 1;   ///< target port group
  std::string peer_address;         ///< for administrators
  /// Within which the transport answers ABORT TASK, and we PREEMPT AND ABORT.
  std::chrono::milliseconds abort_limit{5'000};
  /// All through which the target is reached, ascending by tag; constant for the
  /// life of the nexus. REPORT TARGET PORT GROUPS lists them.
  std::vector<TargetPortGroup> port_groups = {{1, {1}}};
};

/// Lives on one I/O thread: every call there, except raise() and identity().
/// Outlives every task it was given: destroy it when all of them have completed.
class Nexus {
 public:
  using Slot = UnitSlot;

  /// `host`: who runs this nexus' thread, for task management of other nexuses;
  /// none where there is one thread and nobody else (tests).
  Nexus(NexusIdentity identity, std::vector<LunMapping> units, std::weak_ptr<NexusHost> host = {});
  ~Nexus();
  Nexus(const Nexus&) = delete;
  Nexus& operator=(const Nexus&) = delete;

  const NexusIdentity& identity() const noexcept { return identity_; }
  /// Of the initiator port, by which reservations know it.
  const std::string& transport_id() const noexcept { return transport_id_; }

  /// Looks at the CDB: direction and length of the data, or an error. When it
  /// returns false the task is answered already (status and sense are set,
  /// `complete` is not called): the transport sends that, and discards data
  /// that comes all the same.
  bool prepare(Task& task, DataPlan& plan);

  /// Performs a prepared task, when its turn in the task set has come. Calls
  /// task.complete exactly once, on this thread, perhaps before it returns.
  /// Answers go by the status of the task.
  void execute(Task& task);

  // Task management: nexus_tasks.cpp.

  /// A prepared task that was not given to execute() will not be.
  void withdraw(Task& task) noexcept;
  /// Ends an executing task that can still be stopped; it completes as it would
  /// have, perhaps before this returns. `aborted`: whatever it waits for;
  /// `busy`: only what waits for others, because of its range or its turn.
  void recall(Task& task, block::BlockErrc why) noexcept;
  /// An executing task that could not be stopped is given up: what it may still
  /// write is fenced, and it needs the nexus no more. It completes all the same
  /// when it ends; the transport keeps it until then.
  void abandon(Task& task) noexcept;

  /// False: no such unit, and `done` is not called. See TaskSet::clear_elsewhere.
  bool clear_elsewhere(std::uint64_t lun, Clearing clearing, std::function<void()> done);
  /// LOGICAL UNIT RESET, once its commands have ended: reservations of the whole
  /// unit, and the attention for every nexus. False: no such unit, or not served now.
  bool reset(std::uint64_t lun);
  /// The LUN fields by which this nexus knows a unit.
  std::vector<std::uint64_t> fields_of(const LogicalUnit& unit) const;
  /// May commands be sent to this number at all?
  bool has_unit(std::uint64_t lun) const noexcept { return find(lun) != nullptr; }

  // Messages of the task set, on this nexus' thread.
  void drain(Slot& slot, std::uint64_t turn);
  void grant(Slot& slot, std::uint64_t turn);
  void wake(Slot& slot);

  /// The unit attentions pending for a mapped LUN number, one bit each.
  std::uint32_t pending(std::uint64_t number) const noexcept;

  /// New map after a change of grants; raises REPORTED LUNS DATA HAS CHANGED.
  void remap(std::vector<LunMapping> units);

  /// From any thread.
  void raise(const LogicalUnit& unit, UnitAttention attention) noexcept;

 private:
  friend class Command;
  friend struct Task::Work;

  friend struct Task;

  Slot* find(std::uint64_t lun_field) const noexcept;
  void enter(Task& task, Slot& slot);
  static void join(Task& task);
  void join_held_back(Slot& slot);
  void resume(Slot& slot);
  void run(Task& task);
  static bool may_run(const Task& task) noexcept;
  static void leave(Task& task) noexcept;
  void fail_dormant();
  Slot& slot_for(const LunMapping& mapping, std::uint32_t attentions);
  void release_unmapped(const std::vector<LunMapping>& kept);

  NexusIdentity identity_;
  std::string transport_id_;
  const std::weak_ptr<NexusHost> host_;
  std::atomic<Slot*> slots_ = nullptr;
  std::vector<Slot*> by_number_;   // ascending; own thread only
  std::uint64_t last_serial_ = 0;  // own thread only
};

/// Every nexus of this process, for `session list|drop` and for changes of
/// grants. Thread-safe.
struct SessionView {
  NexusIdentity identity;
  std::string transport;   ///< "iscsi"
  std::string portal;      ///< ADDR:PORT it came in by
  std::string auth;        ///< "none", "chap" or "mutual-chap"
  std::int64_t since = 0;  ///< seconds since the epoch
  std::uint64_t commands = 0;
  std::uint64_t bytes_in = 0;  ///< from the initiator
  std::uint64_t bytes_out = 0;
  std::vector<std::uint64_t> luns;
};

/// What a transport registers for each session; called from any thread, posts
/// to the session's own.
class SessionHandle {
 public:
  virtual ~SessionHandle() = default;
  virtual SessionView view() const = 0;
  virtual void drop(std::string reason) = 0;
  /// The host's grants changed: ask the directory again and remap, or drop if
  /// nothing is left.
  virtual void refresh() = 0;
};

class SessionRegistry {
 public:
  SessionRegistry();
  void add(std::uint64_t id, std::shared_ptr<SessionHandle> session);
  void remove(std::uint64_t id);
  std::vector<SessionView> list() const;
  bool drop(std::uint64_t id, std::string reason);  // false: no such session
  void refresh_all();
  /// An id for a new nexus, never reused in this process.
  std::uint64_t next_id() noexcept;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace caisson::scsi

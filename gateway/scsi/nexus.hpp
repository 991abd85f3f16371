// SPDX-License-Identifier: Apache-2.0
// An I_T nexus (SAM-5 4.7): one initiator port's view of one target. The
// transport makes one per session and hands it the session's commands.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gateway/scsi/directory.hpp"
#include "gateway/scsi/task.hpp"

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
  /// All through which the target is reached, ascending by tag; constant for the
  /// life of the nexus. REPORT TARGET PORT GROUPS lists them.
  std::vector<TargetPortGroup> port_groups = {{1, {1}}};
};

/// Lives on one I/O thread: every call there, except raise() and identity().
/// Outlives every task it was given: destroy it when all of them have completed.
class Nexus {
 public:
  Nexus(NexusIdentity identity, std::vector<LunMapping> units);
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

  /// Performs a prepared task. Calls task.complete exactly once, on this
  /// thread, perhaps before it returns. Answers go by the status of the task.
  void execute(Task& task);

  /// LOGICAL UNIT RESET. `done` on this thread; false: no such LUN.
  void reset(std::uint64_t lun, std::function<void(bool)> done);

  /// The unit attentions pending for a mapped LUN number, one bit each.
  std::uint32_t pending(std::uint64_t number) const noexcept;

  /// New map after a change of grants; raises REPORTED LUNS DATA HAS CHANGED.
  void remap(std::vector<LunMapping> units);

  /// From any thread.
  void raise(const LogicalUnit& unit, UnitAttention attention) noexcept;

 private:
  friend class Command;
  friend struct Task::Work;

  /// One logical unit in this nexus. Slots are only ever appended, and reused
  /// after a remap, so that raise() walks them without a lock.
  struct Slot {
    std::atomic<const LogicalUnit*> unit = nullptr;  ///< nullptr: free
    std::atomic<std::uint32_t> attentions = 0;
    std::atomic<Slot*> next = nullptr;

    // The nexus' own thread only. The unit stays until the last request on it
    // has ended, without a shared count touched per command.
    LunMapping mapping;
    std::uint64_t serial = 0;  ///< of the mapping: a number given to another unit has another
    std::uint32_t in_flight = 0;

    bool idle() const noexcept { return in_flight == 0; }
    bool retired() const noexcept { return unit.load(std::memory_order_relaxed) == nullptr; }
    void request_ended() noexcept {
      if (--in_flight == 0 && retired()) mapping.unit.reset();
    }
  };

  Slot* find(std::uint64_t lun_field) const noexcept;
  Slot& slot_for(const LunMapping& mapping, std::uint32_t attentions);
  void release_unmapped(const std::vector<LunMapping>& kept);

  NexusIdentity identity_;
  std::string transport_id_;
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

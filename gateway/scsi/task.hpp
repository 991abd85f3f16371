// SPDX-License-Identifier: Apache-2.0
// One SCSI command between a transport and the termination (SAM-5 5.1).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "gateway/scsi/sense.hpp"
#include "storage_object/base/buffer.hpp"

namespace caisson::scsi {

enum class Status : std::uint8_t {  // SAM-5 5.3.1
  good = 0x00,
  check_condition = 0x02,
  condition_met = 0x04,
  busy = 0x08,
  reservation_conflict = 0x18,
  task_set_full = 0x28,
  aca_active = 0x30,
  task_aborted = 0x40,
};

enum class Direction : std::uint8_t { none, in, out };

enum class TaskAttribute : std::uint8_t { simple, ordered, head_of_queue, aca };

/// What a CDB asks the transport to move.
struct DataPlan {
  Direction direction = Direction::none;
  /// Bytes. Of data-in an upper bound of what comes back, never more than
  /// kMaxTransfer, whatever allocation length the CDB names.
  std::uint64_t length = 0;
};

struct CommandSpec;
struct UnitSlot;

/// The transport has not said how much data the initiator offers or expects.
inline constexpr std::uint64_t kLengthUnknown = std::numeric_limits<std::uint64_t>::max();

inline constexpr std::size_t kMaxCdb = 32;
/// Largest transfer of one command, advertised in VPD B0.
inline constexpr std::uint64_t kMaxTransfer = std::uint64_t{8} << 20;

/// Where a task stands in the task set of its unit.
enum class TaskPhase : std::uint8_t {
  received,  ///< prepared; its data is being collected
  dormant,   ///< given to execute(); others have to end first
  running,
};

/// Owned by the transport, alive and unmoved from Nexus::prepare() until
/// `complete` was called or Nexus::withdraw() has taken it back.
struct Task {
  using Completion = void (*)(Task&) noexcept;

  // Set by the transport before Nexus::prepare().
  std::uint64_t lun = 0;  ///< the 8 bytes of SAM-5 4.7, as a big-endian number
  std::array<std::byte, kMaxCdb> cdb{};
  std::uint8_t cdb_length = 0;  ///< bytes the transport delivered: 16, or more by an extended CDB
  TaskAttribute attribute = TaskAttribute::simple;
  std::uint64_t tag = 0;  ///< initiator task tag, for logs and aborts
  /// Expected data transfer length (RFC 7143 11.3.4). Commands whose data has
  /// one right length (WRITE SAME) refuse another.
  std::uint64_t expected_length = kLengthUnknown;

  // Set by the transport before Nexus::execute(): the bytes received of the
  // data-out phase, perhaps fewer than the plan asked for. 4096-aligned.
  Buffer data_out;
  std::uint64_t data_out_length = 0;

  // Set by the termination before `complete`.
  Status status = Status::good;
  Sense sense;                       ///< present() with check_condition
  bool descriptor_sense = false;     ///< the format to encode it in (D_SENSE of the unit)
  Buffer data_in;                    ///< what goes back…
  std::uint64_t data_in_length = 0;  ///< …and how much of it

  Completion complete = nullptr;
  void* owner = nullptr;  ///< the transport's own

  // The termination's own between prepare() and `complete`: what the CDB said.
  const CommandSpec* command = nullptr;
  std::uint64_t mapping = 0;  ///< which mapping of the LUN number was checked; 0: none
  std::uint64_t lba = 0;
  std::uint64_t blocks = 0;
  std::uint64_t planned = 0;  ///< bytes of the plan

  // The task set's, from prepare() to the end.
  UnitSlot* slot = nullptr;  ///< nullptr: in no task set
  Task* prev = nullptr;
  Task* next = nullptr;
  std::uint64_t turn = 0;
  TaskPhase phase = TaskPhase::received;
  bool joined = false;   ///< it counts in the order of tasks: all its data has come
  bool granted = false;  ///< an ordered task's turn has come

  /// The termination's scratch for the block requests of one command.
  struct Work;
  Work* work = nullptr;  ///< while there is one

  /// Leaves the task set and calls `complete`.
  void end() noexcept;
};

}  // namespace caisson::scsi

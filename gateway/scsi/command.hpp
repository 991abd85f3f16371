// SPDX-License-Identifier: Apache-2.0
// The command table: one row per operation code and service action. A row
// drives the length and access checks, the check of reserved bits, dispatch,
// REPORT SUPPORTED OPERATION CODES, logs and counters.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "gateway/scsi/nexus.hpp"
#include "storage_object/base/byte_order.hpp"

namespace caisson::scsi {

class Command;

/// What a command does: writes are refused where the mapping or the object is
/// read-only; what rules over all hosts of the unit, where the mapping is.
enum class Access : std::uint8_t { none, read, write, govern };

/// Circumstances in which a command is served all the same (bits).
enum Allow : std::uint8_t {
  kNever = 0,
  kDuringAttention = 1,   ///< a pending unit attention stays pending (SAM-5 5.14)
  kWhenOffline = 2,       ///< the object is not served now
  kWithoutUnit = 4,       ///< no logical unit has that number (SPC-4 5.13)
  kInStandby = 8,         ///< asymmetric access state standby (SPC-4 5.15.2.4.4)
  kWhenUnavailable = 16,  ///< or unavailable or transitioning (5.15.2.4.5, 5.15.2.4.6)
  kDuringUpkeep = 32,     ///< a format or sanitize is under way or has failed
  kWithoutMedium = 64,    ///< the medium is ejected
};

/// What an object must be able to do for the row to exist.
enum class Need : std::uint8_t { nothing, unmap };

inline constexpr std::uint8_t kNoAction = 0xff;
inline constexpr std::size_t kMaxRowCdb = 16;

struct CommandSpec {
  std::uint8_t opcode;
  std::uint8_t action;  ///< service action (byte 1, bits 4-0) or kNoAction
  std::uint8_t length;  ///< of the CDB
  Direction data;
  Access access;
  object::CommandClass guard;  ///< what a reservation makes of it
  std::uint8_t allow;
  Need need;
  /// CDB usage data of SPC-4 6.35.3: opcode, service action, and a one for
  /// every bit that is evaluated. Any other bit set is an INVALID FIELD.
  std::array<std::uint8_t, kMaxRowCdb> usage;
  bool (*plan)(Command&, DataPlan&);  ///< decodes and checks; false: refused
  void (*run)(Command&);              ///< performs it; finishes the task once
  const char* name;
  std::uint32_t timeout;  ///< seconds after which an initiator may take it for lost

  /// It reads or changes what the medium holds.
  constexpr bool moves_blocks() const noexcept {
    return access == Access::read || access == Access::write;
  }
};

/// Ascending by opcode, then action.
std::span<const CommandSpec> command_table() noexcept;

/// The rows of one opcode; empty: unknown here.
std::span<const CommandSpec> rows_of(std::uint8_t opcode) noexcept;

/// The row a CDB selects among those an object with these features has.
/// nullptr: the opcode or its service action is not supported.
const CommandSpec* find_command(std::span<const std::byte> cdb,
                                const block::Features& features) noexcept;

constexpr bool met(Need need, const block::Features& features) noexcept {
  return need != Need::unmap || features.unmap;
}
constexpr bool available(const CommandSpec& spec, const block::Features& features) noexcept {
  return met(spec.need, features);
}

class Command;

/// Why a unit that is there cannot serve the command's row now; no sense: it can.
Sense not_ready(const Command& command) noexcept;
/// The same of a row that nothing is allowed to: what TEST UNIT READY says.
Sense readiness(const LogicalUnit& unit) noexcept;

/// Is the unit ready for it, and may this nexus do that now? Else it is refused.
bool access_granted(const Command& command);

/// A line in the log and an event in the catalog.
void leave_trace(object::StorageObject& object, std::string_view kind, const std::string& text);

/// One command under way, as the functions of its row see it.
class Command {
 public:
  Command(Nexus& nexus, Task& task, Nexus::Slot* slot) noexcept
      : nexus_(nexus), task_(task), slot_(slot) {
    if (slot != nullptr) geometry_ = slot->mapping.unit->object().geometry();
  }

  Task& task() const noexcept { return task_; }
  const CommandSpec& spec() const noexcept { return *task_.command; }
  const NexusIdentity& identity() const noexcept { return nexus_.identity(); }
  const std::string& transport_id() const noexcept { return nexus_.transport_id(); }

  /// False only in rows that are allowed kWithoutUnit.
  bool has_unit() const noexcept { return slot_ != nullptr; }
  const LunMapping& mapping() const noexcept { return slot_->mapping; }
  Nexus::Slot& slot() const noexcept { return *slot_; }
  /// As it was when this phase of the command began.
  const block::Geometry& geometry() const noexcept { return geometry_; }
  LogicalUnit& unit() const noexcept { return *slot_->mapping.unit; }
  object::StorageObject& object() const noexcept { return unit().object(); }
  bool write_protected() const noexcept;

  /// LUN numbers of the nexus, ascending.
  std::vector<std::uint64_t> numbers() const;
  /// Takes the first pending unit attention; no sense when there is none.
  Sense take_attention() const noexcept;
  /// Forgets one attention on every unit of the nexus.
  void clear_everywhere(UnitAttention attention) const noexcept;
  /// Raises one for this unit on every nexus but this one.
  void raise_elsewhere(UnitAttention attention) const { unit().raise(attention, &nexus_); }

  /// The CDB as a layout; its length was checked against the row's.
  template <WireLayout T>
  T cdb() const noexcept {
    static_assert(sizeof(T) <= kMaxRowCdb);
    return load<T>(task_.cdb);
  }

  /// The host and its initiator, for leave_trace().
  std::string who() const;

  // Answers. In a plan they only set the status; finish() in addition calls the
  // task back, so a run function ends with it.
  bool refuse(const Sense& sense) const noexcept;
  bool refuse_field(std::uint16_t byte, std::uint8_t bit) const noexcept;
  bool refuse_conflict() const noexcept;
  void finish() const noexcept { task_.end(); }
  void fail(const Sense& sense) const noexcept {
    refuse(sense);
    finish();
  }
  /// GOOD with the first `limit` bytes of `data` to send.
  void answer(std::span<const std::byte> data, std::uint64_t limit) const;

 private:
  Nexus& nexus_;
  Task& task_;
  Nexus::Slot* slot_;
  block::Geometry geometry_;
};

}  // namespace caisson::scsi

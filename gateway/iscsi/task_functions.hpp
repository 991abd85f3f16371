// SPDX-License-Identifier: Apache-2.0
// What ends commands before their time: task management functions of this
// session, those of other sessions, a logout, the loss of the connection.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <span>
#include <vector>

#include "gateway/iscsi/command.hpp"
#include "gateway/iscsi/options.hpp"
#include "gateway/iscsi/pdu.hpp"

namespace caisson::iscsi {

/// Whose commands a function speaks of.
enum class Scope : std::uint8_t {
  task,      ///< one of this session
  own_set,   ///< this session's, of one unit
  unit_set,  ///< every session's, of one unit
  target,    ///< every session's, of every unit this session sees
};

struct FunctionSpec {
  TaskFunction code;
  Scope scope;
  bool ends;           ///< commands; else it only asks for them
  bool resets;         ///< the units, once their commands have ended
  bool closes;         ///< every session of the target, once it is answered
  std::uint8_t level;  ///< iSCSIProtocolLevel it needs (RFC 7144 5)
  std::chrono::milliseconds Timers::*limit;
  const char* name;
};

/// The functions there are. REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS of the
/// termination says the same.
std::span<const FunctionSpec> task_functions() noexcept;
/// nullptr: not supported.
const FunctionSpec* find_function(TaskFunction code) noexcept;

/// Numbered commands that belong to a set that was ended before they came: they
/// have no effect (RFC 7143 4.2.3.3).
struct Forestalled {
  bool any_unit = false;
  std::uint64_t lun = 0;     ///< unless any_unit
  std::uint32_t before = 0;  ///< CmdSN
};

/// One of them under way: it waits for commands to end.
struct PendingFunction {
  enum class Kind : std::uint8_t {
    own,       ///< asked for by this session; answered in the end
    clearing,  ///< by another session, which is told
    leaving,   ///< logout, or the connection is lost
  };
  using Time = std::chrono::steady_clock::time_point;

  Kind kind = Kind::own;
  std::uint64_t id = 0;
  const FunctionSpec* spec = nullptr;
  TaskManagementBhs request{};
  std::function<void()> done;                ///< of clearing
  std::vector<Command*> awaited;             ///< in the termination
  std::size_t elsewhere = 0;                 ///< parts that other sessions have not ended
  std::optional<std::uint32_t> from_number;  ///< waits for ExpCmdSN to be that
  Time data_by;                              ///< aborted commands wait no longer for their data
  Time give_up;                              ///< what is awaited then is abandoned
  Time answer_by;                            ///< if other sessions have not ended theirs: rejected
  bool late = false;

  bool ready() const noexcept { return awaited.empty() && !from_number && elsewhere == 0; }
  /// When something is to be given up.
  Time wakes() const noexcept {
    if (std::ranges::any_of(awaited, &Command::lingers)) return data_by;
    return awaited.empty() && !from_number ? answer_by : give_up;
  }
};

using PendingFunctions = std::list<PendingFunction>;

}  // namespace caisson::iscsi

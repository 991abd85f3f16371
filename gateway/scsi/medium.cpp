// SPDX-License-Identifier: Apache-2.0
// START STOP UNIT and PREVENT ALLOW MEDIUM REMOVAL (SBC-3 5.25, 5.9).
//
// A file has no motor: stopping writes back what is cached, as SBC-3 asks, and
// the disk stays ready. One host that shuts down must not take it from the others.
#include "gateway/scsi/handlers.hpp"
#include "gateway/scsi/senses.hpp"
#include "gateway/scsi/wire.hpp"
#include "gateway/scsi/work.hpp"

namespace caisson::scsi {
namespace {

using object::CommandClass;

bool permitted(const Command& command, CommandClass guard) {
  return command.object().reservations().permits(command.identity().id, guard) ||
         command.refuse_conflict();
}

void load_medium(Command& command) {
  if (command.object().medium().load())
    command.raise_elsewhere(UnitAttention::medium_may_have_changed);
  command.finish();
}

/// Everything is on the medium by now. Prevented since the plan: it stays.
bool eject_medium(Task::Work& work) {
  if (work.unit->object().medium().eject()) {
    finish(work);
  } else {
    fail(work, kRemovalPrevented);
  }
  return false;
}

}  // namespace

bool plan_start_stop(Command& command, DataPlan&) {
  auto cdb = command.cdb<wire::StartStopCdb>();
  if ((cdb.flags & wire::kPowerCondition) != 0) return command.refuse_field(4, 7);
  auto start = (cdb.flags & wire::kStart) != 0, move = (cdb.flags & wire::kLoadEject) != 0;
  if (move && !command.object().identity()->removable) return command.refuse_field(4, 1);
  if (move && command.mapping().read_only) return command.refuse(kWriteProtected);
  if ((move || !start) && !permitted(command, CommandClass::write)) return false;
  // Loading what is ejected moves it too; loading what is there moves nothing.
  auto& medium = command.object().medium();
  auto moves = move && (!start || !medium.present());
  return !moves || !medium.prevented() || command.refuse(kRemovalPrevented);
}

void run_start_stop(Command& command) {
  DataPlan plan;  // it may have waited since it was checked
  if (!plan_start_stop(command, plan)) return command.finish();
  auto cdb = command.cdb<wire::StartStopCdb>();
  auto move = (cdb.flags & wire::kLoadEject) != 0;
  if ((cdb.flags & wire::kStart) != 0) return move ? load_medium(command) : command.finish();
  if (move && (cdb.flags & wire::kNoFlush) != 0) {
    auto& medium = command.object().medium();
    return medium.eject() ? command.finish() : command.fail(kRemovalPrevented);
  }
  if ((cdb.flags & wire::kNoFlush) != 0 || !command.object().medium().present())
    return command.finish();
  auto& work = begin_work(command, move ? eject_medium : nullptr);
  aim(work, block::IoOp::flush, 0, 0);
  // An answer before the flush would leave open what becomes of it: IMMED is a
  // leave to answer early, not a duty, and an eject shows in what follows.
  submit(work);
}

bool plan_prevent_allow(Command& command, DataPlan&) {
  auto prevent = command.cdb<wire::StartStopCdb>().flags & wire::kPrevent;
  if (prevent > 1) return command.refuse_field(4, 1);  // medium changers: obsolete
  if (prevent == 0) return true;
  if (command.mapping().read_only) return command.refuse(kWriteProtected);
  return permitted(command, CommandClass::write);
}

void run_prevent_allow(Command& command) {
  auto& medium = command.object().medium();
  if ((command.cdb<wire::StartStopCdb>().flags & wire::kPrevent) != 0)
    medium.prevent(command.identity().id);
  else
    medium.allow(command.identity().id);
  command.finish();
}

}  // namespace caisson::scsi

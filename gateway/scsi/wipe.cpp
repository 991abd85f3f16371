// SPDX-License-Identifier: Apache-2.0
// FORMAT UNIT and SANITIZE (SBC-3 5.3, 5.24). The object does it; here is what
// their parameters say.
#include <algorithm>
#include <cstring>
#include <string>

#include "gateway/scsi/extent.hpp"
#include "gateway/scsi/handlers.hpp"
#include "gateway/scsi/senses.hpp"
#include "gateway/scsi/wire.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/block/block_errc.hpp"

namespace caisson::scsi {
namespace {

using object::UpkeepRequest;
using u8 = std::uint8_t;
using Bytes = std::span<const std::byte>;
using Kind = UpkeepRequest::Kind;

bool refuse_parameter(const Command& command, std::size_t byte, u8 bit = 7) {
  auto sense = kInvalidParameter;
  sense.field = FieldPointer{false, static_cast<std::uint16_t>(byte), bit};
  return command.refuse(sense);
}

struct ErrorRow {
  Error error;
  Status status;
  Sense sense;
};

/// Why it does not begin.
void set_refusal(Task& task, const Error& error) {
  const ErrorRow rows[] = {
      {make_error_code(block::BlockErrc::busy), Status::busy, {}},
      {make_error_code(block::BlockErrc::aborted), Status::task_aborted, {}},
      {make_error_code(block::BlockErrc::conflict), Status::reservation_conflict, {}},
      {make_error_code(block::BlockErrc::offline), Status::check_condition, kManualIntervention},
      {make_error_code(block::BlockErrc::failed), Status::check_condition, kInternalTargetFailure},
      {make_error_code(block::BlockErrc::write_protected), Status::check_condition,
       kWriteProtected},
      // Blocks that a snapshot or clone shares cannot be wiped through this LUN.
      {make_error_code(Errc::in_use), Status::check_condition, kCommandSequence},
      {make_error_code(Errc::invalid_argument), Status::check_condition, kCommandSequence},
  };
  const auto* row = std::ranges::find(rows, error, &ErrorRow::error);
  task.status = row == std::end(rows) ? Status::check_condition : row->status;
  task.sense = row == std::end(rows) ? kInternalTargetFailure : row->sense;
}

void set_failure(Task& task, Kind kind) {
  task.status = Status::check_condition;
  task.sense = kind == Kind::format ? kFormatFailed : kSanitizeFailed;
}

/// Answers when it has begun (IMMED) or ended. The unit stays for both.
void start(Command& command, UpkeepRequest request, bool immediate) {
  auto& task = command.task();
  auto unit = command.mapping().unit;
  auto kind = request.kind;
  auto nexus = command.identity().id;
  auto what = std::string(command.spec().name) + " of " + command.who();
  unit->object().start_upkeep(
      {nexus, &task}, std::move(request),
      [unit, &task, immediate, what](Error error) {
        if (!error) leave_trace(unit->object(), "lun.wipe_begun", what + " has begun");
        if (error) set_refusal(task, error);
        if (error || immediate) task.end();
      },
      [unit, &task, immediate, kind, nexus, what](Error error) {
        leave_trace(unit->object(), error ? "lun.wipe_failed" : "lun.wipe_ended",
                    what + (error ? " failed: " + error.message() : " has ended"));
        if (!error) unit->raise_except(UnitAttention::medium_may_have_changed, nexus);
        if (immediate) return;
        if (error) set_failure(task, kind);
        task.end();
      });
}

bool under_way(const Command& command) {
  if (!object::is_under_way(command.object().upkeep().state())) return false;
  command.refuse(readiness(command.unit()));
  return true;
}

bool sanitize_failed(const Command& command) {
  return command.object().upkeep().state() == object::UpkeepState::sanitize_failed;
}

}  // namespace

bool plan_format_unit(Command& command, DataPlan& plan) {
  auto cdb = command.cdb<wire::FormatUnitCdb>();
  if (under_way(command)) return false;
  if (sanitize_failed(command)) return command.refuse(kSanitizeFailed);
  if ((cdb.flags & wire::kFormatData) == 0) {
    if ((cdb.flags & ~wire::kFormatData) != 0) return command.refuse_field(1, 7);
    return true;
  }
  plan = {Direction::out, (cdb.flags & wire::kLongList) != 0 ? sizeof(wire::FormatHeaderLong)
                                                             : sizeof(wire::FormatHeader)};
  return true;
}

void run_format_unit(Command& command) {
  auto& task = command.task();
  if (task.planned == 0) return start(command, {}, false);
  if (task.data_out_length < task.planned) return command.fail(kParameterListLength);
  Bytes list = task.data_out.span().first(task.planned);
  auto header = load<wire::FormatHeader>(list);
  auto long_list = task.planned == sizeof(wire::FormatHeaderLong);
  auto defects = long_list ? std::uint32_t{load<wire::FormatHeaderLong>(list).defect_list_length}
                           : std::uint32_t{header.defect_list_length};
  // No protection information; no options about defects that there are none of.
  bool valid = (header.protection == 0 || refuse_parameter(command, 0, 2)) &&
               ((header.flags & ~(wire::kFormatImmediate | wire::kFormatOptionsValid)) == 0 ||
                refuse_parameter(command, 1)) &&
               (!long_list || list[3] == std::byte{0} || refuse_parameter(command, 3)) &&
               (defects == 0 || refuse_parameter(command, long_list ? 4 : 2));
  if (!valid) return command.finish();
  start(command, {}, (header.flags & wire::kFormatImmediate) != 0);
}

bool plan_sanitize(Command& command, DataPlan& plan) {
  auto length = std::uint16_t{command.cdb<wire::SanitizeCdb>().list_length};
  if (under_way(command)) return false;
  if (command.spec().action != wire::kSanitizeOverwrite)
    return length == 0 || command.refuse_field(7, 7);
  // A pattern of a byte at least, of a block at most.
  constexpr auto kHeader = sizeof(wire::OverwriteList);
  if (length <= kHeader || length > kHeader + logical_block(command))
    return command.refuse_field(7, 7);
  plan = {Direction::out, length};
  return true;
}

namespace {

bool read_overwrite(const Command& command, UpkeepRequest& request) {
  const auto& task = command.task();
  if (task.data_out_length < task.planned) return command.refuse(kParameterListLength);
  Bytes list = task.data_out.span().first(task.planned);
  auto header = load<wire::OverwriteList>(list);
  auto pattern = list.subspan(sizeof header);
  if ((header.flags & wire::kOverwriteTest) != 0) return refuse_parameter(command, 0, 6);
  request.passes = header.flags & wire::kOverwriteCount;
  if (request.passes == 0) return refuse_parameter(command, 0, 4);
  if (header.pattern_length == 0 || header.pattern_length > pattern.size())
    return refuse_parameter(command, offsetof(wire::OverwriteList, pattern_length));
  request.invert = (header.flags & wire::kInvert) != 0;
  auto block = logical_block(command);
  request.pattern = Buffer(block);
  for (std::size_t at = 0; at < block; at += header.pattern_length)
    std::memcpy(request.pattern.data() + at, pattern.data(),
                std::min<std::size_t>(header.pattern_length, block - at));
  return true;
}

}  // namespace

void run_sanitize(Command& command) {
  auto flags = command.cdb<wire::SanitizeCdb>().flags;
  UpkeepRequest request;
  request.kind =
      command.spec().action == wire::kSanitizeOverwrite ? Kind::overwrite : Kind::block_erase;
  request.may_be_left = (flags & wire::kUnrestrictedExit) != 0;
  if (request.kind == Kind::overwrite && !read_overwrite(command, request)) return command.finish();
  start(command, std::move(request), (flags & wire::kSanitizeImmediate) != 0);
}

/// GOOD where there is no failure to leave.
void run_exit_failure_mode(Command& command) {
  auto& task = command.task();
  auto unit = command.mapping().unit;
  unit->object().leave_failed_sanitize([unit, &task](Error error) {
    if (error == make_error_code(Errc::invalid_argument)) {
      task.status = Status::check_condition;
      task.sense = kSanitizeFailed;
    } else if (error) {
      set_refusal(task, error);
    }
    task.end();
  });
}

}  // namespace caisson::scsi

// SPDX-License-Identifier: Apache-2.0
// MODE SELECT (SPC-4 6.12, 6.13). The whole list is checked against what may be
// changed before anything is.
#include <algorithm>
#include <string>
#include <utility>

#include "gateway/scsi/handlers.hpp"
#include "gateway/scsi/mode_pages.hpp"
#include "gateway/scsi/sense_table.hpp"
#include "gateway/scsi/senses.hpp"
#include "gateway/scsi/wire.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::scsi {
namespace {

using u8 = std::uint8_t;
using Bytes = std::span<const std::byte>;

/// PS is reserved here, but initiators send back what MODE SENSE gave them.
constexpr u8 kPageCode = 0x3f;

bool refuse_parameter(const Command& command, std::size_t byte) {
  auto sense = kInvalidParameter;
  sense.field = FieldPointer{false, static_cast<std::uint16_t>(byte), std::nullopt};
  return command.refuse(sense);
}

struct ListHead {
  std::size_t size = 0;
  bool long_lba = false;
  std::size_t descriptor = 0;  ///< bytes of block descriptors behind it
};

std::size_t head_size(const Command& command) {
  return command.spec().length == 6 ? sizeof(wire::ModeHeader6) : sizeof(wire::ModeHeader10);
}

ListHead load_head(const Command& command, Bytes list) {
  if (command.spec().length == 6)
    return {sizeof(wire::ModeHeader6), false, load<wire::ModeHeader6>(list).descriptor_length};
  auto head = load<wire::ModeHeader10>(list);
  return {sizeof head, (head.long_lba & 1) != 0, head.descriptor_length};
}

/// One descriptor that says what is so; or, of the number of blocks, nothing.
bool check_descriptor(const Command& command, const ListHead& head, Bytes list) {
  if (head.descriptor == 0) return true;
  Reply current;
  write_block_descriptor(command, head.long_lba, current);
  if (head.descriptor != current.size()) return refuse_parameter(command, head.size - 1);
  if (list.size() < head.size + head.descriptor) return command.refuse(kParameterListLength);
  auto given = list.subspan(head.size, head.descriptor);
  auto count = head.descriptor / 2;
  auto same = [&](std::size_t from, std::size_t length) {
    return std::ranges::equal(given.subspan(from, length), current.data().subspan(from, length));
  };
  if (!same(count, count)) return refuse_parameter(command, head.size + count);
  auto silent = all_zero(given.first(count));
  return silent || same(0, count) || refuse_parameter(command, head.size);
}

/// The head of a page in either format.
struct PageHead {
  u8 code = 0, subpage = 0;
  std::size_t size = 0;    ///< of the head itself
  std::size_t length = 0;  ///< of what follows
  bool whole = false;      ///< the list holds the head

  std::size_t end() const { return size + length; }
};

PageHead load_page_head(Bytes rest) {
  auto byte = [&](std::size_t at) { return std::to_integer<u8>(rest[at]); };
  PageHead head;
  head.code = byte(0) & kPageCode;
  auto long_format = (byte(0) & wire::kSubpageFormat) != 0;
  head.size = long_format ? 4 : 2;
  head.whole = rest.size() >= head.size;
  if (!head.whole) return head;
  head.subpage = long_format ? byte(1) : 0;
  head.length = long_format ? std::size_t{load<be16>(rest.subspan(2))} : byte(1);
  return head;
}

/// A page may differ from the current one in changeable bits only.
bool check_page(const Command& command, const ModePage& row, Bytes given, std::size_t at) {
  Reply current, changeable;
  row.write(command, PageControl::current, current);
  row.write(command, PageControl::changeable, changeable);
  if (given.size() < current.size()) return command.refuse(kParameterListLength);
  auto head = load_page_head(given);
  if (head.end() != current.size()) return refuse_parameter(command, at + head.size / 2);
  for (std::size_t i = head.size; i < current.size(); ++i)
    if (((given[i] ^ current.data()[i]) & ~changeable.data()[i]) != std::byte{0})
      return refuse_parameter(command, at + i);
  return true;
}

const ModePage* page_of(const Command& command, const PageHead& head) {
  auto row = std::ranges::find_if(mode_pages(), [&](const ModePage& page) {
    return page.code == head.code && page.subpage == head.subpage && has(command, page);
  });
  return row == mode_pages().end() ? nullptr : &*row;
}

/// Calls visit(row, page, offset) for each page; false when it or the list is
/// at fault. A page that was checked is as long as its head says.
template <class Visit>
bool each_page(const Command& command, Bytes list, std::size_t at, Visit visit) {
  while (at < list.size()) {
    auto rest = list.subspan(at);
    auto head = load_page_head(rest);
    if (!head.whole) return command.refuse(kParameterListLength);
    const auto* row = page_of(command, head);
    if (row == nullptr) return refuse_parameter(command, at);
    if (!visit(*row, rest, at)) return false;
    at += head.end();
  }
  return true;
}

bool saves(const Task& task) { return (std::to_integer<u8>(task.cdb[1]) & wire::kSavePages) != 0; }

/// The unit stays until the object has answered, even if the nexus does not.
void change_modes(Command& command, object::ModeChange change) {
  auto& task = command.task();
  change.save = saves(task);
  auto kept = command.mapping().unit;
  auto before = kept->object().modes().saved();
  auto text = "MODE SELECT of " + command.who() + " changed the saved values";
  auto changed = [kept, before, text, &task](Error error) {
    if (!error && kept->object().modes().saved() != before)
      leave_trace(kept->object(), "lun.modes_saved", text);
    if (error == make_error_code(Errc::unsupported)) {
      task.status = Status::check_condition;
      task.sense = kSavingNotSupported;
    } else if (error) {
      const auto& row = sense_row(error);
      task.status = row.status;
      task.sense = row.sense;
    }
    task.end();
  };
  kept->object().change_modes({command.identity().id, &task}, change, std::move(changed));
}

}  // namespace

bool plan_mode_select(Command& command, DataPlan& plan) {
  auto length = command.spec().length == 6
                    ? std::uint16_t{command.cdb<wire::ModeSelect6Cdb>().list_length}
                    : std::uint16_t{command.cdb<wire::Cdb10>().length};
  plan = {length == 0 ? Direction::none : Direction::out, length};
  auto flags = std::to_integer<u8>(command.task().cdb[1]);
  if ((flags & wire::kPageFormat) == 0) return command.refuse_field(1, 4);
  return length == 0 || length >= head_size(command) || command.refuse(kParameterListLength);
}

void run_mode_select(Command& command) {
  auto& task = command.task();
  object::ModeChange change;
  if (task.planned == 0) return saves(task) ? change_modes(command, change) : command.finish();
  if (task.data_out_length < task.planned) return command.fail(kInvalidInformationUnit);
  Bytes list = task.data_out.span().first(task.planned);
  auto head = load_head(command, list);
  auto pages = head.size + head.descriptor;
  auto valid = check_descriptor(command, head, list) &&
               each_page(command, list, pages, [&](auto& row, Bytes page, std::size_t at) {
                 return check_page(command, row, page, at);
               });
  if (!valid) return command.finish();
  each_page(command, list, pages, [&](auto& row, Bytes page, std::size_t) {
    if (row.apply != nullptr) row.apply(change, page);
    return true;
  });
  change_modes(command, change);
}

}  // namespace caisson::scsi

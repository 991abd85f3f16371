// SPDX-License-Identifier: Apache-2.0
// MODE SENSE (SPC-4 6.14, 6.15).
#include <algorithm>

#include "gateway/scsi/handlers.hpp"
#include "gateway/scsi/mode_pages.hpp"
#include "gateway/scsi/senses.hpp"
#include "gateway/scsi/wire.hpp"

namespace caisson::scsi {
namespace {

using u8 = std::uint8_t;

constexpr u8 kAllPages = 0x3f, kAllSubpages = 0xff, kPageCode = 0x3f, kPageControlShift = 6;

bool matches(u8 asked, u8 all, u8 has) { return asked == all || asked == has; }

/// What either length of the CDB asks for.
struct ModeRequest {
  bool six = false;
  bool long_lba = false;
  bool block_descriptor = true;
  PageControl control = PageControl::current;
  u8 page = 0, subpage = 0;
  std::uint16_t allocation = 0;

  bool names(const ModePage& row) const { return matches(page, kAllPages, row.code); }
  /// Of all pages there are only those without a subpage, or all subpages.
  bool selects(const ModePage& row) const {
    if (page == kAllPages && subpage != 0 && subpage != kAllSubpages) return false;
    return names(row) && matches(subpage, kAllSubpages, row.subpage);
  }
};

template <class Cdb>
ModeRequest decode(const Cdb& cdb) {
  ModeRequest request;
  request.six = sizeof(Cdb) == sizeof(wire::ModeSense6Cdb);
  request.long_lba = !request.six && (cdb.flags & wire::kLongLba) != 0;
  request.block_descriptor = (cdb.flags & wire::kNoBlockDescriptor) == 0;
  request.control = static_cast<PageControl>(cdb.page >> kPageControlShift);
  request.page = cdb.page & kPageCode;
  request.subpage = cdb.subpage;
  request.allocation = cdb.allocation;
  return request;
}

ModeRequest decode(const Command& command) {
  return command.spec().length == 6 ? decode(command.cdb<wire::ModeSense6Cdb>())
                                    : decode(command.cdb<wire::ModeSense10Cdb>());
}

u8 device_specific(const Command& command) {
  return wire::kDpoFua | (command.write_protected() ? wire::kWriteProtected : 0);
}

void patch_header(const Command& command, const ModeRequest& request, std::size_t descriptor,
                  Reply& reply) {
  if (request.six)
    reply.patch(0, wire::ModeHeader6{static_cast<u8>(reply.size() - 1), 0, device_specific(command),
                                     static_cast<u8>(descriptor)});
  else
    reply.patch(
        0, wire::ModeHeader10{static_cast<std::uint16_t>(reply.size() - 2), 0,
                              device_specific(command), static_cast<u8>(request.long_lba ? 1 : 0),
                              0, static_cast<std::uint16_t>(descriptor)});
}

}  // namespace

bool plan_mode_sense(Command& command, DataPlan& plan) {
  auto request = decode(command);
  plan = parameter_data(request.allocation);
  auto known = std::ranges::any_of(mode_pages(), [&](auto& page) { return request.names(page); });
  if (!known) return command.refuse_field(2, 5);
  auto selected = [&](auto& page) { return request.selects(page) && has(command, page); };
  return std::ranges::any_of(mode_pages(), selected) || command.refuse_field(3, 7);
}

void run_mode_sense(Command& command) {
  auto request = decode(command);
  Reply reply;
  reply.zeros(request.six ? sizeof(wire::ModeHeader6) : sizeof(wire::ModeHeader10));
  auto header = reply.size();
  if (request.block_descriptor) write_block_descriptor(command, request.long_lba, reply);
  auto descriptor = reply.size() - header;
  for (const auto& page : mode_pages())
    if (request.selects(page) && has(command, page)) page.write(command, request.control, reply);
  patch_header(command, request, descriptor, reply);
  command.answer(reply.data(), command.task().planned);
}

}  // namespace caisson::scsi

// SPDX-License-Identifier: Apache-2.0
// MODE SENSE (SPC-4 6.14, 7.5; SBC-3 6.4).
#include <algorithm>
#include <limits>

#include "gateway/scsi/handlers.hpp"
#include "gateway/scsi/reply.hpp"
#include "gateway/scsi/senses.hpp"
#include "gateway/scsi/wire.hpp"

namespace caisson::scsi {
namespace {

using u8 = std::uint8_t;

enum class PageControl : u8 { current = 0, changeable = 1, defaults = 2, saved = 3 };

constexpr u8 kAllPages = 0x3f, kAllSubpages = 0xff, kPageCode = 0x3f, kPageControlShift = 6;
constexpr std::uint16_t kBusyTimeoutUnlimited = 0xffff;
constexpr std::uint32_t kMax32 = std::numeric_limits<std::uint32_t>::max();

/// What either length of the CDB asks for.
struct ModeRequest {
  bool six = false;
  bool long_lba = false;
  bool block_descriptor = true;
  PageControl control = PageControl::current;
  u8 page = 0, subpage = 0;
  std::uint16_t allocation = 0;
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

// Each writes its page. Nothing is changeable: those masks are zeros.

void write_caching(const Command& command, bool changeable, Reply& reply) {
  wire::CachingPage page{0x08, sizeof(wire::CachingPage) - 2};
  if (!changeable && command.object().cache_mode() != catalog::CacheMode::writethrough)
    page.flags = wire::kWce;
  reply.put(page);
}

void write_control(const Command& command, bool changeable, Reply& reply) {
  wire::ControlPage page{0x0a, sizeof(wire::ControlPage) - 2};
  if (!changeable) {
    page.flags = wire::kGlobalLoggingDisabled;
    if (command.unit().descriptor_sense()) page.flags |= wire::kDescriptorSense;
    page.queueing = wire::kUnrestrictedReordering;
    page.busy_timeout = kBusyTimeoutUnlimited;
  }
  reply.put(page);
}

void write_exceptions(const Command&, bool changeable, Reply& reply) {
  wire::ExceptionsPage page{0x1c, sizeof(wire::ExceptionsPage) - 2};
  if (!changeable) page.flags = wire::kExceptionsDisabled;
  reply.put(page);
}

struct ModePage {
  u8 code;
  void (*write)(const Command&, bool changeable, Reply&);
};

/// Ascending, as page 3Fh returns them.
constexpr ModePage kPages[] = {
    {0x08, write_caching}, {0x0a, write_control}, {0x1c, write_exceptions}};

bool selects(const ModeRequest& request, const ModePage& page) {
  return request.page == kAllPages || request.page == page.code;
}

void write_block_descriptor(const Command& command, bool long_lba, Reply& reply) {
  const auto& geometry = command.geometry();
  auto blocks = geometry.capacity / geometry.logical_block;
  if (long_lba) {
    reply.put(wire::LongBlockDescriptor{blocks, 0, geometry.logical_block});
  } else {
    auto count = static_cast<std::uint32_t>(std::min<std::uint64_t>(blocks, kMax32));
    reply.put(wire::ShortBlockDescriptor{count, 0, geometry.logical_block});
  }
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
  if (request.control == PageControl::saved) return command.refuse(kSavingNotSupported);
  auto known = std::ranges::any_of(kPages, [&](auto& page) { return selects(request, page); });
  if (!known) return command.refuse_field(2, 5);
  return request.subpage == 0 || request.subpage == kAllSubpages || command.refuse_field(3, 7);
}

void run_mode_sense(Command& command) {
  auto request = decode(command);
  Reply reply;
  reply.zeros(request.six ? sizeof(wire::ModeHeader6) : sizeof(wire::ModeHeader10));
  auto header = reply.size();
  if (request.block_descriptor) write_block_descriptor(command, request.long_lba, reply);
  auto descriptor = reply.size() - header;
  for (const auto& page : kPages)
    if (selects(request, page))
      page.write(command, request.control == PageControl::changeable, reply);
  patch_header(command, request, descriptor, reply);
  command.answer(reply.data(), command.task().planned);
}

}  // namespace caisson::scsi

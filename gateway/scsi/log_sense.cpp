// SPDX-License-Identifier: Apache-2.0
// LOG SENSE (SPC-4 6.8, 7.3). One row per page; nothing can be reset or saved,
// so LOG SELECT is not offered.
#include <algorithm>

#include "gateway/scsi/handlers.hpp"
#include "gateway/scsi/reply.hpp"
#include "gateway/scsi/thresholds.hpp"
#include "gateway/scsi/wire.hpp"

namespace caisson::scsi {
namespace {

using u8 = std::uint8_t;

constexpr u8 kPageCode = 0x3f, kPageControlShift = 6, kCumulative = 1;
constexpr u8 kSubpages = 0xff;
constexpr u8 kBinary = 0x03;     // FORMAT AND LINKING: binary list
constexpr u8 kNoReading = 0xff;  // of a temperature

struct LogPage {
  u8 code, subpage;
  void (*write)(const Command&, Reply&);  ///< what follows the head
  Need need = Need::nothing;
};

void put_parameter(Reply& reply, std::uint16_t code, std::span<const std::byte> value) {
  reply.put(wire::LogParameter{code, kBinary, static_cast<u8>(value.size())}).bytes(value);
}

void write_pages(const Command& command, Reply& reply);
void write_subpages(const Command& command, Reply& reply);

/// General access statistics (SPC-4 7.3.10): of all nexuses since it is served.
void write_statistics(const Command& command, Reply& reply) {
  auto sum = command.object().accounting();
  auto block = command.geometry().logical_block;
  wire::AccessStatistics data{};
  data.reads = sum.reads;
  data.writes = sum.writes;
  data.blocks_written = sum.written_bytes / block;
  data.blocks_read = sum.read_bytes / block;
  put_parameter(reply, 0x0001, bytes_of(data));
}

/// Logical block provisioning (SBC-3 6.4.4): what the store has left for all LUNs on
/// it, and what this one takes. Nothing before the store was looked at.
void write_provisioning(const Command& command, Reply& reply) {
  auto space = command.object().space();
  if (!space.known()) return;
  wire::ResourceLog left{threshold_sets(space.available), wire::kShared, {}};
  wire::ResourceLog used{threshold_sets(space.used), wire::kDedicated, {}};
  put_parameter(reply, wire::kAvailableResource, bytes_of(left));
  put_parameter(reply, wire::kUsedResource, bytes_of(used));
}

void write_exceptions(const Command&, Reply& reply) {
  put_parameter(reply, 0x0000, bytes_of(wire::ExceptionsLog{0, 0, kNoReading}));
}

constexpr LogPage kPages[] = {
    {0x00, 0x00, write_pages},
    {0x00, kSubpages, write_subpages},
    {0x0c, 0x00, write_provisioning, Need::unmap},
    {0x19, 0x00, write_statistics},
    {0x2f, 0x00, write_exceptions},
};

bool has(const Command& command, const LogPage& page) {
  return met(page.need, command.object().features());
}

void write_pages(const Command& command, Reply& reply) {
  for (const auto& page : kPages)
    if (page.subpage == 0 && has(command, page)) reply.put(page.code);
}

void write_subpages(const Command& command, Reply& reply) {
  for (const auto& page : kPages)
    if (has(command, page)) reply.put(page.code).put(page.subpage);
}

const LogPage* page_of(const Command& command, const wire::LogSenseCdb& cdb) {
  const auto* page = std::ranges::find_if(kPages, [&](const LogPage& row) {
    return row.code == (cdb.page & kPageCode) && row.subpage == cdb.subpage && has(command, row);
  });
  return page == std::end(kPages) ? nullptr : page;
}

/// Parameters below PARAMETER POINTER are left out.
void drop_parameters(Reply& reply, std::uint16_t from) {
  auto all = reply.data().subspan(sizeof(wire::LogHeader));
  std::size_t at = 0;
  while (at + sizeof(wire::LogParameter) <= all.size()) {
    auto head = load<wire::LogParameter>(all.subspan(at));
    if (head.code >= from) break;
    at += sizeof head + head.length;
  }
  reply.erase(sizeof(wire::LogHeader), at);
}

}  // namespace

bool plan_log_sense(Command& command, DataPlan& plan) {
  auto cdb = command.cdb<wire::LogSenseCdb>();
  plan = parameter_data(cdb.allocation);
  if (cdb.page >> kPageControlShift != kCumulative) return command.refuse_field(2, 7);
  const auto* page = page_of(command, cdb);
  if (page == nullptr) {
    auto known = std::ranges::any_of(kPages, [&](const LogPage& row) {
      return row.code == (cdb.page & kPageCode) && has(command, row);
    });
    return known ? command.refuse_field(3, 7) : command.refuse_field(2, 5);
  }
  // The lists of pages have no parameters to point at.
  return cdb.parameter == 0 || page->code != 0 || command.refuse_field(5, 7);
}

void run_log_sense(Command& command) {
  auto cdb = command.cdb<wire::LogSenseCdb>();
  const auto& page = *page_of(command, cdb);
  Reply reply;
  reply.zeros(sizeof(wire::LogHeader));
  page.write(command, reply);
  if (page.code != 0) drop_parameters(reply, cdb.parameter);
  if (cdb.parameter != 0 && reply.size() == sizeof(wire::LogHeader)) {
    command.refuse_field(5, 7);  // beyond the last parameter (SPC-4 6.8)
    return command.finish();
  }
  auto subpage_format = page.subpage == 0 ? u8{0} : wire::kSubpageFormat;
  auto length = static_cast<std::uint16_t>(reply.size() - sizeof(wire::LogHeader));
  auto not_saved = page.code == 0 ? u8{0} : wire::kNotSaved;
  auto code = static_cast<u8>(page.code | subpage_format | not_saved);
  reply.patch(0, wire::LogHeader{code, page.subpage, length});
  command.answer(reply.data(), command.task().planned);
}

}  // namespace caisson::scsi

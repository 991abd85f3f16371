// SPDX-License-Identifier: Apache-2.0
// INQUIRY (SPC-4 6.6): standard data here, vital product data in vpd.cpp.
#include <algorithm>

#include "gateway/scsi/handlers.hpp"
#include "gateway/scsi/vpd.hpp"
#include "gateway/scsi/wire.hpp"

namespace caisson::scsi {
namespace {

constexpr std::uint8_t kNoUnitThere = 0x7f;  // qualifier 011b, device type 1Fh
constexpr std::uint8_t kDisk = 0x00;
constexpr std::uint8_t kSpc4 = 0x06;
constexpr std::uint8_t kHierarchicalFormat2 = 0x12;  // HISUP, response data format 2
constexpr std::uint8_t kImplicitAccess = 0x10;       // TPGS 01b
constexpr std::uint8_t kCommandQueueing = 0x02;
constexpr std::uint8_t kRemovable = 0x80;
constexpr std::array<be16, 4> kVersions{be16(0x00a0), be16(0x0960), be16(0x0460),
                                        be16(0x04c0)};  // SAM-5, iSCSI, SPC-4, SBC-3

template <std::size_t N>
std::array<char, N> padded(std::string_view text) {
  std::array<char, N> field;
  field.fill(' ');
  std::copy_n(text.begin(), std::min(N, text.size()), field.begin());
  return field;
}

wire::StandardInquiry standard_data(const Command& command) {
  wire::StandardInquiry data{};
  data.peripheral = command.has_unit() ? kDisk : kNoUnitThere;
  if (command.has_unit() && command.object().identity()->removable) data.removable = kRemovable;
  data.version = kSpc4;
  data.format = kHierarchicalFormat2;
  data.additional_length = sizeof data - 5;
  if (command.has_unit()) data.tpgs_and_protect = kImplicitAccess;
  data.queueing = kCommandQueueing;
  data.vendor = padded<8>(kVendor);
  data.product = padded<16>(kProduct);
  data.revision = padded<4>(kRevision);
  std::ranges::copy(kVersions, data.versions.begin());
  return data;
}

}  // namespace

bool plan_inquiry(Command& command, DataPlan& plan) {
  auto cdb = command.cdb<wire::InquiryCdb>();
  plan = parameter_data(cdb.allocation);
  auto vital = (cdb.flags & wire::kEvpd) != 0;
  if (!vital) return cdb.page == 0 || command.refuse_field(2, 7);
  return (command.has_unit() && find_vpd_page(command, cdb.page) != nullptr) ||
         command.refuse_field(2, 7);
}

void run_inquiry(Command& command) {
  auto cdb = command.cdb<wire::InquiryCdb>();
  if ((cdb.flags & wire::kEvpd) == 0)
    return command.answer(bytes_of(standard_data(command)), command.task().planned);
  if (!command.has_unit()) {  // unmapped since prepare()
    command.refuse_field(2, 7);
    return command.finish();
  }
  Reply reply;
  write_vpd_page(command, *find_vpd_page(command, cdb.page), reply);
  command.answer(reply.data(), command.task().planned);
}

}  // namespace caisson::scsi

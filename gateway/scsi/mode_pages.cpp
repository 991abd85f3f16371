// SPDX-License-Identifier: Apache-2.0
#include "gateway/scsi/mode_pages.hpp"

#include <algorithm>
#include <limits>

#include "gateway/scsi/wire.hpp"

namespace caisson::scsi {
namespace {

constexpr std::uint16_t kBusyTimeoutUnlimited = 0xffff;
constexpr std::uint32_t kMax32 = std::numeric_limits<std::uint32_t>::max();

void write_caching(const Command& command, PageControl control, Reply& reply) {
  wire::CachingPage page{0x08, sizeof(wire::CachingPage) - 2};
  if (control != PageControl::changeable &&
      command.object().cache_mode() != catalog::CacheMode::writethrough)
    page.flags = wire::kWce;
  reply.put(page);
}

void write_control(const Command& command, PageControl control, Reply& reply) {
  wire::ControlPage page{0x0a, sizeof(wire::ControlPage) - 2};
  if (control == PageControl::changeable) {
    page.flags = wire::kDescriptorSense;
    page.protection = wire::kSoftwareWriteProtect;
  } else {
    page.flags = wire::kGlobalLoggingDisabled;
    if (control == PageControl::current && command.unit().descriptor_sense())
      page.flags |= wire::kDescriptorSense;
    if (control == PageControl::current && command.unit().software_write_protect())
      page.protection = wire::kSoftwareWriteProtect;
    page.queueing = wire::kUnrestrictedReordering;
    page.busy_timeout = kBusyTimeoutUnlimited;
  }
  reply.put(page);
}

void apply_control(const Command& command, std::span<const std::byte> bytes) {
  auto page = load<wire::ControlPage>(bytes);
  command.unit().set_descriptor_sense((page.flags & wire::kDescriptorSense) != 0);
  command.unit().set_software_write_protect((page.protection & wire::kSoftwareWriteProtect) != 0);
}

void write_exceptions(const Command&, PageControl control, Reply& reply) {
  wire::ExceptionsPage page{0x1c, sizeof(wire::ExceptionsPage) - 2};
  if (control != PageControl::changeable) page.flags = wire::kExceptionsDisabled;
  reply.put(page);
}

constexpr ModePage kPages[] = {
    {0x08, write_caching, nullptr},
    {0x0a, write_control, apply_control},
    {0x1c, write_exceptions, nullptr},
};
static_assert(std::ranges::is_sorted(kPages, {}, &ModePage::code));

}  // namespace

std::span<const ModePage> mode_pages() noexcept { return kPages; }

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

}  // namespace caisson::scsi

// SPDX-License-Identifier: Apache-2.0
#include "gateway/scsi/mode_pages.hpp"

#include <algorithm>
#include <limits>

#include "gateway/scsi/thresholds.hpp"
#include "gateway/scsi/wire.hpp"

namespace caisson::scsi {
namespace {

constexpr std::uint16_t kBusyTimeoutUnlimited = 0xffff;
constexpr std::uint32_t kMax32 = std::numeric_limits<std::uint32_t>::max();

/// PS: what is set is kept over a restart when asked for.
constexpr std::uint8_t kSavable = 0x80;

object::ModeValues values(const Command& command, PageControl control) {
  switch (control) {
    case PageControl::current: return command.object().modes().current();
    case PageControl::saved: return command.object().modes().saved();
    default: return {};
  }
}

constexpr bool has_cache(const object::ModeValues& modes) {
  return modes.cache != catalog::CacheMode::writethrough;
}

/// Only the gateway's own: errors are not retried, so there is nothing to set.
void write_error_recovery(const Command& command, PageControl control, Reply& reply) {
  wire::ErrorRecoveryPage page{0x01 | kSavable, sizeof(wire::ErrorRecoveryPage) - 2};
  if (control != PageControl::changeable) {
    page.flags = wire::kAutomaticWriteReallocation;
    if (command.object().features().unmap) page.provisioning = wire::kThresholdReporting;
  }
  reply.put(page);
}

void write_caching(const Command& command, PageControl control, Reply& reply) {
  wire::CachingPage page{0x08 | kSavable, sizeof(wire::CachingPage) - 2};
  if (control == PageControl::changeable || has_cache(values(command, control)))
    page.flags = wire::kWce;
  reply.put(page);
}

void apply_caching(object::ModeChange& change, std::span<const std::byte> bytes) {
  change.write_cache = (load<wire::CachingPage>(bytes).flags & wire::kWce) != 0;
}

void write_control(const Command& command, PageControl control, Reply& reply) {
  wire::ControlPage page{0x0a | kSavable, sizeof(wire::ControlPage) - 2};
  if (control == PageControl::changeable) {
    page.flags = wire::kDescriptorSense;
    page.protection = wire::kSoftwareWriteProtect;
    page.aborts = wire::kTaskAbortedStatus;
  } else {
    auto modes = values(command, control);
    page.flags = wire::kGlobalLoggingDisabled;
    if (modes.descriptor_sense) page.flags |= wire::kDescriptorSense;
    if (modes.write_protect) page.protection = wire::kSoftwareWriteProtect;
    if (modes.task_aborted) page.aborts = wire::kTaskAbortedStatus;
    page.queueing = wire::kUnrestrictedReordering;
    page.busy_timeout = kBusyTimeoutUnlimited;
  }
  reply.put(page);
}

void apply_control(object::ModeChange& change, std::span<const std::byte> bytes) {
  auto page = load<wire::ControlPage>(bytes);
  change.descriptor_sense = (page.flags & wire::kDescriptorSense) != 0;
  change.write_protect = (page.protection & wire::kSoftwareWriteProtect) != 0;
  change.task_aborted = (page.aborts & wire::kTaskAbortedStatus) != 0;
}

void write_control_extension(const Command&, PageControl, Reply& reply) {
  reply.put(wire::ControlExtensionPage{0x0a | wire::kSubpageFormat | kSavable, 0x01,
                                       sizeof(wire::ControlExtensionPage) - 4});
}

void write_exceptions(const Command&, PageControl control, Reply& reply) {
  wire::ExceptionsPage page{0x1c | kSavable, sizeof(wire::ExceptionsPage) - 2};
  if (control != PageControl::changeable) page.flags = wire::kExceptionsDisabled;
  reply.put(page);
}

/// Of the space that is left on the store. Thresholds belong to the store, which
/// hosts share, so none of them sets them; SITUA 0: every nexus hears of them.
void write_provisioning(const Command& command, PageControl control, Reply& reply) {
  constexpr auto kLength = sizeof(wire::ProvisioningModePage) - 4 +
                           object::kSoftThresholds.size() * sizeof(wire::ThresholdDescriptor);
  reply.put(
      wire::ProvisioningModePage{0x1c | wire::kSubpageFormat | kSavable, 0x02, kLength, 0, {}});
  auto space = command.object().space();
  for (const auto& threshold : object::kSoftThresholds) {
    wire::ThresholdDescriptor descriptor{};
    if (control != PageControl::changeable && space.known()) {
      auto used = object::share_of(space.capacity, threshold.reached);
      descriptor.flags = wire::kThresholdEnabled;
      descriptor.resource = wire::kAvailableResource;
      descriptor.count = threshold_sets(space.capacity - used);
    }
    reply.put(descriptor);
  }
}

constexpr ModePage kPages[] = {
    {0x01, 0x00, write_error_recovery, nullptr},
    {0x08, 0x00, write_caching, apply_caching},
    {0x0a, 0x00, write_control, apply_control},
    {0x0a, 0x01, write_control_extension, nullptr},
    {0x1c, 0x00, write_exceptions, nullptr},
    {0x1c, 0x02, write_provisioning, nullptr, Need::unmap},
};
static_assert(std::ranges::is_sorted(kPages, [](const ModePage& a, const ModePage& b) {
  return a.code != b.code ? a.code < b.code : a.subpage < b.subpage;
}));

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

// SPDX-License-Identifier: Apache-2.0
#include "gateway/scsi/vpd.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <string>

#include "gateway/scsi/extent.hpp"
#include "gateway/scsi/thresholds.hpp"
#include "gateway/scsi/wire.hpp"

namespace caisson::scsi {
namespace {

using u8 = std::uint8_t;

// Designators (SPC-4 7.8.6).
enum class CodeSet : u8 { binary = 1, ascii = 2, utf8 = 3 };
enum class Association : u8 { unit = 0, port = 1, device = 2 };
enum class Designator : u8 {
  t10_vendor = 1,
  naa = 3,
  relative_port = 4,
  port_group = 5,
  scsi_name = 8
};
constexpr u8 kIscsiProtocol = 0x50, kProtocolValid = 0x80;
constexpr std::size_t kMaxDesignator = 252;  // a multiple of 4 that fits the length byte

constexpr u8 kTaskAttributes = 0x07;  // extended INQUIRY byte 5: HEADSUP, ORDSUP, SIMPSUP
constexpr u8 kVolatileCache = 0x01;   // byte 6
constexpr u8 kThin = 0x02;            // provisioning type
constexpr std::uint16_t kNonRotating = 1;
constexpr std::uint32_t kOptimalTransfer = 1u << 20;  // bytes

void designate(Reply& reply, CodeSet set, Association association, Designator type,
               std::span<const std::byte> value) {
  wire::DesignatorHeader header{};
  header.protocol_and_code_set = static_cast<u8>(set);
  header.association_and_type =
      static_cast<u8>(static_cast<u8>(association) << 4 | static_cast<u8>(type));
  if (association != Association::unit) {
    header.protocol_and_code_set |= kIscsiProtocol;
    header.association_and_type |= kProtocolValid;
  }
  header.length = static_cast<u8>(value.size());
  reply.put(header).bytes(value);
}

/// SCSI name strings end with a zero and are padded with zeros to whole words.
void designate_name(Reply& reply, Association association, std::string name) {
  name.resize(std::min(name.size(), kMaxDesignator - 1));
  name.resize((name.size() + 4) & ~std::size_t{3});
  designate(reply, CodeSet::utf8, association, Designator::scsi_name,
            std::as_bytes(std::span(name)));
}

std::vector<std::byte> from_hex(std::string_view digits) {
  std::vector<std::byte> bytes;
  for (; digits.size() >= 2; digits.remove_prefix(2)) {
    std::uint8_t value = 0;
    std::from_chars(digits.data(), digits.data() + 2, value, 16);
    bytes.push_back(static_cast<std::byte>(value));
  }
  return bytes;
}

std::string upper(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::toupper(c); });
  return text;
}

void write_supported_pages(const Command& command, Reply& reply);

void write_serial(const Command& command, Reply& reply) {
  reply.text(command.object().identity()->serial);
}

void write_identification(const Command& command, Reply& reply) {
  auto disk = command.object().identity();
  const auto& nexus = command.identity();
  designate(reply, CodeSet::binary, Association::unit, Designator::naa, from_hex(disk->naa));
  auto vendor = std::string(kVendor) + disk->serial;
  vendor.resize(std::min(vendor.size(), kMaxDesignator));
  designate(reply, CodeSet::ascii, Association::unit, Designator::t10_vendor,
            std::as_bytes(std::span(vendor)));
  designate_name(reply, Association::unit, "naa." + upper(disk->naa));
  designate(reply, CodeSet::binary, Association::port, Designator::relative_port,
            bytes_of(wire::PortDesignator{0, nexus.relative_port}));
  designate(reply, CodeSet::binary, Association::port, Designator::port_group,
            bytes_of(wire::PortDesignator{0, nexus.portal_group}));
  designate_name(reply, Association::port,
                 fmt::format("{},t,0x{:04x}", nexus.target_name, nexus.portal_group));
  designate_name(reply, Association::device, nexus.target_name);
}

void write_extended_inquiry(const Command& command, Reply& reply) {
  wire::ExtendedInquiry page{};
  page.task_support = kTaskAttributes;
  if (command.object().features().write_cache) page.cache_support = kVolatileCache;
  reply.put(page);
}

void write_block_limits(const Command& command, Reply& reply) {
  const auto& geometry = command.geometry();
  auto features = command.object().features();
  auto blocks = [&](std::uint64_t bytes) {
    return static_cast<std::uint32_t>(std::max<std::uint64_t>(bytes / geometry.logical_block, 1));
  };
  wire::BlockLimits page{};
  page.wsnz = wire::kWriteSameNonZero;
  page.transfer_granularity = static_cast<std::uint16_t>(blocks(geometry.physical_block));
  page.max_compare_and_write = kMaxCompareAndWrite;
  page.max_transfer = blocks(kMaxTransfer);
  page.optimal_transfer = blocks(kOptimalTransfer);
  if (features.unmap) {
    page.max_unmap = kMaxUnmapBlocks;
    page.max_unmap_descriptors = kMaxUnmapDescriptors;
    page.unmap_granularity = blocks(features.unmap_granularity);
    page.unmap_alignment = wire::kUnmapAlignmentValid;
  }
  page.max_write_same = blocks(kMaxWriteSame);
  reply.put(page);
}

void write_block_characteristics(const Command&, Reply& reply) {
  wire::BlockCharacteristics page{};
  page.rotation_rate = kNonRotating;
  page.form_factor = wire::kErasedReadsComplete;
  reply.put(page);
}

void write_provisioning(const Command& command, Reply& reply) {
  wire::Provisioning page{};
  page.threshold_exponent = threshold_exponent(command.geometry().logical_block);
  page.flags = wire::kLbpu | wire::kLbpws | wire::kLbpws10 | wire::kLbprz;
  page.type = kThin;
  reply.put(page);
}

constexpr VpdPage kPages[] = {
    {0x00, Need::nothing, write_supported_pages},
    {0x80, Need::nothing, write_serial},
    {0x83, Need::nothing, write_identification},
    {0x86, Need::nothing, write_extended_inquiry},
    {0xb0, Need::nothing, write_block_limits},
    {0xb1, Need::nothing, write_block_characteristics},
    {0xb2, Need::unmap, write_provisioning},
};
static_assert(std::ranges::is_sorted(kPages, {}, &VpdPage::code));

bool has(const Command& command, const VpdPage& page) {
  return met(page.need, command.object().features());
}

void write_supported_pages(const Command& command, Reply& reply) {
  for (const auto& page : kPages)
    if (has(command, page)) reply.put(page.code);
}

}  // namespace

const VpdPage* find_vpd_page(const Command& command, std::uint8_t code) noexcept {
  const auto* page = std::ranges::find(kPages, code, &VpdPage::code);
  return page != std::end(kPages) && has(command, *page) ? page : nullptr;
}

void write_vpd_page(const Command& command, const VpdPage& page, Reply& reply) {
  auto start = reply.size();
  reply.zeros(sizeof(wire::VpdHeader));
  page.write(command, reply);
  auto length = reply.size() - start - sizeof(wire::VpdHeader);
  reply.patch(start, wire::VpdHeader{0, page.code, static_cast<std::uint16_t>(length)});
}

}  // namespace caisson::scsi

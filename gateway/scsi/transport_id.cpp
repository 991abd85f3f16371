// SPDX-License-Identifier: Apache-2.0
#include "gateway/scsi/transport_id.hpp"

#include <algorithm>
#include <cctype>

#include "gateway/scsi/wire.hpp"

namespace caisson::scsi {
namespace {

constexpr std::string_view kSeparator = ",i,0x";
constexpr std::size_t kShortest = 20;      // of the additional length
constexpr std::size_t kLongestName = 240;  // 223 of an iSCSI name, separator, ISID
constexpr std::size_t kIsidDigits = 12;

std::size_t padded(std::size_t length) { return std::max((length + 3) / 4 * 4, kShortest); }

char lower(unsigned char c) { return static_cast<char>(std::tolower(c)); }

bool names_a_port(std::string_view name) {
  auto at = name.find(kSeparator);
  if (at == 0 || at == name.npos || name.size() > kLongestName) return false;
  auto isid = name.substr(at + kSeparator.size());
  return !isid.empty() && isid.size() <= kIsidDigits &&
         std::ranges::all_of(isid, [](unsigned char c) { return std::isxdigit(c) != 0; });
}

}  // namespace

std::string transport_id(std::string_view initiator_port) {
  auto length = padded(initiator_port.size() + 1);
  const wire::TransportIdHeader fields{wire::kIscsiPort, 0, static_cast<std::uint16_t>(length)};
  auto header = bytes_of(fields);
  std::string id(reinterpret_cast<const char*>(header.data()), header.size());
  std::ranges::transform(initiator_port, std::back_inserter(id), lower);
  id.resize(header.size() + length);
  return id;
}

std::optional<ParsedTransportId> parse_transport_id(std::span<const std::byte> list) {
  constexpr auto kHead = sizeof(wire::TransportIdHeader);
  if (list.size() < kHead) return std::nullopt;
  auto header = load<wire::TransportIdHeader>(list);
  if (header.format_and_protocol != wire::kIscsiPort || header.length < kShortest ||
      header.length % 4 != 0 || header.length > list.size() - kHead)
    return std::nullopt;
  std::string_view text(reinterpret_cast<const char*>(list.data()) + kHead, header.length);
  auto end = text.find('\0');
  if (end == text.npos || !names_a_port(text.substr(0, end))) return std::nullopt;
  return ParsedTransportId{transport_id(text.substr(0, end)), kHead + header.length};
}

}  // namespace caisson::scsi

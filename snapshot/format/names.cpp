// SPDX-License-Identifier: Apache-2.0
#include "snapshot/format/names.hpp"

#include <fmt/format.h>

#include <charconv>

#include "storage_object/base/names.hpp"

namespace caisson::snapshot {
namespace {

constexpr std::size_t kUuidLength = 36;
constexpr std::string_view kMapEnd = ".map";
constexpr std::string_view kSegmentEnd = ".pre";
constexpr std::string_view kImageEnd = ".img";
constexpr std::string_view kRemovedEnd = ".gone";

bool take_end(std::string_view& text, std::string_view end) {
  if (!text.ends_with(end)) return false;
  text.remove_suffix(end.size());
  return true;
}

/// ".<number>" as segment_name() writes it.
std::optional<std::uint32_t> number_of(std::string_view text) {
  if (text.size() < 2 || text[0] != '.') return std::nullopt;
  std::uint32_t number = 0;
  auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), number);
  if (error != std::errc() || fmt::format(".{}", number) != text) return std::nullopt;
  return number;
}

/// Of a name that begins with a dot and a UUID; `rest` is what follows.
std::optional<EntryName> hidden(const Uuid& snapshot, std::string_view rest) {
  if (rest == kMapEnd) return EntryName{.kind = EntryKind::map, .snapshot = snapshot};
  if (rest == kImageEnd) return EntryName{.kind = EntryKind::hidden_image, .snapshot = snapshot};
  if (rest == kRemovedEnd) return EntryName{.kind = EntryKind::removed, .snapshot = snapshot};
  if (!take_end(rest, kSegmentEnd)) return std::nullopt;
  auto number = number_of(rest);
  if (!number) return std::nullopt;
  return EntryName{.kind = EntryKind::segment, .snapshot = snapshot, .number = *number};
}

}  // namespace

std::string folder_of(std::string_view lun) { return fmt::format("{}/{}", kSnapshotsFolder, lun); }

std::string map_name(const Uuid& snapshot) {
  return fmt::format(".{}{}", snapshot.to_string(), kMapEnd);
}

std::string segment_name(const Uuid& snapshot, std::uint32_t number) {
  return fmt::format(".{}.{}{}", snapshot.to_string(), number, kSegmentEnd);
}

std::string hidden_image_name(const Uuid& snapshot) {
  return fmt::format(".{}{}", snapshot.to_string(), kImageEnd);
}

std::string removed_name(const Uuid& snapshot) {
  return fmt::format(".{}{}", snapshot.to_string(), kRemovedEnd);
}

std::string image_name(std::string_view snapshot) {
  return fmt::format("{}{}", snapshot, kImageEnd);
}

std::string fill_map_name(const Uuid& clone) { return fmt::format(".{}.fill", clone.to_string()); }

std::optional<EntryName> parse_entry_name(std::string_view entry) {
  if (!entry.starts_with('.')) {
    if (!take_end(entry, kImageEnd) || !valid_name(entry)) return std::nullopt;
    return EntryName{.kind = EntryKind::image, .name = std::string(entry)};
  }
  auto text = entry.substr(1, kUuidLength);
  auto snapshot = Uuid::parse(text);
  if (!snapshot || snapshot->to_string() != text) return std::nullopt;
  return hidden(*snapshot, entry.substr(1 + kUuidLength));
}

}  // namespace caisson::snapshot

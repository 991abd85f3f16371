// SPDX-License-Identifier: Apache-2.0
// Enumerations as words: what the catalog stores and what administrators read.
#pragma once

#include <optional>
#include <string_view>

#include "storage_object/catalog/records.hpp"

namespace caisson::catalog {

template <class E>
struct EnumRow {
  E value;
  std::string_view name;
};

inline constexpr EnumRow<CacheMode> kCacheModes[] = {
    {CacheMode::writeback, "writeback"},
    {CacheMode::none, "none"},
    {CacheMode::writethrough, "writethrough"},
};

inline constexpr EnumRow<LunState> kLunStates[] = {
    {LunState::online, "online"},     {LunState::offline, "offline"},
    {LunState::failed, "failed"},     {LunState::creating, "creating"},
    {LunState::deleting, "deleting"},
};

inline constexpr EnumRow<LunKind> kLunKinds[] = {
    {LunKind::disk, "disk"},
    {LunKind::clone, "clone"},
    {LunKind::view, "view"},
};

inline constexpr EnumRow<SnapshotState> kSnapshotStates[] = {
    {SnapshotState::creating, "creating"},
    {SnapshotState::present, "present"},
    {SnapshotState::ghost, "ghost"},
    {SnapshotState::invalid, "invalid"},
};

constexpr const auto& enum_rows(CacheMode) noexcept { return kCacheModes; }
constexpr const auto& enum_rows(LunState) noexcept { return kLunStates; }
constexpr const auto& enum_rows(LunKind) noexcept { return kLunKinds; }
constexpr const auto& enum_rows(SnapshotState) noexcept { return kSnapshotStates; }

/// "writeback", "online", …
template <class E>
constexpr std::string_view enum_name(E value) noexcept {
  for (const auto& row : enum_rows(E{}))
    if (row.value == value) return row.name;
  return {};
}

/// The value of that name; nullopt for any other text.
template <class E>
constexpr std::optional<E> enum_value(std::string_view name) noexcept {
  for (const auto& row : enum_rows(E{}))
    if (row.name == name) return row.value;
  return std::nullopt;
}

}  // namespace caisson::catalog

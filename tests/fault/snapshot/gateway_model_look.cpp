// SPDX-License-Identifier: Apache-2.0
// What the model compares.
#include <fmt/format.h>

#include <algorithm>

#include "tests/fault/snapshot/gateway_model_scenario.hpp"

namespace caisson::tests {
namespace {

std::string at_sector(const std::string& what, std::uint64_t sector, Word wanted,
                      const std::byte* found) {
  return fmt::format("{}, sector {}: {} instead of {}", what, sector, sector_text(found),
                     word_text(wanted));
}

}  // namespace

void GatewayScenario::compare(const std::string& what, const Image& wanted, std::uint64_t first,
                              std::span<const std::byte> found) {
  for (std::uint64_t i = 0; i < found.size() / kModelSector; ++i) {
    const auto* sector = found.data() + i * kModelSector;
    if (holds_word(sector, wanted[first + i])) continue;
    ADD_FAILURE() << at_sector(what, first + i, wanted[first + i], sector);
    return;
  }
}

void GatewayScenario::look_at_all() {
  std::vector<std::string> wanted, found;
  for (const auto& [name, lun] : luns_) wanted.push_back(name);
  for (const auto& lun : process_->registry().list()) found.push_back(lun.record.name);
  ASSERT_EQ(fmt::format("{}", fmt::join(found, " ")), fmt::format("{}", fmt::join(wanted, " ")));
  for (const auto& name : wanted) {
    look_at_restore(name);
    if (luns_.at(name).restoring.empty()) look_at_lun(name);
    look_at_list(name);
    for (const auto& [snapshot, kept] : luns_.at(name).snapshots) look_at_snapshot(name, snapshot);
    if (stopped()) return;
  }
  power_cut_since_ = false;
}

/// One that was under way, and is not any more, has come to its end.
void GatewayScenario::look_at_restore(const std::string& name) {
  auto& lun = luns_.at(name);
  if (lun.restoring.empty() || process_->registry().find(name)->record.restoring) return;
  lun.now(lun.snapshots.at(lun.restoring).image);
  lun.restoring.clear();
}

bool GatewayScenario::looks_like(const std::string& name, const Image& image) {
  std::vector<std::byte> found(image.size() * kModelSector);
  auto object = disk(name);
  if (!object) return false;
  auto error = tests::read(*object, 0, found);
  if (!answered(!error, error.message())) return false;
  for (std::uint64_t sector = 0; sector < image.size(); ++sector)
    if (!holds_word(found.data() + sector * kModelSector, image[sector])) return false;
  return true;
}

/// After a start: what was not durable may be gone, what was not answered may be there.
void GatewayScenario::look_at_lun(const std::string& name) {
  auto& lun = luns_.at(name);
  std::vector<std::byte> found(lun.live.size() * kModelSector);
  auto object = disk(name);
  if (!object) return;
  auto error = tests::read(*object, 0, found);
  if (!answered(!error, error.message())) return;
  for (std::uint64_t sector = 0; sector < lun.live.size(); ++sector) {
    const auto* bytes = found.data() + sector * kModelSector;
    if (holds_word(bytes, lun.live[sector])) continue;
    auto allowed = power_cut_since_ ? lun.unsure[sector] : std::vector<Word>();
    if (auto half = lun.unanswered.find(sector); half != lun.unanswered.end())
      allowed.push_back(half->second);
    auto match = std::ranges::find_if(allowed, [&](Word word) { return holds_word(bytes, word); });
    if (match == allowed.end()) {
      ADD_FAILURE() << at_sector(name, sector, lun.live[sector], bytes);
      return;
    }
    lun.unsure[sector].push_back(lun.live[sector]);
    lun.live[sector] = *match;
  }
  lun.unanswered.clear();
  if (power_cut_since_) lun.unsure.clear();
}

void GatewayScenario::look_at_list(const std::string& name) {
  auto list = process_->snapshots().list(name);
  if (!answered(list)) return;
  std::vector<std::string> wanted, found;
  for (const auto& [snapshot, kept] : luns_.at(name).snapshots) wanted.push_back(snapshot);
  for (const auto& view : *list) {
    found.push_back(view.record.name);
    EXPECT_NE(view.condition, "invalid") << name << "@" << found.back() << view.record.reason;
  }
  std::ranges::sort(found);
  EXPECT_EQ(fmt::format("{}", fmt::join(found, " ")), fmt::format("{}", fmt::join(wanted, " ")))
      << "snapshots of " << name;
}

void GatewayScenario::look_at_snapshot(const std::string& lun, const std::string& snapshot) {
  const auto& image = luns_.at(lun).snapshots.at(snapshot).image;
  auto view = process_->snapshots().show(lun, snapshot);
  if (!answered(view)) return;
  std::vector<std::byte> found(image.size() * kModelSector);
  if (!answered(process_->snapshots().read(view->record.uuid, 0, found))) return;
  compare(lun + "@" + snapshot, image, 0, found);
  if (!view->path.empty()) look_at_file(lun, *view, image);
}

/// The whole image that share users see.
void GatewayScenario::look_at_file(const std::string& lun, const snapshot::SnapshotView& view,
                                   const Image& wanted) {
  auto* store = process_->registry().store(fmt::format("store-{}", luns_.at(lun).store));
  auto file = store->open(view.path.substr(store->location().size() + 1), {.read_only = true});
  if (!answered(file.has_value(), file ? "" : view.path + ": " + file.error().message())) return;
  std::vector<std::byte> found(wanted.size() * kModelSector);
  EXPECT_EQ((*file)->attributes()->size, found.size());
  auto got = file_store::read_at(**file, 0, found);
  if (answered(got.has_value(), got ? "" : got.error().message()))
    compare(view.path, wanted, 0, found);
}

void GatewayScenario::look_at_some(const std::string& lun) {
  auto snapshot = some_snapshot(lun);
  if (!snapshot.empty()) look_at_snapshot(lun, snapshot);
}

/// The list of changes names every sector that differs.
void GatewayScenario::diff(const std::string& name) {
  auto from = some_snapshot(name), to = random_.chance(40) ? std::string() : some_snapshot(name);
  if (from.empty() || from == to) return;
  auto sequence = [&](const std::string& snapshot) {
    return process_->snapshots().show(name, snapshot)->record.sequence;
  };
  if (!to.empty() && sequence(from) > sequence(to)) std::swap(from, to);
  const auto& lun = luns_.at(name);
  const auto& newer = to.empty() ? lun.live : lun.snapshots.at(to).image;
  std::vector<bool> named(newer.size());
  for (std::uint64_t cursor = 0;;) {
    auto page = process_->snapshots().diff(name, from, to, cursor, 1 + random_.below(40));
    if (!answered(page)) return;
    for (const auto& changed : page->changed)
      for (auto at = changed.offset; at < changed.offset + changed.length; at += kModelSector)
        if (at / kModelSector < named.size()) named[at / kModelSector] = true;
    if (page->done) break;
    cursor = page->cursor;
  }
  const auto& older = lun.snapshots.at(from).image;
  for (std::uint64_t sector = 0; sector < newer.size(); ++sector)
    if (!named[sector] && older[sector] != newer[sector]) {
      ADD_FAILURE() << fmt::format("{}: sector {} differs from {} to {}, but is not named", name,
                                   sector, from, to.empty() ? "now" : to);
      return;
    }
}

}  // namespace caisson::tests

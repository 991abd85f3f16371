// SPDX-License-Identifier: Apache-2.0
// A machine whose catalog, or a file of a snapshot, somebody has removed.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "snapshot/format/names.hpp"
#include "tests/unit/snapshot/manager/snapshot_machine.hpp"

namespace caisson::tests {

enum class Store { copying, sharing };

class LostTest : public SnapshotTest, public ::testing::WithParamInterface<Store> {
 protected:
  using Bytes = std::vector<std::byte>;
  /// More than a capture by sharing takes at once.
  static constexpr std::uint64_t kSize = (3 << 20) + 12 * 1024;

  void SetUp() override {
    if (GetParam() == Store::sharing) replace(options());
    machine->make("a", kSize);
    machine->fill("a", 1, 0, kSize);
  }
  static SimOptions options() {
    if (GetParam() == Store::copying) return {};
    return {.traits = {.punch = true, .zero = true, .allocate = true, .clone = true}};
  }
  /// All that a LUN, or a snapshot, holds.
  Bytes disk_of(const std::string& lun) {
    Bytes bytes(kSize);
    auto found = machine->registry().find(lun);
    EXPECT_TRUE(found && found->object) << lun;
    if (found && found->object) {
      EXPECT_FALSE(read(*found->object, 0, bytes));
    }
    return bytes;
  }
  Bytes image_of(const std::string& snapshot, const std::string& lun = "a") {
    return machine->held(lun, snapshot, 0, kSize);
  }
  /// Cuts one, and changes something afterwards that it must keep.
  Bytes cut_and_change(const std::string& name, int value, std::uint64_t offset,
                       std::uint64_t length = 8192) {
    auto image = disk_of("a");
    machine->cut({"a"}, name);
    machine->fill("a", value, offset, length);
    return image;
  }
  snapshot::SnapshotView view(const std::string& name) {
    auto shown = machine->snapshots().show("a", name);
    EXPECT_TRUE(shown) << shown.error().message;
    return shown ? *shown : snapshot::SnapshotView{};
  }
  bool valid(const std::string& name) {
    return view(name).record.state == catalog::SnapshotState::present;
  }
  bool becomes_whole(const std::string& name) {
    return machine->until([&] { return view(name).record.complete; });
  }
  std::string path(const std::string& file, const std::string& lun = "a") {
    return snapshot::folder_of(lun) + "/" + file;
  }
  std::vector<std::string> files(const std::string& lun = "a") {
    std::vector<std::string> names;
    if (auto entries = disk->list(snapshot::folder_of(lun)))
      for (const auto& entry : *entries) names.push_back(entry.name);
    std::ranges::sort(names);
    return names;
  }
  void stop() { machine.reset(); }
  /// While nothing runs.
  void remove(const std::string& name) { ASSERT_TRUE(disk->remove(name)) << name; }
  void remove_catalog() {
    for (const char* end : {"", "-wal", "-shm", "-journal"})
      (void)disk->remove(std::string("catalog.db") + end);
  }
  void begin() { machine = std::make_unique<SnapshotMachine>(*disk, clock); }
  object::RebuildReport rebuild() {
    machine->snapshots().note_rebuild(true);
    auto report = machine->registry().rebuild(false);
    machine->snapshots().note_rebuild(false);
    EXPECT_TRUE(report) << report.error().message;
    return report ? *report : object::RebuildReport{};
  }
  void lose_catalog() {
    stop();
    remove_catalog();
    begin();
    rebuild();
  }
};

}  // namespace caisson::tests

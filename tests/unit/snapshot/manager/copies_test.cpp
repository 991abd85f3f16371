// SPDX-License-Identifier: Apache-2.0
// Clones and views through manager and registry, on a disk that is simulated.
#include <gmock/gmock.h>

#include <random>

#include "gateway/service/snapshot_engine.hpp"
#include "snapshot/format/names.hpp"
#include "snapshot/manager/schedules.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/block/block_errc.hpp"
#include "tests/unit/snapshot/manager/snapshot_machine.hpp"

namespace caisson::tests {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::Not;

enum class Store { copying, sharing };

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kSize = 2 * kMiB + 12 * 1024;  // its last unit is not a whole one

class CopiesTest : public SnapshotTest, public ::testing::WithParamInterface<Store> {
 protected:
  void SetUp() override {
    if (GetParam() == Store::sharing) replace_by_reflink();
    machine->make("a", kSize);
    for (std::uint64_t at : {std::uint64_t{0}, 70 * 1024ul, kMiB, kSize - 8192})
      machine->fill("a", static_cast<int>(1 + at % 251), at);
    image = all("a");
    machine->cut({"a"}, "s");
    machine->fill("a", 99, 0, 128 * 1024);
    machine->fill("a", 98, kSize - 4096, 4096);
  }
  /// What a LUN holds.
  std::vector<std::byte> all(const std::string& lun) {
    std::vector<std::byte> bytes(object(lun)->geometry().capacity);
    auto error = read(*object(lun), 0, bytes);
    EXPECT_FALSE(error) << lun << ": " << error.message();
    return bytes;
  }
  std::shared_ptr<object::StorageObject> object(const std::string& lun) {
    return machine->registry().find(lun)->object;
  }
  catalog::LunRecord row(const std::string& lun) { return machine->registry().find(lun)->record; }

  Outcome<object::LunView> try_clone(const std::string& name, const std::string& snapshot = "s",
                                     bool dry_run = false) {
    return engine().clone({.lun = "a",
                           .snapshot = snapshot,
                           .name = name,
                           .store = {},
                           .location = {},
                           .dry_run = dry_run});
  }
  void clone(const std::string& name) {
    auto made = try_clone(name);
    ASSERT_TRUE(made) << made.error().message;
  }
  void expose(const std::string& name) {
    auto made = engine().expose("a", "s", name, false);
    ASSERT_TRUE(made) << made.error().message;
  }
  bool filled_up(const std::string& name) {
    return machine->until([&] { return row(name).kind == catalog::LunKind::disk; });
  }
  std::vector<std::string> files(const std::string& folder = "") {
    std::vector<std::string> names;
    auto entries = disk->list(folder);
    EXPECT_TRUE(entries);
    for (const auto& entry : *entries) names.push_back(entry.name);
    return names;
  }
  service::SnapshotEngine engine() {
    runner_ = std::make_unique<snapshot::ScheduleRunner>(
        snapshot::ScheduleOptions{.snapshots = &machine->snapshots(),
                                  .catalog = &machine->catalog(),
                                  .luns = &machine->luns()});
    return {machine->snapshots(), *runner_, machine->registry()};
  }

  std::vector<std::byte> image;  ///< of the snapshot

 private:
  std::unique_ptr<snapshot::ScheduleRunner> runner_;  // never started
};

INSTANTIATE_TEST_SUITE_P(Stores, CopiesTest, ::testing::Values(Store::copying, Store::sharing),
                         [](const auto& kind) {
                           return kind.param == Store::sharing ? "sharing" : "copying";
                         });

TEST_P(CopiesTest, ACloneHoldsItsSnapshotAtOnceAndIsSomebodyElse) {
  clone("c");
  EXPECT_EQ(all("c"), image);
  auto original = row("a"), copy = row("c");
  EXPECT_EQ(copy.kind, catalog::LunKind::clone);
  EXPECT_NE(copy.uuid, original.uuid);
  EXPECT_NE(copy.naa, original.naa);
  EXPECT_NE(copy.serial, original.serial);
  EXPECT_NE(copy.target_name, original.target_name);
  EXPECT_THAT(files(), Not(Contains("c.img"))) << "it has a hidden name until it is whole";
  restart();
  EXPECT_EQ(all("c"), image);
}

TEST_P(CopiesTest, TheBackgroundMakesItADiskLikeAnyOther) {
  clone("c");
  auto kept = machine->snapshots().remove("a", "s", false);
  ASSERT_FALSE(kept);
  EXPECT_EQ(kept.error().code, Errc::in_use);
  EXPECT_THAT(kept.error().message, HasSubstr("read by LUN c"));
  EXPECT_EQ(machine->snapshots().create({.luns = {"c"}}).error().code, Errc::in_use);
  ASSERT_TRUE(filled_up("c"));
  EXPECT_THAT(files(), Contains("c.img"));
  EXPECT_THAT(files(), Not(Contains(snapshot::fill_map_name(row("c").uuid))));
  auto removed = machine->snapshots().remove("a", "s", false);
  ASSERT_TRUE(removed) << removed.error().message;
  ASSERT_TRUE(machine->until([&] { return files(".snapshots/a").empty(); }));
  EXPECT_EQ(all("c"), image);
  machine->cut({"c"}, "of-the-clone");
  kill();
  EXPECT_EQ(all("c"), image);
  EXPECT_EQ(machine->held("c", "of-the-clone", 0, image.size()), image);
}

TEST_P(CopiesTest, AcrossStoresItIsFilledToo) {
  ASSERT_TRUE(machine->registry().add_store({.name = "other", .location = "/other"}));
  ASSERT_TRUE(machine->registry().create({.name = "b", .store = "other", .capacity = kSize}));
  machine->fill("b", 3, 70 * 1024);
  auto held = all("b");
  machine->cut({"b"}, "t");
  auto made = engine().clone({.lun = "b",
                              .snapshot = "t",
                              .name = "c",
                              .store = "main",
                              .location = {},
                              .dry_run = false});
  ASSERT_TRUE(made) << made.error().message;
  ASSERT_TRUE(filled_up("c"));
  EXPECT_EQ(all("c"), held);
}

TEST_P(CopiesTest, ItsOwnChangesStay) {
  auto model = image;
  clone("c");
  std::mt19937_64 random(7);
  for (int step = 0; step < 400; ++step) {
    auto offset = random() % (kSize / 512) * 512;
    auto length = std::min((1 + random() % (step % 7 == 0 ? 400 : 20)) * 512, kSize - offset);
    auto value = static_cast<int>(random() % 256);
    Error error;
    switch (random() % 8) {
      case 0: error = simple(*object("c"), block::IoOp::unmap, offset, length); break;
      case 1: error = simple(*object("c"), block::IoOp::write_zeroes, offset, length, true); break;
      case 2: machine->pacer().run(); continue;
      case 3:
        if (random() % 10 != 0) continue;
        ASSERT_FALSE(flush(*object("c")));
        random() % 2 ? restart() : kill();
        continue;
      default: {
        auto bytes = filled(length, value);
        error = write(*object("c"), offset, bytes);
        std::ranges::copy(bytes, model.begin() + static_cast<std::ptrdiff_t>(offset));
        ASSERT_FALSE(error) << error.message();
        continue;
      }
    }
    ASSERT_FALSE(error) << error.message();
    std::fill_n(model.begin() + static_cast<std::ptrdiff_t>(offset), length, std::byte{0});
    if (step % 16 == 0) {
      ASSERT_EQ(all("c"), model) << "step " << step;
    }
  }
  EXPECT_EQ(all("c"), model);
  EXPECT_EQ(machine->held("a", "s", 0, image.size()), image) << "the snapshot is what it was";
  ASSERT_TRUE(filled_up("c"));
  EXPECT_EQ(all("c"), model);
}

TEST_P(CopiesTest, WhatItDoesNotHaveYetIsNoHole) {
  clone("c");
  std::array<block::StatusExtent, 16> extents;
  block::IoRequest request;
  request.op = block::IoOp::status;
  request.length = kSize;
  request.status = extents;
  ASSERT_FALSE(block::perform(*object("c"), request));
  std::vector<std::byte> told(kSize);
  std::uint64_t at = 0;
  for (const auto& extent : std::span(extents).first(request.status_count)) {
    ASSERT_EQ(extent.offset, at) << "without gaps";
    at += extent.length;
    if (extent.allocated) continue;
    for (auto hole = extent.offset; hole < at; ++hole)
      ASSERT_EQ(image[hole], std::byte{0}) << "data at " << hole << " is called a hole";
  }
  EXPECT_EQ(at, kSize);
}

TEST_P(CopiesTest, ItGrowsWhileItIsFilledAndShrinksWhenItHasEverything) {
  clone("c");
  auto grown = machine->registry().resize("c", kSize + kMiB, false, false);
  ASSERT_TRUE(grown) << grown.error().message;
  machine->fill("c", 7, kSize + kMiB - 8192);
  auto model = image;
  model.resize(kSize + kMiB);
  std::fill_n(model.end() - 8192, 8192, std::byte{7});
  EXPECT_EQ(all("c"), model);
  EXPECT_EQ(machine->registry().resize("c", kMiB, true, false).error().code, Errc::in_use);
  restart();
  EXPECT_EQ(all("c"), model);
  ASSERT_TRUE(filled_up("c"));
  EXPECT_EQ(all("c"), model);
  ASSERT_TRUE(machine->registry().resize("c", kMiB, true, false));
}

TEST_P(CopiesTest, OneThatIsDeletedBeforeItHasEverythingLeavesNothing) {
  auto before = files();
  clone("c");
  machine->fill("c", 4, 65536);
  auto renamed = machine->registry().rename("c", "d", false);
  ASSERT_TRUE(renamed) << renamed.error().message;
  restart();
  ASSERT_TRUE(machine->registry().remove("d"));
  EXPECT_EQ(files(), before);
  EXPECT_TRUE(machine->snapshots().remove("a", "s", false));
}

TEST_P(CopiesTest, WhereverItsEndIsCutShortNoMapIsLeft) {
  clone("c");
  machine.reset();
  auto begun = disk->settled();
  for (std::uint64_t operation = 0, whole = 0; whole == 0; ++operation) {
    machine.reset();
    disk = begun->settled();
    machine = std::make_unique<SnapshotMachine>(*disk, clock);
    disk->cut_at(disk->operations() + operation);
    const auto map = snapshot::fill_map_name(row("c").uuid);
    auto ended = [&] { return row("c").kind == catalog::LunKind::disk && !disk->look_up(map); };
    ASSERT_TRUE(machine->until([&] { return disk->is_cut() || ended(); }));
    whole = disk->is_cut() ? 0 : 1;
    kill();
    ASSERT_TRUE(machine->until(ended)) << "cut at operation " << operation;
  }
}

TEST_P(CopiesTest, WhatCannotBeClonedIsRefusedWithoutATrace) {
  auto before = files();
  auto dry = try_clone("c", "s", true);
  ASSERT_TRUE(dry) << dry.error().message;
  EXPECT_FALSE(machine->registry().find("c"));
  EXPECT_EQ(try_clone("c", "x").error().code, Errc::not_found);
  EXPECT_EQ(try_clone("a").error().code, Errc::already_exists);
  EXPECT_EQ(try_clone("Not A Name").error().code, Errc::invalid_argument);
  auto foreign = disk->create_unnamed();
  ASSERT_TRUE(foreign);
  ASSERT_TRUE(disk->publish(**foreign, "c.img"));
  EXPECT_EQ(try_clone("c").error().code, Errc::already_exists) << "its public name is taken";
  ASSERT_TRUE(disk->remove("c.img"));
  EXPECT_EQ(files(), before);
}

TEST_P(CopiesTest, OneWhoseMapIsGoneReadsNothingWrong) {
  clone("c");
  machine->fill("c", 4, 65536);
  machine.reset();
  auto uuid = [&] {
    for (const auto& name : files())
      if (name.ends_with(".fill")) return name;
    return std::string();
  }();
  ASSERT_FALSE(uuid.empty());
  ASSERT_TRUE(disk->remove(uuid));
  restart();
  std::vector<std::byte> bytes(4096);
  EXPECT_TRUE(read(*object("c"), 65536, bytes));
  EXPECT_TRUE(write(*object("c"), 0, bytes));
  EXPECT_FALSE(read(*object("a"), 0, bytes)) << "nobody else is hurt";
}

TEST_P(CopiesTest, ARebuildFindsOneThatIsNotFilled) {
  clone("c");
  machine->fill("c", 4, 65536);
  auto model = all("c");
  const auto before = row("c");
  ASSERT_TRUE(machine->registry().set_offline("c"));
  ASSERT_TRUE(machine->catalog().change(
      [&](catalog::Transaction& transaction) { return transaction.erase_lun(before.uuid); }));
  restart();
  ASSERT_FALSE(machine->registry().find("c"));
  auto report = machine->registry().rebuild(false);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_THAT(report->restored, ElementsAre(Field(&catalog::LunRecord::name, "c")));
  EXPECT_EQ(row("c").kind, catalog::LunKind::clone);
  EXPECT_EQ(row("c").origin, before.origin);
  EXPECT_EQ(all("c"), model);
}

TEST_P(CopiesTest, AnOlderCatalogFindsTheOneThatIsWholeByNow) {
  clone("c");
  auto old = row("c");
  ASSERT_TRUE(filled_up("c"));
  ASSERT_TRUE(machine->catalog().change(
      [&](catalog::Transaction& transaction) { return transaction.put_lun(old); }));
  kill();
  EXPECT_EQ(row("c").kind, catalog::LunKind::disk);
  EXPECT_EQ(all("c"), image);
}

TEST_P(CopiesTest, AViewShowsTheSnapshotAndNothingChangesIt) {
  expose("v");
  EXPECT_EQ(all("v"), image);
  EXPECT_TRUE(object("v")->features().read_only);
  EXPECT_EQ(write(*object("v"), 0, filled(4096, 1)), block::BlockErrc::write_protected);
  EXPECT_NE(row("v").naa, row("a").naa);
  EXPECT_EQ(machine->snapshots().remove("a", "s", false).error().code, Errc::in_use);
  EXPECT_EQ(machine->snapshots().create({.luns = {"v"}}).error().code, Errc::unsupported);
  EXPECT_FALSE(machine->registry().resize("v", kMiB, true, false));
  machine->fill("a", 55, kMiB);
  EXPECT_EQ(all("v"), image);
  ASSERT_TRUE(machine->registry().rename("v", "w", false));
  restart();
  EXPECT_EQ(all("w"), image) << "it is there after a restart, too";
  ASSERT_TRUE(machine->until([&] {
    auto s = machine->snapshots().show("a", "s");
    return s->record.complete || GetParam() == Store::copying;
  }));
  EXPECT_EQ(all("w"), image);
  ASSERT_TRUE(engine().unexpose("w", false));
  EXPECT_FALSE(machine->registry().find("w"));
  EXPECT_TRUE(machine->snapshots().remove("a", "s", false));
}

TEST_P(CopiesTest, WhatReadsThroughALunThatIsOfflineWaitsForIt) {
  expose("v");
  clone("c");
  ASSERT_TRUE(machine->registry().set_offline("a"));
  std::vector<std::byte> bytes(4096);
  EXPECT_EQ(read(*object("v"), 0, bytes), block::BlockErrc::offline);
  EXPECT_EQ(read(*object("c"), 0, bytes), block::BlockErrc::offline);
  EXPECT_EQ(write(*object("c"), 0, filled(512, 1)), block::BlockErrc::offline);
  ASSERT_TRUE(machine->registry().set_online("a", false));
  EXPECT_EQ(all("v"), image);
  EXPECT_EQ(all("c"), image);
}

}  // namespace
}  // namespace caisson::tests

// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "storage_object/base/errc.hpp"
#include "tests/unit/snapshot/manager/snapshot_machine.hpp"

namespace caisson::tests {
namespace {

constexpr std::uint64_t kCapacity = (std::uint64_t{3} << 20) + 512;  // no whole number of blocks

class ExportTest : public SnapshotTest {
 protected:
  void SetUp() override {
    machine->make("a", kCapacity);
    for (int i = 0; i < 6; ++i) machine->fill("a", 10 + i, offset(i));
    before = now();
    machine->cut({"a"}, "s1");
    machine->fill("a", 1, offset(0));
    machine->cut({"a"}, "s2");
    middle = now();
    machine->fill("a", 2, offset(1));
    machine->fill("a", 3, offset(0));
  }
  static std::uint64_t offset(int i) { return static_cast<std::uint64_t>(i) * 500 * 1024; }
  std::vector<std::byte> now() {
    std::vector<std::byte> all(kCapacity);
    EXPECT_FALSE(read(*machine->registry().find("a")->object, 0, all));
    return all;
  }
  std::vector<std::byte> image(const std::string& name) {
    return disk->content(".snapshots/a/" + name + ".img");
  }

  std::vector<std::byte> before, middle;
};

TEST_F(ExportTest, AnOlderOneTakesTheRestFromNewerOnesAndTheContainer) {
  auto planned = machine->snapshots().export_to("a", "s1", {.dry_run = true});
  ASSERT_TRUE(planned);
  EXPECT_FALSE(disk->look_up(".snapshots/a/s1.img"));
  std::vector<std::uint64_t> told;
  auto done = machine->snapshots().export_to(
      "a", "s1", {.progress = [&](std::uint64_t at, std::uint64_t) { told.push_back(at); }});
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->condition, "whole");
  EXPECT_EQ(done->path, "simulated/.snapshots/a/s1.img");
  EXPECT_EQ(image("s1"), before);
  EXPECT_TRUE(std::ranges::is_sorted(told));
  EXPECT_EQ(told.back(), kCapacity);
  EXPECT_TRUE(machine->snapshots().export_to("a", "s1"));
}

TEST_F(ExportTest, TheOneThatCapturesIsWholeAndNeedsNothingMore) {
  ASSERT_TRUE(machine->snapshots().export_to("a", "s2"));
  EXPECT_EQ(image("s2"), middle);
  machine->fill("a", 9, offset(3));
  EXPECT_EQ(image("s2"), middle);
  EXPECT_EQ(machine->held("a", "s1", offset(3)), filled(8192, 13));  // through s2
  machine->cut({"a"}, "s3");
  auto third = now();
  machine->fill("a", 8, offset(3));
  ASSERT_TRUE(machine->snapshots().export_to("a", "s3"));
  EXPECT_EQ(image("s3"), third);
  ASSERT_TRUE(machine->snapshots().export_to("a", "s1"));
  EXPECT_EQ(image("s1"), before);
}

TEST_F(ExportTest, OutlivesARestartAndGoes) {
  ASSERT_TRUE(machine->snapshots().export_to("a", "s2"));
  kill();
  EXPECT_EQ(machine->snapshots().show("a", "s2")->condition, "whole");
  EXPECT_EQ(machine->held("a", "s2", 0, 4096 * 700),
            std::vector(middle.begin(), middle.begin() + 4096 * 700));
  EXPECT_EQ(machine->held("a", "s1"), filled(8192, 10));
  ASSERT_TRUE(machine->snapshots().remove("a", "s1", false));
  ASSERT_TRUE(machine->snapshots().remove("a", "s2", false));
  EXPECT_TRUE(machine->until([&] { return machine->catalog().snapshots()->empty(); }));
  EXPECT_TRUE(disk->list(".snapshots/a")->empty());
}

TEST_F(ExportTest, AFullStoreOrAStopLosesNothingAndItGoesOn) {
  auto stop = std::make_unique<std::stop_source>();
  stop->request_stop();
  snapshot::ExportOptions options;
  options.stop = stop->get_token();
  auto stopped = machine->snapshots().export_to("a", "s1", options);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, Errc::cancelled);
  auto hidden = ".snapshots/a/." + machine->snapshots().show("a", "s1")->record.uuid.to_string();
  for (std::uint64_t good = 0; good < 3; ++good) {
    disk->inject({.op = SimOp::write, .skip = good, .error = ENOSPC, .file = hidden + ".img"});
    auto failed = machine->snapshots().export_to("a", "s1");
    disk->clear_faults();
    ASSERT_FALSE(failed) << good;
    EXPECT_EQ(failed.error().code, Errc::no_space);
    EXPECT_EQ(machine->held("a", "s1"), filled(8192, 10));
  }
  ASSERT_TRUE(machine->snapshots().export_to("a", "s1"));
  EXPECT_EQ(image("s1"), before);
}

TEST_F(ExportTest, APowerCutAtAnyMomentLosesNothing) {
  auto first = disk->operations();
  auto start = disk->settled();
  ASSERT_TRUE(machine->snapshots().export_to("a", "s1"));
  auto steps = disk->operations() - first;
  ASSERT_GT(steps, 5U);
  for (std::uint64_t i = 0; i < steps; ++i) {
    machine.reset();
    disk = start->settled();
    machine = std::make_unique<SnapshotMachine>(*disk, clock);
    disk->cut_at(disk->operations() + i, SimUnderWay::partly);
    (void)machine->snapshots().export_to("a", "s1");
    machine.reset();
    auto dead = std::move(disk);
    disk = dead->power_cut(i);
    machine = std::make_unique<SnapshotMachine>(*disk, clock);
    EXPECT_EQ(machine->held("a", "s1", 0, 4096 * 700),
              std::vector(before.begin(), before.begin() + 4096 * 700))
        << "cut at " << i;
    auto done = machine->snapshots().export_to("a", "s1");
    ASSERT_TRUE(done) << "cut at " << i << ": " << done.error().message;
    ASSERT_EQ(image("s1"), before) << "cut at " << i;
  }
}

TEST_F(ExportTest, OnReflinkStoresItOnlyComesSooner) {
  replace_by_reflink();
  SetUp();
  ASSERT_TRUE(machine->snapshots().export_to("a", "s1"));
  EXPECT_EQ(image("s1"), before);
}

}  // namespace
}  // namespace caisson::tests

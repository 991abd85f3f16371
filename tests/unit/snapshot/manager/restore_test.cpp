// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <future>
#include <thread>

#include "storage_object/base/errc.hpp"
#include "tests/unit/snapshot/manager/snapshot_machine.hpp"

namespace caisson::tests {
namespace {

using ::testing::ElementsAre;

enum class Store { copying, sharing };

class RestoreTest : public SnapshotTest, public ::testing::WithParamInterface<Store> {
 protected:
  void SetUp() override {
    if (GetParam() == Store::sharing) replace_by_reflink();
    machine->make("a");
    machine->fill("a", 1);
    machine->fill("a", 5, 512 * 1024);
    before = now();
    machine->cut({"a"}, "s");
    machine->fill("a", 2);
    machine->fill("a", 3, 900 * 1024);
    after = now();
  }
  std::shared_ptr<object::StorageObject> lun() { return machine->registry().find("a")->object; }
  std::vector<std::byte> now() {
    std::vector<std::byte> all(std::size_t{1} << 20);
    EXPECT_FALSE(read(*lun(), 0, all));
    return all;
  }
  /// A write of a host.
  Error host_writes() {
    auto bytes = filled(4096, 9);
    IoVec memory{bytes.data(), bytes.size()};
    block::IoRequest request;
    request.op = block::IoOp::write;
    request.length = bytes.size();
    request.buffers = {&memory, 1};
    request.context.nexus = 5;
    return block::perform(*lun(), request);
  }

  std::vector<std::byte> before, after;
};

INSTANTIATE_TEST_SUITE_P(Stores, RestoreTest, ::testing::Values(Store::copying, Store::sharing),
                         [](const auto& kind) {
                           return kind.param == Store::sharing ? "sharing" : "copying";
                         });

TEST_P(RestoreTest, ItHoldsWhatTheSnapshotHoldsAndTheStateBeforeIsKept) {
  auto kept = machine->snapshots().restore("a", "s", {});
  ASSERT_TRUE(kept) << kept.error().message;
  EXPECT_EQ(now(), before);
  EXPECT_THAT(machine->names("a"), ElementsAre("s", *kept));
  EXPECT_EQ(machine->held("a", *kept, 0, after.size()), after);
  EXPECT_EQ(machine->held("a", "s", 0, before.size()), before);
  EXPECT_FALSE(host_writes());
  EXPECT_EQ(machine->held("a", "s", 0, before.size()), before);
  restart();
  EXPECT_EQ(machine->held("a", *kept, 0, after.size()), after);
}

TEST_P(RestoreTest, ItTakesNoSpaceWhereBlocksCanBeShared) {
  ASSERT_TRUE(machine->until([&] {
    return machine->snapshots().show("a", "s")->record.complete || GetParam() == Store::copying;
  }));
  machine->fill("a", 4, 512 * 1024, 64 * 1024);
  before = now();
  ASSERT_TRUE(machine->snapshots().restore("a", "s", {.keep_state = true}));
  EXPECT_EQ(machine->held("a", "before-restore", 0, before.size()), before);
  EXPECT_EQ(machine->held("a", "s", 0, before.size()), now());
  if (GetParam() == Store::copying) return;
  file_store::MapExtent live, image;
  for (auto [name, extent] : {std::pair("a.img", &live), std::pair(".snapshots/a/s.img", &image)}) {
    auto file = disk->open(name, {.read_only = true});
    ASSERT_TRUE(file);
    ASSERT_TRUE((*file)->extent_map(512 * 1024, 4096, {extent, 1}));
    ASSERT_EQ(extent->state, file_store::MapState::placed);
  }
  EXPECT_EQ(live.address, image.address);
}

TEST_P(RestoreTest, WithoutKeepingAndDry) {
  ASSERT_TRUE(machine->snapshots().restore("a", "s", {.dry_run = true}));
  EXPECT_EQ(now(), after);
  auto kept = machine->snapshots().restore("a", "s", {.keep_state = false});
  ASSERT_TRUE(kept) << kept.error().message;
  EXPECT_EQ(*kept, "");
  EXPECT_EQ(now(), before);
  EXPECT_THAT(machine->names("a"), ElementsAre("s"));
}

TEST_P(RestoreTest, WhatLiesBehindASmallerSnapshotIsZeros) {
  ASSERT_TRUE(machine->registry().resize("a", std::uint64_t{2} << 20, false));
  machine->fill("a", 7, std::uint64_t{1} << 20);
  ASSERT_TRUE(machine->snapshots().restore("a", "s", {}));
  EXPECT_EQ(now(), before);
  std::vector<std::byte> rest(std::size_t{1} << 20);
  ASSERT_FALSE(read(*lun(), std::uint64_t{1} << 20, rest));
  EXPECT_EQ(rest, filled(rest.size(), 0));
}

TEST_P(RestoreTest, ASmallerDiskIsNotRestored) {
  ASSERT_TRUE(machine->registry().resize("a", std::uint64_t{512} << 10, true));
  auto refused = machine->snapshots().restore("a", "s", {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::invalid_argument);
}

/// A start that went on with it would make the only copy of the state before something else.
TEST_P(RestoreTest, NoStartGoesOnWithItBeforeTheStateBeforeIsKept) {
  disk->inject({.op = SimOp::create, .hang = true});
  auto restore =
      std::async(std::launch::async, [this] { return machine->snapshots().restore("a", "s", {}); });
  while (disk->hanging() == 0) std::this_thread::yield();
  EXPECT_EQ(host_writes(), block::BlockErrc::busy);
  EXPECT_FALSE(machine->registry().find("a")->record.restoring);
  disk->release();
  auto kept = restore.get();
  ASSERT_TRUE(kept) << kept.error().message;
  EXPECT_EQ(now(), before);
  EXPECT_EQ(machine->held("a", *kept, 0, after.size()), after);
}

TEST_P(RestoreTest, WhatCannotBeKeptIsNotRestored) {
  disk->inject({.op = SimOp::create, .times = 100, .error = ENOSPC});
  auto refused = machine->snapshots().restore("a", "s", {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::no_space);
  disk->clear_faults();
  EXPECT_EQ(now(), after);
  EXPECT_FALSE(host_writes()) << "hosts are in again";
  EXPECT_THAT(machine->names("a"), ElementsAre("s"));
}

TEST_P(RestoreTest, HostsStayOutUntilARestartHasFinishedIt) {
  auto uuid = machine->registry().find("a")->record.uuid;
  auto snapshot = machine->snapshots().show("a", "s")->record.uuid;
  ASSERT_TRUE(machine->luns().begin_restore(uuid, snapshot));
  EXPECT_EQ(host_writes(), block::BlockErrc::busy);
  kill();
  EXPECT_EQ(host_writes(), block::BlockErrc::busy);
  ASSERT_TRUE(machine->until([&] { return !machine->registry().find("a")->record.restoring; }));
  EXPECT_EQ(now(), before);
  EXPECT_FALSE(host_writes());
}

}  // namespace
}  // namespace caisson::tests

// SPDX-License-Identifier: Apache-2.0
// What a full store does to containers: nothing that a later start would regret.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage_object/base/errc.hpp"
#include "tests/unit/storage_object/object/machine.hpp"

namespace caisson::tests {
namespace {

using catalog::CacheMode;
using catalog::LunState;
using ::testing::HasSubstr;

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kForEver = 1 << 20;

/// A gateway whose catalog lies elsewhere than its store.
class FullStoreTest : public ::testing::Test {
 protected:
  static std::unique_ptr<Machine> machine(SimStore& catalog, SimStore& store) {
    auto made =
        std::make_unique<Machine>(catalog, nullptr, [&store](object::RegistryOptions& options) {
          options.open_store =
              [&store](const catalog::StoreRecord&) -> Outcome<std::unique_ptr<file_store::Store>> {
            return std::make_unique<BorrowedStore>(store);
          };
        });
    EXPECT_FALSE(made->failure());
    return made;
  }

  /// Takes all the space that is left.
  static std::unique_ptr<file_store::File> fill(SimStore& store) {
    auto file = store.create_unnamed().value();
    for (std::uint64_t at = 0;; at += SimBytes::kPage)
      if (!file_store::write_at(*file, at, filled(SimBytes::kPage, 1))) return file;
  }

  /// Serves, says the same as its row, and holds what was written before.
  static void expect_served(Machine& machine, std::uint64_t kept, const std::string& when) {
    auto lun = machine.registry().find("db");
    ASSERT_TRUE(lun && lun->object) << when << ": " << (lun ? lun->reason : "");
    EXPECT_FALSE(lun->record.resize) << when;
    EXPECT_EQ(lun->object->geometry().capacity, lun->record.capacity) << when;
    auto data = filled(kept, 0);
    EXPECT_EQ(read(*lun->object, 0, data), Error()) << when;
    EXPECT_EQ(data, filled(kept, 3)) << when;
    if (lun->state == LunState::failed) return;  // a sync failed: decision 3
    EXPECT_EQ(write(*lun->object, 0, filled(512, 3)), Error()) << when;
    EXPECT_EQ(flush(*lun->object), Error()) << when;
  }

  /// False once the fault was not met any more.
  static bool resize_with(const SimFault& fault, std::uint64_t from, std::uint64_t to) {
    auto when = fmt_of(fault, from, to);
    SimStore catalog, store;
    auto gateway = machine(catalog, store);
    auto object = gateway->make("db", from);
    auto kept = std::min(from, to);
    EXPECT_EQ(write(*object, 0, filled(kept, 3)), Error());
    EXPECT_EQ(flush(*object), Error());
    store.inject(fault);
    auto before = store.operations();
    auto done = gateway->registry().resize("db", to, true);
    bool met = fault.op ? !done : store.operations() - before > fault.skip;
    if (fault.times == 1) store.clear_faults();
    expect_served(*gateway, kept, when);
    EXPECT_EQ(gateway->registry().find("db")->record.capacity, done ? to : from) << when;
    store.clear_faults();
    gateway.reset();
    gateway = machine(catalog, store);
    expect_served(*gateway, kept, when + ", after a restart");
    EXPECT_EQ(gateway->registry().find("db")->record.capacity, done ? to : from) << when;
    return met;
  }

  static std::string fmt_of(const SimFault& fault, std::uint64_t from, std::uint64_t to) {
    return std::to_string(from) + " to " + std::to_string(to) + ", step " +
           std::to_string(fault.skip) + (fault.op ? " of one kind" : "");
  }
};

struct Change {
  std::uint64_t from, to;
};
const std::vector<Change> kChanges = {
    {kMiB, 2 * kMiB},          {kMiB, kMiB + 4096},       {kMiB, kMiB + 69632},
    {2 * kMiB, kMiB},          {kMiB, kMiB - 4096},       {kMiB, kMiB - 69632},
    {kMiB + 512, kMiB + 1024}, {kMiB + 1024, kMiB + 512}, {kMiB + 512, kMiB - 512},
};

TEST_F(FullStoreTest, AnyStepOfAResizeMayMeetItOnce) {
  for (auto [from, to] : kChanges)
    for (std::uint64_t step = 0; resize_with({.skip = step, .error = ENOSPC}, from, to);) ++step;
}

TEST_F(FullStoreTest, NoSpaceToAllocateOrToGrowIntoChangesNothing) {
  for (auto op : {SimOp::allocate, SimOp::resize})
    for (auto [from, to] : kChanges)
      for (std::uint64_t step = 0;
           resize_with({.op = op, .skip = step, .times = kForEver, .error = ENOSPC}, from, to);)
        ++step;
}

TEST_F(FullStoreTest, AShrinkWithoutRoomForItsTrailerIsRefusedBeforeItBegins) {
  SimStore catalog, store({.capacity = 8 * kMiB});
  auto gateway = machine(catalog, store);
  gateway->make("db", 4 * kMiB);  // all holes
  auto rest = fill(store);
  auto done = gateway->registry().resize("db", 2 * kMiB, true);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::no_space);
  EXPECT_THAT(done.error().remedy, HasSubstr("free space"));
  auto lun = gateway->registry().find("db");
  ASSERT_TRUE(lun->object);
  EXPECT_FALSE(lun->record.resize);
  EXPECT_EQ(lun->object->geometry().capacity, 4 * kMiB);
  rest.reset();
  EXPECT_TRUE(gateway->registry().resize("db", 2 * kMiB, true));
}

TEST_F(FullStoreTest, ALunThatHasItsSpaceShrinksOnAFullStore) {
  SimStore catalog, store({.capacity = 8 * kMiB});
  auto gateway = machine(catalog, store);
  auto object = gateway->make("db", 4 * kMiB);
  EXPECT_EQ(write(*object, 0, filled(4 * kMiB, 3)), Error());
  auto rest = fill(store);
  auto done = gateway->registry().resize("db", 2 * kMiB, true);
  ASSERT_TRUE(done) << done.error().message;
  expect_served(*gateway, 2 * kMiB, "shrunk");
}

TEST_F(FullStoreTest, TrailersAreUpdatedWithoutSpace) {
  for (bool allocates : {true, false}) {
    SimStore catalog, store({.traits = {.allocate = allocates}, .capacity = 8 * kMiB});
    auto gateway = machine(catalog, store);
    gateway->make("made", kMiB);
    std::vector<std::string> names = {"made", "imported"};
    for (std::uint64_t step : {std::uint64_t{4096}, std::uint64_t{69632}, kMiB}) {
      names.push_back("grown-" + std::to_string(step));
      gateway->make(names.back(), kMiB);
      ASSERT_TRUE(gateway->registry().resize(names.back(), kMiB + step, false));
    }
    auto raw = store.create_unnamed().value();
    ASSERT_TRUE(raw->resize(kMiB));
    ASSERT_TRUE(store.publish(*raw, "raw.img"));
    raw.reset();
    auto imported =
        gateway->registry().import({.file = "raw.img", .name = "imported", .in_place = true});
    ASSERT_TRUE(imported) << imported.error().message;
    auto rest = fill(store);
    for (const auto& name : names)
      for (int i = 0; i < 4; ++i) {
        auto done = gateway->registry().refresh_grants(gateway->object(name)->identity()->uuid);
        EXPECT_TRUE(done) << name << ": " << done.error().message;
      }
  }
}

TEST_F(FullStoreTest, ACreationWithoutRoomForItsTrailerLeavesNothing) {
  for (bool allocates : {true, false}) {
    SimStore catalog, store({.traits = {.allocate = allocates}, .capacity = kMiB});
    auto gateway = machine(catalog, store);
    auto rest = fill(store);
    auto made = gateway->registry().create({.name = "db", .capacity = kMiB});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, Errc::no_space);
    EXPECT_FALSE(gateway->registry().find("db"));
    EXPECT_EQ(store.list()->size(), 1u);  // its mark
  }
}

TEST_F(FullStoreTest, DirectBlocksLargerThanTheLayoutAreRefusedByName) {
  SimStore catalog, store({.traits = {.direct = true, .direct_alignment = 16384}});
  auto gateway = machine(catalog, store);
  auto refused =
      gateway->registry().create({.name = "db", .capacity = kMiB, .cache = CacheMode::none});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::unsupported);
  EXPECT_THAT(refused.error().message, HasSubstr("16384"));
  auto object = gateway->make("db", kMiB);
  auto set = gateway->registry().set("db", {.cache = CacheMode::none});
  ASSERT_FALSE(set);
  EXPECT_THAT(set.error().message, HasSubstr("16384"));
  EXPECT_EQ(object->cache_mode(), CacheMode::writeback);
  EXPECT_EQ(write(*object, 0, filled(512, 3)), Error());
}

}  // namespace
}  // namespace caisson::tests

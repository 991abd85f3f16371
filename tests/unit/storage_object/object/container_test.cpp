// SPDX-License-Identifier: Apache-2.0
// Trailers that hosts, share users and later versions leave.
#include "storage_object/object/container.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage_object/base/errc.hpp"
#include "tests/unit/storage_object/object/machine.hpp"

namespace caisson::tests {
namespace {

using catalog::LunRecord;
using format::container_length;
using format::slot_position;
using format::trailer_position;
using object::Container;
using ::testing::HasSubstr;

constexpr std::uint64_t kMiB = 1 << 20;

class ContainerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    row_.uuid = Uuid::random();
    row_.name = "db";
    row_.store = "main";
    row_.file = "db.img";
    row_.capacity = kMiB;
    row_.naa = "3123456789abcdef";
    row_.serial = "01";
    row_.target_name = "iqn.2026-11.io.caisson:n:db";
    auto made = Container::make(disk_, row_, {});
    ASSERT_TRUE(made);
    ASSERT_TRUE((*made)->publish(disk_));
  }
  /// A slot as only the owner could write it, of whatever capacity.
  Buffer forged(std::uint64_t capacity, unsigned index, std::uint64_t generation = 1000) {
    format::Slot slot;
    slot.generation = generation;
    slot.uuid = row_.uuid;
    slot.capacity = capacity;
    object::fill_message(slot.message, row_);
    slot.message.set_name("forged");
    return std::move(format::encode_slot(slot, index).value());
  }
  void write_raw(std::uint64_t offset, std::span<const std::byte> bytes) {
    auto file = disk_.open("db.img").value();
    ASSERT_TRUE(file_store::write_at(*file, offset, bytes));
  }
  Outcome<std::unique_ptr<Container>> open() { return Container::open(disk_, row_); }
  /// Replaces slot 0 by one with these features.
  void put_features(format::FeatureBits features) {
    format::Slot slot;
    slot.generation = 5;
    slot.uuid = row_.uuid;
    slot.capacity = row_.capacity;
    slot.features = features;
    object::fill_message(slot.message, row_);
    auto bytes = format::encode_slot(slot, 0);
    write_raw(trailer_position(row_.capacity), bytes->span());
  }

  SimStore disk_;
  LunRecord row_;
};

TEST_F(ContainerTest, AlternatesSlotsAndTakesTheNewest) {
  for (int i = 0; i < 5; ++i) {
    auto container = open();
    ASSERT_TRUE(container);
    EXPECT_EQ((*container)->slot().generation, 1u + i);
    ASSERT_TRUE((*container)->update([&](auto& m) { m.set_name(std::to_string(i)); }));
  }
  EXPECT_EQ((*open())->slot().message.name(), "4");
}

TEST_F(ContainerTest, OneDamagedSlotLeavesTheOther) {
  ASSERT_TRUE((*open())->update([](auto& m) { m.set_name("second"); }));
  write_raw(slot_position(trailer_position(kMiB), 1) + 60, filled(1, 0xff));
  auto container = open();
  ASSERT_TRUE(container);
  EXPECT_EQ((*container)->slot().message.name(), "db");
}

TEST_F(ContainerTest, ForgedNeighboursAreNeverBelieved) {
  // The host fills its whole data area with perfect slots of every capacity
  // that a resize could go to, each where it would stand.
  for (std::uint64_t other = kMiB - 256 * 1024; other < kMiB; other += 4096)
    for (unsigned index : {0u, 1u}) {
      auto at = slot_position(trailer_position(other), index);
      auto bytes = forged(other, index);
      if (at + bytes.size() <= kMiB) write_raw(at, bytes.span());
    }
  EXPECT_EQ((*open())->slot().message.name(), "db");
  for (std::uint64_t to : {kMiB - 4096, kMiB - 65536, kMiB - 131072, kMiB - 135168}) {
    auto intent_row = row_;
    intent_row.resize = {kMiB, to};
    auto before = Container::open(disk_, intent_row);  // a crash right after the intent
    ASSERT_TRUE(before);
    EXPECT_EQ((*before)->slot().message.name(), "db") << to;
    EXPECT_EQ((*before)->slot().capacity, kMiB);
  }
  auto to = kMiB - 135168;
  {
    auto container = open();
    ASSERT_TRUE((*container)->resize({kMiB, to}, false));
  }
  row_.capacity = to;
  auto after = open();
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_EQ((*after)->slot().message.name(), "db");
  ASSERT_TRUE((*after)->update([](auto&) {}));
}

TEST_F(ContainerTest, AStaleSlotOfAnEarlierLifeIsNotBelievedWhenGrowingBack) {
  auto small = kMiB - 8192;
  {
    auto container = open();
    ASSERT_TRUE((*container)->update([](auto& m) { m.set_name("old"); }));  // in slot 1
    ASSERT_TRUE((*container)->resize({kMiB, small}, false));
    for (auto name : {"a", "b", "new"})
      ASSERT_TRUE((*container)->update([&](auto& m) { m.set_name(name); }));
  }
  row_.capacity = small;
  row_.resize = {small, kMiB};
  // The grow is interrupted at every operation and looked at without a cut.
  for (std::uint64_t stop = 0;; ++stop) {
    auto disk = disk_.settled();
    {
      auto container = Container::open(*disk, row_);
      ASSERT_TRUE(container);
      auto before = disk->operations();
      disk->inject({.skip = stop, .times = 99999, .error = EIO});
      bool done = (*container)->resize(*row_.resize, false).has_value();
      disk->clear_faults();
      auto looked = Container::open(*disk, row_);
      if (done && disk->operations() - before <= stop) return;
    }
    auto container = Container::open(*disk, row_);
    ASSERT_TRUE(container) << stop << container.error().message;
    EXPECT_EQ((*container)->slot().message.name(), "new") << stop;
  }
}

TEST_F(ContainerTest, UnknownFeaturesDecideWhatIsDone) {
  put_features({.compatible = 8});
  {
    auto container = open();
    ASSERT_TRUE(container);
    EXPECT_FALSE((*container)->read_only());
    ASSERT_TRUE((*container)->update([](auto&) {}));
    EXPECT_EQ((*container)->slot().features.compatible, 8u);
  }
  EXPECT_EQ((*open())->slot().features.compatible, 8u);
}

TEST_F(ContainerTest, UnknownReadOnlyCompatibleFeaturesAreServedReadOnly) {
  put_features({.read_only_compatible = 1});
  auto container = open();
  ASSERT_TRUE(container);
  EXPECT_TRUE((*container)->read_only());
  EXPECT_EQ((*container)->update([](auto&) {}).error().code, Errc::unsupported);
}

TEST_F(ContainerTest, UnknownIncompatibleFeaturesAreNotServed) {
  put_features({.incompatible = 1});
  auto container = open();
  ASSERT_FALSE(container);
  EXPECT_EQ(container.error().code, Errc::unsupported);
}

TEST_F(ContainerTest, WhatTheCatalogSaysDifferentlyIsRefusedByName) {
  auto expect = [&](auto change, const char* what) {
    auto row = row_;
    change(row);
    auto container = Container::open(disk_, row);
    ASSERT_FALSE(container);
    EXPECT_THAT(container.error().message, HasSubstr(what));
  };
  expect([](LunRecord& row) { row.uuid = Uuid::random(); }, "of object");
  expect([](LunRecord& row) { row.capacity += 512; }, "long");
  expect([](LunRecord& row) { row.capacity -= 512; }, "trailer says");
  expect([](LunRecord& row) { row.target_name += "x"; }, "target name");
  expect([](LunRecord& row) { row.target_lun = 4; }, "LUN number");
  expect([](LunRecord& row) { row.naa = "3"; }, "NAA");
  expect([](LunRecord& row) { row.logical_block = 4096; }, "block size");
}

TEST_F(ContainerTest, TheNameGivenToAnotherFileIsNoticedWhenTheDataIsOpened) {
  auto container = open();
  ASSERT_TRUE(disk_.rename("db.img", "moved.img"));
  auto other = disk_.create_unnamed().value();
  ASSERT_TRUE(other->resize(container_length(kMiB)));
  ASSERT_TRUE(disk_.publish(*other, "db.img"));
  auto data = (*container)->open_data(disk_, catalog::CacheMode::none);
  ASSERT_FALSE(data);
  EXPECT_EQ(data.error().code, Errc::corrupt);
  ASSERT_TRUE(other->lock_owner());  // a lock that is held says nothing of whose file it is
  EXPECT_FALSE((*container)->open_data(disk_, catalog::CacheMode::none));
}

}  // namespace
}  // namespace caisson::tests

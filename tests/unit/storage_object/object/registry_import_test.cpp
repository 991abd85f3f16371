// SPDX-License-Identifier: Apache-2.0
// Imports that were interrupted, images that have an owner, and identities that a
// container only pretends to have.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage_object/base/errc.hpp"
#include "storage_object/format/trailer.hpp"
#include "storage_object/object/container.hpp"
#include "tests/unit/storage_object/object/mounts.hpp"

namespace caisson::tests {
namespace {

using catalog::LunRecord;
using catalog::LunState;
using ::testing::Contains;
using ::testing::HasSubstr;

constexpr std::uint64_t kMiB = 1 << 20;

class InterruptedImportTest : public MountedStoreTest {
 protected:
  /// An import of disk.raw as "db" that ended when its row was durable.
  void interrupt() {
    put_file(store_, "disk.raw", image_);
    store_.inject({.op = SimOp::lock, .skip = 1, .error = EIO});  // of wrapping it
    ASSERT_FALSE(registry().import({.file = "disk.raw", .name = "db", .in_place = true}));
    store_.clear_faults();
    ASSERT_EQ(lun("db").state, LunState::creating);
    machine_.reset();
  }
  const std::vector<std::byte> image_ = filled(5000, 6);
};

TEST_F(InterruptedImportTest, GoesOnWithTheImageItBeganWith) {
  interrupt();
  start();
  ASSERT_TRUE(lun("db").object) << lun("db").reason;
  EXPECT_FALSE(lun("db").record.import);
  EXPECT_TRUE(store_.content("disk.raw").empty());
}

TEST_F(InterruptedImportTest, LeavesAnotherFileOfThatNameAlone) {
  for (std::size_t length : {image_.size(), image_.size() + 1}) {
    interrupt();
    ASSERT_TRUE(store_.remove("disk.raw"));
    auto other = filled(length, 9);
    put_file(store_, "disk.raw", other);
    start();
    EXPECT_FALSE(registry().find("db"));
    EXPECT_EQ(store_.content("disk.raw"), other);
    auto events = machine_->catalog().latest_events(1).value();
    ASSERT_EQ(events.size(), 1u);
    EXPECT_THAT(events[0].text, HasSubstr("not the file whose import began"));
    ASSERT_TRUE(store_.remove("disk.raw"));
  }
}

TEST_F(InterruptedImportTest, LeavesAnImageThatHasGrownAlone) {
  interrupt();
  auto file = store_.open("disk.raw").value();
  ASSERT_TRUE(file->resize(9000));
  file.reset();
  start();
  EXPECT_FALSE(registry().find("db"));
  EXPECT_EQ(store_.content("disk.raw").size(), 9000u);
}

/// The image has its old length again, but only a sync could say that it keeps that: a power
/// cut would bring back the longer one, of which nobody knows any more.
TEST_F(InterruptedImportTest, IsForgottenOnlyIfTheImageIsDurablyWhatItWas) {
  for (std::uint64_t failing : {1, 2}) {
    put_file(store_, "disk.raw", image_);
    store_.inject({.op = SimOp::sync_all, .times = failing, .error = ENOSPC, .file = "disk.raw"});
    ASSERT_FALSE(registry().import({.file = "disk.raw", .name = "db", .in_place = true}));
    EXPECT_EQ(store_.content("disk.raw"), image_);
    EXPECT_EQ(registry().find("db").has_value(), failing == 2);
    store_.clear_faults();
    if (failing == 1) {
      ASSERT_TRUE(store_.remove("disk.raw"));
    }
  }
  machine_.reset();
  start();
  EXPECT_TRUE(lun("db").object) << lun("db").reason;
}

TEST_F(InterruptedImportTest, IsFinishedWhereOnlyTheNameIsMissing) {
  put_file(store_, "disk.raw", image_);
  store_.inject({.op = SimOp::rename, .error = EIO});
  ASSERT_FALSE(registry().import({.file = "disk.raw", .name = "db", .in_place = true}));
  store_.clear_faults();
  start();
  EXPECT_TRUE(lun("db").object) << lun("db").reason;
}

using ImportTest = MountedStoreTest;

TEST_F(ImportTest, AContainerThatHasAnOwnerIsNotCopied) {
  put_file(store_, "live.img", filled(kMiB, 1));
  auto owner = store_.open("live.img").value();
  ASSERT_TRUE(owner->lock_owner());
  for (bool in_place : {false, true})
    for (bool dry_run : {true, false}) {
      auto refused = registry().import(
          {.file = "live.img", .name = "db", .in_place = in_place, .dry_run = dry_run});
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().code, Errc::in_use);
      EXPECT_THAT(refused.error().message, HasSubstr("a gateway is serving"));
    }
  owner.reset();
  EXPECT_TRUE(registry().import({.file = "live.img", .name = "db"}));
}

TEST_F(ImportTest, NobodyBecomesTheOwnerOfAnImageThatIsBeingCopied) {
  put_file(store_, "disk.raw", filled(kMiB, 1));
  auto other = store_.open("disk.raw").value();
  Error during;
  object::ImportOptions options{.file = "disk.raw"};
  options.progress = [&](std::uint64_t, std::uint64_t) {
    if (auto locked = other->lock_owner(); !locked) during = locked.error();
  };
  ASSERT_TRUE(registry().import(options));
  EXPECT_EQ(to_errc(during), Errc::in_use);
  EXPECT_TRUE(other->lock_owner());
}

class PretenderTest : public MountedStoreTest {
 protected:
  /// The container of a deleted LUN under the name of "new", its trailer changed.
  void pretend(const std::function<void(format::Slot&)>& change) {
    auto row = identity_;
    row.uuid = Uuid::random();
    row.naa = "3fedcba987654321";
    row.serial = "fedcba9876543210";
    row.target_name = "iqn.2026-11.io.caisson:node:new";
    row.name = "new";
    row.file = "new.img";
    format::Slot slot;
    slot.uuid = row.uuid;
    slot.capacity = row.capacity;
    object::fill_message(slot.message, row);
    change(slot);
    (void)store_.remove("new.img");
    auto file = store_.create_unnamed().value();
    ASSERT_TRUE(file->resize(format::container_length(row.capacity)));
    ASSERT_TRUE(object::TrailerFile(*file, "new").begin(std::move(slot)));
    ASSERT_TRUE(store_.publish(*file, "new.img"));
  }
  LunRecord identity_ = (machine_->make("db", kMiB), lun("db").record);
};

TEST_F(PretenderTest, AnIdentityInUseIsNotAdopted) {
  using Change = std::function<void(format::Slot&)>;
  const std::pair<const char*, Change> kCopies[] = {
      {"UUID", [&](format::Slot& slot) { slot.uuid = identity_.uuid; }},
      {"NAA", [&](auto& slot) { slot.message.mutable_identity()->set_naa(identity_.naa); }},
      {"serial",
       [&](auto& slot) { slot.message.mutable_identity()->set_serial(identity_.serial); }},
      {"target name",
       [&](auto& slot) {
         slot.message.mutable_identity()->set_target_name(identity_.target_name);
       }},
  };
  for (const auto& [what, change] : kCopies) {
    pretend(change);
    for (bool dry_run : {true, false}) {
      auto refused = registry().adopt("main", "new.img", std::nullopt, dry_run);
      ASSERT_FALSE(refused) << what;
      EXPECT_EQ(refused.error().code, Errc::already_exists) << what;
      EXPECT_THAT(refused.error().message, HasSubstr(what));
      EXPECT_THAT(refused.error().message, HasSubstr("'db'"));
    }
    EXPECT_THAT(registry().rebuild(false)->lost, Contains(HasSubstr(what)));
  }
  EXPECT_EQ(registry().list().size(), 1u);
  pretend([](auto&) {});
  EXPECT_TRUE(registry().adopt("main", "new.img", std::nullopt));
}

TEST_F(PretenderTest, AnIdentityThatNoLunCanHaveIsNotAdopted) {
  auto naa = [](const char* text) {
    return [=](format::Slot& slot) { slot.message.mutable_identity()->set_naa(text); };
  };
  auto serial = [](const char* text) {
    return [=](format::Slot& slot) { slot.message.mutable_identity()->set_serial(text); };
  };
  auto target = [](const std::string& text) {
    return [=](format::Slot& slot) { slot.message.mutable_identity()->set_target_name(text); };
  };
  const std::pair<const char*, std::function<void(format::Slot&)>> kForged[] = {
      {"NAA", naa("")},
      {"NAA", naa("3fedcba98765432")},
      {"NAA", naa("5fedcba987654321")},
      {"NAA", naa("6fedcba987654321")},
      {"NAA", naa("3FEDCBA987654321")},
      {"NAA", naa("3fedcba98765432\n")},
      {"serial", serial("")},
      {"serial", serial("fedcba987654321")},
      {"serial", serial("fedcba98765432 0")},
      {"target name", target("")},
      {"target name", target("target")},
      {"target name", target("iqn.2026-11.io.caisson:Node")},
      {"target name", target("iqn.2026-11.io.caisson:a b")},
      {"target name", target("iqn.2026-11.io.caisson:" + std::string(230, 'x'))},
  };
  for (const auto& [what, change] : kForged) {
    pretend(change);
    auto refused = registry().adopt("main", "new.img", std::nullopt);
    ASSERT_FALSE(refused) << what;
    EXPECT_EQ(refused.error().code, Errc::corrupt);
    EXPECT_THAT(refused.error().message, HasSubstr(what));
  }
}

}  // namespace
}  // namespace caisson::tests

// SPDX-License-Identifier: Apache-2.0
// Adopting changes the file after every check only, and the catalog at once.
#include <gtest/gtest.h>

#include "storage_object/base/errc.hpp"
#include "tests/unit/storage_object/object/machine.hpp"

namespace caisson::tests {
namespace {

using block::BlockErrc;

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kTail = 12345;

class AdoptTest : public ::testing::Test {
 protected:
  AdoptTest() { restart(); }
  ~AdoptTest() override {
    disk_.clear_faults();
    catalog_.clear_faults();
  }
  void restart() {
    machine_.reset();
    machine_ =
        std::make_unique<Machine>(catalog_, &marks_, [this](object::RegistryOptions& options) {
          options.open_store = [this](const auto&) -> Outcome<std::unique_ptr<file_store::Store>> {
            return std::make_unique<BorrowedStore>(disk_);
          };
        });
    ASSERT_FALSE(machine_->failure()) << machine_->failure()->message;
  }
  auto& registry() { return machine_->registry(); }
  /// A container without a row, something behind it.
  void leave_stray() {
    machine_->make("db", kMiB);
    ASSERT_TRUE(disk_.rename("db.img", "away.img"));
    ASSERT_TRUE(registry().remove("db"));
    ASSERT_TRUE(disk_.rename("away.img", "db.img"));
    lengthen();
  }
  void lengthen() {
    length_ = disk_.content("db.img").size() + kTail;
    ASSERT_TRUE(disk_.open("db.img").value()->resize(length_));
  }
  std::uint64_t length() { return disk_.content("db.img").size(); }

  SimStore catalog_, disk_, marks_;
  std::uint64_t length_ = 0;
  std::unique_ptr<Machine> machine_;
};

TEST_F(AdoptTest, ADryRunLeavesTheLengthAlone) {
  leave_stray();
  ASSERT_TRUE(registry().adopt("main", "db.img", kMiB, true));
  EXPECT_EQ(length(), length_);
  ASSERT_TRUE(registry().adopt("main", "db.img", kMiB));
  EXPECT_EQ(length(), length_ - kTail);
}

TEST_F(AdoptTest, ADryRunOfAKnownLunLeavesTheLengthAlone) {
  machine_->make("db", kMiB);
  ASSERT_TRUE(registry().set_offline("db"));
  lengthen();
  ASSERT_TRUE(registry().adopt("main", "db.img", kMiB, true));
  EXPECT_EQ(length(), length_);
  ASSERT_TRUE(registry().adopt("main", "db.img", kMiB));
  EXPECT_EQ(length(), length_ - kTail);
}

TEST_F(AdoptTest, ARefusedOneLeavesTheLengthAlone) {
  machine_->make("original", kMiB);
  auto bytes = disk_.content("original.img");
  auto copy = disk_.create_unnamed();
  ASSERT_TRUE(file_store::write_at(**copy, 0, bytes));
  ASSERT_TRUE(disk_.publish(**copy, "db.img"));
  copy->reset();
  lengthen();
  auto refused = registry().adopt("main", "db.img", kMiB);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::already_exists);
  EXPECT_EQ(length(), length_);
}

TEST_F(AdoptTest, ALossThatItHearsOfIsRemembered) {
  leave_stray();
  disk_.inject({.op = SimOp::sync_all, .error = EIO, .file = "db.img"});
  ASSERT_FALSE(registry().adopt("main", "db.img", kMiB));
  EXPECT_FALSE(registry().find("db"));
  restart();
  ASSERT_TRUE(registry().adopt("main", "db.img", kMiB));
  EXPECT_EQ(flush(*machine_->object("db")), BlockErrc::failed);
}

// A catalog that fails at any one operation has the old row or the new one, as the lists do.
TEST_F(AdoptTest, AnotherObjectsRowIsReplacedAtOnce) {
  machine_->make("db", kMiB);
  machine_->make("other", kMiB);
  ASSERT_TRUE(registry().set_offline("db"));
  ASSERT_TRUE(disk_.rename("other.img", "away.img"));
  ASSERT_TRUE(registry().remove("other"));
  ASSERT_TRUE(disk_.remove("db.img"));
  ASSERT_TRUE(disk_.rename("away.img", "db.img"));
  int refused = 0;
  for (std::uint64_t skip = 0;; ++skip) {
    auto catalog = catalog_.killed(), disk = disk_.killed();
    Machine machine(*catalog, nullptr, [&](object::RegistryOptions& options) {
      options.open_store = [&](const auto&) -> Outcome<std::unique_ptr<file_store::Store>> {
        return std::make_unique<BorrowedStore>(*disk);
      };
    });
    ASSERT_FALSE(machine.failure());
    catalog->inject({.skip = skip, .error = EIO});
    auto adopted = machine.registry().adopt("main", "db.img", std::nullopt);
    const bool hit = catalog->hits() != 0;
    catalog->clear_faults();
    auto rows = machine.catalog().luns();
    ASSERT_TRUE(rows);
    ASSERT_EQ(rows->size(), 1u);
    EXPECT_EQ(rows->at(0).uuid, machine.registry().find("db")->record.uuid) << skip;
    refused += !adopted;
    if (!hit) break;
  }
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace caisson::tests

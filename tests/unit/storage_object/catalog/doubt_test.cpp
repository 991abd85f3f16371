// SPDX-License-Identifier: Apache-2.0
// A commit that fails may be durable all the same: what the catalog then says,
// and what a start finds, after SIGKILL and after a power cut.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "storage_object/base/errc.hpp"
#include "storage_object/catalog/catalog.hpp"
#include "tests/support/sim_sqlite_vfs.hpp"
#include "tests/support/sim_store.hpp"

namespace caisson::catalog {
namespace {

using ::testing::HasSubstr;
using tests::SimOp;
using tests::SimSqliteVfs;
using tests::SimStore;

constexpr std::uint64_t kCuts = 60;

/// Of many pages, or of one.
enum class Size { one_page, many_pages };

class DoubtTest : public ::testing::TestWithParam<Size> {
 protected:
  DoubtTest() { open(); }

  void open() {
    catalog_.reset();
    auto opened = Catalog::open({.path = "catalog.db", .vfs = vfs_.name()});
    ASSERT_TRUE(opened) << opened.error().message;
    catalog_ = std::move(*opened);
    ASSERT_TRUE(put("before", "kept"));
  }
  Outcome<> put(std::string_view key, std::string_view value) {
    return catalog_->change([&](Transaction& t) { return t.put_setting(key, value); });
  }
  /// The change that is to fail.
  Outcome<> put_failing() {
    const bool large = GetParam() == Size::many_pages;
    return put("failed", std::string(large ? 50000 : 1, 'x'));
  }
  void fail_syncs(std::uint64_t times) {
    disk_.inject({.op = SimOp::sync, .times = times, .error = EIO});
  }
  static std::optional<std::string> setting(Catalog& catalog, std::string_view key) {
    auto value = catalog.setting(key);
    EXPECT_TRUE(value);
    return value ? *value : std::nullopt;
  }
  /// What a start finds: after SIGKILL everything that was written, after power
  /// cuts what each of them left.
  template <class Check>
  void at_every_start(Check check) {
    for (std::uint64_t seed = 0; seed <= kCuts; ++seed) {
      auto left = seed == 0 ? disk_.settled() : disk_.power_cut(seed);
      SimSqliteVfs vfs(*left);
      auto found = Catalog::open({.path = "catalog.db", .vfs = vfs.name()});
      ASSERT_TRUE(found) << seed << ": " << found.error().message;
      SCOPED_TRACE(seed == 0 ? "SIGKILL" : "power cut " + std::to_string(seed));
      EXPECT_EQ(setting(**found, "before"), "kept");
      check(**found);
      if (HasFailure()) return;
    }
  }

  SimStore disk_;
  SimSqliteVfs vfs_{disk_};
  std::unique_ptr<Catalog> catalog_;
};

INSTANTIATE_TEST_SUITE_P(Sizes, DoubtTest, ::testing::Values(Size::one_page, Size::many_pages));

TEST_P(DoubtTest, AChangeThatWasTakenBackIsFoundByNoStart) {
  fail_syncs(1);
  ASSERT_FALSE(put_failing());
  EXPECT_FALSE(catalog_->in_doubt());
  at_every_start([](Catalog& found) { EXPECT_EQ(setting(found, "failed"), std::nullopt); });
}

TEST_P(DoubtTest, TheFirstChangeAfterAStartIsTakenBackToo) {
  catalog_.reset();  // closed: its log is empty, and begins anew
  auto opened = Catalog::open({.path = "catalog.db", .vfs = vfs_.name()});
  ASSERT_TRUE(opened);
  catalog_ = std::move(*opened);
  const auto before = disk_.operations();
  disk_.inject({.op = SimOp::sync, .skip = 1, .error = EIO});  // the log's head is synced first
  ASSERT_FALSE(put_failing());
  ASSERT_GT(disk_.operations(), before);
  EXPECT_FALSE(catalog_->in_doubt());
  at_every_start([](Catalog& found) { EXPECT_EQ(setting(found, "failed"), std::nullopt); });
}

TEST_P(DoubtTest, WhatFollowsAChangeThatWasTakenBackIsKept) {
  fail_syncs(1);
  ASSERT_FALSE(put_failing());
  ASSERT_TRUE(put("after", "kept"));
  at_every_start([](Catalog& found) {
    EXPECT_EQ(setting(found, "failed"), std::nullopt);
    EXPECT_EQ(setting(found, "after"), "kept");
  });
}

TEST_P(DoubtTest, WhatCannotBeTakenBackIsInDoubtAndNothingElseIsDone) {
  fail_syncs(3);
  auto failed = put_failing();
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("may have happened"));
  EXPECT_TRUE(catalog_->in_doubt());
  auto refused = put("refused", "?");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("until a change that failed is taken back"));
  at_every_start([](Catalog& found) { EXPECT_EQ(setting(found, "refused"), std::nullopt); });
  EXPECT_TRUE(catalog_->in_doubt());
  EXPECT_EQ(setting(*catalog_, "failed"), std::nullopt);
}

TEST_P(DoubtTest, TheNextChangeEndsTheDoubt) {
  fail_syncs(2);
  ASSERT_FALSE(put_failing());
  ASSERT_TRUE(catalog_->in_doubt());
  ASSERT_TRUE(put("after", "kept"));
  EXPECT_FALSE(catalog_->in_doubt());
  at_every_start([](Catalog& found) {
    EXPECT_EQ(setting(found, "failed"), std::nullopt);
    EXPECT_EQ(setting(found, "after"), "kept");
  });
}

TEST_P(DoubtTest, SettlingEndsIt) {
  fail_syncs(3);
  ASSERT_FALSE(put_failing());
  EXPECT_FALSE(catalog_->settle());
  EXPECT_TRUE(catalog_->settle());
  EXPECT_FALSE(catalog_->in_doubt());
  at_every_start([](Catalog& found) { EXPECT_EQ(setting(found, "failed"), std::nullopt); });
}

TEST_P(DoubtTest, AFailureOfTheChangeItselfIsNone) {
  ASSERT_FALSE(catalog_->change([](Transaction& t) -> Outcome<> {
    (void)t.put_setting("failed", "x");
    return failure(Errc::cancelled, "taken back");
  }));
  EXPECT_FALSE(catalog_->in_doubt());
}

TEST_P(DoubtTest, AFullDiskThatTookPartOfItIsTakenBack) {
  disk_.inject({.op = SimOp::write, .skip = 1, .error = ENOSPC});
  ASSERT_FALSE(put_failing());
  EXPECT_FALSE(catalog_->in_doubt());
  at_every_start([](Catalog& found) { EXPECT_EQ(setting(found, "failed"), std::nullopt); });
}

}  // namespace
}  // namespace caisson::catalog

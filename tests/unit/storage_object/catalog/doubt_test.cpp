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

/// How a failed sync leaves the disk.
enum class Left { nothing, everything };

/// A store whose syncs may reach the disk before they fail.
class FailingStore final : public file_store::Store {
 public:
  explicit FailingStore(SimStore& disk) : disk_(disk) {}
  void fail_syncs(std::uint64_t times, Left left) {
    left == Left::nothing ? disk_.inject({.op = SimOp::sync, .times = times, .error = EIO})
                          : void(synced_first_ = times);
  }

  Result<std::unique_ptr<file_store::File>> open(std::string_view name,
                                                 file_store::OpenOptions options) override {
    return wrapped(disk_.open(name, options));
  }
  Result<file_store::FileAttributes> look_up(std::string_view name) override {
    return disk_.look_up(name);
  }
  Result<std::unique_ptr<file_store::File>> create_unnamed(
      file_store::OpenOptions options) override {
    return wrapped(disk_.create_unnamed(options));
  }
  Result<> publish(file_store::File& file, std::string_view name) override {
    return disk_.publish(*static_cast<FailingFile&>(file).file_, name);
  }
  Result<> rename(std::string_view from, std::string_view to) override {
    return disk_.rename(from, to);
  }
  Result<> remove(std::string_view name) override { return disk_.remove(name); }
  Result<> make_directory(std::string_view name) override { return disk_.make_directory(name); }
  Result<> sync_names(std::string_view directory) override { return disk_.sync_names(directory); }
  Result<std::vector<file_store::DirectoryEntry>> list(std::string_view directory) override {
    return disk_.list(directory);
  }
  Result<file_store::Space> space() override { return disk_.space(); }
  const file_store::FileTraits& traits() const noexcept override { return disk_.traits(); }
  std::string location() const override { return disk_.location(); }

 private:
  struct FailingFile final : file_store::File {
    FailingFile(std::unique_ptr<file_store::File> file, FailingStore& store)
        : file_(std::move(file)), store_(store) {}
    void submit(file_store::FileRequest& request) override {
      if (request.op == file_store::FileOp::sync && store_.synced_first_ > 0) {
        --store_.synced_first_;
        EXPECT_TRUE(file_store::sync(*file_));
        store_.disk_.inject({.op = SimOp::sync, .error = EIO});
      }
      file_->submit(request);
    }
    const file_store::FileTraits& traits() const noexcept override { return file_->traits(); }
    Result<file_store::FileAttributes> attributes() override { return file_->attributes(); }
    Result<> resize(std::uint64_t size) override { return file_->resize(size); }
    Result<> sync_all() override { return file_->sync_all(); }
    Result<> drop_cache() override { return file_->drop_cache(); }
    Result<> lock_owner() override { return file_->lock_owner(); }
    Result<> hold_off_owner() override { return file_->hold_off_owner(); }

    std::unique_ptr<file_store::File> file_;
    FailingStore& store_;
  };
  Result<std::unique_ptr<file_store::File>> wrapped(
      Result<std::unique_ptr<file_store::File>> opened) {
    if (!opened) return opened;
    return std::unique_ptr<file_store::File>(
        std::make_unique<FailingFile>(std::move(*opened), *this));
  }

  SimStore& disk_;
  std::uint64_t synced_first_ = 0;
};

/// Of many pages, or of one.
enum class Size { one_page, many_pages };

class DoubtTest : public ::testing::TestWithParam<std::tuple<Size, Left>> {
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
    const bool large = std::get<Size>(GetParam()) == Size::many_pages;
    return put("failed", std::string(large ? 50000 : 1, 'x'));
  }
  void fail_syncs(std::uint64_t times) { store_.fail_syncs(times, std::get<Left>(GetParam())); }
  static std::optional<std::string> setting(Catalog& catalog, std::string_view key) {
    auto value = catalog.setting(key);
    EXPECT_TRUE(value);
    return value ? *value : std::nullopt;
  }
  /// What SIGKILL leaves: the page cache, whatever became of the disk.
  std::unique_ptr<SimStore> page_cache() {
    SimStore copy;
    for (const char* name : {"catalog.db", "catalog.db-wal"}) {
      const auto bytes = disk_.content(name);
      auto file = copy.create_unnamed().value();
      EXPECT_TRUE(file_store::write_at(*file, 0, bytes));
      EXPECT_TRUE(copy.publish(*file, name));
    }
    return copy.settled();
  }
  /// What a start finds: after SIGKILL everything that was written, after power
  /// cuts what each of them left.
  template <class Check>
  void at_every_start(Check check) {
    for (std::uint64_t seed = 0; seed <= kCuts; ++seed) {
      auto left = seed == 0 ? page_cache() : disk_.power_cut(seed);
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
  FailingStore store_{disk_};
  SimSqliteVfs vfs_{store_};
  std::unique_ptr<Catalog> catalog_;
};

INSTANTIATE_TEST_SUITE_P(Failures, DoubtTest,
                         ::testing::Combine(::testing::Values(Size::one_page, Size::many_pages),
                                            ::testing::Values(Left::nothing, Left::everything)));

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
  fail_syncs(2);  // the log's head is synced first
  ASSERT_FALSE(put_failing());
  EXPECT_TRUE(catalog_->settle());
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

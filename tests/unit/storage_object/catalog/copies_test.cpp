// SPDX-License-Identifier: Apache-2.0
// Backups of a catalog at work, and the daily ones.
#include "storage_object/catalog/copies.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "catalog_fixture.hpp"

namespace caisson::catalog {
namespace {

using ::testing::ElementsAre;

class CopiesTest : public CatalogTest {
 protected:
  CopiesTest() { open(); }

  std::vector<std::string> names(const std::string& directory) {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(directory))
      found.push_back(entry.path().filename().string());
    std::ranges::sort(found);
    return found;
  }
  bool rotate(unsigned keep) {
    auto made = rotate_daily_copy(*catalog_, daily_, keep, clock_);
    EXPECT_TRUE(made) << made.error().message;
    return made && *made;
  }
  std::string daily_ = directory_ + "/daily";
};

TEST_F(CopiesTest, BackupIsOnePrivateFileThatOpensAsACatalog) {
  auto lun = sample_lun();
  change([&](Transaction& t) {
    ASSERT_TRUE(t.put_store(sample_store()));
    ASSERT_TRUE(t.put_lun(lun));
  });
  const auto target = directory_ + "/copy";
  ASSERT_TRUE(catalog_->backup_to(target));  // an older one
  write_file(partial_name(target), "what a crash left");
  const auto old = ::umask(0);
  auto copied = catalog_->backup_to(target);
  ::umask(old);
  ASSERT_TRUE(copied) << copied.error().message;
  EXPECT_EQ(mode(target), 0600u);
  EXPECT_THAT(names(directory_), ElementsAre("catalog.db", "catalog.db-wal", "copy"));
  change([](Transaction& t) { ASSERT_TRUE(t.put_setting("later", "not in it")); });

  path_ = target;
  open();
  EXPECT_THAT(*catalog_->luns(), ElementsAre(lun));
  EXPECT_EQ(*catalog_->setting("later"), std::nullopt);
}

TEST_F(CopiesTest, BackupWhereItCannotBeFailsByName) {
  auto copied = catalog_->backup_to(directory_ + "/none/copy");
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().code, Errc::not_found);
  EXPECT_THAT(copied.error().message, ::testing::HasSubstr("/none/copy"));
}

TEST_F(CopiesTest, BackupReplacesNothingButCopies) {
  const auto container = directory_ + "/disk.img", taken = directory_ + "/directory",
             second_name = directory_ + "/second";
  write_file(container, std::string(8192, 'd'));
  std::filesystem::create_directory(taken);
  std::filesystem::create_hard_link(path_, second_name);
  const std::pair<std::string, Errc> cases[] = {{container, Errc::already_exists},
                                                {taken, Errc::already_exists},
                                                {path_, Errc::invalid_argument},
                                                {second_name, Errc::invalid_argument},
                                                {path_ + "-wal", Errc::invalid_argument}};
  for (const auto& [target, code] : cases) {
    auto refused = catalog_->backup_to(target);
    ASSERT_FALSE(refused) << target;
    EXPECT_EQ(refused.error().code, code) << target;
    EXPECT_THAT(refused.error().message, ::testing::HasSubstr(target));
  }
  EXPECT_EQ(content(container), std::string(8192, 'd'));
  EXPECT_EQ(names(directory_).size(), 5u) << "nothing is left beside them";
  change([](Transaction& t) { ASSERT_TRUE(t.put_setting("still", "mine")); });
  open();
  EXPECT_EQ(*catalog_->setting("still"), "mine");
}

TEST_F(CopiesTest, BackupsWhileChangingAreConsistent) {
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      auto changed = catalog_->change([&](Transaction& t) -> Outcome<> {
        if (auto put = t.put_setting("left", std::to_string(i)); !put) return put;
        auto added = t.add_event("k", "o", "a", std::string(5000, 'x'));
        if (!added) return added.error();
        return t.put_setting("right", std::to_string(i));
      });
      EXPECT_TRUE(changed);
    }
  });
  for (int i = 0; i < 20; ++i) {
    const auto target = directory_ + "/copy";
    EXPECT_TRUE(catalog_->backup_to(target));
    auto copy = Catalog::open({.path = target});
    EXPECT_TRUE(copy);
    if (!copy) break;
    EXPECT_EQ(*(*copy)->setting("left"), *(*copy)->setting("right"));
  }
  stop = true;
  writer.join();
}

TEST_F(CopiesTest, OneCopyADayAndTheOldestGo) {
  for (unsigned day = 25; day <= 31; ++day) {
    clock_.set_day(2026, 12, day);
    EXPECT_TRUE(rotate(3));
    EXPECT_FALSE(rotate(3)) << "the second time that day";
  }
  clock_.set_day(2027, 1, 1);
  EXPECT_TRUE(rotate(3));
  EXPECT_THAT(names(daily_),
              ElementsAre("catalog-20261230.db", "catalog-20261231.db", "catalog-20270101.db"));
  EXPECT_EQ(mode(daily_), 0700u);
  EXPECT_EQ(mode(daily_ + "/catalog-20270101.db"), 0600u);
  path_ = daily_ + "/catalog-20261231.db";
  open();
  EXPECT_TRUE(catalog_->luns()->empty());
}

TEST_F(CopiesTest, OtherFilesAreLeftAlone) {
  std::filesystem::create_directory(daily_);
  for (const char* name : {"catalog-20200101.db.old", "catalog-2020.db", "notes", "catalog.db"})
    write_file(daily_ + "/" + name, "mine");
  clock_.set_day(2026, 12, 1);
  EXPECT_TRUE(rotate(1));
  EXPECT_EQ(names(daily_).size(), 5u);
}

TEST_F(CopiesTest, TodaysStaysWhenAClockRanAhead) {
  clock_.set_day(2030, 1, 1);
  EXPECT_TRUE(rotate(1));
  clock_.set_day(2026, 12, 1);
  EXPECT_TRUE(rotate(1));
  EXPECT_FALSE(rotate(1));
  EXPECT_THAT(names(daily_), ElementsAre("catalog-20261201.db"));
}

TEST_F(CopiesTest, KeepingNoneMakesNone) {
  EXPECT_FALSE(rotate(0));
  EXPECT_FALSE(std::filesystem::exists(daily_));
}

}  // namespace
}  // namespace caisson::catalog

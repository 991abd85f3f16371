// SPDX-License-Identifier: Apache-2.0
// Damage is noticed, nothing is overwritten, and a copy brings it all back.
#include <gmock/gmock.h>

#include "catalog_fixture.hpp"

namespace caisson::catalog {
namespace {

using ::testing::HasSubstr;

class RestoreTest : public CatalogTest {
 protected:
  RestoreTest() {
    open();
    change([](Transaction& t) {
      ASSERT_TRUE(t.put_store(sample_store()));
      for (int i = 0; i < 200; ++i) ASSERT_TRUE(t.put_lun(sample_lun("disk-" + std::to_string(i))));
    });
    EXPECT_TRUE(catalog_->backup_to(backup_));
    change([](Transaction& t) { ASSERT_TRUE(t.put_setting("after", "the backup")); });
    catalog_.reset();
  }
  void expect_refused_untouched() {
    const auto before = content(path_);
    auto refused = open_failure();
    EXPECT_EQ(refused.code, Errc::corrupt) << refused.message;
    EXPECT_THAT(refused.message, HasSubstr(path_));
    EXPECT_THAT(refused.remedy, HasSubstr("caisson catalog restore"));
    EXPECT_TRUE(content(path_) == before);
  }
  std::string backup_ = directory_ + "/backup";
};

TEST_F(RestoreTest, GarbageIsRefusedAndNotOverwritten) {
  write_file(path_, std::string(100000, 'g'));
  expect_refused_untouched();
}

TEST_F(RestoreTest, ShortGarbageIsRefusedAndNotOverwritten) {
  for (const auto* bytes : {"x", "SQLite format 3", "quite short"}) {
    write_file(path_, bytes);
    expect_refused_untouched();
  }
}

TEST_F(RestoreTest, ZerosAreRefusedAndNotOverwritten) {
  write_file(path_, std::string(content(path_).size(), '\0'));
  expect_refused_untouched();
}

TEST_F(RestoreTest, DamagedPageIsRefusedAndNotOverwritten) {
  auto bytes = content(path_);
  const std::size_t page = 4096;
  ASSERT_GT(bytes.size(), 8 * page);
  for (std::size_t at = page; at < bytes.size(); at += 2 * page) bytes.replace(at, 64, 64, '\xee');
  write_file(path_, bytes);
  expect_refused_untouched();
}

TEST_F(RestoreTest, TruncatedCatalogIsRefusedAndNotOverwritten) {
  write_file(path_, content(path_).substr(0, 3 * 4096));
  expect_refused_untouched();
}

TEST_F(RestoreTest, RestoreBringsTheBackupAndKeepsTheOld) {
  ASSERT_TRUE(restore(backup_, path_));
  EXPECT_EQ(mode(path_), 0600u);
  open();
  EXPECT_EQ(catalog_->luns()->size(), 200u);
  EXPECT_EQ(*catalog_->setting("after"), std::nullopt);
  catalog_.reset();
  path_ += ".replaced";
  open();
  EXPECT_EQ(*catalog_->setting("after"), "the backup");
}

TEST_F(RestoreTest, RestoreReplacesADamagedCatalogAndItsLog) {
  const auto damaged = std::string(50000, 'g');
  write_file(path_, damaged);
  write_file(path_ + "-wal", "stale");
  auto restored = restore(backup_, path_);
  ASSERT_TRUE(restored) << restored.error().message;
  open();
  EXPECT_EQ(catalog_->luns()->size(), 200u);
  EXPECT_TRUE(content(path_ + ".replaced") == damaged);
}

TEST_F(RestoreTest, RestoreWhereThereIsNoneMakesOne) {
  std::filesystem::remove(path_);
  ASSERT_TRUE(restore(backup_, path_));
  open();
  EXPECT_EQ(catalog_->luns()->size(), 200u);
  EXPECT_FALSE(std::filesystem::exists(path_ + ".replaced"));
}

TEST_F(RestoreTest, RestoreOfAnOpenCatalogIsRefused) {
  open();
  auto refused = restore(backup_, path_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::in_use);
  change([](Transaction& t) { ASSERT_TRUE(t.put_setting("still", "open")); });
  open();
  EXPECT_EQ(*catalog_->setting("after"), "the backup");
}

TEST_F(RestoreTest, BadBackupsAreRefusedBeforeAnythingChanges) {
  const auto garbage = directory_ + "/garbage", empty = directory_ + "/empty",
             foreign = directory_ + "/foreign", newer = directory_ + "/newer",
             odd = directory_ + "/or?phan#100%";
  write_file(garbage, std::string(9000, 'g'));
  write_file(empty, "");
  sql(foreign, "CREATE TABLE t (a)");
  std::filesystem::copy_file(backup_, newer);
  sql(newer, "PRAGMA user_version = 99");
  std::filesystem::copy_file(backup_, odd);
  sql(odd, "UPDATE luns SET store = 'gone'");
  const auto before = content(path_);
  const std::pair<std::string, Errc> cases[] = {
      {garbage, Errc::corrupt},   {empty, Errc::corrupt}, {foreign, Errc::corrupt},
      {newer, Errc::unsupported}, {odd, Errc::corrupt},   {directory_ + "/none", Errc::not_found}};
  for (const auto& [file, code] : cases) {
    auto refused = restore(file, path_);
    ASSERT_FALSE(refused) << file;
    EXPECT_EQ(refused.error().code, code) << refused.error().message;
    EXPECT_THAT(refused.error().message, HasSubstr(file));
  }
  EXPECT_TRUE(content(path_) == before);
  EXPECT_FALSE(std::filesystem::exists(path_ + ".replaced"));
}

TEST_F(RestoreTest, RawCopyWithItsLogIsRead) {
  open();
  change([](Transaction& t) { ASSERT_TRUE(t.put_setting("only", "in the log")); });
  const auto raw = directory_ + "/raw";
  std::filesystem::copy_file(path_, raw);
  std::filesystem::copy_file(path_ + "-wal", raw + "-wal");
  catalog_.reset();
  auto restored = restore(raw, path_);
  ASSERT_TRUE(restored) << restored.error().message;
  open();
  EXPECT_EQ(*catalog_->setting("only"), "in the log");
}

TEST_F(RestoreTest, BackupInAReadOnlyDirectoryIsRead) {
  const auto shelf = directory_ + "/shelf";
  std::filesystem::create_directory(shelf);
  std::filesystem::copy_file(backup_, shelf + "/b");
  ::chmod((shelf + "/b").c_str(), 0400);
  ::chmod(shelf.c_str(), 0500);
  EXPECT_TRUE(restore(shelf + "/b", path_));
  ::chmod(shelf.c_str(), 0700);
}

}  // namespace
}  // namespace caisson::catalog

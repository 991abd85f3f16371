// SPDX-License-Identifier: Apache-2.0
// Old catalogs are carried forward, newer and damaged ones left as they are.
#include "storage_object/catalog/migrations.hpp"

#include <gmock/gmock.h>

#include <array>

#include "catalog_fixture.hpp"
#include "storage_object/catalog/copies.hpp"
#include "storage_object/catalog/sqlite.hpp"

namespace caisson::catalog {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Schema version 1 as it was released, with a row in each table. Never edited:
// it stands for the catalogs that exist.
constexpr const char* kVersion1 = R"sql(
  PRAGMA journal_mode = WAL;
  CREATE TABLE stores (name TEXT NOT NULL PRIMARY KEY, location TEXT NOT NULL,
    import_allowed INTEGER NOT NULL CHECK (import_allowed IN (0, 1))) STRICT;
  CREATE TABLE luns (uuid BLOB NOT NULL PRIMARY KEY CHECK (length(uuid) = 16),
    name TEXT NOT NULL UNIQUE, store TEXT NOT NULL REFERENCES stores (name), file TEXT NOT NULL,
    capacity INTEGER NOT NULL, logical_block INTEGER NOT NULL, physical_block INTEGER NOT NULL,
    cache TEXT NOT NULL, thick INTEGER NOT NULL CHECK (thick IN (0, 1)),
    removable INTEGER NOT NULL CHECK (removable IN (0, 1)), naa TEXT NOT NULL,
    serial TEXT NOT NULL, target_name TEXT NOT NULL, target_lun INTEGER NOT NULL,
    vendor_location TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL, resize_from INTEGER,
    resize_to INTEGER, config_id INTEGER NOT NULL, owner_epoch INTEGER NOT NULL,
    created_at INTEGER NOT NULL, CHECK ((resize_from IS NULL) = (resize_to IS NULL))) STRICT;
  CREATE UNIQUE INDEX luns_by_file ON luns (store, file) WHERE file <> '';
  CREATE TABLE snapshots (lun BLOB NOT NULL REFERENCES luns (uuid) ON DELETE CASCADE,
    position INTEGER NOT NULL, name TEXT NOT NULL, uuid BLOB NOT NULL CHECK (length(uuid) = 16),
    created_at INTEGER NOT NULL, PRIMARY KEY (lun, position), UNIQUE (lun, name))
    STRICT, WITHOUT ROWID;
  CREATE TABLE hosts (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,
    no_auth INTEGER NOT NULL CHECK (no_auth IN (0, 1)), chap_user TEXT NOT NULL,
    chap_secret TEXT NOT NULL, mutual_user TEXT NOT NULL, mutual_secret TEXT NOT NULL,
    quota INTEGER NOT NULL, created_at INTEGER NOT NULL) STRICT;
  CREATE TABLE host_iqns (host INTEGER NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    position INTEGER NOT NULL, iqn TEXT NOT NULL UNIQUE, PRIMARY KEY (host, position))
    STRICT, WITHOUT ROWID;
  CREATE TABLE grants (lun BLOB NOT NULL REFERENCES luns (uuid) ON DELETE CASCADE,
    host INTEGER NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    read_only INTEGER NOT NULL CHECK (read_only IN (0, 1)), quota INTEGER NOT NULL,
    lun_number INTEGER NOT NULL, allowed_verbs TEXT NOT NULL, config_id INTEGER NOT NULL,
    proposed INTEGER NOT NULL CHECK (proposed IN (0, 1)), PRIMARY KEY (lun, host))
    STRICT, WITHOUT ROWID;
  CREATE INDEX grants_by_host ON grants (host);
  CREATE TABLE events (sequence INTEGER PRIMARY KEY AUTOINCREMENT, time_ms INTEGER NOT NULL,
    kind TEXT NOT NULL, object TEXT NOT NULL, actor TEXT NOT NULL, text TEXT NOT NULL) STRICT;
  CREATE TABLE settings (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)
    STRICT, WITHOUT ROWID;
  INSERT INTO stores VALUES ('main', '/srv/main', 1);
  INSERT INTO luns VALUES (x'00112233445566778899aabbccddeeff', 'disk', 'main', 'disk.img',
    1073741824, 512, 4096, 'none', 0, 1, '3000000000000001', 'S1', 'iqn.2026-11.io.caisson:n:disk',
    0, 'n/main', 'online', '', NULL, NULL, 2, 3, 1790000000);
  INSERT INTO snapshots VALUES (x'00112233445566778899aabbccddeeff', 0, 'first',
    x'ffeeddccbbaa99887766554433221100', 1790000001);
  INSERT INTO hosts VALUES (5, 'db1', 0, 'user', 'secretsecret1', '', '', 0, 1790000002);
  INSERT INTO host_iqns VALUES (5, 0, 'iqn.1993-08.org.debian:01:abc');
  INSERT INTO grants VALUES (x'00112233445566778899aabbccddeeff', 5, 1, 0, 0, 'trim', 1, 0);
  INSERT INTO events VALUES (41, 1790000000000, 'lun.created', 'disk', 'uid:0', 'LUN disk created');
  INSERT INTO settings VALUES ('node', 'n');
  PRAGMA application_id = 1130457459;
  PRAGMA user_version = 1;
)sql";

/// The snapshot of version 1, as a catalog of today has it.
SnapshotRecord first_snapshot() {
  SnapshotRecord snapshot;
  snapshot.uuid = *Uuid::parse("ffeeddcc-bbaa-9988-7766-554433221100");
  snapshot.lun = *Uuid::parse("00112233-4455-6677-8899-aabbccddeeff");
  snapshot.name = "first";
  snapshot.sequence = 1;
  snapshot.created_ms = 1790000001000;
  snapshot.capacity = 1 << 30;
  snapshot.state = SnapshotState::present;
  return snapshot;
}

class MigrationsTest : public CatalogTest {};

TEST_F(MigrationsTest, CatalogOfVersion1IsReadInFull) {
  sql(path_, kVersion1);
  open();
  auto luns = *catalog_->luns();
  ASSERT_EQ(luns.size(), 1u);
  LunRecord lun;
  lun.uuid = *Uuid::parse("00112233-4455-6677-8899-aabbccddeeff");
  lun.name = "disk";
  lun.store = "main";
  lun.file = "disk.img";
  lun.capacity = 1 << 30;
  lun.cache = CacheMode::none;
  lun.removable = true;
  lun.naa = "3000000000000001";
  lun.serial = "S1";
  lun.target_name = "iqn.2026-11.io.caisson:n:disk";
  lun.vendor_location = "n/main";
  lun.state = LunState::online;
  lun.config_id = 2;
  lun.owner_epoch = 3;
  lun.created_at = 1790000000;
  EXPECT_EQ(luns[0], lun);
  EXPECT_THAT(*catalog_->snapshots(), ElementsAre(first_snapshot()));
  EXPECT_TRUE(catalog_->schedules()->empty());
  HostRecord host{.id = 5, .name = "db1", .iqns = {"iqn.1993-08.org.debian:01:abc"}};
  host.chap_user = "user";
  host.chap_secret = "secretsecret1";
  host.created_at = 1790000002;
  EXPECT_THAT(*catalog_->hosts(), ElementsAre(host));
  GrantRecord grant{.lun = lun.uuid, .host = 5, .read_only = true};
  grant.allowed_verbs = "trim";
  EXPECT_THAT(*catalog_->grants(), ElementsAre(grant));
  EXPECT_EQ(catalog_->events_after(0, 9)->at(0).sequence, 41u);
  EXPECT_EQ(*catalog_->setting("node"), "n");
}

// What version 2 kept of a rename and of an import under way.
TEST_F(MigrationsTest, WhatVersion2LeftUnfinishedIsKept) {
  sql(path_, kVersion1);
  sql(path_, migrations()[1].sql);
  sql(path_, R"sql(
    INSERT INTO settings VALUES ('pending_rename', '00112233-4455-6677-8899-aabbccddeeff mail');
    INSERT INTO luns SELECT x'ff112233445566778899aabbccddeeff', 'image', store, 'image.img',
      capacity, logical_block, physical_block, cache, thick, removable, naa, serial, target_name, 1,
      vendor_location, 'creating', 'import of disk.raw', NULL, NULL, 1, 1, created_at FROM luns;
    PRAGMA user_version = 2;
  )sql");
  open();
  auto luns = *catalog_->luns();
  ASSERT_EQ(luns.size(), 2u);
  EXPECT_EQ(luns[0].rename_to, "mail");
  EXPECT_FALSE(luns[0].import);
  EXPECT_EQ(luns[1].rename_to, "");
  EXPECT_EQ(luns[1].import, (RawImage{.file = "disk.raw"}));
  EXPECT_FALSE(*catalog_->setting("pending_rename"));
  EXPECT_FALSE(catalog_->stores()->at(0).mark);
}

// Version 3 listed the snapshots of a LUN by position.
TEST_F(MigrationsTest, SnapshotsOfVersion3GetNumbersThatAreNotGivenAgain) {
  sql(path_, kVersion1);
  for (int step : {1, 2}) sql(path_, migrations()[static_cast<std::size_t>(step)].sql);
  sql(path_, R"sql(
    INSERT INTO snapshots SELECT lun, 1, 'second', x'11111111111111111111111111111111', 1790000002
      FROM snapshots;
    INSERT INTO luns (uuid, name, store, file, capacity, logical_block, physical_block, cache,
        thick, removable, naa, serial, target_name, target_lun, vendor_location, state, reason,
        config_id, owner_epoch, created_at)
      SELECT x'ff112233445566778899aabbccddeeff', 'bare', store, 'bare.img', capacity,
        logical_block, physical_block, cache, thick, removable, naa, serial, target_name, 1,
        vendor_location, state, reason, 1, 1, created_at FROM luns;
    PRAGMA user_version = 3;
  )sql");
  open();
  auto second = first_snapshot();
  second.uuid = *Uuid::parse("11111111-1111-1111-1111-111111111111");
  second.name = "second";
  second.sequence = 2;
  second.created_ms = 1790000002000;
  EXPECT_THAT(*catalog_->snapshots(), ElementsAre(first_snapshot(), second));
  auto luns = *catalog_->luns();
  ASSERT_EQ(luns.size(), 2u);
  EXPECT_EQ(luns[0].kind, LunKind::disk);
  EXPECT_FALSE(luns[0].origin || luns[0].restoring);
  change([&](Transaction& t) {
    ASSERT_TRUE(t.remove_snapshot(second.uuid));
    EXPECT_EQ(t.next_snapshot_sequence(second.lun).value(), 3u);
    EXPECT_EQ(t.next_snapshot_sequence(luns[0].uuid).value(), 1u);
    EXPECT_EQ(t.erase_lun(second.lun).error().code, Errc::in_use);
  });
  EXPECT_EQ(catalog_->grants()->size(), 1u);
  catalog_.reset();
  auto database = open_database(path_, SQLITE_OPEN_READWRITE);
  EXPECT_EQ(*read_number(database->get(), path_, "PRAGMA user_version"),
            migrations().back().version);
  EXPECT_EQ(*read_text(database->get(), path_, "PRAGMA foreign_key_check"), "");
  EXPECT_TRUE(std::filesystem::exists(path_ + ".before-3"));
}

TEST_F(MigrationsTest, StepsAreNumberedWithoutGaps) {
  int expected = 1;
  for (const auto& step : migrations()) EXPECT_EQ(step.version, expected++);
}

TEST_F(MigrationsTest, OldCatalogIsCopiedBeforeTheFirstStep) {
  sql(path_, kVersion1);
  const std::array steps = {
      migrations()[0], Migration{2, "ALTER TABLE stores ADD COLUMN extra TEXT"},
      Migration{migrations().back().version + 1, "UPDATE stores SET extra = location"}};
  const auto kept = path_ + ".before-1";
  {
    auto database = open_database(path_, SQLITE_OPEN_READWRITE);
    ASSERT_TRUE(database);
    auto done = migrate(database->get(), path_, steps, [&](int version) {
      EXPECT_EQ(version, 1);
      return copy_to_file(database->get(), path_, kept);
    });
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(*read_number(database->get(), path_, "PRAGMA user_version"),
              migrations().back().version + 1);
    EXPECT_EQ(*read_text(database->get(), path_, "SELECT extra FROM stores"), "/srv/main");
  }
  EXPECT_EQ(mode(kept), 0600u);
  auto newer = open_failure();  // by this program's steps
  EXPECT_EQ(newer.code, Errc::unsupported) << newer.message;
  path_ = kept;
  open();
  EXPECT_EQ(catalog_->luns()->size(), 1u);
}

TEST_F(MigrationsTest, NothingIsChangedWhenTheCopyFails) {
  sql(path_, kVersion1);
  const std::array steps = {migrations()[0], Migration{2, "DROP TABLE grants"}};
  auto database = open_database(path_, SQLITE_OPEN_READWRITE);
  ASSERT_TRUE(database);
  auto done = migrate(database->get(), path_, steps,
                      [](int) -> Outcome<> { return failure(Errc::no_space, "full"); });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::no_space);
  EXPECT_EQ(*read_number(database->get(), path_, "SELECT count(*) FROM grants"), 1);
}

TEST_F(MigrationsTest, FailedStepIsUndoneWholeAndEarlierOnesStay) {
  sql(path_, kVersion1);
  const std::array steps = {migrations()[0], Migration{2, "CREATE TABLE two (a)"},
                            Migration{3, "CREATE TABLE three (a); INSERT INTO nowhere VALUES (1)"}};
  auto database = open_database(path_, SQLITE_OPEN_READWRITE);
  ASSERT_TRUE(database);
  auto done = migrate(database->get(), path_, steps, [](int) -> Outcome<> { return {}; });
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("migration step 3"));
  EXPECT_EQ(*read_number(database->get(), path_, "PRAGMA user_version"), 2);
  EXPECT_EQ(*read_number(database->get(), path_,
                         "SELECT count(*) FROM sqlite_schema WHERE name = 'three'"),
            0);
}

TEST_F(MigrationsTest, NewerVersionIsRefusedAndLeftAlone) {
  open();
  catalog_.reset();
  sql(path_, "PRAGMA user_version = 1000");
  const auto before = content(path_);
  auto refused = open_failure();
  EXPECT_EQ(refused.code, Errc::unsupported);
  EXPECT_THAT(refused.message, HasSubstr("1000"));
  EXPECT_FALSE(refused.remedy.empty());
  EXPECT_TRUE(content(path_) == before);
}

TEST_F(MigrationsTest, RefusedStartLeavesTheLogWhereItIs) {
  const auto writer = directory_ + "/writer.db";
  sql(writer, kVersion1);
  auto database = open_database(writer, SQLITE_OPEN_READWRITE);
  ASSERT_TRUE(database);
  ASSERT_TRUE(execute(database->get(), writer, "PRAGMA user_version = 1000"));
  std::filesystem::copy_file(writer, path_);  // as a crash leaves them
  std::filesystem::copy_file(writer + "-wal", path_ + "-wal");
  const auto before = content(path_), log = content(path_ + "-wal");
  ASSERT_FALSE(log.empty());
  EXPECT_EQ(open_failure().code, Errc::unsupported);
  EXPECT_TRUE(content(path_) == before);
  EXPECT_TRUE(content(path_ + "-wal") == log);
}

TEST_F(MigrationsTest, ForeignDatabaseIsRefusedAndLeftAlone) {
  sql(path_, "CREATE TABLE precious (a); INSERT INTO precious VALUES (1)");
  auto refused = open_failure();
  EXPECT_EQ(refused.code, Errc::corrupt);
  EXPECT_THAT(refused.message, HasSubstr("not a catalog"));
  sql(path_, "INSERT INTO precious VALUES (2)");
}

TEST_F(MigrationsTest, FilesArePrivateWhateverTheUmask) {
  const auto old = ::umask(0);
  open();
  ::umask(old);
  EXPECT_EQ(mode(path_), 0600u);
  EXPECT_EQ(mode(path_ + "-wal"), 0600u);
}

TEST_F(MigrationsTest, RightsOfOthersAreTakenFromAnExistingCatalog) {
  sql(path_, kVersion1);
  write_file(path_ + "-wal", "");
  ::chmod(path_.c_str(), 0644);
  ::chmod((path_ + "-wal").c_str(), 0666);
  open();
  change([](Transaction& t) { ASSERT_TRUE(t.put_setting("a", "b")); });
  EXPECT_EQ(mode(path_), 0600u);
  EXPECT_EQ(mode(path_ + "-wal"), 0600u);
}

TEST_F(MigrationsTest, EmptyFileBecomesACatalog) {
  write_file(path_, "");
  open();
  EXPECT_TRUE(catalog_->luns()->empty());
  EXPECT_FALSE(std::filesystem::exists(path_ + ".before-0"));
}

}  // namespace
}  // namespace caisson::catalog

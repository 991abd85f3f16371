// SPDX-License-Identifier: Apache-2.0
// A catalog in a directory of its own, and records that leave no field at its
// default.
#pragma once

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "storage_object/base/errc.hpp"
#include "storage_object/catalog/catalog.hpp"

namespace caisson::catalog {

class FakeClock final : public Clock {
 public:
  Monotonic monotonic() const noexcept override { return {}; }
  Wall wall() const noexcept override { return now; }
  void set_day(int year, unsigned month, unsigned day) {
    namespace chrono = std::chrono;
    now = chrono::sys_days(chrono::year(year) / chrono::month(month) / chrono::day(day)) +
          chrono::hours(13);
  }
  Wall now{};
};

class CatalogTest : public ::testing::Test {
 protected:
  CatalogTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "catalog-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
    path_ = directory_ + "/catalog.db";
  }
  ~CatalogTest() override {
    catalog_.reset();
    std::filesystem::remove_all(directory_);
  }

  CatalogOptions options() const { return {.path = path_, .vfs = {}, .clock = &clock_}; }

  void open() {
    catalog_.reset();
    auto opened = Catalog::open(options());
    ASSERT_TRUE(opened) << opened.error().message;
    catalog_ = std::move(*opened);
  }
  Failure open_failure() {
    auto opened = Catalog::open(options());
    if (opened) return failure(Errc::internal, "it opened");
    return opened.error();
  }

  template <class Body>
  void change(Body body) {
    auto changed = catalog_->change([&](Transaction& transaction) -> Outcome<> {
      body(transaction);
      return {};
    });
    ASSERT_TRUE(changed) << changed.error().message;
  }

  /// Runs SQL on a database that no catalog has open.
  static void sql(const std::string& path, const std::string& text) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database, text.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(database);
    sqlite3_close(database);
  }

  static std::string content(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static void write_file(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }
  static unsigned mode(const std::string& path) {
    struct stat found {};
    return ::stat(path.c_str(), &found) == 0 ? found.st_mode & 07777u : 0u;
  }

  FakeClock clock_;
  std::string directory_;
  std::string path_;
  std::unique_ptr<Catalog> catalog_;
};

inline const std::string kOddStrings[] = {
    "",
    "with 'quotes' and \"more\" -- ; DROP TABLE luns",
    std::string("zero\0inside", 11),
    "\xff\xfe not UTF-8 \x80",
    "Größe, 容量, 💾",
    "line\nbreak\ttab",
    std::string(100000, 'x'),
};

inline StoreRecord sample_store(std::string name = "main") {
  return {.name = std::move(name), .location = "/srv/caisson", .import_allowed = true};
}

inline LunRecord sample_lun(std::string name = "disk", std::string store = "main") {
  LunRecord lun;
  lun.uuid = Uuid::random();
  lun.file = name + ".img";
  lun.name = std::move(name);
  lun.store = std::move(store);
  lun.capacity = std::uint64_t{10} << 30;
  lun.logical_block = 4096;
  lun.physical_block = 8192;
  lun.cache = CacheMode::writethrough;
  lun.thick = true;
  lun.removable = true;
  lun.naa = "3123456789abcdef";
  lun.serial = "CA0001";
  lun.target_name = "iqn.2026-11.io.caisson:node:" + lun.name;
  lun.target_lun = 3;
  lun.vendor_location = "node/main";
  lun.state = LunState::failed;
  lun.reason = "writeback failed";
  lun.resize = ResizeIntent{std::uint64_t{10} << 30, std::uint64_t{20} << 30};
  lun.config_id = 7;
  lun.owner_epoch = 9;
  lun.created_at = 1790000000;
  lun.kind = LunKind::clone;
  lun.origin = Uuid::random();
  lun.restoring = Uuid::random();
  return lun;
}

inline SnapshotRecord sample_snapshot(const LunRecord& lun, std::uint64_t sequence = 1) {
  SnapshotRecord snapshot;
  snapshot.uuid = Uuid::random();
  snapshot.lun = lun.uuid;
  snapshot.name = "cut-" + std::to_string(sequence);
  snapshot.sequence = sequence;
  snapshot.created_ms = 1790000001123;
  snapshot.capacity = std::uint64_t{10} << 30;
  snapshot.state = SnapshotState::present;
  snapshot.complete = true;
  snapshot.reason = "its image is shorter than it was";
  snapshot.group = Uuid::random();
  snapshot.made_by = "schedule:nightly";
  snapshot.locked_until = 86400;
  snapshot.grade = "file-system";
  snapshot.details = R"({"quiesced": ["db1"],  "n": 1})";
  return snapshot;
}

inline ScheduleRecord sample_schedule(std::vector<Uuid> luns, std::string name = "nightly") {
  ScheduleRecord schedule;
  schedule.name = std::move(name);
  schedule.luns = std::move(luns);
  schedule.spec = "02:30";
  schedule.zone = "Europe/Berlin";
  schedule.retention = "24x1h | 14x1d | 8x1w";
  schedule.quiesce = "db1";
  schedule.enabled = false;
  schedule.state = R"({"last": 17})";
  return schedule;
}

inline HostRecord sample_host(std::string name = "db1") {
  HostRecord host;
  host.iqns = {"iqn.1993-08.org.debian:" + name, "iqn.1991-05.com.microsoft:" + name};
  host.name = std::move(name);
  host.no_auth = true;
  host.chap_user = "user";
  host.chap_secret = "secretsecret1";
  host.mutual_user = "target";
  host.mutual_secret = "secretsecret2";
  host.quota = std::uint64_t{1} << 40;
  host.created_at = 1790000003;
  return host;
}

}  // namespace caisson::catalog

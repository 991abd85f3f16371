// SPDX-License-Identifier: Apache-2.0
#include "storage_object/object/registry.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "storage_object/base/errc.hpp"
#include "storage_object/format/trailer.hpp"
#include "tests/unit/storage_object/object/machine.hpp"

namespace caisson::tests {
namespace {

using catalog::CacheMode;
using catalog::LunState;
using object::CreateOptions;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;

constexpr std::uint64_t kMiB = 1 << 20;

class RegistryTest : public ::testing::Test {
 protected:
  void restart() {
    machine_.reset();
    machine_ = std::make_unique<Machine>(disk_);
    ASSERT_FALSE(machine_->failure()) << machine_->failure()->message;
  }
  /// Puts a file with that content on the disk.
  void put_file(const std::string& name, std::span<const std::byte> bytes) {
    auto file = disk_.create_unnamed().value();
    ASSERT_TRUE(file_store::write_at(*file, 0, bytes));
    ASSERT_TRUE(disk_.publish(*file, name));
  }
  object::ObjectRegistry& registry() { return machine_->registry(); }

  SimStore disk_;
  std::unique_ptr<Machine> machine_ = std::make_unique<Machine>(disk_);
};

TEST_F(RegistryTest, ACreatedLunIsServedAndItsContainerIsThePlainImage) {
  auto object = machine_->make("db", kMiB);
  ASSERT_TRUE(object);
  EXPECT_EQ(write(*object, 512, filled(512, 7)), Error());
  auto content = disk_.content("db.img");
  EXPECT_EQ(content.size(), format::container_length(kMiB));
  EXPECT_EQ(content[512], std::byte{7});
  EXPECT_EQ(content[511], std::byte{0});
  EXPECT_EQ(machine_->served, 1);
}

TEST_F(RegistryTest, IdentitiesAreMadeOnceAndKept) {
  auto before = *machine_->make("db", kMiB)->identity();
  EXPECT_EQ(before.target_name, "iqn.2026-11.io.caisson:node:db");
  EXPECT_EQ(before.naa.size(), 16u);
  EXPECT_EQ(before.naa[0], '3');
  ASSERT_TRUE(registry().rename("db", "mail"));
  restart();
  auto after = *machine_->object("mail")->identity();
  EXPECT_EQ(after.uuid, before.uuid);
  EXPECT_EQ(after.naa, before.naa);
  EXPECT_EQ(after.target_name, before.target_name);
  EXPECT_EQ(after.name, "mail");
}

TEST_F(RegistryTest, WithAnOuiTheNaaIsOfTypeSix) {
  machine_.reset();
  machine_ = std::make_unique<Machine>(
      disk_, nullptr, [](object::RegistryOptions& options) { options.oui = "00A0B1"; });
  auto naa = machine_->make("db", kMiB)->identity()->naa;
  EXPECT_EQ(naa.size(), 32u);
  EXPECT_EQ(naa.substr(0, 7), "600a0b1");
}

TEST_F(RegistryTest, AnIdenticalCreateSucceedsAndADifferentOneDoesNot) {
  auto object = machine_->make("db", kMiB);
  auto again = registry().create({.name = "db", .capacity = kMiB});
  ASSERT_TRUE(again);
  EXPECT_EQ(again->object, object);
  auto other = registry().create({.name = "db", .capacity = 2 * kMiB});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Errc::already_exists);
}

TEST_F(RegistryTest, BadOptionsAreRefusedByName) {
  for (const auto& options :
       {CreateOptions{.name = "DB", .capacity = kMiB},
        CreateOptions{.name = "a..b", .capacity = kMiB}, CreateOptions{.name = "db", .capacity = 0},
        CreateOptions{.name = "db", .capacity = kMiB + 1},
        CreateOptions{.name = "db", .capacity = kMiB, .logical_block = 1024},
        CreateOptions{.name = "db", .capacity = kMiB, .target_lun = object::kMaxTargetLun + 1},
        CreateOptions{.name = "db", .capacity = format::kMaxCapacity + 4096}}) {
    auto made = registry().create(options);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, Errc::invalid_argument);
    EXPECT_THAT(made.error().message, HasSubstr(options.name));
  }
}

TEST_F(RegistryTest, AForeignFileWithTheContainersNameIsLeftAlone) {
  put_file("db.img", filled(4096, 9));
  auto made = registry().create({.name = "db", .capacity = kMiB});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Errc::already_exists);
  EXPECT_EQ(disk_.content("db.img"), filled(4096, 9));
  EXPECT_FALSE(registry().find("db"));
  restart();
  EXPECT_FALSE(registry().find("db"));
  EXPECT_EQ(disk_.content("db.img"), filled(4096, 9));
}

TEST_F(RegistryTest, DataAttributesAndListsSurviveARestart) {
  auto object = machine_->make("db", kMiB, CacheMode::writethrough);
  machine_->make("mail", 3 * 512);
  EXPECT_EQ(write(*object, 0, filled(4096, 5)), Error());
  ASSERT_TRUE(registry().stop());
  restart();
  auto found = registry().find_by_file("main", "db.img");
  ASSERT_TRUE(found && found->object);
  EXPECT_EQ(found->object->cache_mode(), CacheMode::writethrough);
  auto data = filled(4096, 0);
  EXPECT_EQ(read(*found->object, 0, data), Error());
  EXPECT_EQ(data, filled(4096, 5));
  EXPECT_EQ(registry().list().size(), 2u);
  EXPECT_EQ(machine_->object("mail")->geometry().capacity, 3u * 512);
  EXPECT_EQ(registry().find_by_target("iqn.2026-11.io.caisson:node:mail").size(), 1u);
}

TEST_F(RegistryTest, GrowingKeepsDataAndShowsOnlyZerosBehindIt) {
  for (std::uint64_t step :
       {512ull, 4096ull, 8192ull, 65536ull, 131072ull - 4096, 131072ull, 1ull << 20}) {
    auto name = "lun" + std::to_string(step);
    auto object = machine_->make(name, kMiB + 512);
    EXPECT_EQ(write(*object, 0, filled(kMiB + 512, 3)), Error());
    auto grown = registry().resize(name, kMiB + 512 + step, false);
    ASSERT_TRUE(grown) << grown.error().message;
    EXPECT_EQ(object->geometry().capacity, kMiB + 512 + step);
    auto data = filled(kMiB + 512 + step, 1);
    EXPECT_EQ(read(*object, 0, data), Error());
    auto expected = filled(kMiB + 512, 3);
    expected.resize(data.size());
    EXPECT_EQ(data, expected) << step;
    EXPECT_EQ(disk_.content(name + ".img").size(), format::container_length(data.size()));
  }
  restart();
  for (const auto& lun : registry().list()) EXPECT_TRUE(lun.object) << lun.reason;
}

TEST_F(RegistryTest, ShrinkingNeedsLeaveAndKeepsWhatIsLeft) {
  for (std::uint64_t step : {512ull, 4096ull, 65536ull, 69632ull, 131072ull, 512ull << 10}) {
    auto name = "lun" + std::to_string(step);
    auto object = machine_->make(name, kMiB);
    EXPECT_EQ(write(*object, 0, filled(kMiB, 3)), Error());
    auto refused = registry().resize(name, kMiB - step, false);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().remedy, HasSubstr("--allow-shrink"));
    auto shrunk = registry().resize(name, kMiB - step, true);
    ASSERT_TRUE(shrunk) << shrunk.error().message;
    auto data = filled(kMiB - step, 0);
    EXPECT_EQ(read(*object, 0, data), Error());
    EXPECT_EQ(data, filled(kMiB - step, 3));
    EXPECT_EQ(read(*object, kMiB - step, std::span(data).first(512)),
              block::BlockErrc::out_of_range);
    ASSERT_TRUE(registry().resize(name, kMiB, false));
    auto tail = filled(step, 1);
    EXPECT_EQ(read(*object, kMiB - step, tail), Error());
    EXPECT_EQ(tail, filled(step, 0)) << "what was cut off has come back, step " << step;
  }
  restart();
  for (const auto& lun : registry().list()) EXPECT_TRUE(lun.object) << lun.reason;
}

TEST_F(RegistryTest, ADeletedLunIsGoneWithItsFile) {
  machine_->make("db", kMiB);
  ASSERT_TRUE(registry().remove("db"));
  EXPECT_FALSE(registry().find("db"));
  EXPECT_TRUE(disk_.content("db.img").empty());
  EXPECT_EQ(machine_->withdrawn, 1);
  EXPECT_EQ(registry().remove("db").error().code, Errc::not_found);
  EXPECT_TRUE(machine_->make("db", kMiB));
}

TEST_F(RegistryTest, RenamingMovesTheFileAndRefusesATakenName) {
  auto object = machine_->make("db", kMiB);
  machine_->make("mail", kMiB);
  EXPECT_EQ(registry().rename("db", "mail").error().code, Errc::already_exists);
  put_file("old.img", filled(10, 1));
  EXPECT_EQ(registry().rename("db", "old").error().code, Errc::already_exists);
  ASSERT_TRUE(registry().rename("db", "db2"));
  EXPECT_FALSE(registry().find("db"));
  EXPECT_TRUE(disk_.content("db.img").empty());
  EXPECT_EQ(write(*object, 0, filled(512, 1)), Error());
  EXPECT_EQ(disk_.content("db2.img")[0], std::byte{1});
  EXPECT_EQ(object->identity()->name, "db2");
}

TEST_F(RegistryTest, AMissingOrDamagedContainerIsOfflineAloneWithAReason) {
  machine_->make("good", kMiB);
  machine_->make("missing", kMiB);
  machine_->make("damaged", kMiB);
  machine_.reset();
  ASSERT_TRUE(disk_.remove("missing.img"));
  auto file = disk_.open("damaged.img").value();
  ASSERT_TRUE(file_store::write_at(*file, kMiB, filled(format::kTrailerSize, 0xee)));
  file.reset();
  restart();
  EXPECT_TRUE(machine_->object("good"));
  for (auto name : {"missing", "damaged"}) {
    auto lun = registry().find(name);
    ASSERT_TRUE(lun);
    EXPECT_FALSE(lun->object);
    EXPECT_EQ(lun->state, LunState::offline);
    EXPECT_THAT(lun->reason, HasSubstr(std::string(name) + ".img"));
  }
}

TEST_F(RegistryTest, APlantedLinkIsNotFollowed) {
  machine_->make("db", kMiB);
  machine_->make("twice", kMiB);
  machine_.reset();
  ASSERT_TRUE(disk_.remove("db.img"));
  disk_.plant("db.img", SimKind::symbolic_link);
  disk_.plant_hard_link("twice.img", "other.img");
  restart();
  for (auto name : {"db", "twice"}) {
    auto lun = registry().find(name);
    ASSERT_TRUE(lun && !lun->object);
    EXPECT_THAT(lun->reason, HasSubstr("not a plain file"));
  }
}

TEST_F(RegistryTest, AnotherObjectsContainerStaysOfflineUntilAdopted) {
  machine_->make("a", kMiB);
  auto uuid = machine_->make("b", kMiB)->identity()->uuid;
  machine_.reset();
  ASSERT_TRUE(disk_.remove("a.img"));
  ASSERT_TRUE(disk_.rename("b.img", "a.img"));
  restart();
  EXPECT_THAT(registry().find("a")->reason, HasSubstr("of object"));
  auto twin = registry().adopt("main", "a.img", std::nullopt);
  ASSERT_FALSE(twin);  // "b" has that identity
  EXPECT_EQ(twin.error().code, Errc::already_exists);
  ASSERT_TRUE(registry().remove("b"));
  auto adopted = registry().adopt("main", "a.img", std::nullopt);
  ASSERT_TRUE(adopted) << adopted.error().message;
  EXPECT_EQ(adopted->object->identity()->uuid, uuid);
  restart();
  EXPECT_TRUE(machine_->object("a"));
}

TEST_F(RegistryTest, DeletingALunWhoseFileIsAnothersLeavesTheFile) {
  machine_->make("a", kMiB);
  machine_.reset();
  ASSERT_TRUE(disk_.remove("a.img"));
  put_file("a.img", filled(8192, 4));
  restart();
  ASSERT_TRUE(registry().remove("a"));
  EXPECT_EQ(disk_.content("a.img"), filled(8192, 4));
}

TEST_F(RegistryTest, OfflineLastsOverARestartAndOnlineEndsIt) {
  auto object = machine_->make("db", kMiB);
  ASSERT_TRUE(registry().set_offline("db"));
  EXPECT_EQ(write(*object, 0, filled(512, 1)), block::BlockErrc::offline);
  restart();
  EXPECT_EQ(registry().find("db")->state, LunState::offline);
  EXPECT_FALSE(machine_->object("db"));
  ASSERT_TRUE(registry().set_online("db", false));
  EXPECT_EQ(write(*machine_->object("db"), 0, filled(512, 1)), Error());
}

TEST_F(RegistryTest, AContainerAnotherProcessOwnsIsNotOpened) {
  machine_->make("db", kMiB);
  machine_.reset();
  auto file = disk_.open("db.img").value();
  ASSERT_TRUE(file->lock_owner());
  restart();
  EXPECT_FALSE(machine_->object("db"));
  EXPECT_THAT(registry().find("db")->reason, HasSubstr("another process"));
  file.reset();
  ASSERT_TRUE(registry().set_online("db", false));
  EXPECT_TRUE(machine_->object("db"));
}

TEST_F(RegistryTest, ARestartWaitsForTheOwnerLockWithoutDelayingTheOthers) {
  machine_->make("busy", kMiB);
  machine_->make("free", kMiB);
  machine_.reset();
  auto file = disk_.open("busy.img").value();
  ASSERT_TRUE(file->lock_owner());
  machine_ = std::make_unique<Machine>(disk_, nullptr, [](object::RegistryOptions& options) {
    options.lock_wait = std::chrono::seconds(30);
  });
  ASSERT_FALSE(machine_->failure());
  EXPECT_TRUE(machine_->object("free"));
  EXPECT_FALSE(machine_->object("busy"));
  file.reset();
  while (!machine_->object("busy")) std::this_thread::yield();
  EXPECT_EQ(flush(*machine_->object("busy")), Error());
}

TEST_F(RegistryTest, SetSwitchesTheRealCacheMode) {
  auto object = machine_->make("db", kMiB);
  EXPECT_TRUE(object->features().write_cache);
  for (auto mode : {CacheMode::writethrough, CacheMode::none, CacheMode::writeback}) {
    ASSERT_TRUE(registry().set("db", {.cache = mode}));
    EXPECT_EQ(object->cache_mode(), mode);
    EXPECT_EQ(object->features().write_cache, mode != CacheMode::writethrough);
    EXPECT_EQ(write(*object, 512, filled(512, 1 + static_cast<int>(mode))), Error());
  }
  restart();
  EXPECT_EQ(machine_->object("db")->cache_mode(), CacheMode::writeback);
}

TEST_F(RegistryTest, ImportInPlaceMakesTheImageItselfTheContainer) {
  auto image = filled(5000, 6);
  put_file("disk.raw", image);
  auto lun = registry().import({.file = "disk.raw", .name = "db", .in_place = true});
  ASSERT_TRUE(lun) << lun.error().message;
  EXPECT_EQ(lun->record.capacity, 5120u);
  EXPECT_TRUE(disk_.content("disk.raw").empty());
  image.resize(5120);
  auto data = filled(5120, 1);
  EXPECT_EQ(read(*lun->object, 0, data), Error());
  EXPECT_EQ(data, image);
  restart();
  EXPECT_TRUE(machine_->object("db"));
}

TEST_F(RegistryTest, ImportByCopyLeavesTheImageAndItsHoles) {
  auto file = disk_.create_unnamed().value();
  ASSERT_TRUE(file->resize(4 * kMiB));
  ASSERT_TRUE(file_store::write_at(*file, 2 * kMiB, filled(4096, 8)));
  ASSERT_TRUE(disk_.publish(*file, "disk.raw"));
  file.reset();
  auto lun = registry().import({.file = "disk.raw"});
  ASSERT_TRUE(lun) << lun.error().message;
  EXPECT_EQ(lun->record.name, "disk");
  auto data = filled(4096, 1);
  EXPECT_EQ(read(*lun->object, 2 * kMiB, data), Error());
  EXPECT_EQ(data, filled(4096, 8));
  EXPECT_LT(lun->object->allocated().value(), kMiB);
  EXPECT_EQ(disk_.content("disk.raw").size(), 4 * kMiB);
}

TEST_F(RegistryTest, AStoppedImportLeavesNothing) {
  put_file("disk.raw", filled(4 * kMiB, 6));
  std::stop_source stop;
  object::ImportOptions options{.file = "disk.raw"};
  options.progress = [&](std::uint64_t, std::uint64_t) { stop.request_stop(); };
  options.stop = stop.get_token();
  auto stopped = registry().import(options);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, Errc::cancelled);
  EXPECT_FALSE(registry().find("disk"));
  EXPECT_TRUE(disk_.content("disk.img").empty());
  EXPECT_TRUE(registry().import({.file = "disk.raw"}));
}

TEST_F(RegistryTest, RebuildRestoresWhatTrailersSayAndProposesGrants) {
  auto before = *machine_->make("db", kMiB + 512, CacheMode::writethrough)->identity();
  std::uint64_t host = 0;
  ASSERT_TRUE(machine_->catalog().change([&](catalog::Transaction& t) -> Outcome<> {
    host = t.put_host({.name = "web", .chap_secret = "very-secret-1"}).value();
    return t.put_grant({.lun = before.uuid, .host = host, .read_only = true, .lun_number = 3});
  }));
  ASSERT_TRUE(registry().refresh_grants(before.uuid));
  put_file("notes.txt", filled(10, 1));
  put_file("junk.img", filled(200 * 4096, 1));
  machine_.reset();
  for (auto name : {"catalog.db", "catalog.db-wal"}) (void)disk_.remove(name);
  restart();
  EXPECT_TRUE(registry().list().empty());

  auto dry = registry().rebuild(true);
  ASSERT_TRUE(dry);
  EXPECT_THAT(dry->restored, ElementsAre(Field(&catalog::LunRecord::name, "db")));
  EXPECT_TRUE(registry().list().empty());
  EXPECT_TRUE(machine_->catalog().hosts()->empty());

  auto report = registry().rebuild(false);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_THAT(report->restored, ElementsAre(Field(&catalog::LunRecord::name, "db")));
  EXPECT_THAT(report->proposals, ElementsAre("db web"));
  EXPECT_THAT(report->lost, Contains(HasSubstr("junk.img")));
  EXPECT_THAT(report->lost, Contains(HasSubstr("host web")));
  auto lun = registry().find("db");
  ASSERT_TRUE(lun && lun->object);
  EXPECT_EQ(lun->object->identity()->uuid, before.uuid);
  EXPECT_EQ(lun->object->identity()->target_name, before.target_name);
  EXPECT_EQ(lun->object->cache_mode(), CacheMode::writethrough);
  EXPECT_EQ(lun->object->geometry().capacity, kMiB + 512);
  auto grants = machine_->catalog().grants().value();
  ASSERT_EQ(grants.size(), 1u);
  EXPECT_TRUE(grants[0].proposed && grants[0].read_only);
  EXPECT_EQ(grants[0].lun_number, 3u);
  EXPECT_EQ(disk_.content("notes.txt"), filled(10, 1));
}

TEST_F(RegistryTest, NoSecretReachesAContainer) {
  auto uuid = machine_->make("db", kMiB)->identity()->uuid;
  ASSERT_TRUE(machine_->catalog().change([&](catalog::Transaction& t) -> Outcome<> {
    auto host = t.put_host({.name = "web",
                            .chap_user = "u",
                            .chap_secret = "very-secret-1",
                            .mutual_secret = "other-secret-2"});
    return t.put_grant({.lun = uuid, .host = *host});
  }));
  ASSERT_TRUE(registry().refresh_grants(uuid));
  auto content = disk_.content("db.img");
  std::string text(reinterpret_cast<const char*>(content.data()), content.size());
  EXPECT_THAT(text, HasSubstr("web"));
  EXPECT_EQ(text.find("secret"), std::string::npos);
}

TEST_F(RegistryTest, AFullStoreFailsACreationWithoutATrace) {
  disk_.inject({.op = SimOp::write, .skip = 0, .times = 1000, .error = ENOSPC});
  auto made = registry().create({.name = "db", .capacity = kMiB});
  disk_.clear_faults();
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Errc::no_space);
  restart();
  EXPECT_FALSE(registry().find("db"));
  EXPECT_TRUE(disk_.content("db.img").empty());
  EXPECT_TRUE(machine_->make("db", kMiB));
}

// Every operation of the disk fails once, for each kind of change; afterwards
// the change is there or it is not, and it can be asked for again.
using Change = std::function<bool(object::ObjectRegistry&)>;
class OneFailure : public ::testing::TestWithParam<int> {};

TEST_P(OneFailure, LeavesTheStateBeforeOrAfter) {
  const std::pair<const char*, Change> kChanges[] = {
      {"create", [](auto& r) { return bool(r.create({.name = "new", .capacity = kMiB})); }},
      {"grow", [](auto& r) { return bool(r.resize("db", kMiB + 8192, false)); }},
      {"shrink", [](auto& r) { return bool(r.resize("db", kMiB - 8192, true)); }},
      {"rename", [](auto& r) { return bool(r.rename("db", "db2")) || r.find("db2"); }},
      {"remove", [](auto& r) { return bool(r.remove("db")) || !r.find("db"); }},
  };
  const auto& [name, change] = kChanges[GetParam()];
  for (std::uint64_t skip = 0;; ++skip) {
    SimStore disk;
    {
      Machine machine(disk);
      auto object = machine.make("db", kMiB);
      ASSERT_EQ(write(*object, 0, filled(4096, 9), true), Error());
      auto before = disk.operations();
      disk.inject({.skip = skip, .error = EIO});
      bool done = change(machine.registry());
      auto needed = disk.operations() - before;
      disk.clear_faults();
      if (needed <= skip) {
        EXPECT_TRUE(done) << name;
        return;
      }
    }
    Machine again(disk);
    ASSERT_FALSE(again.failure()) << name << " " << skip;
    for (const auto& lun : again.registry().list()) {
      ASSERT_TRUE(lun.object) << name << " " << skip << ": " << lun.reason;
      if (lun.record.name == "new") continue;
      auto data = filled(4096, 0);
      EXPECT_EQ(read(*lun.object, 0, data), Error());
      EXPECT_EQ(data, filled(4096, 9)) << name << " " << skip;
    }
    for (const auto& lun : again.registry().list())
      if (lun.state == LunState::failed) {
        EXPECT_TRUE(again.registry().set_online(lun.record.name, true));
      }
    bool now = change(again.registry());
    EXPECT_TRUE(now) << name << " " << skip;
  }
}
INSTANTIATE_TEST_SUITE_P(Changes, OneFailure, ::testing::Range(0, 5));

}  // namespace
}  // namespace caisson::tests

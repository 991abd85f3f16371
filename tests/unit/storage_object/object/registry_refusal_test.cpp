// SPDX-License-Identifier: Apache-2.0
// What the registry refuses, in dry runs as in the act: places of stores, images
// from elsewhere, names and numbers that are taken, sizes that do not fit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "storage_object/base/errc.hpp"
#include "storage_object/format/trailer.hpp"
#include "storage_object/object/registry.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/storage_object/object/machine.hpp"

namespace caisson::tests {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kMiB = 1 << 20;

class RegistryRefusalTest : public ::testing::Test {
 protected:
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

TEST_F(RegistryRefusalTest, AStoreLiesInNothingElseAndNothingLiesInIt) {
  TempDir dir;
  auto path = [&](const char* name) { return dir.path() / name; };
  for (auto name : {"state/deep", "a/inside", "beside"})
    std::filesystem::create_directories(path(name));
  std::filesystem::create_directory_symlink(path("state"), path("link"));
  machine_.reset();
  machine_ = std::make_unique<Machine>(disk_, nullptr, [&](object::RegistryOptions& options) {
    options.protected_directories = {path("state")};
  });
  ASSERT_TRUE(registry().add_store({.name = "a", .location = path("a")}));
  for (auto name : {"state", "state/", "state/deep", "state/absent", "link", "link/deep", "", "a",
                    "a/inside", "a/../a/inside", "beside/../state"}) {
    auto added = registry().add_store({.name = "b", .location = path(name)});
    ASSERT_FALSE(added) << name;
    EXPECT_EQ(added.error().code, Errc::invalid_argument);
    EXPECT_THAT(added.error().message, HasSubstr("lie in one another"));
    EXPECT_FALSE(registry().store("b"));
  }
  EXPECT_TRUE(registry().add_store({.name = "b", .location = path("beside")}));
}

TEST_F(RegistryRefusalTest, AStoreOfTheCatalogThatMayNotLieThereIsOfflineAlone) {
  machine_->make("db", kMiB);
  ASSERT_TRUE(registry().add_store({.name = "shared", .location = "/elsewhere/state"}));
  ASSERT_TRUE(registry().create({.name = "lost", .store = "shared", .capacity = kMiB}));
  machine_.reset();
  machine_ = std::make_unique<Machine>(disk_, nullptr, [&](object::RegistryOptions& options) {
    options.protected_directories = {"/elsewhere"};
  });
  ASSERT_FALSE(machine_->failure()) << machine_->failure()->message;
  EXPECT_TRUE(machine_->object("db"));
  EXPECT_FALSE(registry().store("shared"));
  EXPECT_THAT(registry().find("lost")->reason, HasSubstr("lie in one another"));
}

TEST_F(RegistryRefusalTest, WhatLiesInAStoreIsImportedOnlyIfThatIsAllowed) {
  put_file("disk.raw", filled(5000, 6));
  for (auto directory : {"", "/elsewhere", "/simulated", "/"}) {
    machine_.reset();
    machine_ = std::make_unique<Machine>(disk_, nullptr, [&](object::RegistryOptions& options) {
      if (*directory) options.import_directories = {directory};
    });
    ASSERT_TRUE(registry().add_store({.name = "main", .location = "/simulated"}));
    bool allowed = std::string_view("/simulated").starts_with(directory) && *directory;
    for (auto file : {"disk.raw", "/simulated/disk.raw", "/simulated/./x/../disk.raw"})
      for (bool in_place : {false, true}) {
        auto lun = registry().import({.file = file, .in_place = in_place, .dry_run = true});
        EXPECT_EQ(bool(lun), allowed) << directory << ' ' << file;
        if (allowed) continue;
        EXPECT_EQ(lun.error().code, Errc::permission_denied);
        EXPECT_THAT(lun.error().remedy, HasSubstr("import_allowed"));
      }
  }
}

TEST_F(RegistryRefusalTest, ADryRunSaysNoWhereTheActDoes) {
  machine_->make("db", kMiB);
  ASSERT_TRUE(registry().create({.name = "thick", .capacity = kMiB, .thick = true}));
  put_file("occupied.img", filled(10, 1));
  put_file("disk.raw", filled(512, 1));
  constexpr std::uint64_t kHuge = std::uint64_t{1} << 50;  // beyond the store
  using Try = std::function<Errc(bool dry_run)>;
  auto code = [](const auto& outcome) {
    return outcome ? Errc{} : Errc(outcome.error().code.value());
  };
  const std::pair<const char*, Try> kTries[] = {
      {"create over a file",
       [&](bool dry) {
         return code(registry().create({.name = "occupied", .capacity = kMiB, .dry_run = dry}));
       }},
      {"create a LUN number twice",
       [&](bool dry) {
         return code(registry().create({.name = "x",
                                        .capacity = kMiB,
                                        .target_name = "iqn.2026-11.io.caisson:node:db",
                                        .dry_run = dry}));
       }},
      {"create thick beyond the store",
       [&](bool dry) {
         return code(
             registry().create({.name = "x", .capacity = kHuge, .thick = true, .dry_run = dry}));
       }},
      {"grow thick beyond the store",
       [&](bool dry) { return code(registry().resize("thick", kHuge, false, dry)); }},
      {"rename over a file",
       [&](bool dry) { return code(registry().rename("db", "occupied", dry)); }},
      {"rename what is not there",
       [&](bool dry) { return code(registry().rename("y", "z", dry)); }},
      {"adopt what is not there",
       [&](bool dry) { return code(registry().adopt("main", "no.img", std::nullopt, dry)); }},
      {"adopt what is no container",
       [&](bool dry) { return code(registry().adopt("main", "occupied.img", std::nullopt, dry)); }},
      {"import over a file",
       [&](bool dry) {
         return code(registry().import({.file = "disk.raw", .name = "occupied", .dry_run = dry}));
       }},
      {"import in place over a file",
       [&](bool dry) {
         return code(registry().import(
             {.file = "disk.raw", .name = "occupied", .in_place = true, .dry_run = dry}));
       }},
  };
  for (const auto& [what, act] : kTries) {
    auto before = disk_.list("").value().size();
    auto said = act(true);
    EXPECT_NE(said, Errc{}) << what;
    EXPECT_EQ(said, act(false)) << what;
    EXPECT_EQ(disk_.list("").value().size(), before) << what;
  }
}

TEST_F(RegistryRefusalTest, ADryRunDescribesWhatWouldBeAndChangesNothing) {
  machine_->make("db", kMiB);
  machine_->make("lost", kMiB);
  machine_.reset();
  machine_ = std::make_unique<Machine>(disk_);
  auto names = disk_.list("").value().size();
  auto made = registry().create({.name = "new", .capacity = kMiB, .dry_run = true});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->record.file, "new.img");
  EXPECT_EQ(registry().resize("db", 2 * kMiB, false, true)->record.capacity, 2 * kMiB);
  EXPECT_EQ(registry().rename("db", "mail", true)->record.name, "mail");
  EXPECT_TRUE(registry().add_store({.name = "other", .location = "/elsewhere"}, true));
  EXPECT_EQ(registry().list().size(), 2u);
  EXPECT_EQ(registry().stores().size(), 1u);
  EXPECT_EQ(machine_->object("db")->geometry().capacity, kMiB);
  EXPECT_EQ(disk_.list("").value().size(), names);
}

TEST_F(RegistryRefusalTest, LunNumbersOfATargetAreGivenOnce) {
  auto below = [&](const char* name, std::uint64_t number) {
    return registry().create({.name = name,
                              .capacity = kMiB,
                              .target_name = "iqn.2026-11.io.caisson:node:db",
                              .target_lun = number});
  };
  machine_->make("db", kMiB);
  EXPECT_EQ(below("log", 0).error().code, Errc::already_exists);
  EXPECT_TRUE(below("log", object::kMaxTargetLun));
  EXPECT_EQ(registry().find_by_target("iqn.2026-11.io.caisson:node:db").size(), 2u);
}

TEST_F(RegistryRefusalTest, AFileTooLargeForTheFileSystemIsSaidToBeThat) {
  machine_->make("db", kMiB);
  for (bool dry_run : {true, false}) {
    disk_.inject({.op = SimOp::resize, .error = EFBIG});
    auto made = registry().create({.name = "big", .capacity = 2 * kMiB, .dry_run = dry_run});
    disk_.clear_faults();
    disk_.inject({.op = SimOp::resize, .error = EFBIG});
    auto grown = registry().resize("db", 2 * kMiB, false, dry_run);
    disk_.clear_faults();
    for (const auto& said : {made, grown}) {
      ASSERT_FALSE(said);
      EXPECT_THAT(said.error().message, HasSubstr("this file system cannot hold a file of"));
      EXPECT_EQ(said.error().remedy, "choose a smaller size");
    }
  }
  EXPECT_TRUE(registry().resize("db", 2 * kMiB, false));
}

TEST_F(RegistryRefusalTest, ImportsReadOnlyFromPermittedDirectories) {
  auto refused = registry().import({.file = "/etc/passwd"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::permission_denied);
  EXPECT_EQ(registry().import({.file = "/simulated/../etc/passwd"}).error().code,
            Errc::permission_denied);
}

TEST_F(RegistryRefusalTest, ADryRunOfAnImportChangesNothing) {
  put_file("disk.raw", filled(5000, 6));
  auto operations = disk_.operations();
  auto lun = registry().import({.file = "disk.raw", .in_place = true, .dry_run = true});
  ASSERT_TRUE(lun);
  EXPECT_EQ(lun->record.capacity, 5120u);
  EXPECT_EQ(disk_.operations(), operations);
  EXPECT_FALSE(registry().find("disk"));
}

}  // namespace
}  // namespace caisson::tests

// SPDX-License-Identifier: Apache-2.0
// A machine whose store "main" is a file system of its own, mounted or not.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "tests/unit/storage_object/object/machine.hpp"

namespace caisson::tests {

/// What is at which directory now. Without anything mounted there is an empty
/// directory, in which a gateway may make and remove what it likes: that would
/// be the defect.
class Mounts {
 public:
  void mount(const std::string& directory, SimStore& file_system) {
    mounted_[directory] = &file_system;
  }
  void unmount(const std::string& directory) { mounted_.erase(directory); }
  SimStore& at(const std::string& directory) {
    if (auto found = mounted_.find(directory); found != mounted_.end()) return *found->second;
    return mount_points_[directory];
  }
  SimStore& mount_point(const std::string& directory) { return mount_points_[directory]; }

 private:
  std::map<std::string, SimStore*> mounted_;
  std::map<std::string, SimStore> mount_points_;
};

class MountedStoreTest : public ::testing::Test {
 protected:
  static constexpr const char* kPlace = "/srv/main";

  MountedStoreTest() {
    mounts_.mount(kPlace, store_);
    start();
    EXPECT_TRUE(registry().add_store(main_));
  }
  /// The gateway dies and is started again.
  void start() {
    machine_.reset();
    machine_ = std::make_unique<Machine>(
        system_, nullptr,
        [this](auto& options) {
          options.open_store = [this](const catalog::StoreRecord& record)
              -> Outcome<std::unique_ptr<file_store::Store>> {
            return std::make_unique<BorrowedStore>(mounts_.at(record.location));
          };
        },
        Machine::Main::left);
    ASSERT_FALSE(machine_->failure()) << machine_->failure()->message;
  }
  void start_unmounted() {
    mounts_.unmount(kPlace);
    start();
  }
  void mount() { mounts_.mount(kPlace, store_); }
  object::ObjectRegistry& registry() { return machine_->registry(); }
  object::LunView lun(const std::string& name) { return registry().find(name).value(); }
  /// What the start would find if it died between the row and the file.
  void change_row(const std::string& name, const std::function<void(catalog::LunRecord&)>& change) {
    auto row = lun(name).record;
    change(row);
    ASSERT_TRUE(machine_->catalog().change(
        [&](catalog::Transaction& transaction) { return transaction.put_lun(row); }));
  }
  void put_file(SimStore& store, const std::string& name, std::span<const std::byte> bytes) {
    auto file = store.create_unnamed().value();
    ASSERT_TRUE(file_store::write_at(*file, 0, bytes));
    ASSERT_TRUE(store.publish(*file, name));
  }

  const catalog::StoreRecord main_{.name = "main", .location = kPlace, .import_allowed = true};
  SimStore system_;  ///< the catalog's
  SimStore store_;   ///< the store's, when it is mounted
  Mounts mounts_;
  std::unique_ptr<Machine> machine_;
};

}  // namespace caisson::tests

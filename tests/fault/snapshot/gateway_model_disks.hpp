// SPDX-License-Identifier: Apache-2.0
// What a gateway of the model has its files on: a place for the catalog, and two stores.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "storage_object/catalog/catalog.hpp"
#include "storage_object/file_store/store.hpp"
#include "tests/support/sim_random.hpp"
#include "tests/support/sim_sqlite_vfs.hpp"
#include "tests/support/sim_store.hpp"
#include "tests/support/temp_dir.hpp"

namespace caisson::tests {

/// Outlives every process that uses it.
class ModelDisks {
 public:
  static constexpr std::size_t kStores = 2;

  virtual ~ModelDisks() = default;
  /// For a new process.
  virtual Outcome<std::unique_ptr<catalog::Catalog>> open_catalog() = 0;
  virtual Outcome<std::unique_ptr<file_store::Store>> open_store(std::size_t which) = 0;
  virtual std::string location(std::size_t which) const = 0;

  /// The power goes at some operation from now on, after so many at most.
  virtual void arm(SimRandom&, std::uint64_t) {}
  virtual void disarm() {}
  /// The process is dead, or the machine: nothing answers any more.
  virtual void kill() {}
  virtual bool dead() const { return false; }
  /// Whether there is power to cut.
  virtual bool has_power() const { return false; }
  /// What the next process finds. Nothing is open.
  virtual void bring_back(bool /*power_cut*/, SimRandom&) {}

  /// Where the index' files are; empty: in memory.
  std::string index_directory;
};

/// Three simulated disks of one machine.
class SimDisks final : public ModelDisks {
 public:
  /// Which of the two stores share blocks.
  SimDisks(bool first_shares, bool second_shares);

  Outcome<std::unique_ptr<catalog::Catalog>> open_catalog() override;
  Outcome<std::unique_ptr<file_store::Store>> open_store(std::size_t which) override;
  std::string location(std::size_t which) const override { return "/" + std::to_string(which); }
  void arm(SimRandom& random, std::uint64_t most) override;
  void disarm() override;
  void kill() override { disks_[0]->cut_now(); }
  bool dead() const override { return disks_[0]->is_cut(); }
  bool has_power() const override { return true; }
  void bring_back(bool power_cut, SimRandom& random) override;

 private:
  void put_together();

  std::vector<std::unique_ptr<SimStore>> disks_;  ///< the stores, and the catalog's
  std::unique_ptr<SimSqliteVfs> vfs_;
};

/// Directories of a real file system.
class RealDisks final : public ModelDisks {
 public:
  explicit RealDisks(std::string directory);

  Outcome<std::unique_ptr<catalog::Catalog>> open_catalog() override;
  Outcome<std::unique_ptr<file_store::Store>> open_store(std::size_t which) override;
  std::string location(std::size_t which) const override {
    return directory_ + "/" + std::to_string(which);
  }

 private:
  const std::string directory_;
};

}  // namespace caisson::tests

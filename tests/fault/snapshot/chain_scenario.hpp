// SPDX-License-Identifier: Apache-2.0
// A LUN is written to, cut, shrunk and grown, its snapshots are renamed, read and removed,
// while the store is full, fails, or loses its power at any operation; and every snapshot
// that was reported is compared with a model. A scenario is its seed.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/chain_world.hpp"
#include "tests/support/sim_random.hpp"
#include "tests/support/temp_dir.hpp"

namespace caisson::tests {

class ChainScenario {
 public:
  explicit ChainScenario(std::uint64_t seed);
  void run();

  unsigned steps() const noexcept { return steps_; }
  const std::vector<std::string>& history() const noexcept { return history_; }

 private:
  using Stamps = std::vector<std::uint32_t>;  // of sectors: what was written; 0: zeros
  struct Step {
    unsigned weight;
    const char* name;
    void (ChainScenario::*perform)();
  };
  static const Step kSteps[];
  struct Range {
    std::uint64_t first, count;  // sectors
  };

  void live();
  void step();
  void die();
  void begin();
  void arm();
  void finish();
  void lose_power();
  bool ended() const { return world_.store->is_cut(); }
  bool answered(bool success, const std::string& why);

  void write();
  void unmap();
  void zeroes();
  void flush();
  void cut();
  void remove();
  void rename();
  void background();
  void settle();
  void look();
  void racing_read();
  void shrink();
  void grow();
  void restart();
  void complete();
  void fill_store();

  Range some_range(std::uint64_t most);
  Uuid some_snapshot();
  void changed(const Range& range, std::uint32_t stamp, const Error& error);
  void read_back(const Range& range);
  void look_at(const Uuid& snapshot, const Range& range);
  void look_at_file(const Uuid& snapshot);
  void look_at_all();
  void forget_lost();
  std::uint32_t expect_one_of(std::uint64_t sector, const std::byte* found);
  void note(std::string line) { history_.push_back(std::move(line)); }

  const std::uint64_t seed_;
  SimRandom random_;
  bool faulty_;  // the store may be full, or fail
  std::unique_ptr<SimStore> store_;
  TempDir state_{"/dev/shm"};  // the index syncs once in a while, which would take its time
  ChainWorld world_;
  Stamps live_;
  std::map<std::uint64_t, Stamps> unsure_;  // what else a power cut may leave in a sector
  std::map<Uuid, Stamps> kept_;             // what was reported, and not removed
  std::uint32_t last_stamp_ = 0;
  unsigned names_ = 0;
  unsigned steps_ = 0;
  std::unique_ptr<file_store::File> ballast_;
  std::vector<std::string> history_;
};

}  // namespace caisson::tests

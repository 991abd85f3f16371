// SPDX-License-Identifier: Apache-2.0
// Hosts and administrators at random, against a whole gateway with snapshots: several LUNs
// on two stores, in several lives that end by a stop, a kill or a power cut. What was
// answered is there afterwards; what was not is there or not, but never half.
#pragma once

#include <memory>
#include <optional>

#include "tests/fault/snapshot/gateway_model.hpp"
#include "tests/fault/snapshot/gateway_model_process.hpp"
#include "tests/unit/snapshot/manager/snapshot_machine.hpp"

namespace caisson::tests {

class GatewayScenario {
 public:
  GatewayScenario(std::uint64_t seed, ModelDisks& disks, unsigned steps_of_life);
  /// Records failures of the test.
  void run();
  std::uint64_t steps() const { return steps_; }
  const std::vector<std::string>& history() const { return history_; }

 private:
  using Luns = std::map<std::string, ModelLun>;
  struct Step {
    unsigned weight;
    const char* name;
    void (GatewayScenario::*perform)(const std::string& lun);
  };
  static const Step kSteps[];
  struct Range {
    std::uint64_t first, count;
  };

  // Lives.
  void live();
  void step();
  void begin();
  bool try_begin();
  void end();
  void finish();
  void finish_restores();
  void finish_clones();
  void remove_all_snapshots();
  bool stopped() const { return disks_.dead() || ::testing::Test::HasFailure(); }

  // Hosts.
  void write(const std::string& lun);
  void unmap(const std::string& lun);
  void zeroes(const std::string& lun);
  void flush(const std::string& lun);
  void read_some(const std::string& lun);
  void changed(ModelLun& lun, const Range& range, bool zeros, std::uint32_t version,
               const Error& error, bool durable);

  // Administrators.
  void create_lun(const std::string& lun);
  void delete_lun(const std::string& lun);
  void cut(const std::string& lun);
  void cut_group(const std::string& lun);
  void cut_all(const std::vector<std::string>& luns);
  void remove(const std::string& lun);
  void rename(const std::string& lun);
  void lock(const std::string& lun);
  void restore(const std::string& lun);
  void clone(const std::string& lun);
  void exported(const std::string& lun);
  void background(const std::string& lun);
  void settle(const std::string& lun);

  // What is looked at.
  void look_at_all();
  void look_at_lun(const std::string& name);
  bool looks_like(const std::string& name, const Image& image);
  void look_at_restore(const std::string& name);
  void look_at_list(const std::string& name);
  void look_at_snapshot(const std::string& lun, const std::string& snapshot);
  void look_at_file(const std::string& lun, const snapshot::SnapshotView& view,
                    const Image& wanted);
  void look_at_some(const std::string& lun);
  void diff(const std::string& lun);
  void compare(const std::string& what, const Image& wanted, std::uint64_t first,
               std::span<const std::byte> found);

  bool answered(bool success, const std::string& why);
  template <class T>
  bool answered(const Outcome<T>& outcome) {
    return answered(outcome.has_value(), outcome ? std::string() : outcome.error().message);
  }
  Range some_range(const ModelLun& lun, std::uint64_t most);
  std::string some_snapshot(const std::string& lun);
  bool filling(const std::string& lun);
  bool used(const std::string& lun, const std::string& snapshot);
  std::vector<std::string> names_in_list(const std::string& lun);
  std::shared_ptr<object::StorageObject> disk(const std::string& lun);
  void note(std::string text) { history_.push_back(std::move(text)); }

  SimRandom random_;
  ModelDisks& disks_;
  const unsigned steps_of_life_;
  TestClock clock_;
  std::unique_ptr<ModelProcess> process_;
  Luns luns_;
  /// What came of a change that was not answered, asked at the next start that comes to
  /// an end.
  std::function<void()> unanswered_;
  std::uint64_t steps_ = 0;
  std::uint32_t version_ = 0;
  unsigned names_ = 0;
  unsigned numbers_ = 0;          ///< of LUNs
  bool power_cut_ = false;        ///< how the last life ended
  bool power_cut_since_ = false;  ///< one since everything was looked at
  std::vector<std::string> history_;
};

}  // namespace caisson::tests

// SPDX-License-Identifier: Apache-2.0
// Schedules over a machine whose clocks the test moves.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "snapshot/manager/schedules.hpp"
#include "tests/unit/snapshot/manager/snapshot_machine.hpp"

namespace caisson::tests {

class ScheduleTest : public SnapshotTest {
 protected:
  void SetUp() override {
    machine->make("a");
    begin();
  }
  void TearDown() override { runner.reset(); }

  void begin() {
    runner = std::make_unique<snapshot::ScheduleRunner>(
        snapshot::ScheduleOptions{.snapshots = &machine->snapshots(),
                                  .catalog = &machine->catalog(),
                                  .luns = &machine->luns(),
                                  .pacer = &machine->pacer(),
                                  .clock = &clock});
  }
  void restart_after(std::chrono::nanoseconds downtime) {
    runner.reset();
    restart(downtime);
    begin();
  }
  void kill_all() {
    runner.reset();
    kill();
    begin();
  }

  catalog::ScheduleRecord record(const std::string& name, const std::string& spec,
                                 const std::string& retention = "all",
                                 const std::vector<std::string>& luns = {"a"}) {
    catalog::ScheduleRecord made{.name = name, .spec = spec, .retention = retention};
    for (const auto& lun : luns) made.luns.push_back(machine->luns().find(lun)->uuid);
    return made;
  }
  void schedule(const std::string& name, const std::string& spec,
                const std::string& retention = "all",
                const std::vector<std::string>& luns = {"a"}) {
    auto made = runner->create(record(name, spec, retention, luns), false);
    ASSERT_TRUE(made) << made.error().message;
  }
  /// Time passes, and every step of it the runner looks.
  void pass(std::chrono::nanoseconds time,
            std::chrono::nanoseconds step = std::chrono::minutes(1)) {
    for (std::chrono::nanoseconds passed{}; passed < time; passed += step) {
      clock.pass(step);
      runner->tick();
    }
  }
  std::size_t count(const std::string& lun = "a") { return machine->names(lun).size(); }

  std::unique_ptr<snapshot::ScheduleRunner> runner;
};

}  // namespace caisson::tests

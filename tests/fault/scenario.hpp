// SPDX-License-Identifier: Apache-2.0
// A gateway does what administrators and hosts ask for, syncs fail below it,
// the power fails or the process is killed at any operation of the disk, and
// what the next start finds is compared with a model. Catalog and containers lie
// on one simulated disk, so both end at once. A scenario is its seed.
#pragma once

#include <atomic>
#include <memory>
#include <thread>

#include "tests/fault/model.hpp"
#include "tests/support/sim_random.hpp"
#include "tests/unit/storage_object/object/machine.hpp"

namespace caisson::tests {

/// Marks in `memory` of what fails on `disk`: a process that is dead makes none.
std::function<void(object::RegistryOptions&)> marks_in(SimStore& memory, const SimStore& disk);

/// Compares what a gateway finds on `disk` and in `memory` with `world`, and takes what
/// it found for the truth from now on. GoogleTest failures where the two differ.
void look(SimStore& disk, SimStore& memory, End end, World& world);

class Scenario {
 public:
  explicit Scenario(std::uint64_t seed);
  void run();
  /// What was done, for whoever repeats a failure.
  const std::vector<std::string>& history() const { return history_; }

 private:
  struct Step {
    unsigned weight;
    const char* name;
    void (Scenario::*perform)(LunModel&);
  };
  static const Step kSteps[];

  /// One request of a host, kept until it is answered.
  struct Io {
    std::shared_ptr<object::StorageObject> object;
    std::vector<std::byte> sent;   ///< what the request carries
    std::vector<std::byte> after;  ///< what the range holds when it succeeds
    IoVec memory{};
    block::IoRequest request;
    std::atomic<bool> done{false};

    void wait() { done.wait(false, std::memory_order_acquire); }
  };

  // Lives (scenario.cpp).
  void live(bool ends);
  void look_again();
  void step();
  bool is_over() const { return disk_->is_cut(); }
  /// True: go on. Else there must have been a reason: the end, or an error below,
  /// or that the LUN has failed; and then the end comes now.
  bool answered(const LunModel* lun, bool success, const std::string& why);
  template <class T>
  bool answered(const LunModel* lun, const Outcome<T>& outcome) {
    return answered(lun, outcome.has_value(), outcome ? "" : outcome.error().message);
  }
  void note_failures();
  void fail_a_sync(LunModel& lun);
  void fail_a_writeback(LunModel& lun);

  // What hosts do (scenario_io.cpp).
  std::unique_ptr<Io> random_change(const LunModel& lun);
  void submit(Io& io);
  void told(const LunModel& lun, const Error& error);
  void conclude(LunModel& lun, const Io& io);
  void perform(LunModel& lun, std::unique_ptr<Io> io);
  void change_some(LunModel& lun);
  void forge(LunModel& lun);
  void flush_all(LunModel& lun);
  void reserve(LunModel& lun);
  std::unique_ptr<Io> hang_a_change(LunModel& lun);
  void finish_beside(LunModel& lun, Io& io, std::thread& other, std::atomic<int>& thread,
                     std::atomic<bool>& ended);
  /// Makes an administrator's call, sometimes while a change by a host hangs below
  /// until the call waits for it.
  template <class Call>
  auto act(LunModel& lun, Call call) {
    auto io = hang_a_change(lun);
    if (!io) return call();
    std::optional<decltype(call())> result;
    std::atomic<int> thread = 0;
    std::atomic<bool> ended = false;
    std::thread other([&] {
      thread = own_thread();
      result = call();
      ended = true;
    });
    finish_beside(lun, *io, other, thread, ended);
    return std::move(*result);
  }
  static int own_thread();

  // What administrators do (scenario_control.cpp).
  std::string fresh_name() { return "lun" + std::to_string(++names_); }
  object::CreateOptions random_options();
  LunModel expected(const object::CreateOptions& options) const;
  void began(LunModel model, const Outcome<object::LunView>& made);
  void create();
  void import(bool in_place);
  void import_copy(LunModel&) { import(false); }
  void import_in_place(LunModel&) { import(true); }
  bool place_image(const std::string& file, std::span<const std::byte> bytes);
  void resize(LunModel& lun);
  void rename(LunModel& lun);
  void remove(LunModel& lun);
  void relocate(LunModel& lun);
  void switch_cache(LunModel& lun);
  void offline(LunModel& lun);
  void accept_loss(LunModel& lun);
  void accepted(LunModel& lun);
  void accepted_perhaps(LunModel& lun);
  std::optional<std::uint64_t> some_host();
  void grant(LunModel& lun);
  void refresh(LunModel& lun);
  void forget_host(LunModel& lun);

  SimRandom random_;
  std::unique_ptr<SimStore> disk_;
  std::unique_ptr<SimStore> memory_ = std::make_unique<SimStore>();  ///< outlives a kill
  std::unique_ptr<Machine> machine_;
  World world_;
  std::vector<std::string> history_;
  std::uint64_t hits_ = 0;  ///< errors below before this step
  bool faults_ = false;     ///< were asked for in this life
  int names_ = 0;
};

}  // namespace caisson::tests

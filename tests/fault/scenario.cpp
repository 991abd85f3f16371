// SPDX-License-Identifier: Apache-2.0
#include "tests/fault/scenario.hpp"

#include <cerrno>

namespace caisson::tests {

using catalog::LunState;

namespace {

constexpr unsigned kMostLuns = 3;
constexpr unsigned kGenerations = 3;

}  // namespace

const Scenario::Step Scenario::kSteps[] = {
    {60, "change", &Scenario::change_some},
    {10, "forge", &Scenario::forge},
    {16, "flush", &Scenario::flush_all},
    {12, "reserve", &Scenario::reserve},
    {16, "resize", &Scenario::resize},
    {6, "rename", &Scenario::rename},
    {2, "remove", &Scenario::remove},
    {4, "relocate", &Scenario::relocate},
    {10, "switch cache", &Scenario::switch_cache},
    {4, "offline", &Scenario::offline},
    {8, "accept loss", &Scenario::accept_loss},
    {8, "grant", &Scenario::grant},
    {2, "forget host", &Scenario::forget_host},
    {3, "import copy", &Scenario::import_copy},
    {4, "import in place", &Scenario::import_in_place},
    {8, "fail sync", &Scenario::fail_a_sync},
    {4, "fail writeback", &Scenario::fail_a_writeback},
};

Scenario::Scenario(std::uint64_t seed) : random_(seed) {
  SimOptions options;
  options.traits.punch = random_.chance(70);
  options.traits.zero = random_.chance(70);
  options.traits.direct_alignment = random_.chance(50) ? 512 : 4096;
  disk_ = std::make_unique<SimStore>(options);
}

void Scenario::run() {
  live(/*ends=*/false);
  for (unsigned generation = 0; generation < kGenerations && !::testing::Test::HasFailure();
       ++generation) {
    live(/*ends=*/true);
    if (::testing::Test::HasFailure()) return;
    auto end = random_.chance(40) ? End::killed : End::power_cut;
    auto after = [&](End how) {
      auto seed = random_.next();
      return how == End::killed ? disk_->killed() : disk_->power_cut(seed);
    };
    // The same moment with another end first: only looked at.
    auto another = random_.chance(50) ? End::killed : End::power_cut;
    auto memory_after = [&](End how) {
      if (how == End::killed) return memory_->killed();
      return std::make_unique<SimStore>();
    };
    auto other = after(another);
    auto other_memory = memory_after(another);
    auto next = after(end);
    auto expected = world_;
    history_.push_back(another == End::killed ? "look: killed" : "look: power cut");
    look(*other, *other_memory, another, expected);
    if (::testing::Test::HasFailure()) return;
    history_.push_back(end == End::killed ? "killed" : "power cut");
    disk_ = std::move(next);
    memory_ = memory_after(end);
    look(*disk_, *memory_, end, world_);
    if (end == End::killed && !::testing::Test::HasFailure() && random_.chance(50)) look_again();
  }
}

/// The power fails right after the start that a kill made necessary: what that start
/// believed is there.
void Scenario::look_again() {
  history_.emplace_back("look: power cut after that start");
  auto later = disk_->power_cut(random_.next());
  SimStore memory;
  auto expected = world_;
  look(*later, memory, End::power_cut, expected);
}

/// A gateway runs until its script ends, or the power or its process does.
void Scenario::live(bool ends) {
  auto cut_within = [&](std::uint64_t operations) {
    constexpr SimUnderWay kUnderWay[] = {SimUnderWay::not_begun, SimUnderWay::partly,
                                         SimUnderWay::done, SimUnderWay::done};
    disk_->cut_at(disk_->operations() + random_.below(operations), kUnderWay[random_.below(4)]);
  };
  hits_ = disk_->hits();
  faults_ = false;
  disk_->clear_faults();
  bool during_start = ends && random_.chance(15);
  if (during_start) cut_within(30);
  machine_ = std::make_unique<Machine>(*disk_, nullptr, marks_in(*memory_, *disk_));
  ASSERT_TRUE(!machine_->failure() || is_over()) << machine_->failure()->message;
  note_failures();  // of a writeback that nobody had heard of, or of the last stop
  if (ends && !is_over()) cut_within(300);
  for (auto steps = 4 + random_.below(16); steps > 0 && !is_over(); --steps) {
    step();
    if (::testing::Test::HasFailure()) return;
  }
  if (!is_over() && (!ends || random_.chance(20))) {
    auto hits = disk_->hits();
    bool stopped = machine_->registry().stop().has_value();
    history_.push_back("stop");
    ASSERT_TRUE(stopped || is_over() || disk_->hits() != hits);
    if (disk_->hits() != hits) note_failures();
    if (stopped && !is_over() && disk_->hits() == hits)
      for (auto& lun : world_.luns)
        if (lun.failed == Failed::no) lun.medium.flushed();
  }
  if (ends) disk_->cut_now();
  machine_.reset();
}

void Scenario::step() {
  hits_ = disk_->hits();
  auto& luns = world_.luns;
  if (luns.empty() || (luns.size() < kMostLuns && random_.chance(8))) {
    history_.emplace_back("create");
    create();
  } else {
    auto lun = std::next(luns.begin(), static_cast<std::ptrdiff_t>(random_.below(luns.size())));
    unsigned sum = 0;
    for (const auto& row : kSteps) sum += row.weight;
    auto drawn = random_.below(sum);
    const auto* row = kSteps;
    for (; drawn >= row->weight; ++row) drawn -= row->weight;
    history_.push_back(std::string(row->name) + " " + lun->name.value());
    (this->*row->perform)(*lun);
  }
  if (disk_->hits() != hits_) note_failures();
  std::erase_if(luns,
                [&](const LunModel& lun) { return !lun.there.value() && !lun.there.allows(true); });
}

bool Scenario::answered(const LunModel* lun, bool success, const std::string& why) {
  if (success) return true;
  bool has_reason =
      is_over() || disk_->hits() != hits_ || (lun != nullptr && lun->failed == Failed::yes);
  if (!has_reason) ADD_FAILURE() << why;
  disk_->cut_now();
  return false;
}

/// Errors below: which LUNs have failed of it? What has is recorded when this
/// returns, or else nobody was told.
void Scenario::note_failures() {
  for (auto& lun : world_.luns) {
    if (lun.failed == Failed::yes) continue;
    auto found = is_over() ? std::nullopt : machine_->registry().find(lun.name.value());
    if (!found || !found->object) {
      lun.failed = Failed::maybe;
      lun.untold = true;
      continue;
    }
    (void)machine_->registry().set_online(lun.name.value(), false);  // waits for what is recorded
    lun.failed = is_over()                                    ? Failed::maybe
                 : found->object->state() == LunState::failed ? Failed::yes
                                                              : Failed::no;
    lun.untold = lun.failed == Failed::maybe;
    auto recorded = machine_->registry().find(lun.name.value());
    lun.in_memory_only = recorded && recorded->record.state != LunState::failed;
  }
}

// What goes wrong below.

void Scenario::fail_a_sync(LunModel& lun) {
  faults_ = true;
  constexpr int kErrors[] = {EIO, ENOSPC};
  SimFault fault{
      .skip = random_.below(3), .times = 1 + random_.below(2), .error = kErrors[random_.below(2)]};
  switch (random_.below(4)) {
    case 0: fault.op = SimOp::sync_all; break;
    case 1:
      fault.op = SimOp::write;
      fault.in_sync = true;
      break;
    default: fault.op = SimOp::sync;
  }
  if (random_.chance(70)) fault.file = lun.name.value() + ".img";
  disk_->inject(fault);
}

void Scenario::fail_a_writeback(LunModel& lun) {
  faults_ = true;
  disk_->fail_writeback(lun.name.value() + ".img", random_.chance(50) ? EIO : ENOSPC);
}

}  // namespace caisson::tests

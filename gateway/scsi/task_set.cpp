// SPDX-License-Identifier: Apache-2.0
#include "gateway/scsi/task_set.hpp"

#include <algorithm>
#include <utility>

#include "gateway/scsi/nexus.hpp"

namespace caisson::scsi {

void TaskSet::attach(UnitSlot& slot, Nexus& nexus, std::weak_ptr<NexusHost> host) {
  bool hosted = !host.expired();
  std::lock_guard lock(mutex_);
  members_.push_back({&slot, slot.serial, &nexus, std::move(host), hosted});
}

void TaskSet::detach(const UnitSlot& slot) {
  {
    std::lock_guard lock(mutex_);
    std::erase_if(members_, [&](const Member& member) { return member.slot == &slot; });
    for (auto& turn : turns_) std::erase(turn.awaited, &slot);
  }
  start_next();
}

/// A message finds its view by slot and serial: the slot may serve another unit
/// by the time it arrives.
void TaskSet::tell(const Member& member, std::uint64_t turn, Act act) {
  if (!member.hosted) return act(*member.nexus, *member.slot, turn);
  if (auto host = member.host.lock())
    host->post([slot = member.slot, serial = member.serial, turn, act](Nexus* nexus) {
      if (nexus != nullptr && slot->serial == serial) act(*nexus, *slot, turn);
    });
}

void TaskSet::tell_all(const std::vector<Member>& members, std::uint64_t turn, Act act) {
  for (const auto& member : members) tell(member, turn, act);
}

void TaskSet::announce(UnitSlot& slot, Task& task) {
  std::vector<Member> members;
  Turn turn;
  {
    std::lock_guard lock(mutex_);
    members = members_;
    for (const auto& member : members_) {
      turn.awaited.push_back(member.slot);
      if (member.slot == &slot) turn.owner = member;
    }
    task.turn = turn.number = announced_.load(std::memory_order_relaxed) + 1;
    announced_.store(turn.number, std::memory_order_release);
    turns_.push_back(turn);
  }
  tell_all(members, turn.number,
           [](Nexus& nexus, UnitSlot& view, std::uint64_t number) { nexus.drain(view, number); });
}

void TaskSet::drained(const UnitSlot& slot, std::uint64_t number) {
  {
    std::lock_guard lock(mutex_);
    auto turn = std::ranges::find(turns_, number, &Turn::number);
    if (turn == turns_.end()) return;
    std::erase(turn->awaited, &slot);
  }
  start_next();
}

/// The front is the next to run; the tasks of later turns wait for it.
void TaskSet::start_next() {
  Member owner;
  std::uint64_t number;
  {
    std::lock_guard lock(mutex_);
    if (turns_.empty()) return;
    auto& turn = turns_.front();
    if (turn.told || !turn.awaited.empty() || heads_.load(std::memory_order_acquire) != 0) return;
    turn.told = true;
    owner = turn.owner;
    number = turn.number;
  }
  tell(owner, number,
       [](Nexus& nexus, UnitSlot& view, std::uint64_t turn) { nexus.grant(view, turn); });
}

void TaskSet::ended(std::uint64_t number) {
  std::vector<Member> members;
  {
    std::lock_guard lock(mutex_);
    auto turn = std::ranges::find(turns_, number, &Turn::number);
    if (turn == turns_.end()) return;
    turn->over = true;
    while (!turns_.empty() && turns_.front().over) {
      ended_.store(turns_.front().number, std::memory_order_release);
      turns_.pop_front();
      members = members_;
    }
  }
  tell_all(members, 0, [](Nexus& nexus, UnitSlot& view, std::uint64_t) { nexus.wake(view); });
  start_next();
}

void TaskSet::head_ended() {
  if (heads_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  std::vector<Member> members;
  {
    std::lock_guard lock(mutex_);
    members = members_;
  }
  tell_all(members, 0, [](Nexus& nexus, UnitSlot& view, std::uint64_t) { nexus.wake(view); });
  start_next();
}

void TaskSet::clear_elsewhere(const std::shared_ptr<LogicalUnit>& unit, const Nexus& from,
                              Clearing clearing, std::function<void()> done) {
  clear_some(
      unit, [&](const Nexus& nexus) { return &nexus != &from; }, clearing, std::move(done));
}

void TaskSet::clear(const std::shared_ptr<LogicalUnit>& unit,
                    const std::vector<std::uint64_t>& nexuses, Clearing clearing,
                    std::function<void()> done) {
  auto meant = [&](const Nexus& nexus) {
    return std::ranges::find(nexuses, nexus.identity().id) != nexuses.end();
  };
  clear_some(unit, meant, clearing, std::move(done));
}

void TaskSet::clear_some(const std::shared_ptr<LogicalUnit>& unit,
                         const std::function<bool(const Nexus&)>& meant, Clearing clearing,
                         std::function<void()> done) {
  std::vector<std::shared_ptr<NexusHost>> hosts;
  {
    std::lock_guard lock(mutex_);
    for (const auto& member : members_)
      if (auto host = member.host.lock();
          host && meant(*member.nexus) && std::ranges::find(hosts, host) == hosts.end())
        hosts.push_back(std::move(host));
  }
  if (hosts.empty()) return done();
  struct Waiting {
    std::atomic<std::size_t> left = 0;
    std::function<void()> done;
  };
  auto waiting = std::make_shared<Waiting>();
  waiting->left = hosts.size();
  waiting->done = std::move(done);
  for (const auto& host : hosts)
    host->clear(unit, clearing, [waiting] {
      if (waiting->left.fetch_sub(1, std::memory_order_acq_rel) == 1) waiting->done();
    });
}

}  // namespace caisson::scsi

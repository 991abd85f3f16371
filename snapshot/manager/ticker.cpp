// SPDX-License-Identifier: Apache-2.0
#include "snapshot/manager/ticker.hpp"

#include <mutex>
#include <utility>

namespace caisson::snapshot {

struct Ticker::State {
  Pacer& pacer;
  ControlThreads& threads;
  const Clock& clock;
  const Work work;
  const std::shared_ptr<ControlLane> lane = std::make_shared<ControlLane>();

  std::mutex mutex;  // guards what follows; while a pacer or thread is asked, too
  bool stopped = false;
  std::uint64_t turn = 0;  ///< what was asked for under an older number does not count
};

Ticker::Ticker(Pacer& pacer, ControlThreads& threads, const Clock& clock, Work work)
    : state_(
          new State{.pacer = pacer, .threads = threads, .clock = clock, .work = std::move(work)}) {}

Ticker::~Ticker() { stop(); }

void Ticker::begin(std::chrono::nanoseconds wait) {
  std::lock_guard lock(state_->mutex);
  if (state_->stopped) return;
  ++state_->turn;
  wait_for(state_, wait);
}

/// Under the mutex.
void Ticker::wait_for(const std::shared_ptr<State>& state, std::chrono::nanoseconds wait) {
  auto when = state->clock.monotonic() + wait;
  state->pacer.at(when, [weak = std::weak_ptr(state), turn = state->turn] {
    if (auto alive = weak.lock()) post(alive, turn);
  });
}

void Ticker::post(const std::shared_ptr<State>& state, std::uint64_t turn) {
  std::lock_guard lock(state->mutex);
  if (state->stopped || state->turn != turn) return;
  state->threads.post(state->lane, [state, turn] { run(state, turn); });
}

void Ticker::run(const std::shared_ptr<State>& state, std::uint64_t turn) {
  {
    std::lock_guard lock(state->mutex);
    if (state->stopped || state->turn != turn) return;
  }
  auto wait = state->work();
  std::lock_guard lock(state->mutex);
  if (state->stopped || state->turn != turn) return;
  wait_for(state, wait);
}

void Ticker::stop() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stopped = true;
  }
  state_->threads.drain(state_->lane);
}

}  // namespace caisson::snapshot

// SPDX-License-Identifier: Apache-2.0
// The failed state of a LunObject: how a request that promises durability ends,
// and what happens to the object when the promise was broken (decision 3).
#include <boost/system/errc.hpp>
#include <future>
#include <utility>

#include "storage_object/object/object_op.hpp"

namespace caisson::object {

using block::BlockErrc;
using block::IoOp;
using block::IoRequest;
using catalog::LunState;

namespace {

/// What unknown durability looks like from above: any error of a flush, and of
/// a durable change all but what never reached the file.
bool is_loss(const IoRequest& request) {
  const auto& error = request.error;
  if (!error || error == BlockErrc::busy || error == BlockErrc::aborted) return false;
  return request.op == IoOp::flush ||
         (error != BlockErrc::no_space && error != BlockErrc::unsupported);
}

}  // namespace

void LunObject::on_child(IoRequest& child) noexcept {
  auto& op = *static_cast<ObjectOp*>(child.owner);
  if (op.parent->ranges.empty()) return op.object->conclude(op);
  if (op.progress.exchange(ObjectOp::Progress::completed) == ObjectOp::Progress::submitting) return;
  if (goes_on(op)) op.object->run_ranges(op);
}

void LunObject::conclude(ObjectOp& op) {
  op.parent->status_count = op.child.status_count;
  op.result = op.child.error;
  if (!op.durable) {
    in_flight_.leave(op.range);
    return finish(op, op.result);
  }
  end_durable(op, is_loss(op.child));
}

/// The range is held until the verdict: who has the whole object to himself
/// finds nothing undecided.
void LunObject::end_durable(ObjectOp& op, bool loss) {
  op.ticket.owner = &op;
  op.ticket.verdict = [](SyncGate::Ticket& ticket, bool good) noexcept {
    auto& waited = *static_cast<ObjectOp*>(ticket.owner);
    waited.resume(good ? [](ObjectOp& one) { one.object->answer_durable(one, true); }
                       : [](ObjectOp& one) { one.object->answer_durable(one, false); });
  };
  auto answer = gate_.end(op.ticket, loss);
  if (answer != SyncGate::Answer::later) answer_durable(op, answer == SyncGate::Answer::good);
}

void LunObject::answer_durable(ObjectOp& op, bool good) {
  if (!good) return answer_failed(op);
  in_flight_.leave(op.range);
  finish(op, op.result);
}

// The failed state is on disk before anybody hears of it (decision 3): whoever
// would be told "failed" waits until the recorder is done.

bool LunObject::begin_recording() {
  if (recording_ == Recording::under_way) return false;
  recording_ = Recording::under_way;
  auto online = LunState::online;  // one that is offline already stays so
  state_.compare_exchange_strong(online, LunState::failed);
  return true;
}

void LunObject::record() {
  auto self = shared_from_this();
  recorder_(self, [self] { self->on_recorded(); });
}

/// The range is held until the recorder has the failure, by all but the first until it
/// is recorded: who has the whole object to himself finds none that he cannot wait for.
void LunObject::answer_failed(ObjectOp& op) {
  bool first;
  auto wait_for_record = [&] { op.next = std::exchange(awaiting_record_, &op); };
  {
    std::lock_guard lock(failure_mutex_);
    // Nothing to record: it was refused or ran while an earlier loss, accepted
    // since, was not.
    bool known = !op.durable || op.ticket.failures <= accepted_;
    first = recording_ == Recording::none && !known && begin_recording();
    if (!first && recording_ == Recording::under_way) return wait_for_record();
  }
  if (first) record();
  if (op.range.place != InFlightEntry::Place::none)  // else it was refused
    in_flight_.leave(op.range);
  if (first) {
    std::lock_guard lock(failure_mutex_);
    if (recording_ == Recording::under_way) return wait_for_record();
  }
  finish(op, BlockErrc::failed);
}

std::uint64_t LunObject::fail() {
  auto failure = gate_.spoil();
  begin_failure(failure);
  std::lock_guard lock(failure_mutex_);
  return failure == accepted_ + 1 ? failure : 0;
}

void LunObject::begin_failure(std::uint64_t failure) {
  {
    std::lock_guard lock(failure_mutex_);
    if (failure <= accepted_) return;
    if (recording_ == Recording::done || !begin_recording()) return;
  }
  record();
}

Result<> LunObject::sync_beside(file_store::File& file) {
  std::promise<bool> verdict;
  SyncGate::Ticket ticket;
  ticket.owner = &verdict;
  ticket.verdict = [](SyncGate::Ticket& waited, bool good) noexcept {
    static_cast<std::promise<bool>*>(waited.owner)->set_value(good);
  };
  // What it syncs may have been written any time since the last one.
  gate_.begin(ticket, trailer_knows_.load());
  auto done = file.sync_all();
  auto answer = gate_.end(ticket, !done);
  bool good = answer == SyncGate::Answer::good;
  if (answer == SyncGate::Answer::later) good = verdict.get_future().get();
  trailer_knows_.store(ticket.failures);
  if (!done) begin_failure(ticket.failures);
  if (done && !good) return make_error_code(boost::system::errc::io_error);
  return done;
}

void LunObject::on_recorded() {
  ObjectOp* waiting = nullptr;
  bool again;
  {
    std::lock_guard lock(failure_mutex_);
    again = std::exchange(record_again_, false);
    if (!again) {
      recording_ = Recording::done;
      waiting = std::exchange(awaiting_record_, nullptr);
    }
  }
  if (again) return record();
  announce(ObjectEvent::failed);
  while (waiting) {
    auto& op = *std::exchange(waiting, waiting->next);
    op.resume([](ObjectOp& one) {
      if (one.range.place != InFlightEntry::Place::none) one.object->in_flight_.leave(one.range);
      one.object->finish(one, BlockErrc::failed);
    });
  }
}

bool LunObject::accept_loss(std::uint64_t failure) {
  bool accepted, under_way;
  {
    std::lock_guard lock(failure_mutex_);
    under_way = recording_ == Recording::under_way;
    accepted = !under_way && gate_.reopen(failure);
    if (accepted) {
      accepted_ = failure;
      recording_ = Recording::none;
      auto failed = LunState::failed;
      state_.compare_exchange_strong(failed, LunState::online);
    } else if (under_way) {
      record_again_ = true;
    } else {
      begin_recording();
    }
  }
  if (accepted)
    announce(ObjectEvent::online);
  else if (!under_way)
    record();
  return accepted;
}

}  // namespace caisson::object

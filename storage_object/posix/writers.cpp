// SPDX-License-Identifier: Apache-2.0
#include "storage_object/posix/writers.hpp"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "storage_object/posix/folio_splitter.hpp"
#include "storage_object/posix/syscalls.hpp"

namespace caisson::posix {
namespace {
constexpr unsigned kTellAfter = 16;  // writes; a wake-up costs more than a write
}

Writers::~Writers() {
  for (auto& lane : lanes_) {
    if (!lane.thread.joinable()) continue;
    {
      std::lock_guard lock(lane.mutex);
      lane.stopping = true;
    }
    lane.work.notify_one();
    lane.thread.join();
  }
}

bool Writers::take(Operation& operation) noexcept {
  const auto* file = &operation.descriptor();
  Lane* found = nullptr;
  for (auto& lane : lanes_) {
    if (lane.file == file) {
      found = &lane;
      break;
    }
    if (lane.owed == 0 && found == nullptr) found = &lane;
  }
  if (found == nullptr) return false;
  found->file = file;
  ++found->owed;
  ++in_flight_;
  operation.lane = static_cast<std::uint8_t>(found - lanes_.data());
  found->batch.push(operation);
  return true;
}

bool Writers::has_thread(Lane& lane) noexcept {
  if (lane.thread.joinable()) return true;
  try {
    lane.thread = start_([this, &lane] { run(lane); });
    return true;
  } catch (const std::system_error&) {
    return false;  // the next write tries again
  }
}

void Writers::give_back(Lane& lane, OperationQueue& refused) noexcept {
  for (auto* operation = lane.batch.front(); operation != nullptr; operation = operation->next) {
    --lane.owed;
    --in_flight_;
  }
  refused.append(lane.batch);
}

void Writers::submit(OperationQueue& refused) noexcept {
  for (auto& lane : lanes_) {
    if (lane.batch.empty()) continue;
    if (!has_thread(lane)) {
      give_back(lane, refused);
      continue;
    }
    stay_beside(lane);
    bool sleeping = false;
    {
      std::lock_guard lock(lane.mutex);
      lane.queued.append(lane.batch);
      sleeping = std::exchange(lane.sleeping, false);
    }
    if (sleeping) lane.work.notify_one();
  }
}

/// Waking a thread on another processor costs more than the write.
void Writers::stay_beside(Lane& lane) {
  auto here = ::sched_getcpu();
  if (here < 0 || here >= CPU_SETSIZE || here == lane.processor) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(here, &set);
  if (::pthread_setaffinity_np(lane.thread.native_handle(), sizeof set, &set) == 0)
    lane.processor = here;
}

OperationQueue Writers::finished() {
  OperationQueue all;
  {
    std::lock_guard lock(finished_mutex_);
    all = std::exchange(finished_, {});
  }
  for (auto* operation = all.front(); operation != nullptr; operation = operation->next) {
    --lanes_[operation->lane].owed;
    --in_flight_;
  }
  return all;
}

void Writers::run(Lane& lane) {
  pthread_setname_np(pthread_self(), "file writer");
  FolioSplitter splitter;
  std::unique_lock lock(lane.mutex);
  for (;;) {
    lane.sleeping = lane.queued.empty() && !lane.stopping;
    lane.work.wait(lock, [&] { return lane.stopping || !lane.queued.empty(); });
    auto batch = std::exchange(lane.queued, {});
    if (batch.empty()) return;
    lock.unlock();
    write(batch, splitter);
    lock.lock();
  }
}

void Writers::write(OperationQueue& batch, FolioSplitter& splitter) {
  OperationQueue done;
  auto began = FolioSplitter::Clock::now();
  for (unsigned count = 1; auto* operation = batch.pop(); ++count) {
    const auto& request = operation->request();
    const auto& descriptor = operation->descriptor();
    if (splitter.due(&descriptor, request.offset, request.length)) {
      publish(done);
      split_folios(descriptor.number, request.offset);
      began = FolioSplitter::Clock::now();
    }
    perform(*operation);
    auto ended = FolioSplitter::Clock::now();
    splitter.wrote(&descriptor, request.length, ended - began, ended);
    began = ended;
    done.push(*operation);
    if (count % kTellAfter == 0) publish(done);
  }
  publish(done);
}

void Writers::publish(OperationQueue& done) {
  if (done.empty()) return;
  bool first = false;
  {
    std::lock_guard lock(finished_mutex_);
    first = finished_.empty();
    finished_.append(done);
  }
  if (first) wake_.signal();
}

}  // namespace caisson::posix

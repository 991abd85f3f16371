// SPDX-License-Identifier: Apache-2.0
#include "storage_object/block/resume_later.hpp"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <thread>
#include <vector>

#include "storage_object/base/io_thread.hpp"

namespace caisson::block {
namespace {

using Time = std::chrono::steady_clock::time_point;

struct Waiting {
  Time when;
  std::uint64_t number;  ///< order of arrival
  Resume resume;
  void* device;
  IoRequest* request;

  bool operator<(const Waiting& other) const noexcept {  // the heap's top is the soonest
    return when != other.when ? when > other.when : number > other.number;
  }
};

/// The waiting requests of one I/O thread, soonest first, and its timer.
class Waitlist {
 public:
  explicit Waitlist(IoThread& thread) : thread_(thread), timer_(thread.context()) {}

  void add(Waiting waiting) {
    waiting.number = ++last_number_;
    heap_.push_back(waiting);
    std::push_heap(heap_.begin(), heap_.end());
    if (!running_ && heap_.front().number == waiting.number) arm();
  }

 private:
  void arm() {
    timer_.expires_at(heap_.front().when);  // takes an earlier wait back
    timer_.async_wait([this](const Error& error) {
      if (!error) run_due();
    });
  }

  void run_due() {
    auto now = std::chrono::steady_clock::now();
    running_ = true;
    while (!heap_.empty() && heap_.front().when <= now) {
      std::pop_heap(heap_.begin(), heap_.end());
      auto due = heap_.back();
      heap_.pop_back();
      due.resume(due.device, *due.request);
    }
    running_ = false;
    if (!heap_.empty()) arm();
    thread_.flush();
  }

  IoThread& thread_;
  boost::asio::steady_timer timer_;
  std::vector<Waiting> heap_;
  std::uint64_t last_number_ = 0;
  bool running_ = false;
};

/// Lives and dies with the thread, inside the life of its context.
Waitlist& waitlist(IoThread& thread) {
  thread_local std::optional<Waitlist> list;
  if (!list) list.emplace(thread);
  return *list;
}

}  // namespace

bool may_wait_here() noexcept { return IoThread::current() == nullptr; }

void resume_at(Time when, Resume resume, void* device, IoRequest& request) {
  if (auto* thread = IoThread::current(); thread != nullptr) {
    waitlist(*thread).add({when, 0, resume, device, &request});
    return;
  }
  std::this_thread::sleep_until(when);
  resume(device, request);
}

}  // namespace caisson::block

// SPDX-License-Identifier: Apache-2.0
#include "storage_object/posix/uring_engine.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <system_error>

namespace caisson::posix {
namespace {

constexpr std::uint64_t kShortWrite = 128 * 1024;
constexpr int kRounds = 4;  // then other work of the thread gets its turn

// In order of preference. An older kernel or a plainer one refuses the first.
constexpr unsigned kRingFlags[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    0,
};

void prepare_transfer(io_uring_sqe& entry, const Operation& operation) {
  const auto& request = operation.request();
  auto fd = operation.descriptor().number;
  auto vectors = operation.vectors();
  auto at = operation.position();
  auto count = static_cast<unsigned>(vectors.size());
  auto length = static_cast<unsigned>(vectors[0].iov_len);
  if (request.op == FileOp::read) {
    if (count == 1)
      io_uring_prep_read(&entry, fd, vectors[0].iov_base, length, at);
    else
      io_uring_prep_readv(&entry, fd, vectors.data(), count, at);
    return;
  }
  if (count == 1)
    io_uring_prep_write(&entry, fd, vectors[0].iov_base, length, at);
  else
    io_uring_prep_writev(&entry, fd, vectors.data(), count, at);
  entry.rw_flags = request.durable ? RWF_DSYNC : 0;
}

void prepare(io_uring_sqe& entry, Operation& operation) {
  const auto& request = operation.request();
  auto fd = operation.descriptor().number;
  if (request.op == FileOp::sync)
    io_uring_prep_fsync(&entry, fd, IORING_FSYNC_DATASYNC);
  else if (request.op == FileOp::read || request.op == FileOp::write)
    prepare_transfer(entry, operation);
  else
    io_uring_prep_fallocate(&entry, fd, fallocate_mode(request.op),
                            static_cast<off_t>(request.offset), static_cast<off_t>(request.length));
  io_uring_sqe_set_data(&entry, &operation);
}

/// Writes that writers make. Longer ones gain more from a second processor than
/// from being made beside this thread; durable ones wait for the disk.
bool is_short_write(const Operation& operation) noexcept {
  const auto& request = operation.request();
  return request.op == FileOp::write && !request.durable && request.length <= kShortWrite &&
         operation.descriptor().alignment == 0;
}

}  // namespace

UringEngine::UringEngine(const ThreadStart& start)
    : workers_(kWorkers, event_, start), writers_(event_, start) {
  open_ring();
  if (auto error = io_uring_register_eventfd(&ring_, event_.number()); error < 0) {
    io_uring_queue_exit(&ring_);
    throw std::system_error(-error, std::generic_category(), "io_uring_register_eventfd");
  }
  io_uring_register_ring_fd(&ring_);  // saves a look-up per entry; older kernels go without
}

UringEngine::~UringEngine() { io_uring_queue_exit(&ring_); }

void UringEngine::open_ring() {
  int error = 0;
  for (auto flags : kRingFlags) {
    io_uring_params parameters{};
    parameters.flags = flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
    parameters.cq_entries = kCompletionEntries;
    error = io_uring_queue_init_params(kSubmissionEntries, &ring_, &parameters);
    if (error == 0) return;
  }
  throw std::system_error(-error, std::generic_category(), "io_uring_setup");
}

void UringEngine::enqueue(Operation& operation) {
  ++in_flight_;
  auto blocks = operation.request().op == FileOp::extents;  // the ring has no such operation
  if (blocks) ++on_workers_;
  if (is_short_write(operation) && writers_.take(operation)) return;
  (blocks ? blocking_ : queued_).push(operation);
}

std::size_t UringEngine::submit_and_reap() {
  if (reaping_) return 0;  // a completion flushed: the loop below goes on
  Reaping reaping(reaping_);
  // While we look ourselves the kernel need not signal.
  io_uring_cq_eventfd_toggle(&ring_, false);
  std::size_t done = 0;
  for (int round = 0; round < kRounds; ++round) {
    workers_.submit(blocking_);
    writers_.submit(queued_);
    fill();
    enter();
    done += reap();
    if (queued_.empty() && blocking_.empty() && !kernel_has_news()) break;
  }
  workers_.submit(blocking_);
  writers_.submit(queued_);
  fill();
  enter();
  io_uring_cq_eventfd_toggle(&ring_, true);
  // The kernel looks at the toggle after it has posted; we look at what it
  // posted after the toggle. One of us sees the other.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  // What waits only for room on the ring is woken by the completion that makes it.
  auto has_room = on_ring_ < kCompletionEntries;
  if (kernel_has_news() || (has_room && !queued_.empty())) event_.signal();
  return done;
}

/// Turns queued operations into submission entries, as many as fit.
void UringEngine::fill() {
  while (!queued_.empty() && on_ring_ < kCompletionEntries) {
    auto* entry = io_uring_get_sqe(&ring_);
    if (entry == nullptr) {
      enter();
      entry = io_uring_get_sqe(&ring_);
    }
    if (entry == nullptr) return;
    auto* operation = queued_.pop();
    operation->plan();
    prepare(*entry, *operation);
    ++on_ring_;
  }
}

/// One system call: hands over what is prepared and lets the kernel post what
/// is ready. None when there is neither. What the kernel refuses for now
/// (EAGAIN, EBUSY) stays prepared and is offered again.
void UringEngine::enter() {
  if (io_uring_sq_ready(&ring_) == 0 && !kernel_has_news()) return;
  while (io_uring_submit_and_get_events(&ring_) == -EINTR) {
  }
}

bool UringEngine::kernel_has_news() const noexcept {
  auto flags = std::atomic_ref(*ring_.sq.kflags).load(std::memory_order_relaxed);
  return (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0 ||
         io_uring_cq_ready(&ring_) != 0 || io_uring_sq_ready(&ring_) != 0;
}

std::size_t UringEngine::reap() {
  std::array<io_uring_cqe*, 64> entries;
  while (auto count = io_uring_peek_batch_cqe(&ring_, entries.data(), entries.size())) {
    for (unsigned i = 0; i < count; ++i)
      settle(*static_cast<Operation*>(io_uring_cqe_get_data(entries[i])), entries[i]->res);
    io_uring_cq_advance(&ring_, count);
  }
  if (on_workers_ != 0) collect_from_workers();
  if (writers_.in_flight() != 0) {
    auto written = writers_.finished();
    completed_.append(written);
  }
  std::size_t count = 0;
  while (auto* operation = completed_.pop()) {
    --in_flight_;
    ++count;
    complete(*operation);
  }
  return count;
}

void UringEngine::collect_from_workers() {
  auto finished = workers_.finished();
  while (auto* operation = finished.pop()) {
    --on_workers_;
    completed_.push(*operation);
  }
}

void UringEngine::settle(Operation& operation, int result) {
  --on_ring_;
  (operation.settle(result) ? completed_ : queued_).push(operation);
}

}  // namespace caisson::posix

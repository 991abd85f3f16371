// SPDX-License-Identifier: Apache-2.0
// Work that blocks, for a request that an I/O thread submitted: inside this folder only.
#pragma once

#include <memory>
#include <utility>

#include "storage_object/base/control_threads.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/executor.hpp"
#include "storage_object/base/result.hpp"

namespace caisson::snapshot {

/// Runs `work` where it may block, then `done` with what it returned, on the calling
/// thread's executor. On a control thread both run before this returns.
template <class Work, class Done>
void on_control_thread(ControlThreads& threads, Work work, Done done) {
  auto* executor = Executor::current();
  if (executor == nullptr) return done(work());
  auto job = [work = std::move(work), done, executor]() mutable {
    executor->post([done, error = work()]() mutable { done(error); });
  };
  // Beside all others: each waits for the disk alone.
  if (!threads.post(std::make_shared<ControlLane>(), std::move(job)))
    done(make_error_code(Errc::offline));
}

}  // namespace caisson::snapshot

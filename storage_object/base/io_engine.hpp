// SPDX-License-Identifier: Apache-2.0
// The queue through which one I/O thread's file operations reach the kernel
// and come back. The thread drives it; file backends of that thread fill it.
#pragma once

#include <cstddef>

namespace caisson {

class IoEngine {
 public:
  virtual ~IoEngine() = default;

  /// Hands everything queued since the last call to the kernel in one system
  /// call and runs the completions that are ready. Never blocks. Completions
  /// may queue more; that is handed over before the call returns.
  /// Returns how many requests completed. Only on the engine's own thread.
  virtual std::size_t submit_and_reap() = 0;

  /// A descriptor that becomes readable when completions wait.
  virtual int event_descriptor() const noexcept = 0;

  /// Requests handed over and not yet completed.
  virtual std::size_t in_flight() const noexcept = 0;

  /// What it is, for logs: "io_uring" or "threads".
  virtual const char* name() const noexcept = 0;
};

}  // namespace caisson

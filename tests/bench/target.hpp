// SPDX-License-Identifier: Apache-2.0
// What the load generator drives: a disk behind some protocol, one connection.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace caisson::bench {

/// A failure ends the whole run: figures from a failing target mean nothing.
class TargetError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// One request that may be outstanding; there are as many as the queue is deep.
struct Slot {
  bool write = false;
  bool durable = false;         ///< a write that is answered when it is on the disk
  std::uint64_t offset = 0;     ///< bytes, a multiple of 512
  std::span<std::byte> buffer;  ///< whose size is the request's
  std::chrono::steady_clock::time_point started;
};

/// One thread; a slot belongs to the target from start() until wait() returns it.
class Target {
 public:
  virtual ~Target() = default;
  virtual std::uint64_t capacity() const = 0;  ///< bytes
  virtual void start(Slot& slot) = 0;
  /// Blocks until at least one slot has completed; appends those that have.
  virtual void wait(std::vector<Slot*>& completed) = 0;
  /// The same, but returns at that time, perhaps with none. Throws if it cannot.
  virtual void wait_until(std::vector<Slot*>& completed, std::chrono::steady_clock::time_point) {
    static_cast<void>(completed);
    throw TargetError("a fixed rate goes over iSCSI only");
  }
};

/// `url`: iscsi://HOST:PORT/IQN/LUN, nbd://HOST:PORT, file:PATH (no server at all),
/// or tcp: (bytes to and fro on loopback, both sides in this process; nothing is
/// read or written). Throws TargetError.
std::unique_ptr<Target> open_target(const std::string& url);
std::unique_ptr<Target> open_iscsi(const std::string& url);
std::unique_ptr<Target> open_nbd(const std::string& url);
std::unique_ptr<Target> open_file(const std::string& path);
std::unique_ptr<Target> open_ping_pong();

}  // namespace caisson::bench

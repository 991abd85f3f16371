// SPDX-License-Identifier: Apache-2.0
// A disk that fails or hangs as told, for tests.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <mutex>
#include <optional>
#include <vector>

#include "storage_object/base/executor.hpp"
#include "storage_object/block/block_device.hpp"

namespace caisson::block {

/// One misbehaviour. Counts the requests that match from the moment it is
/// added: the first `skip` pass, the next `times` are hit.
struct Fault {
  static constexpr std::uint64_t kForever = std::numeric_limits<std::uint64_t>::max();

  std::optional<IoOp> op;           ///< none: every kind
  std::uint64_t offset = 0;         ///< requests that touch [offset, offset+length);
  std::uint64_t length = kForever;  ///< a flush touches every range
  std::uint64_t skip = 0;
  std::uint64_t times = 1;
  Error error;        ///< what it fails with, without reaching the disk below
  bool hang = false;  ///< waits for release() first; then fails, or goes on if
                      ///< there is no error
};

/// The faults of one or several devices. Thread-safe. Must outlive them.
class FaultPlan {
 public:
  void add(const Fault& fault);
  /// Takes all faults back. What hangs goes on hanging.
  void clear();
  /// Requests that hang now; those of a control thread count too.
  std::size_t hanging() const;
  /// Lets what hangs go: each on the thread that submitted it, those of control
  /// threads on the caller's.
  void release();
  /// Requests hit so far.
  std::uint64_t hits() const noexcept { return hits_.load(std::memory_order_relaxed); }

 private:
  friend class FaultDevice;
  struct Armed {
    Fault fault;
    std::uint64_t seen = 0;
  };
  struct Hung {
    BlockDevice* below;
    IoRequest* request;
    Executor* executor;
    Error error;
  };

  bool armed() const noexcept { return armed_.load(std::memory_order_acquire); }
  /// What becomes of a request; nullopt: it hangs, and is kept here.
  std::optional<Error> judge(BlockDevice& below, IoRequest& request);

  std::atomic<bool> armed_ = false;
  std::atomic<std::uint64_t> hits_ = 0;
  mutable std::mutex mutex_;
  std::vector<Armed> faults_;
  std::vector<Hung> hung_;
};

/// Passes straight through while the plan is empty. `below` and `plan` must
/// outlive it, and it whatever hangs.
class FaultDevice final : public BlockDevice {
 public:
  FaultDevice(BlockDevice& below, FaultPlan& plan) : below_(below), plan_(plan) {}

  Geometry geometry() const noexcept override { return below_.geometry(); }
  Features features() const noexcept override { return below_.features(); }
  void submit(IoRequest& request) override {
    plan_.armed() ? submit_judged(request) : below_.submit(request);
  }

 private:
  void submit_judged(IoRequest& request);

  BlockDevice& below_;
  FaultPlan& plan_;
};

}  // namespace caisson::block

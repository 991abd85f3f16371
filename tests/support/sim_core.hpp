// SPDX-License-Identifier: Apache-2.0
// What a SimStore and its open files share: the tree, the space, the faults and
// the power switch. Included by the simulation only.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "storage_object/base/executor.hpp"
#include "tests/support/sim_names.hpp"
#include "tests/support/sim_store.hpp"

namespace caisson::tests {

inline Error sim_error(int number) { return {number, boost::system::system_category()}; }

inline file_store::FileAttributes attributes_of(const SimNode& node) {
  return {.size = node.data.size(),
          .allocated = node.data.live().pages() * SimBytes::kPage,
          .links = node.links,
          .id = {.device = 1, .inode = node.id},
          .read_only = node.data.read_only()};
}

/// What an operation is told on entry.
struct SimVerdict {
  Error error;          ///< fail with it
  bool dying = false;   ///< the power goes now: take effect, but fail
  bool partly = false;  ///< with `dying`: a write of several pages reaches the first ones only
  bool hang = false;
  bool in_sync = false;  ///< the error is of the sync of a durable write
};

class SimFile;

/// Whether the power is gone: of one store, or of those that share it.
class SimPower {
 public:
  operator bool() const noexcept { return *gone_; }
  void operator=(bool gone) noexcept { *gone_ = gone; }

 private:
  std::shared_ptr<std::atomic<bool>> gone_ = std::make_shared<std::atomic<bool>>(false);
};

class SimCore {
 public:
  using Lock = std::unique_lock<std::mutex>;
  struct Hung {
    file_store::FileRequest* request;
    SimFile* file;
    Executor* executor;
    Error error;
  };

  SimCore(SimOptions options, SimNames names);

  Lock lock() const { return Lock(mutex_); }

  // All below: with the lock held.

  /// Counts the operation and decides its fate.
  SimVerdict enter(SimOp op, const SimNode* node = nullptr, std::uint64_t offset = 0,
                   std::uint64_t length = 0, bool durable = false);
  /// The same for a blocking call: sits out a hang.
  SimVerdict enter_blocking(Lock& lock, SimOp op, const SimNode* node = nullptr,
                            std::uint64_t offset = 0, std::uint64_t length = 0);
  /// Performs a file request. `verdict` is not a hang.
  Error execute(SimNode& node, file_store::FileRequest& request, const SimVerdict& verdict);
  Error resize(SimNode& node, std::uint64_t size, const SimVerdict& verdict);
  Error sync(SimNode& node, bool all, const SimVerdict& verdict);
  Error clone(SimNode& source, std::uint64_t from, std::uint64_t length, SimNode& target,
              std::uint64_t to, const SimVerdict& verdict);
  file_store::MapPage map(const SimNode& node, std::uint64_t offset, std::uint64_t length,
                          std::span<file_store::MapExtent> room);

  bool has_room(std::uint64_t pages) const;
  /// Runs a change of a file's data and accounts for its pages.
  template <class Change>
  void change(SimNode& node, Change change) {
    pages_ -= node.data.live().pages();
    change(node.data);
    pages_ += node.data.live().pages();
  }
  /// A name or a handle went: gives the space back when it was the last.
  void dropped(SimNode& node);

  SimOptions options;
  SimNames names;
  std::vector<Hung> hung;
  std::size_t blocked = 0;
  std::uint64_t releases = 0;
  std::condition_variable released;
  SimPower cut;
  std::optional<std::uint64_t> cut_at;
  SimUnderWay under_way = SimUnderWay::done;
  std::uint64_t hits = 0;
  std::uint64_t operations = 0;
  std::uint64_t last_handle = 0;

  struct Traced {
    SimOp op;
    std::uint64_t node, offset, length;
  };
  std::vector<Traced> trace;

  struct Armed {
    SimFault fault;
    std::uint64_t node = 0;  ///< of fault.file; 0: any
    std::uint64_t seen = 0;
  };
  std::vector<Armed> faults;

  std::uint64_t used() const noexcept { return pages_ * SimBytes::kPage; }

 private:
  Error write(SimNode& node, file_store::FileRequest& request, const SimVerdict& verdict);

  mutable std::mutex mutex_;
  SimRandom distrust_{1};
  std::uint64_t pages_ = 0;
};

}  // namespace caisson::tests

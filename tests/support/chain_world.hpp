// SPDX-License-Identifier: Apache-2.0
// One LUN with snapshots on a simulated store: a container's data, the chain over it, and
// rows of a catalog that outlive every process. What the manager does for a cut is done
// here in its order.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "snapshot/chain/capture_device.hpp"
#include "storage_object/object/container_data.hpp"
#include "tests/support/sim_store.hpp"
#include "tests/support/stepped_pacer.hpp"

namespace caisson::tests {

/// Passes everything on; a test can act just before a read of its own thread.
class HookDevice final : public block::BlockDevice {
 public:
  explicit HookDevice(block::BlockDevice& below) : below_(below) {}
  block::Geometry geometry() const noexcept override { return below_.geometry(); }
  block::Features features() const noexcept override { return below_.features(); }
  void submit(block::IoRequest& request) override {
    if (request.op == block::IoOp::read && before_read && std::this_thread::get_id() == thread)
      std::exchange(before_read, nullptr)(request);
    below_.submit(request);
  }

  std::thread::id thread = std::this_thread::get_id();
  std::function<void(const block::IoRequest&)> before_read;  ///< called once

 private:
  block::BlockDevice& below_;
};

class ChainWorld final : private snapshot::ChainObserver {
 public:
  enum class State { creating, present, ghost, invalid };
  struct Row {
    std::string name;
    std::uint64_t sequence = 0;
    std::uint64_t capacity = 0;
    State state = State::creating;
    bool whole = false;
    std::string reason;
  };
  static constexpr std::uint64_t kTrailer = 8192;

  ChainWorld() = default;
  ~ChainWorld() override { end(); }

  /// A new container, all zeros, on an empty store that outlives the process.
  void make_container(SimStore& store, std::uint64_t capacity);
  void begin(SimStore& store);  ///< a process
  /// The process ends, cleanly unless the store's power is gone.
  void end();

  // As the manager does them. What is reported is in `rows`.
  Outcome<Uuid> cut(const std::string& name);
  Outcome<> remove(const Uuid& snapshot);
  Outcome<> rename(const Uuid& snapshot, const std::string& name);
  // These put off the power cut that may be ahead.
  Outcome<> shrink(std::uint64_t capacity);
  void grow(std::uint64_t capacity);

  Error write(std::uint64_t offset, std::span<const std::byte> data);
  Error change(block::IoOp op, std::uint64_t offset, std::uint64_t length);  // unmap, write_zeroes
  Error flush();
  Error read_live(std::uint64_t offset, std::span<std::byte> into);
  Outcome<> read(const Uuid& snapshot, std::uint64_t offset, std::span<std::byte> into) {
    return chain->read(snapshot, offset, into);
  }
  /// All background work that can be done now; how many steps that took.
  std::size_t settle();

  std::string path(const std::string& file) const { return ".snapshots/disk/" + file; }
  snapshot::Place place() const { return {store, "main", ".snapshots/disk"}; }

  // The catalog.
  std::map<Uuid, Row> rows;
  std::uint64_t capacity = 0;
  std::uint64_t last_sequence = 0;
  bool catalog_fails = false;
  std::vector<std::string> told;  ///< what the chain told the catalog

  std::string index;       ///< the index' file; empty: none
  std::string boot = "1";  ///< which start of the machine it is

  snapshot::ChainPolicy policy;
  const Clock* clock = &Clock::system();  ///< of the next process
  SteppedPacer pacer;
  const Uuid lun = Uuid::random();

  // The process.
  SimStore* store = nullptr;
  bool failed = false;  ///< a flush has failed: none succeeds any more
  std::unique_ptr<HookDevice> hook;
  std::unique_ptr<snapshot::CaptureDevice> device;
  std::shared_ptr<snapshot::Chain> chain;

 private:
  void on_whole(const Uuid& lun, const snapshot::Member& member) override;
  bool on_invalid(const Uuid& lun, std::span<const std::shared_ptr<snapshot::Member>> members,
                  const std::string& why) override;
  bool on_gone(const Uuid& lun, const snapshot::Member& member) override;
  bool row_change(const std::function<void()>& change);
  std::vector<snapshot::Member::Known> known() const;
  void fit_container();

  std::mutex mutex_;  // the catalog's
  std::unique_ptr<ControlThreads> threads_;
  std::shared_ptr<file_store::File> file_;
  std::unique_ptr<object::ContainerData> data_;
};

}  // namespace caisson::tests

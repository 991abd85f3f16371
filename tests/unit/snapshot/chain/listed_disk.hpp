// SPDX-License-Identifier: Apache-2.0
// A disk with snapshots on any store, and a model that knows what has changed.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "snapshot/chain/capture_device.hpp"
#include "storage_object/object/container_data.hpp"
#include "tests/support/sim_random.hpp"
#include "tests/support/temp_dir.hpp"

namespace caisson::tests {

/// Blocks of kChangeBlock bytes, by number.
using Blocks = std::set<std::uint64_t>;

/// Snapshots are named by their position among those that were cut, from 0. The
/// background does a step only when it is told to.
class ListedDisk final : snapshot::ChainObserver, snapshot::Pacer {
 public:
  static constexpr std::uint64_t kBlock = snapshot::kChangeBlock;

  ListedDisk(file_store::Store& store, std::uint64_t capacity, bool preallocated = false);
  ~ListedDisk() override { stop(); }

  std::uint64_t capacity() const noexcept { return now_.size(); }
  snapshot::Chain& chain() noexcept { return *chain_; }
  file_store::File& container() noexcept { return *source_; }
  std::size_t snapshots() const noexcept { return cuts_.size(); }
  bool present(std::size_t snapshot) const { return !cuts_[snapshot].known.ghost; }
  Uuid uuid(std::size_t snapshot) const { return cuts_[snapshot].known.uuid; }

  void write(std::uint64_t offset, std::span<const std::byte> data);
  void fill(std::uint64_t offset, std::uint64_t length, char with);
  void unmap(std::uint64_t offset, std::uint64_t length);
  void write_zeroes(std::uint64_t offset, std::uint64_t length);
  void flush();
  /// From any thread, and the model does not hear of it: list() alone is of use then.
  void write_unseen(std::uint64_t offset, std::span<const std::byte> data);
  void unmap_unseen(std::uint64_t offset, std::uint64_t length);
  void grow(std::uint64_t capacity);
  std::size_t cut();
  void remove(std::size_t snapshot);
  /// Every snapshot becomes whole, if its primitive lets it.
  void finish();
  void restart();

  /// Every page of the list; nullopt: until now. Checks its form.
  Blocks list(std::size_t from, std::optional<std::size_t> to,
              snapshot::ChangesOptions options = {}, std::size_t room = 64);
  /// The blocks whose bytes differ.
  Blocks differ(std::size_t from, std::optional<std::size_t> to) const;
  /// Those that something was done to in between, and those that came with the growth.
  Blocks touched(std::size_t from, std::optional<std::size_t> to) const;
  /// Every method, refined or not, misses nothing; those that can be are exact.
  void expect_lists(std::size_t from, std::optional<std::size_t> to);

 private:
  struct Cut {
    snapshot::Member::Known known;
    std::vector<std::byte> image;
    Blocks touched;  ///< until the next cut
  };

  void on_whole(const Uuid&, const snapshot::Member& member) override {
    known(member).whole = true;
  }
  bool on_invalid(const Uuid&, std::span<const std::shared_ptr<snapshot::Member>>,
                  const std::string& why) override {
    ADD_FAILURE() << why;
    return true;
  }
  bool on_gone(const Uuid&, const snapshot::Member& member) override {
    gone_.insert(member.uuid());
    return true;
  }
  void at(snapshot::Pacer::Clock::time_point, std::function<void()>) override {}

  snapshot::Member::Known& known(const snapshot::Member& member) {
    return std::ranges::find(cuts_, member.uuid(), [](Cut& cut) { return cut.known.uuid; })->known;
  }
  const std::vector<std::byte>& image(std::optional<std::size_t> at) const {
    return at ? cuts_[*at].image : now_;
  }
  std::uint64_t padded() const noexcept { return (now_.size() + kBlock - 1) / kBlock * kBlock; }
  void start();
  void stop();
  void submit(block::IoOp op, std::uint64_t offset, std::uint64_t length, std::span<IoVec> data);
  void touch(std::uint64_t offset, std::uint64_t length);

  file_store::Store& store_;
  const TempDir state_{"/dev/shm"};
  const Uuid lun_ = Uuid::random();
  ControlThreads threads_;
  snapshot::ChainPolicy policy_;
  std::vector<std::byte> now_;
  std::vector<Cut> cuts_;
  std::set<Uuid> gone_;

  std::shared_ptr<file_store::File> source_;
  object::ContainerData* live_ = nullptr;
  std::shared_ptr<snapshot::Chain> chain_;
  std::unique_ptr<snapshot::CaptureDevice> device_;
};

}  // namespace caisson::tests

// SPDX-License-Identifier: Apache-2.0
// Lists of changes while something moves the blocks of files from under them, as a
// balance or a defragmentation does.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "tests/support/sim_store.hpp"
#include "tests/unit/snapshot/chain/listed_disk.hpp"
#include "tests/unit/storage_object/object/machine.hpp"

namespace caisson::tests {
namespace {

using file_store::File;
using file_store::MapExtent;
using file_store::MapPage;
using file_store::MapState;

/// Whether the blocks of a file are elsewhere when it is asked for the so manieth time,
/// from 1 on: in one piece, at the addresses at which every other file has its own then.
using Elsewhere = std::function<bool(int asked)>;

class MovingFile final : public File {
 public:
  MovingFile(std::unique_ptr<File> file, Elsewhere elsewhere)
      : file_(std::move(file)), elsewhere_(std::move(elsewhere)) {}

  void submit(file_store::FileRequest& request) override { file_->submit(request); }
  const file_store::FileTraits& traits() const noexcept override { return file_->traits(); }
  Result<file_store::FileAttributes> attributes() override { return file_->attributes(); }
  Result<> resize(std::uint64_t size) override { return file_->resize(size); }
  Result<> sync_all() override { return file_->sync_all(); }
  Result<> drop_cache() override { return file_->drop_cache(); }
  Result<> lock_owner() override { return file_->lock_owner(); }
  Result<> hold_off_owner() override { return file_->hold_off_owner(); }
  Result<> clone_range(File& source, std::uint64_t from, std::uint64_t length,
                       std::uint64_t to) override {
    return file_->clone_range(source, from, length, to);
  }
  Result<std::size_t> count_extents(std::uint64_t offset, std::uint64_t length,
                                    std::size_t most) override {
    return file_->count_extents(offset, length, most);
  }
  Result<> set_read_only() override { return file_->set_read_only(); }
  File& innermost() noexcept override { return file_->innermost(); }

  Result<MapPage> extent_map(std::uint64_t offset, std::uint64_t length,
                             std::span<MapExtent> room) override {
    if (!elsewhere_(++asked_)) return file_->extent_map(offset, length, room);
    room[0] = {offset, length, kElsewhere + offset, MapState::placed};
    return MapPage{1, offset + length};
  }

 private:
  static constexpr std::uint64_t kElsewhere = std::uint64_t{1} << 50;
  const std::unique_ptr<File> file_;
  const Elsewhere elsewhere_;
  int asked_ = 0;
};

class MovingStore final : public BorrowedStore {
 public:
  MovingStore(file_store::Store& store, Elsewhere images, Elsewhere container)
      : BorrowedStore(store), images_(std::move(images)), container_(std::move(container)) {}
  Result<std::unique_ptr<File>> open(std::string_view name,
                                     file_store::OpenOptions options) override {
    auto file = BorrowedStore::open(name, options);
    if (!file) return file;
    return std::make_unique<MovingFile>(std::move(*file),
                                        name.starts_with(".snapshots") ? images_ : container_);
  }

 private:
  const Elsewhere images_, container_;
};

/// The container differs from its snapshot in the second half.
void expect_nothing_missed(const Elsewhere& images, const Elsewhere& container) {
  SimOptions options;
  options.traits.clone = true;
  SimStore simulated(options);
  MovingStore store(simulated, images, container);
  ListedDisk disk(store, 1 << 20);
  // In so many pieces that its map has several pages.
  for (std::uint64_t first : {0, 1})
    for (auto block = first; block < 256; block += 2)
      disk.fill(block * ListedDisk::kBlock, ListedDisk::kBlock, 'a');
  disk.flush();
  auto cut = disk.cut();
  disk.fill(1 << 19, 1 << 19, 'b');
  disk.finish();
  disk.restart();  // its image, and the container, are opened anew
  auto listed = disk.list(cut, std::nullopt, {.method = snapshot::Method::extent_maps});
  EXPECT_TRUE(std::ranges::includes(listed, disk.differ(cut, std::nullopt)));
}

TEST(MovingBlocksTest, OneAddressProvesNothingOnceTheOlderBlocksHaveMoved) {
  expect_nothing_missed([](int asked) { return asked == 1; }, [](int) { return true; });
}

TEST(MovingBlocksTest, OneAddressProvesNothingIfTheNewerFileWasReadFirst) {
  expect_nothing_missed([](int asked) { return asked > 1; }, [](int asked) { return asked == 1; });
}

}  // namespace
}  // namespace caisson::tests

// SPDX-License-Identifier: Apache-2.0
// Lists of changes while something moves the blocks of files from under them, as a
// balance or a defragmentation does.
#include <gtest/gtest.h>

#include "tests/support/sim_store.hpp"
#include "tests/unit/snapshot/chain/listed_disk.hpp"
#include "tests/unit/storage_object/object/machine.hpp"

namespace caisson::tests {
namespace {

using file_store::File;
using file_store::MapExtent;
using file_store::MapPage;
using file_store::MapState;

/// Its blocks are, the first time it is asked, where those of every other file are: what
/// is seen of files one after the other when blocks move and their places are taken. With
/// `settled` it stays there.
class MovingFile final : public File {
 public:
  MovingFile(std::unique_ptr<File> file, bool settled)
      : file_(std::move(file)), settled_(settled) {}

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
    auto page = file_->extent_map(offset, length, room);
    if (!page || (moved_ && !settled_)) return page;
    moved_ = true;
    for (auto& extent : room.first(page->count))
      if (extent.state == MapState::placed) extent.address = kElsewhere + extent.offset;
    return page;
  }

 private:
  static constexpr std::uint64_t kElsewhere = std::uint64_t{1} << 50;
  const std::unique_ptr<File> file_;
  const bool settled_;
  bool moved_ = false;
};

class MovingStore final : public BorrowedStore {
 public:
  explicit MovingStore(file_store::Store& store) : BorrowedStore(store) {}
  Result<std::unique_ptr<File>> open(std::string_view name,
                                     file_store::OpenOptions options) override {
    auto file = BorrowedStore::open(name, options);
    if (!file) return file;
    return std::make_unique<MovingFile>(std::move(*file), !name.starts_with(".snapshots"));
  }
};

TEST(MovingBlocksTest, OneAddressProvesNothingOnceTheBlocksHaveMoved) {
  SimOptions options;
  options.traits.clone = true;
  SimStore simulated(options);
  MovingStore store(simulated);
  ListedDisk disk(store, 1 << 20);
  disk.fill(0, 1 << 20, 'a');
  auto first = disk.cut();
  disk.fill(8 * ListedDisk::kBlock, 3 * ListedDisk::kBlock, 'b');
  disk.finish();
  disk.restart(false);  // its image is opened anew
  auto listed = disk.list(first, std::nullopt, {.method = snapshot::Method::extent_maps});
  EXPECT_EQ(listed, disk.differ(first, std::nullopt));
}

}  // namespace
}  // namespace caisson::tests

// SPDX-License-Identifier: Apache-2.0
// The stores that contracts are tried on: the simulation, and the real one on what
// is at hand and on small file systems that share blocks.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "storage_object/posix/posix_store.hpp"
#include "tests/support/loop_mount.hpp"
#include "tests/support/sim_store.hpp"
#include "tests/support/temp_dir.hpp"

namespace caisson::file_store {

enum class Kind { sim, posix, xfs, btrfs };

inline std::string name_of(Kind kind) {
  constexpr const char* kNames[] = {"Sim", "Posix", "Xfs", "Btrfs"};
  return kNames[static_cast<int>(kind)];
}

inline Error system_code(int number) { return {number, boost::system::system_category()}; }

class ContractTest : public ::testing::TestWithParam<Kind> {
 protected:
  static constexpr std::uint64_t kBlock = 4096;

  void SetUp() override {
    if (GetParam() == Kind::xfs || GetParam() == Kind::btrfs) {
      auto type = GetParam() == Kind::xfs ? "xfs" : "btrfs";
      mount_ = std::make_unique<tests::LoopMount>(type);
      if (!mount_->mounted()) GTEST_SKIP() << tests::LoopMount::kWhySkipped << type;
    }
    store_ = make_store();
  }
  /// Another one is one of the same kind, elsewhere.
  std::unique_ptr<Store> make_store() {
    if (GetParam() == Kind::sim) {
      tests::SimOptions options;
      options.traits.clone = true;
      return std::make_unique<tests::SimStore>(options);
    }
    return posix::PosixStore::at(mount_ ? std::filesystem::path(mount_->where()) : dir_.path())
        .value();
  }
  std::unique_ptr<File> make(const std::string& content = "") {
    auto file = store_->create_unnamed().value();
    write(*file, 0, content);
    return file;
  }
  static void write(File& file, std::uint64_t at, const std::string& text) {
    write_at(file, at, std::as_bytes(std::span(text))).value();
  }
  static std::string read(File& file) {
    std::string text(file.attributes()->size, '?');
    read_at(file, 0, std::as_writable_bytes(std::span(text))).value();
    return text;
  }
  static std::string blocks(const std::string& letters) {
    std::string text;
    for (auto letter : letters) text += std::string(kBlock, letter == '.' ? '\0' : letter);
    return text;
  }
  /// The whole map of a range, asked for with that much room at a time.
  static std::vector<MapExtent> map(File& file, std::uint64_t offset, std::uint64_t length,
                                    std::size_t room = 200) {
    std::vector<MapExtent> all, part(room);
    for (auto at = offset; at < offset + length;) {
      auto page = file.extent_map(at, offset + length - at, part).value();
      all.insert(all.end(), part.begin(), part.begin() + static_cast<std::ptrdiff_t>(page.count));
      at = page.end;
    }
    return all;
  }
  bool maps() {
    MapExtent room[1];
    return store_->create_unnamed().value()->extent_map(0, kBlock, room).has_value();
  }

  tests::TempDir dir_;
  std::unique_ptr<tests::LoopMount> mount_;
  std::unique_ptr<Store> store_;
};

}  // namespace caisson::file_store

// SPDX-License-Identifier: Apache-2.0
// What every file_store::Store must do, tried on the real one and on the
// simulation, so that tests on the simulation mean something.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "storage_object/posix/posix_store.hpp"
#include "tests/support/sim_store.hpp"
#include "tests/support/temp_dir.hpp"

namespace caisson::file_store {
namespace {

using caisson::tests::SimStore;
using caisson::tests::TempDir;
using ::testing::UnorderedElementsAre;

Error system_code(int number) { return {number, boost::system::system_category()}; }

std::span<const std::byte> bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

class StoreContract : public ::testing::TestWithParam<bool> {
 protected:
  std::unique_ptr<Store> make_store() {
    if (GetParam()) return std::make_unique<SimStore>();
    return posix::PosixStore::at(dir_.path()).value();
  }
  std::unique_ptr<File> make(const std::string& name, const std::string& content = "") {
    auto file = store_->create_unnamed().value();
    write_at(*file, 0, bytes(content)).value();
    store_->publish(*file, name).value();
    return file;
  }
  std::string read(File& file) {
    std::string text(file.attributes()->size, '?');
    read_at(file, 0, std::as_writable_bytes(std::span(text))).value();
    return text;
  }
  std::vector<std::string> names(const std::string& directory = "") {
    std::vector<std::string> all;
    for (const auto& entry : store_->list(directory).value()) all.push_back(entry.name);
    return all;
  }

  TempDir dir_;
  std::unique_ptr<Store> store_ = make_store();
};

INSTANTIATE_TEST_SUITE_P(, StoreContract, ::testing::Bool(),
                         [](const auto& sim) { return sim.param ? "Sim" : "Posix"; });

TEST_P(StoreContract, AFileIsInvisibleUntilPublishedOnce) {
  auto file = store_->create_unnamed().value();
  EXPECT_THAT(names(), UnorderedElementsAre());
  make("taken");
  EXPECT_EQ(store_->publish(*file, "taken").error(), system_code(EEXIST));
  EXPECT_TRUE(store_->publish(*file, "a.img").has_value());
  EXPECT_EQ(store_->publish(*file, "b.img").error(), system_code(EINVAL));
  EXPECT_EQ(file->attributes()->links, 1U);
  EXPECT_THAT(names(), UnorderedElementsAre("a.img", "taken"));
}

TEST_P(StoreContract, ANameTellsWhichFileBearsItNow) {
  auto first = make("a.img", "abc");
  auto id = first->attributes()->id;
  auto named = store_->look_up("a.img").value();
  EXPECT_EQ(named.id, id);
  EXPECT_EQ(named.size, 3U);
  EXPECT_EQ(named.links, 1U);
  EXPECT_EQ(store_->open("a.img").value()->attributes()->id, id);
  ASSERT_TRUE(store_->rename("a.img", "b.img").has_value());
  EXPECT_EQ(store_->look_up("a.img").error(), system_code(ENOENT));
  auto second = make("a.img");
  EXPECT_NE(store_->look_up("a.img")->id, id);
  ASSERT_TRUE(store_->remove("b.img").has_value());
  EXPECT_EQ(first->attributes()->links, 0U);
  ASSERT_TRUE(store_->make_directory("d").has_value());
  EXPECT_EQ(store_->look_up("d").error(), system_code(EINVAL));
  EXPECT_EQ(store_->look_up("../a.img").error(), system_code(EINVAL));
}

TEST_P(StoreContract, HandlesOfOneFileSeeEachOther) {
  auto first = make("a.img", "abc");
  auto second = store_->open("a.img").value();
  ASSERT_TRUE(write_at(*second, 1, bytes("XYZ")));
  EXPECT_EQ(read(*first), "aXYZ");
}

TEST_P(StoreContract, ARemovedFileLivesWithItsHandles) {
  auto file = make("a.img", "abc");
  ASSERT_TRUE(store_->remove("a.img").has_value());
  EXPECT_EQ(store_->open("a.img").error(), system_code(ENOENT));
  EXPECT_EQ(read(*file), "abc");
  EXPECT_FALSE(store_->publish(*file, "b.img").has_value());
}

TEST_P(StoreContract, BadNamesAreRefusedEverywhere) {
  auto file = store_->create_unnamed().value();
  make("a.img");
  ASSERT_TRUE(store_->make_directory("dir").has_value());
  for (const auto* bad : {"../x", "/x", "dir/../x", "dir//x", "dir/", ".", ".."}) {
    EXPECT_EQ(store_->open(bad).error(), system_code(EINVAL)) << bad;
    EXPECT_EQ(store_->publish(*file, bad).error(), system_code(EINVAL)) << bad;
    EXPECT_EQ(store_->rename("a.img", bad).error(), system_code(EINVAL)) << bad;
    EXPECT_EQ(store_->remove(bad).error(), system_code(EINVAL)) << bad;
    EXPECT_EQ(store_->make_directory(bad).error(), system_code(EINVAL)) << bad;
    EXPECT_EQ(store_->list(bad).error(), system_code(EINVAL)) << bad;
  }
  EXPECT_EQ(store_->open("").error(), system_code(EINVAL));
  EXPECT_EQ(store_->open("dir").error(), system_code(EINVAL));
  EXPECT_EQ(store_->open("a.img/x").error(), system_code(ENOTDIR));
  EXPECT_EQ(store_->open("nodir/x").error(), system_code(ENOENT));
}

TEST_P(StoreContract, RenameMovesAndNeverReplaces) {
  make("a.img", "a");
  make("b.img", "b");
  ASSERT_TRUE(store_->make_directory("dir").has_value());
  EXPECT_EQ(store_->rename("a.img", "b.img").error(), system_code(EEXIST));
  EXPECT_EQ(store_->rename("a.img", "dir").error(), system_code(EEXIST));
  EXPECT_EQ(store_->rename("none", "c.img").error(), system_code(ENOENT));
  ASSERT_TRUE(store_->rename("a.img", "dir/c.img").has_value());
  EXPECT_THAT(names(), UnorderedElementsAre("b.img", "dir"));
  EXPECT_EQ(read(*store_->open("dir/c.img").value()), "a");
  EXPECT_EQ(store_->remove("dir").error(), system_code(ENOTEMPTY));
}

TEST_P(StoreContract, ResizeCutsAndAddsZeros) {
  auto file = make("a.img", "abcdef");
  ASSERT_TRUE(file->resize(3).has_value());
  ASSERT_TRUE(file->resize(6).has_value());
  EXPECT_EQ(read(*file), std::string("abc\0\0\0", 6));
}

TEST_P(StoreContract, PunchAndZeroKeepTheSize) {
  auto file = make("a.img", std::string(12288, 'x'));
  if (!file->traits().punch || !file->traits().zero) GTEST_SKIP() << "not on this file system";
  ASSERT_TRUE(apply(*file, FileOp::punch, 4096, 4096));
  ASSERT_TRUE(apply(*file, FileOp::zero, 10000, 10000));
  auto expected = std::string(4096, 'x') + std::string(4096, '\0') + std::string(1808, 'x') +
                  std::string(2288, '\0');
  EXPECT_EQ(read(*file), expected);
}

TEST_P(StoreContract, ExtentsShowThePunchedHole) {
  auto file = make("a.img", std::string(3 << 16, 'x'));
  if (!file->traits().punch) GTEST_SKIP() << "not on this file system";
  ASSERT_TRUE(sync(*file));
  ASSERT_TRUE(apply(*file, FileOp::punch, 1 << 16, 1 << 16));
  FileExtent room[4];
  FileRequest request;
  request.op = FileOp::extents;
  request.length = 4 << 16;
  request.extents = room;
  request.complete = [](FileRequest&) noexcept {};
  file->submit(request);
  ASSERT_FALSE(request.error);
  ASSERT_EQ(request.extent_count, 4U);
  for (std::uint64_t i = 0; i < 4; ++i) {
    EXPECT_EQ(room[i].offset, i << 16);
    EXPECT_EQ(room[i].length, 1U << 16);
    EXPECT_EQ(room[i].data, i % 2 == 0);
  }
}

TEST_P(StoreContract, ErrorsOfRequestsAreTheSame) {
  auto file = make("a.img", "abc");
  std::byte memory[8];
  EXPECT_EQ(read_at(*file, 0, memory).error(), system_code(EIO));
  EXPECT_EQ(apply(*file, FileOp::punch, ~std::uint64_t{0}, 1).error(), system_code(EFBIG));
  EXPECT_EQ(file->resize(~std::uint64_t{0}).error(), system_code(EFBIG));
  auto reader = store_->open("a.img", {.read_only = true}).value();
  EXPECT_EQ(write_at(*reader, 0, memory).error(), system_code(EBADF));
  EXPECT_EQ(reader->resize(0).error(), system_code(EINVAL));
  EXPECT_EQ(reader->lock_owner().error(), system_code(EBADF));
}

TEST_P(StoreContract, OneHandleOwns) {
  auto first = make("a.img");
  auto second = store_->open("a.img").value();
  EXPECT_TRUE(first->lock_owner().has_value());
  EXPECT_TRUE(first->lock_owner().has_value());
  EXPECT_EQ(second->lock_owner().error(), system_code(EAGAIN));
  first.reset();
  EXPECT_TRUE(second->lock_owner().has_value());
}

TEST_P(StoreContract, OwnershipIsReleasedBeforeTheFileIsClosed) {
  auto first = make("a.img");
  auto second = store_->open("a.img").value();
  ASSERT_TRUE(first->lock_owner().has_value());
  EXPECT_TRUE(second->release_owner().has_value());  // which has none
  EXPECT_EQ(second->lock_owner().error(), system_code(EAGAIN));
  EXPECT_TRUE(first->release_owner().has_value());
  EXPECT_TRUE(second->lock_owner().has_value());
  EXPECT_TRUE(second->release_owner().has_value());
  ASSERT_TRUE(first->hold_off_owner().has_value());
  EXPECT_TRUE(first->release_owner().has_value());
  EXPECT_TRUE(second->lock_owner().has_value());
}

TEST_P(StoreContract, RandomRequestsAgreeWithAModel) {
  constexpr std::size_t kSize = 300'000;
  auto file = make("a.img");
  ASSERT_TRUE(file->resize(kSize).has_value());
  std::vector<std::byte> model(kSize), piece;
  std::mt19937 random(11);
  for (int i = 0; i < 2000; ++i) {
    auto offset = random() % kSize;
    auto length = std::min<std::size_t>(1 + random() % 20'000, kSize - offset);
    auto in_model = std::span(model).subspan(offset, length);
    piece.resize(length);
    auto choice = random() % 4;
    if (choice == 0 && file->traits().punch) {
      ASSERT_TRUE(apply(*file, FileOp::punch, offset, length));
      std::ranges::fill(in_model, std::byte{0});
    } else if (choice == 1 && file->traits().zero) {
      ASSERT_TRUE(apply(*file, FileOp::zero, offset, length));
      std::ranges::fill(in_model, std::byte{0});
    } else if (choice == 2) {
      std::ranges::fill(piece, static_cast<std::byte>(random()));
      ASSERT_TRUE(write_at(*file, offset, piece));
      std::ranges::copy(piece, in_model.begin());
    } else {
      ASSERT_TRUE(read_at(*file, offset, piece));
      ASSERT_TRUE(std::ranges::equal(piece, in_model)) << i;
    }
  }
}

}  // namespace
}  // namespace caisson::file_store

// SPDX-License-Identifier: Apache-2.0
#include "snapshot/chain/extent_compare.hpp"

#include <gtest/gtest.h>

#include "tests/support/sim_store.hpp"

namespace caisson::snapshot {
namespace {

using file_store::MapExtent;
using file_store::MapPage;
using file_store::MapState;

/// Only its map is asked for.
class MappedFile final : public file_store::File {
 public:
  explicit MappedFile(std::vector<MapExtent> map) : map(std::move(map)) {}
  void submit(file_store::FileRequest& request) override {
    request.finish(Error(EOPNOTSUPP, boost::system::system_category()));
  }
  const file_store::FileTraits& traits() const noexcept override { return traits_; }
  Result<file_store::FileAttributes> attributes() override { return file_store::FileAttributes{}; }
  Result<> resize(std::uint64_t) override { return {}; }
  Result<> sync_all() override { return {}; }
  Result<> drop_cache() override { return {}; }
  Result<> lock_owner() override { return {}; }
  Result<> hold_off_owner() override { return {}; }
  Result<MapPage> extent_map(std::uint64_t offset, std::uint64_t length,
                             std::span<MapExtent> room) override {
    MapPage page{0, offset};
    for (auto extent : map) {
      if (extent.end() <= page.end || page.count == room.size() || page.end == offset + length)
        continue;
      extent.length = std::min(extent.end(), offset + length) - page.end;
      if (extent.state == MapState::placed) extent.address += page.end - extent.offset;
      extent.offset = page.end;
      room[page.count++] = extent;
      page.end = extent.end();
    }
    return page;
  }
  std::vector<MapExtent> map;

 private:
  file_store::FileTraits traits_;
};

constexpr std::uint64_t kEnd = 64 << 10;

class JudgeTest : public ::testing::Test {
 protected:
  std::shared_ptr<MappedFile> file(std::vector<MapExtent> map) {
    return std::make_shared<MappedFile>(std::move(map));
  }
  Judged judged(const std::vector<MapExtent>& older, const std::vector<MapExtent>& newer,
                std::uint64_t offset = 0) {
    MapView from(file(older), kEnd, true), to(file(newer), kEnd, true);
    return judge(&from, to, offset, kEnd).value();
  }
  static MapExtent placed(std::uint64_t offset, std::uint64_t length, std::uint64_t address) {
    return {offset, length, address, MapState::placed};
  }
  static MapExtent other(std::uint64_t offset, std::uint64_t length, MapState state) {
    return {offset, length, 0, state};
  }
};

TEST_F(JudgeTest, OneAddressIsOneContent) {
  auto same = judged({placed(0, kEnd, 8192)}, {placed(0, kEnd, 8192)});
  EXPECT_EQ(same.verdict, Verdict::equal);
  EXPECT_TRUE(same.by_address);
  EXPECT_EQ(judged({placed(0, kEnd, 8192)}, {placed(0, kEnd, 4096)}).verdict, Verdict::changed);
}

TEST_F(JudgeTest, AddressesAreComparedAtTheSamePlace) {
  std::vector<MapExtent> split = {placed(0, 4096, 8192), placed(4096, kEnd - 4096, 12288)};
  EXPECT_EQ(judged({placed(0, kEnd, 8192)}, split, 4096).verdict, Verdict::equal);
  split[1].address = 8192;
  EXPECT_EQ(judged({placed(0, kEnd, 8192)}, split, 4096).verdict, Verdict::changed);
  EXPECT_EQ(judged({placed(0, kEnd, 8192)}, split).end, 4096U);
}

TEST_F(JudgeTest, HolesAndUnwrittenAreBothZeros) {
  std::vector<MapExtent> hole = {other(0, kEnd, MapState::hole)},
                         unwritten = {other(0, kEnd, MapState::unwritten)};
  EXPECT_EQ(judged(hole, unwritten).verdict, Verdict::equal);
  EXPECT_FALSE(judged(hole, unwritten).by_address);
  EXPECT_EQ(judged(hole, {placed(0, kEnd, 0)}).verdict, Verdict::changed);
  EXPECT_EQ(judged({placed(0, kEnd, 0)}, unwritten).verdict, Verdict::changed);
}

TEST_F(JudgeTest, WhatIsUntrustedIsNeverEqual) {
  std::vector<MapExtent> untrusted = {other(0, kEnd, MapState::untrusted)};
  for (auto state : {MapState::hole, MapState::unwritten, MapState::untrusted}) {
    EXPECT_EQ(judged({other(0, kEnd, state)}, untrusted).verdict, Verdict::unknown);
    EXPECT_EQ(judged(untrusted, {other(0, kEnd, state)}).verdict, Verdict::unknown);
  }
  EXPECT_EQ(judged(untrusted, {placed(0, kEnd, 0)}).verdict, Verdict::unknown);
}

TEST_F(JudgeTest, NothingIsZeros) {
  MapView hole(file({other(0, kEnd, MapState::hole)}), kEnd, true),
      data(file({placed(0, kEnd, 0)}), kEnd, true);
  EXPECT_EQ(judge(nullptr, hole, 0, kEnd)->verdict, Verdict::equal);
  EXPECT_EQ(judge(nullptr, data, 0, kEnd)->verdict, Verdict::changed);
}

TEST_F(JudgeTest, BlocksThatMoveAreNoticed) {
  auto moving = file({placed(0, 8192, 4096), placed(8192, kEnd - 8192, 40960)});
  MapView view(moving, kEnd, true);
  ASSERT_TRUE(view.at(0, kEnd));
  EXPECT_EQ(view.stands(0, kEnd).value(), kEnd);
  // The same place in more pieces is the same place.
  moving->map = {placed(0, 4096, 4096), placed(4096, 4096, 8192), moving->map[1]};
  EXPECT_EQ(view.stands(0, kEnd).value(), kEnd);
  moving->map[1].address = 4096;
  EXPECT_EQ(view.stands(0, kEnd).value(), 4096U);
  EXPECT_EQ(view.stands(8192, kEnd).value(), kEnd);
}

TEST_F(JudgeTest, WithoutMapsDataIsUntrusted) {
  tests::SimOptions options;
  options.maps = false;
  tests::SimStore store(options);
  std::shared_ptr<file_store::File> file = store.create_unnamed().value();
  std::vector<std::byte> data(4096, std::byte{'x'});
  ASSERT_TRUE(file->resize(kEnd));
  ASSERT_TRUE(file_store::write_at(*file, 8192, data));
  MapView view(file, kEnd, true);
  EXPECT_EQ(view.at(0, kEnd)->state, MapState::hole);
  EXPECT_EQ(view.at(0, kEnd)->length, 8192U);
  EXPECT_EQ(view.at(8192, kEnd)->state, MapState::untrusted);
  EXPECT_EQ(view.at(12288, kEnd)->state, MapState::hole);
}

}  // namespace
}  // namespace caisson::snapshot

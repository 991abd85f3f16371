// SPDX-License-Identifier: Apache-2.0
#include "snapshot/format/pre_image.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage_object/base/errc.hpp"
#include "tests/unit/snapshot/format/files.hpp"

namespace caisson::snapshot {
namespace {

using ::testing::HasSubstr;

const auto kSnapshot = example_header().snapshot;

class PreImageTest : public ::testing::Test {
 protected:
  Bytes read(const PreImage& image, std::size_t size = kPreImageBlock) {
    Bytes into(size, std::byte{0xee});
    PreImageReader(*file_, kLabel).read(image.offset, image.block, into).value();
    return into;
  }
  Outcome<SegmentContents> contents(std::uint32_t number = 3) {
    told_.entries.clear();
    return read_pre_images(*file_, kLabel, kSnapshot, number, told_);
  }

  SimStore store_;
  std::unique_ptr<file_store::File> file_ = new_file(store_, "s");
  ToldEntries told_;
};

TEST_F(PreImageTest, GivesBackWhatWasAppended) {
  auto segment = PreImageWriter::create(*file_, kLabel, kSnapshot, 3).value();
  const auto one = filled(kPreImageBlock, 1), two = filled(kPreImageBlock, 2);
  std::vector<PreImage> images{{5, one}, {9, {}}, {std::uint64_t{1} << 40, two}};
  segment.append(images).value();
  segment.flush().value();
  EXPECT_EQ(read(images[0]), one);
  EXPECT_EQ(read(images[1]), filled(kPreImageBlock, 0));
  EXPECT_EQ(read(images[2]), two);
  auto found = contents().value();
  EXPECT_EQ(found.entries, 3U);
  EXPECT_EQ(found.end, segment.size());
  EXPECT_EQ(segment.fit(), kMaxPreImages - 3);
  ASSERT_EQ(told_.entries.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(told_.entries[i].block, images[i].block);
    EXPECT_EQ(told_.entries[i].offset, images[i].offset);
    EXPECT_EQ(told_.entries[i].zeros, images[i].data.empty());
  }
}

TEST_F(PreImageTest, ABatchIsOneWriteAndOneSync) {
  auto segment = PreImageWriter::create(*file_, kLabel, kSnapshot, 3).value();
  const auto data = filled(kPreImageBlock, 1);
  std::vector<PreImage> images;
  for (std::uint64_t i = 0; i < 32; ++i) images.push_back({i, data});
  auto before = store_.trace().size();
  segment.append(images).value();
  segment.flush().value();
  EXPECT_EQ(store_.trace().size(), before + 2) << ::testing::PrintToString(store_.trace());
}

TEST_F(PreImageTest, TakesSoManyAndNoMore) {
  auto segment = PreImageWriter::create(*file_, kLabel, kSnapshot, 3).value();
  const auto data = filled(kPreImageBlock, 7);
  std::vector<PreImage> images;
  for (std::uint64_t i = 0; i < kMaxPreImages; ++i)
    images.push_back({i, i % 16 == 0 ? std::span<const std::byte>(data) : std::span<std::byte>()});
  segment.append(images).value();
  segment.flush().value();
  EXPECT_EQ(segment.fit(), 0U);
  EXPECT_EQ(segment.append(std::span(images).first(1)).error().code, Errc::invalid_argument);
  EXPECT_TRUE(segment.usable());
  EXPECT_EQ(contents().value().entries, kMaxPreImages);
  EXPECT_EQ(told_.entries.size(), kMaxPreImages);
  EXPECT_EQ(read(images[16000]), data);
  // One more than a writer would write is not looked at.
  auto more = encode_entry(1, kMaxPreImages, contents().value().chain, {});
  file_store::write_at(*file_, segment.size(), bytes_of(more)).value();
  EXPECT_EQ(contents().value().entries, kMaxPreImages);
}

TEST_F(PreImageTest, WhatNoSegmentCanHoldIsRefused) {
  auto segment = PreImageWriter::create(*file_, kLabel, kSnapshot, 3).value();
  const auto half = filled(kPreImageBlock / 2, 1);
  std::vector<PreImage> images{{0, half}};
  EXPECT_EQ(segment.append(images).error().code, Errc::invalid_argument);
  images = {{~std::uint64_t{0}, {}}};
  EXPECT_EQ(segment.append(images).error().code, Errc::invalid_argument);
  EXPECT_EQ(segment.size(), kHeaderBlock);
}

TEST_F(PreImageTest, IsOfOneSnapshotAndOneNumber) {
  PreImageWriter::create(*file_, kLabel, kSnapshot, 3).value();
  EXPECT_EQ(contents(4).error().code, Errc::corrupt);
  EXPECT_THAT(contents(4).error().message, HasSubstr(kLabel));
  EXPECT_EQ(read_pre_images(*file_, kLabel, example_header().lun, 3, told_).error().code,
            Errc::corrupt);
  file_ = file_of(store_, encode_map_header(example_header()).value());
  EXPECT_EQ(contents().error().code, Errc::corrupt);
  file_ = new_file(store_, "empty");
  EXPECT_EQ(contents().error().code, Errc::corrupt);
}

TEST_F(PreImageTest, OfLaterVersionsItIsReadAsTheirFeaturesAllow) {
  BlockHeader header{};
  header.snapshot = kSnapshot.bytes;
  header.number = 3;
  header.read_only_compatible = 1;
  file_ = file_of(store_, encode_block(header, kSegmentMagic));
  auto found = contents().value();
  EXPECT_EQ(PreImageWriter::open_at(*file_, kLabel, found).error().code, Errc::unsupported);
  header.incompatible = 1;
  file_ = file_of(store_, encode_block(header, kSegmentMagic));
  EXPECT_EQ(contents().error().code, Errc::unsupported);
}

TEST_F(PreImageTest, EveryFlippedByteEndsTheSegmentAndIsNotReadBack) {
  auto segment = PreImageWriter::create(*file_, kLabel, kSnapshot, 3).value();
  const auto data = filled(kPreImageBlock, 1);
  std::vector<PreImage> images{{5, data}, {6, {}}, {7, data}};
  segment.append(images).value();
  segment.flush().value();
  auto good = store_.content("s");
  good.resize(segment.size());
  for (std::size_t i = images[1].offset; i < good.size(); i += i < images[2].offset + 80 ? 1 : 97) {
    auto bad = good;
    bad[i] ^= std::byte{0x01};
    file_ = file_of(store_, bad);
    auto which = i < images[2].offset ? 1U : 2U;
    EXPECT_EQ(contents().value().entries, which) << i;
    Bytes into(kPreImageBlock);
    auto done =
        PreImageReader(*file_, kLabel).read(images[which].offset, images[which].block, into);
    ASSERT_FALSE(done) << i;
    EXPECT_EQ(done.error().code, Errc::corrupt) << i;
  }
}

TEST_F(PreImageTest, AnEntryThatDoesNotHangFromTheOneBeforeEndsTheSegment) {
  BlockHeader header{};
  header.snapshot = kSnapshot.bytes;
  header.number = 3;
  auto bytes = encode_block(header, kSegmentMagic);
  std::uint32_t chain = load<BlockHeader>(bytes).checksum;
  auto add = [&bytes](const EntryHeader& entry) {
    bytes.insert(bytes.end(), bytes_of(entry).begin(), bytes_of(entry).end());
  };
  auto first = encode_entry(5, 0, chain, {});
  add(first);
  add(encode_entry(6, 1, chain, {}));  // of the right number, but behind another first one
  file_ = file_of(store_, bytes);
  EXPECT_EQ(contents().value().entries, 1U);
  bytes.resize(bytes.size() - sizeof(EntryHeader));
  add(encode_entry(6, 7, first.checksum, {}));  // behind the right one, of another number
  file_ = file_of(store_, bytes);
  EXPECT_EQ(contents().value().entries, 1U);
}

TEST_F(PreImageTest, AReaderBelievesAnEntryOfItsBlockOnly) {
  auto segment = PreImageWriter::create(*file_, kLabel, kSnapshot, 3).value();
  const auto data = filled(kPreImageBlock, 1);
  std::vector<PreImage> images{{5, data}};
  segment.append(images).value();
  Bytes into(kPreImageBlock);
  PreImageReader reader(*file_, kLabel);
  for (auto [offset, block] : {std::pair(images[0].offset, std::uint64_t{6}),
                               {images[0].offset + 1, 5},
                               {segment.size(), 5},
                               {std::uint64_t{1} << 62, 5}})
    EXPECT_EQ(reader.read(offset, block, into).error().code, Errc::corrupt) << offset;
}

TEST_F(PreImageTest, AFullStoreChangesNothing) {
  SimStore store({.capacity = 2 << 20});
  file_ = new_file(store, "s");
  auto segment = PreImageWriter::create(*file_, kLabel, kSnapshot, 3).value();
  const auto data = filled(kPreImageBlock, 1);
  std::vector<PreImage> images(100, PreImage{5, data});
  std::uint32_t appended = 0;
  for (;;) {
    auto done = segment.append(images);
    if (!done) {
      EXPECT_EQ(done.error().code, Errc::no_space);
      break;
    }
    appended += 100;
  }
  EXPECT_TRUE(segment.usable());
  segment.flush().value();
  EXPECT_EQ(contents().value().entries, appended);
}

TEST_F(PreImageTest, AFailureIsForGood) {
  const auto data = filled(kPreImageBlock, 1);
  std::vector<PreImage> images{{5, data}};
  for (auto op : {SimOp::write, SimOp::sync}) {
    auto file = new_file(store_, op == SimOp::write ? "w" : "y");
    auto segment = PreImageWriter::create(*file, kLabel, kSnapshot, 3).value();
    store_.inject({.op = op, .error = EIO});
    EXPECT_TRUE(!segment.append(images) || !segment.flush());
    EXPECT_FALSE(segment.usable());
    EXPECT_EQ(segment.append(images).error().code, Errc::io_error);
    EXPECT_EQ(segment.flush().error().code, Errc::io_error);
  }
}

}  // namespace
}  // namespace caisson::snapshot

// SPDX-License-Identifier: Apache-2.0
#include "storage_object/posix/folio_splitter.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <optional>
#include <vector>

#include "storage_object/posix/system.hpp"
#include "tests/support/temp_dir.hpp"

namespace caisson::posix::tests {
namespace {

using caisson::tests::TempDir;

using namespace std::chrono_literals;

constexpr std::uint64_t kBlock = 4096;
const FolioSplitter::Clock::time_point kStart{100s};

class Splitting : public ::testing::Test {
 protected:
  void write(const void* file, int count, FolioSplitter::Clock::duration took,
             FolioSplitter::Clock::time_point at = kStart) {
    for (int i = 0; i < count; ++i) splitter_.wrote(file, kBlock, took, at);
  }
  FolioSplitter splitter_;
  int files_[2] = {};
};

TEST_F(Splitting, NothingIsDueWhileWritesAreQuick) {
  write(&files_[0], 1000, 3us);
  EXPECT_FALSE(splitter_.due(&files_[0], 0, kBlock));
}

TEST_F(Splitting, AFewSlowWritesAmongManyAreNoSuspicion) {
  for (int window = 0; window < 20; ++window) {
    write(&files_[0], FolioSplitter::kSlowWrites - 1, 45us);
    write(&files_[0], FolioSplitter::kWindow - FolioSplitter::kSlowWrites + 1, 3us);
  }
  EXPECT_FALSE(splitter_.due(&files_[0], 0, kBlock));
}

TEST_F(Splitting, EachSegmentOfASuspectedFileIsDueOnce) {
  write(&files_[0], FolioSplitter::kWindow, 45us);
  EXPECT_TRUE(splitter_.due(&files_[0], 0, kBlock));
  EXPECT_FALSE(splitter_.due(&files_[0], kFolioSegment - kBlock, kBlock));
  EXPECT_TRUE(splitter_.due(&files_[0], kFolioSegment, kBlock));
  EXPECT_FALSE(splitter_.due(&files_[1], 5 * kFolioSegment, kBlock)) << "another file";
}

TEST_F(Splitting, LongWritesNeitherAskNorTell) {
  for (unsigned i = 0; i < FolioSplitter::kWindow; ++i)
    splitter_.wrote(&files_[0], FolioSplitter::kSmall + 1, 1s, kStart);
  EXPECT_FALSE(splitter_.due(&files_[0], 0, kBlock));
  write(&files_[0], FolioSplitter::kWindow, 45us);
  EXPECT_FALSE(splitter_.due(&files_[0], 0, FolioSplitter::kSmall + 1));
}

TEST_F(Splitting, WhenWritesBecomeSlowAgainItBeginsAnewAfterThePause) {
  write(&files_[0], FolioSplitter::kWindow, 45us);
  EXPECT_TRUE(splitter_.due(&files_[0], 0, kBlock));
  auto later = kStart + FolioSplitter::kPause;
  write(&files_[0], FolioSplitter::kWindow, 45us, later - 1ms);
  EXPECT_FALSE(splitter_.due(&files_[0], 0, kBlock));
  write(&files_[0], FolioSplitter::kWindow, 45us, later);
  EXPECT_TRUE(splitter_.due(&files_[0], 0, kBlock));
}

/// Pages of the mapping that belong to a folio of several; nothing where the
/// kernel does not tell (it tells root).
std::optional<std::size_t> compound_pages(const volatile std::byte* begin, std::size_t pages) {
  constexpr std::uint64_t kPresent = std::uint64_t{1} << 63;
  constexpr std::uint64_t kFrame = (std::uint64_t{1} << 55) - 1;
  constexpr std::uint64_t kCompound = std::uint64_t{3} << 15;  // head, tail
  UniqueFd map(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
  UniqueFd flags(::open("/proc/kpageflags", O_RDONLY | O_CLOEXEC));
  std::size_t found = 0;
  for (std::size_t i = 0; i < pages; ++i) {
    static_cast<void>(begin[i * kBlock]);
    std::uint64_t entry = 0, flag = 0;
    auto at = reinterpret_cast<std::uintptr_t>(begin) / kBlock + i;
    if (::pread(map.get(), &entry, sizeof entry, static_cast<off_t>(at * 8)) != sizeof entry)
      return std::nullopt;
    auto frame = entry & kFrame;
    if ((entry & kPresent) == 0 || frame == 0) return std::nullopt;
    if (::pread(flags.get(), &flag, sizeof flag, static_cast<off_t>(frame * 8)) != sizeof flag)
      return std::nullopt;
    found += (flag & kCompound) != 0 ? 1 : 0;
  }
  return found;
}

class SplitFolios : public ::testing::Test {
 protected:
  static constexpr std::size_t kSize = 4 * kFolioSegment;
  SplitFolios() {
    for (std::size_t i = 0; i < kSize; ++i)
      content_[i] = static_cast<std::byte>(i * 7 + i / kBlock);
    EXPECT_EQ(::pwrite(file_.get(), content_.data(), kSize, 0), static_cast<ssize_t>(kSize));
    EXPECT_EQ(::fsync(file_.get()), 0);
  }
  std::optional<std::size_t> compound() const {
    auto* mapped = ::mmap(nullptr, kFolioSegment, PROT_READ, MAP_SHARED, file_.get(), 0);
    if (mapped == MAP_FAILED) return std::nullopt;
    auto found = compound_pages(static_cast<std::byte*>(mapped), kFolioSegment / kBlock);
    ::munmap(mapped, kFolioSegment);
    return found;
  }

  TempDir dir_;
  UniqueFd file_{
      ::open((dir_.path() / "file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOATIME, 0600)};
  std::vector<std::byte> content_ = std::vector<std::byte>(kSize);
};

TEST_F(SplitFolios, LargeFoliosBecomePagesAndKeepTheirContent) {
  auto before = compound();
  if (!before || *before == 0) GTEST_SKIP() << "no large folios, or nobody tells";
  split_folios(file_.get(), 12345);
  EXPECT_EQ(compound(), 0U);
  std::vector<std::byte> read(kSize);
  ASSERT_EQ(::pread(file_.get(), read.data(), kSize, 0), static_cast<ssize_t>(kSize));
  EXPECT_EQ(read, content_);
}

TEST_F(SplitFolios, AFileWhoseAccessIsNotedIsNotMapped) {
  auto before = compound();
  if (!before || *before == 0) GTEST_SKIP() << "no large folios, or nobody tells";
  ASSERT_EQ(::fcntl(file_.get(), F_SETFL, 0), 0);
  split_folios(file_.get(), 0);
  EXPECT_EQ(compound(), before);
}

TEST_F(SplitFolios, WhatIsDirtyStays) {
  std::vector<std::byte> changed(kBlock, std::byte{0x5a});
  ASSERT_EQ(::pwrite(file_.get(), changed.data(), kBlock, 0), static_cast<ssize_t>(kBlock));
  split_folios(file_.get(), 0);
  ASSERT_EQ(::fsync(file_.get()), 0);
  ASSERT_EQ(::posix_fadvise(file_.get(), 0, 0, POSIX_FADV_DONTNEED), 0);
  std::vector<std::byte> read(kBlock);
  ASSERT_EQ(::pread(file_.get(), read.data(), kBlock, 0), static_cast<ssize_t>(kBlock));
  EXPECT_EQ(read, changed);
}

TEST_F(SplitFolios, BeyondTheEndOfAShortFileNothingHappens) {
  ASSERT_EQ(::ftruncate(file_.get(), 100), 0);
  split_folios(file_.get(), 0);
  split_folios(file_.get(), 3 * kFolioSegment);
  std::byte first{};
  EXPECT_EQ(::pread(file_.get(), &first, 1, 0), 1);
  EXPECT_EQ(first, content_[0]);
}

}  // namespace
}  // namespace caisson::posix::tests

// SPDX-License-Identifier: Apache-2.0
// Keeps small buffered writes cheap in files that somebody else has read in
// with readahead (docs/design/buffered-writes.md).
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

namespace caisson::posix {

inline constexpr std::uint64_t kFolioSegment = std::uint64_t{1} << 20;

/// Splits the large folios that are cached of the segment around `offset` into
/// single pages; nothing is dropped or read, and what is dirty stays as it is.
/// Takes about 0.1 ms and may wait for the file. A kernel that splits nothing
/// merely finds the pages less recently used. Does nothing where mapping the file
/// could wait for it, for that holds up every thread of the process: unless the
/// descriptor has O_NOATIME and the file system is one known not to.
void split_folios(int file, std::uint64_t offset) noexcept;

/// Which segments of which files are to be split. A file is suspected when many
/// of its small writes are slow; from then on each segment is split before its
/// next write, for a folio that is dirty cannot be split. A later suspicion, when
/// somebody has read the file in anew, begins all over. One thread's.
class FolioSplitter {
 public:
  using Clock = std::chrono::steady_clock;

  /// Before a write: true when split_folios() has to come first.
  bool due(const void* file, std::uint64_t offset, std::uint64_t length);
  /// A write that began `at` took `took`.
  void wrote(const void* file, std::uint64_t length, Clock::duration took, Clock::time_point at);

  static constexpr std::uint64_t kSmall = 8192;                 ///< longest write looked at
  static constexpr auto kSlow = std::chrono::microseconds(10);  ///< others take 2 to 5
  static constexpr unsigned kWindow = 64;                       ///< small writes, of which
  static constexpr unsigned kSlowWrites = 8;                    ///< slow ones are suspicious
  static constexpr auto kPause = std::chrono::seconds(5);       ///< between suspicions

 private:
  struct File {
    const void* key = nullptr;
    unsigned writes = 0, slow = 0;  // in this window
    std::uint32_t round = 0;        // of splitting; 0: never suspected
    Clock::time_point since;        // when that round began
  };
  static constexpr std::size_t kFiles = 64;
  static constexpr std::size_t kSegments = 16384;

  File& state_of(const void* file);

  std::uint32_t rounds_ = 0;
  std::vector<File> files_;  // direct-mapped
  /// The round in which each was split last, direct-mapped: what shares a place
  /// counts as split. Made at the first suspicion.
  std::vector<std::uint32_t> segments_;
};

}  // namespace caisson::posix

// SPDX-License-Identifier: Apache-2.0
// Pre-image segments of the copy primitive: 4 KiB blocks as they were before
// they were overwritten, in the order in which that was asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "snapshot/format/append_file.hpp"
#include "storage_object/base/uuid.hpp"
#include "storage_object/file_store/file.hpp"

namespace caisson::snapshot {

inline constexpr std::size_t kPreImageBlock = 4096;  ///< bytes
/// Entries of one segment at most: 64 MiB of data if none of them is zeros.
inline constexpr std::uint32_t kMaxPreImages = 16384;
/// Bytes of an entry before its data.
inline constexpr std::size_t kEntryHeader = 64;

/// One block for a segment.
struct PreImage {
  std::uint64_t block = 0;          ///< of 4 KiB, from the beginning of the disk
  std::span<const std::byte> data;  ///< kPreImageBlock bytes; empty: zeros
  std::uint64_t offset = 0;         ///< out: where its entry begins, for PreImageReader
};

/// One entry that a segment has.
struct PreImageEntry {
  std::uint64_t block = 0;
  std::uint64_t offset = 0;  ///< where it begins; its data stand kEntryHeader further on
  bool zeros = false;        ///< no data: the block was zeros
};

/// What a segment says, but for its entries.
struct SegmentContents {
  Uuid snapshot;
  std::uint32_t number = 0;
  std::uint32_t entries = 0;  ///< valid ones
  std::uint64_t end = 0;      ///< where the last of them ends
  std::uint32_t chain = 0;    ///< its checksum
  std::uint64_t size = 0;     ///< of the file
  bool read_only = false;     ///< uses a feature that forbids to append
};

/// Told of the valid entries of a segment, in the order of the file.
class PreImageVisitor {
 public:
  virtual ~PreImageVisitor() = default;
  /// A block that comes twice: the first one counts. A failure ends the reading with it.
  virtual Outcome<> on_entries(std::span<const PreImageEntry> entries) = 0;
};

/// Reads segment `number` of `snapshot` up to the first entry that does not check.
/// Errc::corrupt where the header is not one, or of another segment;
/// Errc::unsupported where a later version wrote it. Blocking; nobody writes meanwhile.
/// As for maps: settle() first.
Outcome<SegmentContents> read_pre_images(file_store::File& file, const std::string& label,
                                         const Uuid& snapshot, std::uint32_t number,
                                         PreImageVisitor& visitor);

/// One segment, through an open file that outlives it. Blocking; one caller at a time.
class PreImageWriter {
 public:
  /// Begins a segment in an empty file; its header is durable then, its name is not.
  static Outcome<PreImageWriter> create(file_store::File& file, std::string label,
                                        const Uuid& snapshot, std::uint32_t number);
  /// Goes on behind the last valid entry, as MapWriter::open_at() does, and refuses what
  /// it refuses.
  static Outcome<PreImageWriter> open_at(file_store::File& file, std::string label,
                                         const SegmentContents& contents);

  /// Writes all of them with one write and sets their offsets; durable after flush().
  /// The data are not copied and may go after the call. Errc::invalid_argument where
  /// they are more than fit(), a block is beyond any disk, or data has another length;
  /// Errc::no_space where usable() stays true and nothing was written, or it does not.
  /// Other failures leave the writer failed for good.
  Outcome<> append(std::span<PreImage> images);
  /// Makes all that was appended durable. Its failure leaves the writer failed for good.
  Outcome<> flush();

  bool usable() const noexcept { return out_.usable(); }
  /// Entries that it still takes; then the next segment's turn has come.
  std::uint32_t fit() const noexcept { return kMaxPreImages - entries_; }
  /// Bytes, durable or not.
  std::uint64_t size() const noexcept { return out_.end(); }

 private:
  PreImageWriter(AppendFile out, std::uint32_t entries, std::uint32_t chain);
  Outcome<> check(std::span<const PreImage> images) const;

  AppendFile out_;
  std::uint32_t entries_;
  std::uint32_t chain_;
};

/// Reads single entries of a segment that read_pre_images() or a writer has told of,
/// through an open file that outlives it. Blocking; any number of callers.
class PreImageReader {
 public:
  PreImageReader(file_store::File& file, std::string label)
      : file_(&file), label_(std::move(label)) {}

  /// The data of the entry at `offset`, which must be of `block`; `into` has
  /// kPreImageBlock bytes and gets zeros of an entry without data. Errc::corrupt
  /// where something else stands there or the checksum is wrong.
  Outcome<> read(std::uint64_t offset, std::uint64_t block, std::span<std::byte> into) const;

 private:
  file_store::File* file_;
  std::string label_;
};

/// The data of an entry that was read by other means: `bytes` are those at its offset,
/// kEntryHeader + kPreImageBlock of them, or kEntryHeader where only zeros are
/// expected. Empty: zeros. Errc::corrupt unless it checks and is of `block`.
Result<std::span<const std::byte>> entry_data(std::span<const std::byte> bytes,
                                              std::uint64_t block);

}  // namespace caisson::snapshot

// SPDX-License-Identifier: Apache-2.0
// Appends to a capture map.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "snapshot/format/append_file.hpp"
#include "snapshot/format/map_reader.hpp"

namespace caisson::snapshot {

/// One map, through an open file that outlives it. Blocking, for control threads;
/// one caller at a time. Room is kept allocated ahead, so that a flush seldom needs
/// any, and behind it a reserve for the last words of a snapshot on a full store.
class MapWriter {
 public:
  /// Begins a map in an empty file; its header is durable then, its name is not.
  /// Errc::invalid_argument for a header that check() refuses or a file with
  /// content, Errc::no_space where the store is full.
  static Outcome<MapWriter> create(file_store::File& file, std::string label,
                                   const MapHeader& header);
  /// Goes on behind the last valid record. What lies there is overwritten, durably,
  /// before anything is appended, so that no torn record is ever taken for a new one.
  /// `contents` are those of read_map() after settle(), of a file that did not change
  /// since. Errc::unsupported where read-only-compatible features are unknown. A full
  /// store that leaves no reserve is no failure: flush() tries again.
  static Outcome<MapWriter> open_at(file_store::File& file, std::string label,
                                    const MapContents& contents);

  /// Puts a record behind those that wait for flush(). Many runs become several
  /// records, of which only the last is a Moved. Nothing is kept of `record` but its
  /// content. Errc::invalid_argument for what no map can hold: runs that do not fit
  /// the disk, an invalid name; nothing waits of it then. A reason is cut to
  /// kMaxReason bytes.
  Outcome<> append(const Record& record);

  /// Writes all that waits with one write, and makes it durable.
  ///
  /// Errc::no_space, and only here, may leave the writer whole: then usable() is true,
  /// nothing was written and all of it still waits; try again, or discard() it. What
  /// waits may take the reserve if it consists of GivenUp, Ghost, Sealed and Named: a full
  /// store refuses a GivenUp behind a discard() only after several others.
  ///
  /// Any other failure leaves the writer failed for good: nothing is known of what
  /// waited, and every later call fails with the first failure. settle(), read_map()
  /// and open_at() tell what is there.
  Outcome<> flush();
  /// Forgets what waits.
  void discard() noexcept;

  bool usable() const noexcept { return out_.usable(); }
  bool waiting() const noexcept { return !pending_.empty(); }
  /// Bytes of the map, all durable.
  std::uint64_t size() const noexcept { return out_.end(); }

 private:
  MapWriter(AppendFile out, std::uint64_t units, std::uint32_t chain);
  Outcome<> put(const Cut& record);
  Outcome<> put(const Captured& record);
  Outcome<> put(const Hole& record);
  Outcome<> put(const Moved& record);
  Outcome<> put(const Named& record);
  Outcome<> put(const Sealed& record);
  Outcome<> put(const Complete& record);
  Outcome<> put(const GivenUp& record);
  Outcome<> put(const Ghost& record);
  Outcome<> put(const Begun& record);
  Outcome<> put_runs(RecordKind kind, std::span<const Run> runs,
                     std::span<const std::byte> before = {});
  Outcome<> put_bytes(RecordKind kind, std::span<const std::byte> payload);

  AppendFile out_;
  std::uint64_t units_;
  std::uint32_t flushed_chain_;  // of the last durable record
  std::uint32_t chain_;          // of the last one that waits
  std::vector<std::byte> pending_;
  bool only_last_words_ = true;  // of what waits
};

}  // namespace caisson::snapshot

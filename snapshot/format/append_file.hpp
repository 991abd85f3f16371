// SPDX-License-Identifier: Apache-2.0
// Appending to a file durably, with room allocated ahead. What maps and
// segments have in common.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "storage_object/base/buffer.hpp"
#include "storage_object/base/result.hpp"
#include "storage_object/file_store/file.hpp"

namespace caisson::snapshot {

/// An open file that outlives it, written at its end only. Blocking; one caller at
/// a time. After a failed write or sync every later call fails with that failure.
class AppendFile {
 public:
  struct Room {
    std::uint64_t chunk = 0;    ///< bytes allocated at a time
    std::uint64_t reserve = 0;  ///< bytes kept allocated behind what is written
    bool by_zeros = false;      ///< also where the file cannot allocate; else there is no room
  };

  AppendFile(file_store::File& file, std::string label, Room room, std::uint64_t end);

  /// Writes the first bytes of an empty file, with room behind them, durably. Called
  /// first. Errc::invalid_argument for a file with content.
  Outcome<> begin(std::span<const std::byte> bytes);
  /// Of a file that exists and is `size` bytes long: what is not zero behind end() is
  /// overwritten, durably, and what is longer than the room ahead cut off; the rest is
  /// its room now. A full store is no failure.
  Outcome<> take_over(std::uint64_t size);
  /// Sees that `length` bytes can be written at the end, with the reserve behind them.
  /// Errc::no_space leaves everything as it was.
  Outcome<> make_room(std::uint64_t length);
  /// Whether the store had no room when it was last asked for some.
  bool full() const noexcept { return full_; }
  /// Moves the end to the next block, from where on nothing was ever written, if
  /// `length` bytes can be written there: the reserve serves also where an overwrite
  /// takes new space.
  bool enter_reserve(std::uint64_t length);
  /// Writes at the end and moves it. Not durable before sync().
  Outcome<> write(std::span<const IoVec> pieces);
  Outcome<> sync();

  /// The first failure, if there was one.
  Outcome<> state() const;
  bool usable() const noexcept { return !failed_; }
  std::uint64_t end() const noexcept { return end_; }
  const std::string& label() const noexcept { return label_; }

 private:
  Outcome<> fail(const char* doing, const Error& error);
  Outcome<> clear_behind(std::uint64_t size);
  Outcome<> cut_off();
  Outcome<> allocate(std::uint64_t to, bool written = true);
  Result<> back_by_space(std::uint64_t from, std::uint64_t to);

  file_store::File* file_;
  std::string label_;
  Room room_;
  std::uint64_t end_;
  std::uint64_t allocated_;  // known to be backed by space up to here
  bool full_ = false;
  std::optional<Failure> failed_;
};

}  // namespace caisson::snapshot

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
    std::uint64_t reserve = 0;  ///< bytes of it that only last words may take
  };

  AppendFile(file_store::File& file, std::string label, Room room, std::uint64_t end);

  /// Overwrites what lies between end() and `size`, the file's length, with zeros,
  /// durably; more than a chunk of it is cut off.
  Outcome<> clear_behind(std::uint64_t size);
  /// Sees that `length` bytes can be written at the end, and the reserve behind them
  /// unless they are `last_words`. Errc::no_space leaves everything as it was.
  Outcome<> make_room(std::uint64_t length, bool last_words);
  /// Writes at the end and moves it. Not durable before sync().
  Outcome<> write(std::span<const IoVec> pieces);
  Outcome<> sync();

  bool usable() const noexcept { return !failed_; }
  std::uint64_t end() const noexcept { return end_; }
  const std::string& label() const noexcept { return label_; }

 private:
  Outcome<> fail(const char* doing, const Error& error);
  Outcome<> allocate(std::uint64_t to);

  file_store::File* file_;
  std::string label_;
  Room room_;
  std::uint64_t end_;
  std::uint64_t allocated_;  // known to be backed by space up to here
  std::optional<Failure> failed_;
};

}  // namespace caisson::snapshot

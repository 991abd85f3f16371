// SPDX-License-Identifier: Apache-2.0
// What the model of a whole gateway expects: images of LUNs and snapshots, a word a sector.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <vector>

namespace caisson::tests {

/// What stands in a sector, all over it: who wrote it, where and when; 0: zeros.
using Word = std::uint64_t;
using Image = std::vector<Word>;

inline constexpr std::uint64_t kModelSector = 512;

/// The write `version` of that LUN to that sector.
inline Word word_of(unsigned lun, std::uint64_t sector, std::uint32_t version) {
  return (Word{lun} + 1) << 56 | sector << 32 | version;
}

inline void put_word(std::byte* sector, Word word) {
  for (std::size_t at = 0; at < kModelSector; at += sizeof word)
    std::memcpy(sector + at, &word, sizeof word);
}

inline bool holds_word(const std::byte* sector, Word word) {
  return std::memcmp(sector, &word, sizeof word) == 0 &&
         std::memcmp(sector, sector + sizeof word, kModelSector - sizeof word) == 0;
}

/// For who reads a failure.
inline std::string word_text(Word word) {
  if (word == 0) return "zeros";
  return "write " + std::to_string(word & 0xffffffff) + " of LUN " +
         std::to_string((word >> 56) - 1) + " to sector " + std::to_string(word >> 32 & 0xffffff);
}

inline std::string sector_text(const std::byte* sector) {
  Word word;
  std::memcpy(&word, sector, sizeof word);
  return holds_word(sector, word) ? word_text(word) : "bytes of several writes";
}

struct ModelSnapshot {
  Image image;
  bool locked = false;
};

struct ModelLun {
  unsigned number = 0;
  std::size_t store = 0;
  Image live;
  /// By sector: what a power cut may show instead, since nothing made durable what replaced it.
  std::map<std::uint64_t, std::vector<Word>> unsure;
  std::map<std::uint64_t, Word> unanswered;        ///< of a change: there or not
  std::map<std::string, ModelSnapshot> snapshots;  ///< that were reported
  std::string restoring;                           ///< the snapshot; a start goes on with it

  void now(const Image& image) { live = image, unsure.clear(), unanswered.clear(); }
};

}  // namespace caisson::tests

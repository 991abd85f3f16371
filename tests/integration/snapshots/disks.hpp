// SPDX-License-Identifier: Apache-2.0
// What tests of snapshots do to a disk through its initiator, and to files.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <tuple>
#include <vector>

#include "tests/support/foreign_initiator.hpp"

namespace caisson::tests {

using Bytes = std::vector<std::byte>;
using Sense = std::tuple<int, int, int>;  ///< key, ASC, ASCQ; all 0: GOOD

constexpr std::uint32_t kBlock = 512;
constexpr std::uint32_t kTransfer = 1 << 20;

inline Sense sense(const ForeignResult& result) {
  return result.good() ? Sense() : Sense(result.key, result.asc, result.ascq);
}

/// Bytes that differ from sector to sector, and with `seed`; none is zero.
inline Bytes content(std::size_t length, unsigned seed) {
  Bytes bytes(length);
  std::uint32_t state = seed * 2654435761U + 1;
  for (auto& byte : bytes) {
    state = state * 1664525U + 1013904223U;
    byte = static_cast<std::byte>((state >> 24) | 1);
  }
  return bytes;
}

inline void write_at(ForeignInitiator& disk, std::uint64_t offset, const Bytes& bytes) {
  for (std::size_t at = 0; at < bytes.size(); at += kTransfer) {
    auto piece = std::span(bytes).subspan(at, std::min<std::size_t>(kTransfer, bytes.size() - at));
    auto written = disk.write((offset + at) / kBlock, piece);
    ASSERT_TRUE(written.good()) << testing::PrintToString(sense(written));
  }
}

inline Bytes read_at(ForeignInitiator& disk, std::uint64_t offset, std::size_t size) {
  Bytes all;
  for (std::size_t at = 0; at < size; at += kTransfer) {
    auto length = static_cast<std::uint32_t>(std::min<std::size_t>(kTransfer, size - at));
    auto piece = disk.read((offset + at) / kBlock, length);
    EXPECT_TRUE(piece.good()) << testing::PrintToString(sense(piece));
    piece.data.resize(length);
    all.insert(all.end(), piece.data.begin(), piece.data.end());
  }
  return all;
}

inline Bytes read_all(ForeignInitiator& disk, std::size_t size) { return read_at(disk, 0, size); }

inline Bytes file_content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  Bytes bytes(std::filesystem::file_size(path));
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

/// For EXPECT_EQ of whole disks: empty, or the first sector that differs.
inline std::string difference(const Bytes& is, const Bytes& wanted) {
  if (is.size() != wanted.size())
    return std::to_string(is.size()) + " bytes instead of " + std::to_string(wanted.size());
  auto at = std::ranges::mismatch(is, wanted).in1;
  if (at == is.end()) return "";
  return "differs from sector " + std::to_string((at - is.begin()) / kBlock) + " on";
}

}  // namespace caisson::tests

// SPDX-License-Identifier: Apache-2.0
// Keeps docs/format/snapshot.md true: the examples in hex there are what is
// written here.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "tests/unit/snapshot/format/files.hpp"

namespace caisson::snapshot {
namespace {

using ::testing::HasSubstr;

std::string page() {
  std::ifstream file(CAISSON_SOURCE_DIR "/docs/format/snapshot.md");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Each line of 16 bytes that is not zeros, as the page has it.
void expect_shown(const Bytes& bytes, std::size_t end) {
  const auto text = page();
  for (std::size_t at = 0; at < end; at += 16) {
    auto line = fmt::format("{:05x} ", at);
    bool zeros = true;
    for (auto i = at; i < std::min(at + 16, end); ++i) {
      line += fmt::format(" {:02x}", std::to_integer<unsigned>(bytes[i]));
      zeros = zeros && bytes[i] == std::byte{0};
    }
    if (!zeros) {
      EXPECT_THAT(text, HasSubstr(line));
    }
  }
}

TEST(SnapshotPage, ShowsTheMapThatTheCodeWrites) {
  SimStore store;
  auto file = new_file(store, "m");
  auto header = example_header(Primitive::copy);
  header.capacity = 1 << 20;
  auto map = MapWriter::create(*file, kLabel, header).value();
  map.append(Cut{header.cut_ms + 5}).value();
  map.append(Hole{Runs{{0, 8}}}).value();
  map.append(Moved{0, Runs{{16, 2}, {200, 1}}}).value();
  map.append(Sealed{*Uuid::parse("11111111-2222-4333-8444-555555555555")}).value();
  map.flush().value();
  expect_shown(store.content("m"), map.size());
}

TEST(SnapshotPage, ShowsTheSegmentThatTheCodeWrites) {
  SimStore store;
  auto file = new_file(store, "s");
  auto segment = PreImageWriter::create(*file, kLabel, example_header().snapshot, 0).value();
  Bytes data(kPreImageBlock);
  data[0] = std::byte{0xab};
  std::vector<PreImage> images{{16, data}, {17, {}}};
  segment.append(images).value();
  segment.flush().value();
  expect_shown(store.content("s"), segment.size());
}

}  // namespace
}  // namespace caisson::snapshot

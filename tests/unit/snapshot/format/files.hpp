// SPDX-License-Identifier: Apache-2.0
// Maps and segments in a simulated store, as the tests of this folder use them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "snapshot/format/layout.hpp"
#include "snapshot/format/map_writer.hpp"
#include "snapshot/format/pre_image.hpp"
#include "snapshot/format/settle.hpp"
#include "tests/support/sim_store.hpp"

namespace caisson::snapshot {

using tests::SimOp;
using tests::SimStore;
using Bytes = std::vector<std::byte>;
// Within a test Run is a function of GoogleTest's.
using UnitRun = Run;
using Runs = std::vector<Run>;

inline const std::string kLabel = "main/.snapshots/db/x";

inline MapHeader example_header(Primitive primitive = Primitive::reflink) {
  MapHeader header;
  header.snapshot = *Uuid::parse("00112233-4455-4677-8899-aabbccddeeff");
  header.lun = *Uuid::parse("ffeeddcc-bbaa-4988-8766-554433221100");
  header.lun_name = "db";
  header.name = "noon";
  header.sequence = 7;
  header.capacity = std::uint64_t{1} << 40;
  header.primitive = primitive;
  header.unit = unit_for(primitive);
  header.cut_ms = 1764500000000;
  return header;
}

/// What a visitor was told, as text in its order: "captured 3+2", "moved to 7".
class Told final : public MapVisitor {
 public:
  Outcome<> on_runs(RecordKind kind, std::span<const Run> runs) override {
    for (const auto& run : runs)
      lines.push_back(std::string(to_string(kind)) + " " + std::to_string(run.first) + "+" +
                      std::to_string(run.count));
    return {};
  }
  Outcome<> on_moved(std::uint32_t segment) override {
    lines.push_back("segment " + std::to_string(segment));
    return {};
  }

  std::vector<std::string> lines;
};

class ToldEntries final : public PreImageVisitor {
 public:
  Outcome<> on_entries(std::span<const PreImageEntry> told) override {
    entries.insert(entries.end(), told.begin(), told.end());
    return {};
  }

  std::vector<PreImageEntry> entries;
};

/// An empty file of that name, the name durable.
inline std::unique_ptr<file_store::File> new_file(SimStore& store, std::string_view name) {
  auto file = store.create_unnamed().value();
  store.publish(*file, name).value();
  store.sync_names().value();
  return file;
}

/// A file with that content.
inline std::unique_ptr<file_store::File> file_of(SimStore& store, const Bytes& content) {
  auto file = store.create_unnamed().value();
  if (!content.empty()) file_store::write_at(*file, 0, content).value();
  return file;
}

/// Bytes of one map: its header and records.
class MapBytes {
 public:
  explicit MapBytes(const MapHeader& header = example_header())
      : bytes(encode_map_header(header).value()), chain(load<BlockHeader>(bytes).checksum) {}
  MapBytes& add(std::uint16_t kind, const Bytes& payload = {}) {
    chain = encode_record(bytes, chain, kind, payload);
    return *this;
  }
  MapBytes& add(RecordKind kind, const Bytes& payload = {}) {
    return add(static_cast<std::uint16_t>(kind), payload);
  }

  Bytes bytes;
  std::uint32_t chain;
};

inline Bytes filled(std::size_t size, unsigned value) {
  return Bytes(size, static_cast<std::byte>(value));
}

}  // namespace caisson::snapshot

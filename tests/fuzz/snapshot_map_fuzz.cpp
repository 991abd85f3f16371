// SPDX-License-Identifier: Apache-2.0
// Proves of capture maps and pre-image segments: whatever the bytes, reading them ends
// without harm and without more memory; what is believed hangs together from the
// header on, by checksums reckoned here anew; all that is told fits the disk; what was
// read can be continued and written anew, and says the same then.
//
// Input: flags (1: a segment, not a map; 2: the rest is made into a file whose checksums
// are right, else it is the file). Made of a map: exponents of capacity and unit,
// primitive, incompatible and read-only features; then records, each a kind (pair), a
// length (pair) and a payload. Made of a segment: entries, each a block, flags and a
// byte of its data; flags 0x80 leaves the entry's chain wrong.
#include <string>
#include <vector>

#include "snapshot/format/layout.hpp"
#include "snapshot/format/map_writer.hpp"
#include "snapshot/format/pre_image.hpp"
#include "storage_object/base/crc32c.hpp"
#include "storage_object/base/errc.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/support/sim_store.hpp"

namespace {

using namespace caisson;
using namespace caisson::snapshot;
using fuzz::require;
using Bytes = std::vector<std::byte>;

const std::string kLabel = "file";

MapHeader made_header(fuzz::Input& input) {
  MapHeader header;
  header.snapshot.bytes.fill(std::byte{7});
  header.lun.bytes.fill(std::byte{8});
  header.lun_name = "db";
  header.name = "noon";
  header.sequence = 1;
  header.capacity = std::uint64_t{1} << (9 + input.byte() % 52);
  header.unit = std::uint64_t{1} << (12 + input.byte() % 19);
  header.primitive = input.byte() % 2 == 0 ? Primitive::reflink : Primitive::copy;
  if (header.primitive == Primitive::copy) header.unit = kPreImageBlock;
  header.features.incompatible = input.byte() & 1;
  header.features.read_only_compatible = input.byte() & 1;
  return header;
}

Bytes made_map(fuzz::Input& input) {
  auto header = encode_map_header(made_header(input));
  if (!header) return {};
  auto bytes = *header;
  std::uint32_t chain = load<BlockHeader>(bytes).checksum;
  while (!input.empty()) {
    auto kind = input.pair();
    auto payload = input.take(input.pair());
    chain = encode_record(bytes, chain, kind, payload);
  }
  return bytes;
}

Uuid segment_snapshot() {
  Uuid uuid;
  uuid.bytes.fill(std::byte{7});
  return uuid;
}

Bytes made_segment(fuzz::Input& input) {
  BlockHeader header{};
  header.snapshot = segment_snapshot().bytes;
  auto bytes = encode_block(header, kSegmentMagic);
  std::uint32_t chain = load<BlockHeader>(bytes).checksum;
  for (std::uint64_t number = 0; !input.empty() && number < 200; ++number) {
    std::uint64_t block = input.pair();
    auto flags = input.byte();
    Bytes data(flags & 1 ? kPreImageBlock : 0, static_cast<std::byte>(input.byte()));
    auto entry = encode_entry(block, number, flags & 0x80 ? ~chain : chain, data);
    chain = entry.checksum;
    auto raw = bytes_of(entry);
    bytes.insert(bytes.end(), raw.begin(), raw.end());
    bytes.insert(bytes.end(), data.begin(), data.end());
  }
  return bytes;
}

/// The checksum of a header, as the page docs/format/snapshot.md describes it.
std::uint32_t header_checksum(std::span<const std::byte> file) {
  auto header = load<BlockHeader>(file);
  require(header.version == 1 && header.header_length == sizeof header, "a header of ours");
  require(header.payload_length <= kHeaderBlock - sizeof header, "within its block");
  Bytes covered(file.begin(), file.begin() + sizeof header + header.payload_length);
  std::fill_n(covered.begin() + offsetof(BlockHeader, checksum), 4, std::byte{0});
  require(crc32c(covered) == header.checksum, "the header's checksum is right");
  return header.checksum;
}

/// Records from the header on, to where `contents` says that they end.
void check_chain(std::span<const std::byte> file, const MapContents& contents) {
  le32 chain(header_checksum(file));
  std::uint64_t at = kHeaderBlock;
  auto whole = [&] {
    if (file.size() < at || file.size() - at < sizeof(RecordHeader)) return false;
    auto header = load<RecordHeader>(file.subspan(at));
    auto length = sizeof header + std::uint64_t{header.payload_length};
    if (header.kind == 0 || length > kMaxRecord || length > file.size() - at) return false;
    Bytes covered(bytes_of(chain).begin(), bytes_of(chain).end());
    auto record = file.subspan(at, static_cast<std::size_t>(length));
    covered.insert(covered.end(), record.begin(), record.end());
    std::fill_n(covered.begin() + 4 + offsetof(RecordHeader, checksum), 4, std::byte{0});
    if (crc32c(covered) != header.checksum) return false;
    chain = header.checksum;
    at += length;
    return true;
  };
  for (std::uint64_t i = 0; i < contents.records; ++i) {
    if (whole()) continue;
    at = (at + 4095) / 4096 * 4096;
    require(whole(), "every record hangs from the one before");
  }
  require(at == contents.end && chain == contents.chain, "and the last ends where it is said");
}

class Lines final : public MapVisitor {
 public:
  Outcome<> on_runs(RecordKind kind, std::span<const Run> runs) override {
    for (const auto& run : runs) {
      require(run.count != 0 && run.first < kMaxUnits && run.count <= kMaxRunUnits, "a run");
      largest = std::max(largest, run.end());
      this->runs.push_back({kind, run});
    }
    return {};
  }
  Outcome<> on_moved(std::uint32_t segment) override {
    moved.push_back(segment);
    return {};
  }

  std::uint64_t largest = 0;
  std::vector<std::pair<RecordKind, Run>> runs;
  std::vector<std::uint32_t> moved;
};

std::unique_ptr<file_store::File> file_of(tests::SimStore& store, const Bytes& bytes) {
  auto file = store.create_unnamed().value();
  if (!bytes.empty()) file_store::write_at(*file, 0, bytes).value();
  return file;
}

/// The same said by a writer into a new file.
void check_written_anew(tests::SimStore& store, const MapContents& contents, const Lines& lines) {
  auto file = file_of(store, {});
  auto map = MapWriter::create(*file, kLabel, contents.header);
  require(map.has_value(), "a header that was read can be written");
  for (const auto& [kind, run] : lines.runs) {
    std::span<const Run> one(&run, 1);
    auto done = kind == RecordKind::hole ? map->append(Hole{one}) : map->append(Captured{one});
    require(done.has_value(), "runs that were read can be written");
  }
  require(map->append(Named{contents.name}).has_value(), "so can a name");
  if (contents.given_up) require(map->append(GivenUp{*contents.given_up}).has_value(), "a reason");
  require(map->flush().has_value(), "there is room");
  Lines again;
  auto found = read_map(*file, kLabel, again);
  require(found && found->name == contents.name && found->given_up == contents.given_up &&
              again.runs.size() == lines.runs.size() && again.largest == lines.largest,
          "and says the same");
}

void map(const Bytes& bytes) {
  tests::SimStore store;
  auto file = file_of(store, bytes);
  Lines lines;
  auto contents = read_map(*file, kLabel, lines);
  if (!contents) {
    require(contents.error().code == Errc::corrupt || contents.error().code == Errc::unsupported,
            "a refusal says why");
    require(contents.error().message.starts_with(kLabel), "and of which file");
    return;
  }
  check_chain(bytes, *contents);
  require(check(contents->header).has_value() && lines.largest <= contents->header.units(),
          "a possible disk has all of it");
  auto writer = MapWriter::open_at(*file, kLabel, *contents);
  if (contents->header.features.read_only_compatible != 0) {
    require(writer.error().code == Errc::unsupported, "read-only features forbid to append");
    return;
  }
  require(writer && writer->append(Ghost{}) && writer->flush(), "a map can be continued");
  auto again = read_map(*file, kLabel);
  require(again && again->records == contents->records + 1 && again->ghost, "by that record only");
  check_written_anew(store, *contents, lines);
}

class Entries final : public PreImageVisitor {
 public:
  Outcome<> on_entries(std::span<const PreImageEntry> told) override {
    entries.insert(entries.end(), told.begin(), told.end());
    return {};
  }
  std::vector<PreImageEntry> entries;
};

void segment(const Bytes& bytes) {
  tests::SimStore store;
  auto file = file_of(store, bytes);
  Entries told;
  auto contents = read_pre_images(*file, kLabel, segment_snapshot(), 0, told);
  if (!contents) {
    require(contents.error().message.starts_with(kLabel), "a refusal says of which file");
    return;
  }
  std::uint32_t chain = header_checksum(bytes);
  std::uint64_t at = kHeaderBlock;
  require(told.entries.size() == contents->entries, "all entries are told");
  for (const auto& entry : told.entries) {
    auto header = load<EntryHeader>(std::span(bytes).subspan(at));
    require(entry.offset == at && header.block == entry.block, "an entry stands where it is told");
    require(header.previous == chain, "and hangs from the one before");
    chain = header.checksum;
    Bytes data(kPreImageBlock);
    require(PreImageReader(*file, kLabel).read(at, entry.block, data).has_value(), "and is read");
    at += kEntryHeader;
    if (!entry.zeros) {
      require(std::ranges::equal(data, std::span(bytes).subspan(at, kPreImageBlock)), "unchanged");
      at += kPreImageBlock;
    }
  }
  require(at == contents->end && chain == contents->chain, "the last ends where it is said");
  auto writer = PreImageWriter::open_at(*file, kLabel, *contents);
  if (!writer || writer->fit() == 0) return;
  PreImage one{.block = 1};
  require(writer->append({&one, 1}) && writer->flush(), "a segment can be continued");
  auto again = read_pre_images(*file, kLabel, segment_snapshot(), 0, told);
  require(again && again->entries == contents->entries + 1, "by that entry only");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  google::protobuf::LogSilencer quiet;  // of text that is no UTF-8
  fuzz::Input input(data, size);
  auto flags = input.byte();
  auto raw = [&] { return Bytes(input.rest().begin(), input.rest().end()); };
  if ((flags & 1) != 0)
    segment((flags & 2) != 0 ? made_segment(input) : raw());
  else
    map((flags & 2) != 0 ? made_map(input) : raw());
  return 0;
}

// SPDX-License-Identifier: Apache-2.0
#include "snapshot/format/map_writer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "snapshot/format/layout.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/names.hpp"

namespace caisson::snapshot {
namespace {

// The reserve: a block for each of three last words, and the rest of the one before.
constexpr AppendFile::Room kRoom{.chunk = 64 * 1024, .reserve = 4 * kRecordBlock, .by_zeros = true};
constexpr std::size_t kRunsPerRecord = (kMaxRecordPayload - sizeof(le32)) / sizeof(le64);

Failure refused(const std::string& label, const char* what) {
  return failure(Errc::invalid_argument, fmt::format("{}: no record of it: {}", label, what));
}

/// What a full store must not keep from being said.
bool is_last_word(RecordKind kind) {
  return kind == RecordKind::given_up || kind == RecordKind::ghost || kind == RecordKind::sealed ||
         kind == RecordKind::named;
}

}  // namespace

MapWriter::MapWriter(AppendFile out, std::uint64_t units, std::uint32_t chain)
    : out_(std::move(out)), units_(units), flushed_chain_(chain), chain_(chain) {}

Outcome<MapWriter> MapWriter::create(file_store::File& file, std::string label,
                                     const MapHeader& header) {
  auto block = encode_map_header(header);
  if (!block) return block.error();
  AppendFile out(file, std::move(label), kRoom, 0);
  if (auto done = out.begin(*block); !done) return done.error();
  std::uint32_t chain = load<BlockHeader>(*block).checksum;
  return MapWriter(std::move(out), header.units(), chain);
}

Outcome<MapWriter> MapWriter::open_at(file_store::File& file, std::string label,
                                      const MapContents& contents) {
  if ((contents.header.features.read_only_compatible & ~kKnownFeatures.read_only_compatible) != 0)
    return failure(Errc::unsupported,
                   fmt::format("{}: a later version wrote this map, it can only be read", label),
                   "use it with that version");
  AppendFile out(file, std::move(label), kRoom, contents.end);
  if (auto done = out.take_over(contents.size); !done) return done.error();
  return MapWriter(std::move(out), contents.header.units(), contents.chain);
}

Outcome<> MapWriter::put_bytes(RecordKind kind, std::span<const std::byte> payload) {
  chain_ = encode_record(pending_, chain_, static_cast<std::uint16_t>(kind), payload);
  only_last_words_ = only_last_words_ && is_last_word(kind);
  return {};
}

/// As many records as it takes, of which the last has `before` in front and `kind`.
/// Those before it say only that the image holds the units: what a power cut leaves of
/// several is true.
Outcome<> MapWriter::put_runs(RecordKind kind, std::span<const Run> runs,
                              std::span<const std::byte> before) {
  if (!std::ranges::all_of(runs, [this](const Run& run) { return fits(run, units_); }))
    return refused(out_.label(), "the disk has not these units");
  for (bool last = false; !last;) {
    auto piece = runs.first(std::min(runs.size(), kRunsPerRecord));
    runs = runs.subspan(piece.size());
    last = runs.empty();
    std::vector<std::byte> payload;
    payload.reserve(before.size() + piece.size() * sizeof(le64));
    if (last) payload.assign(before.begin(), before.end());
    for (const auto& run : piece) {
      const le64 packed(pack(run));
      payload.insert(payload.end(), bytes_of(packed).begin(), bytes_of(packed).end());
    }
    put_bytes(!last && kind == RecordKind::moved ? RecordKind::captured : kind, payload).value();
  }
  return {};
}

Outcome<> MapWriter::put(const Cut& record) {
  const le64 wall_ms(static_cast<std::uint64_t>(record.wall_ms));
  return put_bytes(RecordKind::cut, bytes_of(wall_ms));
}
Outcome<> MapWriter::put(const Captured& record) {
  return record.runs.empty() ? Outcome<>() : put_runs(RecordKind::captured, record.runs);
}
Outcome<> MapWriter::put(const Hole& record) {
  return record.runs.empty() ? Outcome<>() : put_runs(RecordKind::hole, record.runs);
}
Outcome<> MapWriter::put(const Moved& record) {
  const le32 segment(record.segment);
  return put_runs(RecordKind::moved, record.runs, bytes_of(segment));
}
Outcome<> MapWriter::put(const Named& record) {
  if (!valid_name(record.name)) return refused(out_.label(), "the name is not valid");
  return put_bytes(RecordKind::named, std::as_bytes(std::span(record.name)));
}
Outcome<> MapWriter::put(const Sealed& record) {
  return put_bytes(RecordKind::sealed, record.by.bytes);
}
Outcome<> MapWriter::put(const Complete&) { return put_bytes(RecordKind::complete, {}); }
Outcome<> MapWriter::put(const GivenUp& record) {
  auto reason = printable(record.reason);
  return put_bytes(RecordKind::given_up, std::as_bytes(std::span(reason)));
}
Outcome<> MapWriter::put(const Ghost&) { return put_bytes(RecordKind::ghost, {}); }
Outcome<> MapWriter::put(const Begun& record) {
  const le32 segment(record.segment);
  return put_bytes(RecordKind::begun, bytes_of(segment));
}

Outcome<> MapWriter::append(const Record& record) {
  if (auto state = out_.state(); !state) return state;
  return std::visit([this](const auto& one) { return put(one); }, record);
}

Outcome<> MapWriter::flush() {
  if (pending_.empty()) return out_.state();
  auto room = out_.make_room(pending_.size());
  auto into_reserve = only_last_words_ && out_.full() && out_.enter_reserve(pending_.size());
  if (!room && !into_reserve) return room;
  IoVec piece{pending_.data(), pending_.size()};
  if (auto done = out_.write({&piece, 1}); !done) return done;
  if (auto done = out_.sync(); !done) return done;
  flushed_chain_ = chain_;
  pending_.clear();
  only_last_words_ = true;
  return {};
}

void MapWriter::discard() noexcept {
  pending_.clear();
  chain_ = flushed_chain_;
  only_last_words_ = true;
}

}  // namespace caisson::snapshot

// SPDX-License-Identifier: Apache-2.0
#include "snapshot/format/map_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "snapshot/format/layout.hpp"
#include "snapshot/format/window.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/names.hpp"

namespace caisson::snapshot {
namespace {

class NoRuns final : public MapVisitor {
 public:
  Outcome<> on_runs(RecordKind, std::span<const Run>) override { return {}; }
  Outcome<> on_moved(std::uint32_t) override { return {}; }
};

/// Takes records that check and says what they mean.
class Interpreter {
 public:
  Interpreter(const std::string& label, MapContents& contents, MapVisitor& visitor)
      : label_(label), contents_(contents), visitor_(visitor) {}

  Outcome<> take(const RawRecord& record) {
    payload_ = record.payload;
    switch (static_cast<RecordKind>(record.kind)) {
      case RecordKind::cut: return take_cut();
      case RecordKind::captured:
      case RecordKind::hole: return take_runs(static_cast<RecordKind>(record.kind));
      case RecordKind::moved: return take_moved();
      case RecordKind::named: return take_name();
      case RecordKind::sealed: return take_sealed();
      case RecordKind::complete: return take_mark(contents_.complete);
      case RecordKind::given_up: return take_reason();
      case RecordKind::ghost: return take_mark(contents_.ghost);
      case RecordKind::begun: return take_begun();
    }
    if ((record.kind & kIgnorable) != 0) return {};
    return failure(
        Errc::unsupported,
        fmt::format("{}: a later version wrote a record of kind {}", label_, record.kind),
        "use it with that version");
  }

 private:
  Outcome<> nonsense(const char* what) const {
    return failure(Errc::corrupt,
                   fmt::format("{}: the record at {} {}", label_, contents_.end, what),
                   "restore the file, or delete the snapshot");
  }
  std::string_view text() const {
    return {reinterpret_cast<const char*>(payload_.data()), payload_.size()};
  }

  Outcome<> take_cut() {
    if (payload_.size() != sizeof(le64)) return nonsense("is no cut");
    contents_.cut_ms = static_cast<std::int64_t>(std::uint64_t{load<le64>(payload_)});
    return {};
  }

  Outcome<> take_runs(RecordKind kind) {
    if (payload_.size() % sizeof(le64) != 0) return nonsense("has half a run");
    runs_.clear();
    for (auto rest = payload_; !rest.empty(); rest = rest.subspan(sizeof(le64))) {
      runs_.push_back(unpack(load<le64>(rest)));
      if (!fits(runs_.back(), contents_.header.units()))
        return nonsense("names units that the disk has not");
    }
    return visitor_.on_runs(kind, runs_);
  }

  Outcome<> take_moved() {
    if (payload_.size() < sizeof(le32)) return nonsense("names no segment");
    std::uint32_t segment = load<le32>(payload_);
    payload_ = payload_.subspan(sizeof(le32));
    std::erase(contents_.segments, segment);
    if (auto done = take_runs(RecordKind::moved); !done) return done;
    return visitor_.on_moved(segment);
  }

  Outcome<> take_begun() {
    if (payload_.size() != sizeof(le32)) return nonsense("names no segment");
    const std::uint32_t segment = load<le32>(payload_);
    if (segment < contents_.next_segment) return nonsense("begins a segment again");
    contents_.segments.push_back(segment);
    contents_.next_segment = segment + 1;
    return {};
  }

  Outcome<> take_name() {
    if (!valid_name(text())) return nonsense("is no name");
    contents_.name = text();
    return {};
  }

  Outcome<> take_sealed() {
    Uuid by;
    if (payload_.size() != by.bytes.size()) return nonsense("names no snapshot");
    std::ranges::copy(payload_, by.bytes.begin());
    contents_.sealed_by = by;
    return {};
  }

  Outcome<> take_reason() {
    if (payload_.size() > kMaxReason) return nonsense("has too long a reason");
    contents_.given_up = printable(text());
    return {};
  }

  Outcome<> take_mark(bool& mark) {
    if (!payload_.empty()) return nonsense("says more than it can");
    mark = true;
    return {};
  }

  const std::string& label_;
  MapContents& contents_;
  MapVisitor& visitor_;
  std::span<const std::byte> payload_;
  std::vector<Run> runs_;
};

/// The record behind the last one, or the one at the beginning of the next block; moves
/// contents.end to where it begins.
Outcome<std::optional<RawRecord>> next_record(Window& window, MapContents& contents) {
  const auto end = contents.end;
  for (auto at : {end, (end + kRecordBlock - 1) / kRecordBlock * kRecordBlock}) {
    auto bytes = window.at(at, kMaxRecord);
    if (!bytes) return bytes.error();
    auto record = parse_record(*bytes, contents.chain);
    if (!record) continue;
    contents.end = at;
    return record;
  }
  return std::optional<RawRecord>();
}

}  // namespace

std::string_view to_string(RecordKind kind) noexcept {
  if (kind == RecordKind::begun) return "begun";
  constexpr std::string_view kNames[] = {"cut",    "captured", "hole",     "moved", "named",
                                         "sealed", "complete", "given up", "ghost"};
  auto index = static_cast<std::size_t>(kind) - 1;
  return index < std::size(kNames) ? kNames[index] : "unknown";
}

std::string printable(std::string_view text) {
  std::string clean(text.substr(0, kMaxReason));
  for (auto& c : clean)
    if (c < 0x20 || c > 0x7e) c = '?';
  return clean;
}

Outcome<MapContents> read_map(file_store::File& file, const std::string& label,
                              MapVisitor& visitor) {
  auto window = Window::open(file, label);
  if (!window) return window.error();
  auto block = window->at(0, kHeaderBlock);
  if (!block) return block.error();
  auto reading = parse_map_header(*block, label);
  if (!reading) return reading.error();
  MapContents contents{.header = std::move(reading->header),
                       .end = kHeaderBlock,
                       .chain = reading->chain,
                       .size = window->size()};
  contents.name = contents.header.name;
  Interpreter interpreter(label, contents, visitor);
  for (;;) {
    auto record = next_record(*window, contents);
    if (!record) return record.error();
    if (!*record) return contents;
    if (auto done = interpreter.take(**record); !done) return done.error();
    contents.chain = (*record)->checksum;
    contents.end += (*record)->length();
    ++contents.records;
  }
}

Outcome<MapContents> read_map(file_store::File& file, const std::string& label) {
  NoRuns nobody;
  return read_map(file, label, nobody);
}

}  // namespace caisson::snapshot

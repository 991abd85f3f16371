// SPDX-License-Identifier: Apache-2.0
#include "snapshot/copies/fill_map.hpp"

#include <fmt/format.h>

#include "snapshot/format/map_reader.hpp"
#include "snapshot/format/names.hpp"
#include "snapshot/format/settle.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::snapshot {
namespace {

std::string label_of(const FillPlace& place) {
  return place.store_name + "/" + fill_map_name(place.clone);
}

Failure failed(const FillPlace& place, const char* doing, const Error& error) {
  return failure(to_errc(error),
                 fmt::format("cannot {} {}: {}", doing, label_of(place), error.message()),
                 "look after the file system of the store");
}

Outcome<> made_durable(const FillPlace& place) {
  if (auto synced = place.store->sync_names(); !synced)
    return failed(place, "make durable the name of", synced.error());
  return {};
}

}  // namespace

class FillMap::Loader final : public MapVisitor {
 public:
  explicit Loader(UnitSet& set) : set_(set) {}
  Outcome<> on_runs(RecordKind, std::span<const Run> runs) override {
    for (const auto& run : runs) set_.add(run);
    return {};
  }
  Outcome<> on_moved(std::uint32_t) override { return {}; }

 private:
  UnitSet& set_;
};

Outcome<> FillMap::create(const FillPlace& place, std::string_view clone_name, MapHeader header) {
  header.snapshot = place.snapshot;
  header.lun = place.clone;
  header.lun_name = clone_name;
  header.primitive = Primitive::reflink;
  header.unit = kFillUnit;
  auto file = place.store->create_unnamed();
  if (!file) return failed(place, "make", file.error());
  auto writer = MapWriter::create(**file, label_of(place), header);
  if (!writer) return writer.error();
  if (auto named = place.store->publish(**file, fill_map_name(place.clone)); !named)
    return failed(place, "name", named.error());
  return made_durable(place);
}

Outcome<std::unique_ptr<FillMap>> FillMap::open(const FillPlace& place) {
  const auto label = label_of(place);
  auto file = place.store->open(fill_map_name(place.clone));
  if (!file) return failed(place, "open", file.error());
  std::unique_ptr<FillMap> map(new FillMap);
  map->file_ = std::move(*file);
  if (auto settled = settle(*map->file_, label); !settled) return settled.error();
  auto first = read_map(*map->file_, label);
  if (!first) return first.error();
  if (first->header.lun != place.clone || first->header.snapshot != place.snapshot)
    return failure(Errc::corrupt, label + " is the map of something else");
  map->capacity_ = first->header.capacity;
  map->units_ = std::make_unique<UnitSet>(first->header.units());
  Loader loader(*map->units_);
  auto contents = read_map(*map->file_, label, loader);
  if (!contents) return contents.error();
  auto writer = MapWriter::open_at(*map->file_, label, *contents);
  if (!writer) return writer.error();
  map->writer_ = std::make_unique<MapWriter>(std::move(*writer));
  map->complete_ = contents->complete;
  return map;
}

Outcome<> FillMap::remove(const FillPlace& place) {
  auto gone = place.store->remove(fill_map_name(place.clone));
  if (!gone && to_errc(gone.error()) != Errc::not_found)
    return failed(place, "remove", gone.error());
  return made_durable(place);
}

Outcome<> FillMap::record(std::span<const Run> filled, std::span<const Run> holes) {
  Outcome<> added;
  if (!filled.empty()) added = writer_->append(Captured{filled});
  if (added && !holes.empty()) added = writer_->append(Hole{holes});
  if (added) added = writer_->flush();
  if (!added) {
    writer_->discard();
    return added;
  }
  for (const auto& run : filled) units_->add(run);
  for (const auto& run : holes) units_->add(run);
  return {};
}

Outcome<> FillMap::end() {
  if (complete_) return {};
  auto added = writer_->append(Complete{});
  if (added) added = writer_->flush();
  if (!added) {
    writer_->discard();
    return added;
  }
  complete_ = true;
  return {};
}

}  // namespace caisson::snapshot

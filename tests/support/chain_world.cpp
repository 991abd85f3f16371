// SPDX-License-Identifier: Apache-2.0
#include "tests/support/chain_world.hpp"

#include <algorithm>

#include "storage_object/base/errc.hpp"

namespace caisson::tests {
namespace {

using snapshot::Chain;
using snapshot::Member;

constexpr const char* kContainer = "disk.img";

std::uint64_t padded(std::uint64_t capacity) { return (capacity + 4095) / 4096 * 4096; }

/// Passes requests on to a device that lives elsewhere.
class Borrowed final : public block::BlockDevice {
 public:
  explicit Borrowed(block::BlockDevice& below) : below_(below) {}
  block::Geometry geometry() const noexcept override { return below_.geometry(); }
  block::Features features() const noexcept override { return below_.features(); }
  void submit(block::IoRequest& request) override { below_.submit(request); }

 private:
  block::BlockDevice& below_;
};

}  // namespace

void ChainWorld::make_container(SimStore& at, std::uint64_t size) {
  capacity = size;
  std::shared_ptr<file_store::File> file = at.create_unnamed().value();
  file->resize(padded(size) + kTrailer).value();
  std::vector<std::byte> trailer(kTrailer, std::byte{'T'});
  file_store::write_at(*file, padded(size), trailer).value();
  file->sync_all().value();
  at.publish(*file, kContainer).value();
  at.sync_names().value();
}

void ChainWorld::begin(SimStore& at) {
  store = &at;
  failed = false;
  file_ = store->open(kContainer).value();
  data_ = std::make_unique<object::ContainerData>(
      file_, file_, object::DataOptions{.geometry = {capacity, 512, 4096}});
  hook = std::make_unique<HookDevice>(*data_);
  threads_ = std::make_unique<ControlThreads>();
  chain = Chain::open({.lun = lun,
                       .place = place(),
                       .live = hook.get(),
                       .source = file_,
                       .threads = threads_.get(),
                       .pacer = &pacer,
                       .policy = &policy,
                       .observer = this,
                       .clock = clock,
                       .index = index,
                       .boot = boot},
                      known());
  device = std::make_unique<snapshot::CaptureDevice>(std::make_unique<Borrowed>(*hook), chain);
}

void ChainWorld::end() {
  device.reset();
  chain.reset();
  threads_.reset();
  data_.reset();
  file_.reset();
}

std::vector<Member::Known> ChainWorld::known() const {
  std::vector<Member::Known> all;
  for (const auto& [uuid, row] : rows)
    all.push_back({.uuid = uuid,
                   .name = row.name,
                   .sequence = row.sequence,
                   .capacity = row.capacity,
                   .whole = row.whole,
                   .ghost = row.state == State::ghost,
                   .invalid = row.state == State::invalid ? row.reason : "",
                   .creating = row.state == State::creating});
  std::ranges::sort(all, {}, &Member::Known::sequence);
  return all;
}

/// A dead process changes no row.
bool ChainWorld::row_change(const std::function<void()>& change) {
  if (catalog_fails || store->is_cut()) return false;
  std::lock_guard lock(mutex_);
  change();
  return true;
}

Outcome<Uuid> ChainWorld::cut(const std::string& name) {
  auto no_shrink = chain->hold_cuts();
  snapshot::MapHeader header;
  header.snapshot = Uuid::random();
  header.lun = lun;
  header.lun_name = "disk";
  header.name = name;
  header.sequence = last_sequence + 1;
  header.capacity = capacity;
  header.primitive =
      store->traits().clone ? snapshot::Primitive::reflink : snapshot::Primitive::copy;
  header.unit = snapshot::unit_for(header.primitive);
  auto uuid = header.snapshot;
  Failure dead = failure(Errc::io_error, "the catalog takes nothing");
  if (!row_change([&] { rows[uuid] = {name, ++last_sequence, capacity}; })) return dead;
  auto member = chain->prepare(header);
  if (!member) {
    if (chain->clean_up(uuid)) (void)row_change([&] { rows.erase(uuid); });
    return member.error();
  }
  chain->switch_to(*member);
  auto committed = chain->commit(*member);
  if (committed)
    if (auto flushed = flush()) committed = failure(to_errc(flushed), "flush");
  if (committed && (*member)->invalid()) committed = failure(Errc::no_space, "lost");
  if (committed && !row_change([&] { rows[uuid].state = State::present; })) committed = dead;
  if (committed) return uuid;
  (void)row_change([&] { rows[uuid].state = State::ghost; });
  (void)chain->remove(uuid);
  return committed.error();
}

Outcome<> ChainWorld::remove(const Uuid& snapshot) {
  if (!row_change([&] { rows[snapshot].state = State::ghost; }))
    return failure(Errc::io_error, "the catalog takes nothing");
  return chain->remove(snapshot);
}

Outcome<> ChainWorld::rename(const Uuid& snapshot, const std::string& name) {
  if (auto renamed = chain->rename(snapshot, name); !renamed) return renamed;
  if (!row_change([&] { rows[snapshot].name = name; }))
    return failure(Errc::io_error, "the catalog takes nothing");
  return {};
}

Outcome<> ChainWorld::shrink(std::uint64_t to) {
  auto ready = device->begin_cutting_off(to);
  if (ready && row_change([&] { capacity = to; })) {
    data_->set_capacity(to);
    fit_container();
  }
  device->end_cutting_off();
  return ready;
}

void ChainWorld::grow(std::uint64_t to) {
  if (!row_change([&] { capacity = to; })) return;
  fit_container();
  data_->set_capacity(to);
}

/// As long as its capacity asks for, and zeros where that is not yet what hosts wrote.
void ChainWorld::fit_container() {
  auto size = file_->attributes();
  auto end = padded(capacity);
  store->cut_at(~std::uint64_t{0});  // that this survives a cut is shown elsewhere
  auto from = std::min(capacity, size->size - kTrailer);
  (void)file_->resize(std::max(end + kTrailer, size->size));
  (void)file_store::apply(*file_, file_store::FileOp::punch, from, end + kTrailer - from);
  (void)file_->resize(end + kTrailer);
  std::vector<std::byte> trailer(kTrailer, std::byte{'T'});
  (void)file_store::write_at(*file_, end, trailer);
  (void)file_->sync_all();
}

Error ChainWorld::write(std::uint64_t offset, std::span<const std::byte> data) {
  IoVec memory{const_cast<std::byte*>(data.data()), data.size()};
  block::IoRequest request;
  request.op = block::IoOp::write;
  request.offset = offset;
  request.length = data.size();
  request.buffers = {&memory, 1};
  return block::perform(*device, request);
}

Error ChainWorld::change(block::IoOp op, std::uint64_t offset, std::uint64_t length) {
  block::IoRequest request;
  request.op = op;
  request.offset = offset;
  request.length = length;
  return block::perform(*device, request);
}

Error ChainWorld::flush() {
  if (failed) return block::BlockErrc::failed;
  auto error = change(block::IoOp::flush, 0, 0);
  failed = static_cast<bool>(error);
  return error;
}

Error ChainWorld::read_live(std::uint64_t offset, std::span<std::byte> into) {
  IoVec memory{into.data(), into.size()};
  block::IoRequest request;
  request.op = block::IoOp::read;
  request.offset = offset;
  request.length = into.size();
  request.buffers = {&memory, 1};
  return block::perform(*device, request);
}

std::size_t ChainWorld::settle() {
  std::size_t steps = 0;
  while (chain->step()) ++steps;
  return steps;
}

void ChainWorld::on_whole(const Uuid&, const Member& member) {
  (void)row_change([&] {
    rows[member.uuid()].whole = true;
    told.push_back("whole " + member.name());
  });
}

bool ChainWorld::on_invalid(const Uuid&, std::span<const std::shared_ptr<Member>> members,
                            const std::string& why) {
  return row_change([&] {
    for (const auto& member : members) {
      auto& row = rows[member->uuid()];
      told.push_back("invalid " + member->name());
      if (row.state == State::ghost || row.state == State::creating) continue;
      row.state = State::invalid;
      row.reason = why;
    }
  });
}

bool ChainWorld::on_gone(const Uuid&, const Member& member) {
  return row_change([&] {
    rows.erase(member.uuid());
    told.push_back("gone " + member.name());
  });
}

}  // namespace caisson::tests

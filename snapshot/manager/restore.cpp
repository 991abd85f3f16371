// SPDX-License-Identifier: Apache-2.0
// A LUN becomes what a snapshot of it holds, while hosts are kept out.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "snapshot/chain/changes.hpp"
#include "snapshot/manager/manager.hpp"
#include "storage_object/base/buffer.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::snapshot {
namespace {

constexpr std::chrono::seconds kQuiet{60};
constexpr std::chrono::seconds kLookAgain{1};
constexpr std::uint64_t kPiece = std::uint64_t{1} << 20;
constexpr std::size_t kRoom = 256;

Failure cannot(const LunFacts& lun, const char* doing, const Error& error) {
  return failure(to_errc(error),
                 fmt::format("LUN '{}' cannot be {}: {}", lun.name, doing, error.message()),
                 "look after the file system of its store; hosts stay out until the restore is "
                 "finished: run it again, or restart caissond");
}

bool is_zero(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
}

Error put(block::BlockDevice& disk, std::uint64_t offset, std::span<std::byte> bytes) {
  IoVec memory{bytes.data(), bytes.size()};
  block::IoRequest request;
  bool zeros = is_zero(bytes);
  request.op = zeros ? block::IoOp::write_zeroes : block::IoOp::write;
  request.may_unmap = zeros;
  request.offset = offset;
  request.length = bytes.size();
  request.buffers = {&memory, 1};
  request.context.priority = block::Priority::background;
  return block::perform(disk, request);
}

Outcome<> copy_piece(const Chain& chain, const LunFacts& lun, const Uuid& snapshot,
                     block::BlockDevice& disk, std::uint64_t offset, std::span<std::byte> piece) {
  if (auto got = chain.read(snapshot, offset, piece); !got) return got;
  if (auto error = put(disk, offset, piece)) return cannot(lun, "restored", error);
  return {};
}

Error zero_behind(block::BlockDevice& disk, std::uint64_t capacity) {
  block::IoRequest request;
  request.op = block::IoOp::write_zeroes;
  request.may_unmap = true;
  request.offset = capacity;
  request.length = disk.geometry().capacity - capacity;
  return request.length == 0 ? Error() : block::perform(disk, request);
}

}  // namespace

/// Whoever restores a LUN, alone.
class Manager::Restoring {
 public:
  Restoring(Manager& manager, const Uuid& lun) : manager_(manager), lun_(lun) {
    std::lock_guard lock(manager_.mutex_);
    alone_ = manager_.restoring_.insert(lun).second;
  }
  ~Restoring() {
    std::lock_guard lock(manager_.mutex_);
    if (alone_) manager_.restoring_.erase(lun_);
  }
  Restoring(const Restoring&) = delete;
  Restoring& operator=(const Restoring&) = delete;
  bool alone() const noexcept { return alone_; }

 private:
  Manager& manager_;
  const Uuid lun_;
  bool alone_ = false;
};

Outcome<std::string> Manager::restore(std::string_view name, std::string_view snapshot,
                                      const RestoreOptions& options) {
  auto source = hold_for_copy(name, snapshot);
  if (!source) return source.error();
  const auto& [lun, record, held] = *source;
  Restoring restoring(*this, lun.uuid);
  if (!restoring.alone())
    return failure(Errc::in_use, fmt::format("LUN '{}' is being restored already", name),
                   "wait until that has ended");
  if (auto fine = check_restore(lun, record, options); !fine) return fine.error();
  // What an interrupted restore has left is no state to keep.
  const bool again = lun.restoring == record.uuid;
  auto state = options.keep_state && !again ? before_name(lun) : std::string();
  if (options.dry_run) return state;
  if (auto begun = begin(lun, record, again, state); !begun) return begun.error();
  if (auto done = bring_back(lun, record, options); !done) return done.error();
  return state;
}

/// Hosts are kept out, the state before is kept, and only then a start goes on with it.
Outcome<> Manager::begin(const LunFacts& lun, const catalog::SnapshotRecord& record, bool again,
                         const std::string& state) {
  if (again) return {};
  if (auto out = options_.luns->keep_out(lun.uuid); !out) return out;
  Outcome<> begun;
  if (!state.empty()) {
    auto kept =
        create({.luns = {lun.name}, .name = state, .made_by = "restore", .allow_unreserved = true});
    if (!kept) begun = kept.error();
  }
  auto chain = chain_of(lun.uuid);
  if (begun && !chain)
    begun = failure(Errc::offline, fmt::format("LUN '{}' is not online", lun.name));
  if (begun) {
    auto no_cut = chain->hold_cuts();  // it would have a part of what is restored
    begun = options_.luns->begin_restore(lun.uuid, record.uuid);
  }
  if (begun) return {};
  // Nothing has been changed yet.
  if (auto in = options_.luns->end_restore(lun.uuid, false); !in) return in;
  return begun;
}

Outcome<> Manager::check_restore(const LunFacts& lun, const catalog::SnapshotRecord& record,
                                 const RestoreOptions& options) {
  if (!lun.served || !chain_of(lun.uuid))
    return failure(Errc::offline, fmt::format("LUN '{}' is not online", lun.name),
                   fmt::format("bring it back with `caisson lun online {}`", lun.name));
  if (record.capacity > lun.capacity)
    return failure(
        Errc::invalid_argument,
        fmt::format("LUN '{}' is smaller than it was at snapshot '{}'", lun.name, record.name),
        fmt::format("caisson lun resize {} {}", lun.name, record.capacity));
  if (options.force) return {};
  return options_.luns->check_quiet(lun.uuid, kQuiet);
}

std::string Manager::before_name(const LunFacts& lun) const {
  auto base = std::string("before-restore");
  auto name = base;
  for (int i = 2; record_of(lun, name); ++i) name = fmt::format("{}-{}", base, i);
  return name;
}

/// Idempotent: after a crash the next start does it again.
Outcome<> Manager::bring_back(const LunFacts& lun, const catalog::SnapshotRecord& record,
                              const RestoreOptions& options) {
  auto disk = options_.luns->disk(lun.uuid);
  if (!disk) return failure(Errc::offline, fmt::format("LUN '{}' is not online", lun.name));
  if (auto done = copy_back(lun, record, *disk, options); !done) return done;
  if (auto error = zero_behind(*disk, record.capacity)) return cannot(lun, "restored", error);
  if (auto flushed = options_.luns->flush(lun.uuid); !flushed) return flushed;
  note("lun.restored", lun.uuid, "caissond",
       fmt::format("it holds what snapshot '{}' holds", record.name));
  return options_.luns->end_restore(lun.uuid, true);
}

Outcome<> Manager::copy_back(const LunFacts& lun, const catalog::SnapshotRecord& record,
                             block::BlockDevice& disk, const RestoreOptions& options) {
  auto chain = chain_of(lun.uuid);
  if (!chain) return failure(Errc::offline, fmt::format("LUN '{}' is not online", lun.name));
  Buffer buffer(kPiece);
  std::array<Changed, kRoom> room;
  for (std::uint64_t at = 0; at < record.capacity;) {
    if (options.stop.stop_requested())
      return failure(Errc::cancelled,
                     fmt::format("the restore of LUN '{}' is interrupted", lun.name),
                     "the next start of caissond goes on with it");
    auto page = chain->changes(record.uuid, std::nullopt, at, room);
    if (!page) return page.error();
    for (const auto& changed : std::span(room).first(page->count)) {
      auto end = std::min(changed.offset + changed.length, record.capacity);
      for (auto offset = changed.offset; offset < end;) {
        auto piece = buffer.span().first(std::min(kPiece, end - offset));
        auto shared = chain->share_back(record.uuid, offset, piece.size());
        if (!shared) return shared.error();
        if (!*shared)
          if (auto done = copy_piece(*chain, lun, record.uuid, disk, offset, piece); !done)
            return done;
        offset += piece.size();
      }
    }
    at = page->done ? record.capacity : page->next;
    options_.luns->note_restore(lun.uuid, at, record.capacity);
    if (options.progress) options.progress(at, record.capacity);
  }
  return {};
}

/// What a stop or a crash interrupted, once the LUN is served.
void Manager::finish_restore(const Uuid& lun, const Uuid& snapshot) {
  auto facts = options_.luns->find(lun);
  if (!facts || !facts->served) return finish_restore_later(lun, snapshot);
  Restoring restoring(*this, lun);
  if (!restoring.alone()) return;  // an administrator was first
  std::optional<catalog::SnapshotRecord> record;
  {
    std::lock_guard lock(mutex_);
    if (auto found = records_.find(snapshot); found != records_.end()) record = found->second;
  }
  auto done = record ? bring_back(*facts, *record, {})
                     : Outcome<>(failure(Errc::not_found, "its snapshot is gone"));
  if (!done)
    log::error("the restore of LUN '{}' cannot be finished, hosts stay out: {}", facts->name,
               done.error().message);
}

void Manager::finish_restore_later(const Uuid& lun, const Uuid& snapshot) {
  pacer_->at(Pacer::Clock::now() + kLookAgain, [this, lun, snapshot] {
    threads_.post(std::make_shared<ControlLane>(),
                  [this, lun, snapshot] { finish_restore(lun, snapshot); });
  });
}

}  // namespace caisson::snapshot

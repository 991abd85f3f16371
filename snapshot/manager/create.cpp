// SPDX-License-Identifier: Apache-2.0
// The cut, step by step as docs/design/capture.md has it.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "snapshot/manager/cut.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"
#include "storage_object/base/names.hpp"

namespace caisson::snapshot {
namespace {

using catalog::SnapshotRecord;
using catalog::SnapshotState;
using catalog::Transaction;

constexpr int kTries = 3;  // a disk may grow while its cut is prepared

std::int64_t to_ms(Clock::Wall time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

MapHeader header_of(const SnapshotRecord& record, const LunFacts& lun, Primitive primitive) {
  MapHeader header;
  header.snapshot = record.uuid;
  header.lun = lun.uuid;
  header.lun_name = lun.name;
  header.name = record.name;
  header.sequence = record.sequence;
  header.capacity = record.capacity;
  header.logical_block = lun.logical_block;
  header.physical_block = lun.physical_block;
  header.primitive = primitive;
  header.unit = unit_for(primitive);
  header.cut_ms = record.created_ms;
  if (record.group) header.group = *record.group;
  return header;
}

/// A thick LUN was promised room for every write; a snapshot that keeps what they
/// overwrite needs as much again.
Outcome<> reserve(Member& member, const LunFacts& lun) {
  auto refused = [&](const std::string& why) {
    return failure(Errc::no_space,
                   fmt::format("LUN '{}' is thick, and the room that overwriting it may need "
                               "cannot be reserved: {}",
                               lun.name, why),
                   "make room, or give the guarantee up with --allow-unreserved");
  };
  if (member.primitive() == Primitive::reflink)
    return refused(
        "on this store blocks are shared with the snapshot, and room for that cannot "
        "be set aside");
  auto image = member.image();
  if (!image) return image.error();
  auto done = file_store::apply(**image, file_store::FileOp::allocate, 0, member.padded_capacity());
  if (!done) return refused(done.error().message());
  return {};
}

}  // namespace

Outcome<std::vector<SnapshotView>> Manager::create(const CreateOptions& options) {
  for (int tries = 1;; ++tries) {
    auto cuts = plan(options);
    if (!cuts) return cuts.error();
    Outcome<> done;
    if (options.dry_run) {
      for (const auto& cut : *cuts)
        if (record_of(cut.lun, cut.record.name)) return name_taken(cut, options);
    } else {
      done = prepare(*cuts, options);
      if (done) done = switch_all(*cuts);
      if (done) done = commit(*cuts);
      if (!done) take_back(*cuts);
    }
    if (!done && done.error().code == Errc::stale && tries < kTries) continue;
    if (!done) return done.error();
    std::vector<SnapshotView> views;
    for (const auto& cut : *cuts) views.push_back(view_of(cut.lun, cut.record));
    return views;
  }
}

Outcome<std::vector<Manager::Cut>> Manager::plan(const CreateOptions& options) {
  std::vector<Cut> cuts;
  std::set<std::string, std::less<>> seen;
  for (const auto& name : options.luns) {
    if (!seen.insert(name).second)
      return failure(Errc::invalid_argument, fmt::format("LUN '{}' is named twice", name));
    auto lun = lun_named(name);
    if (!lun) return lun.error();
    if (lun->view)
      return failure(Errc::unsupported,
                     fmt::format("LUN '{}' shows a snapshot: it never changes", name),
                     "cut one of the LUN that it is a snapshot of");
    if (lun->filling)
      return failure(
          Errc::in_use,
          fmt::format("LUN '{}' is a clone that does not have everything itself yet", name),
          "try again when it has: caisson lun show tells");
    Cut cut{.lun = *lun, .chain = chain_of(lun->uuid), .store = options_.luns->store(lun->store)};
    if (!lun->served || !cut.chain || cut.store == nullptr)
      return failure(Errc::offline, fmt::format("LUN '{}' is not online", name),
                     fmt::format("bring it back with `caisson lun online {}`", name));
    cuts.push_back(std::move(cut));
  }
  if (cuts.empty()) return failure(Errc::invalid_argument, "no LUN is named");
  std::ranges::sort(cuts, {}, [](const Cut& cut) { return cut.lun.uuid; });
  auto name = options.name.empty() ? Outcome<std::string>(default_name(cuts))
                                   : checked_name("snapshot", options.name);
  if (!name) return name.error();
  auto group = cuts.size() > 1 ? std::optional(Uuid::random()) : std::nullopt;
  for (auto& cut : cuts) {
    cut.record.uuid = Uuid::random();
    cut.record.lun = cut.lun.uuid;
    cut.record.name = *name;
    cut.record.created_ms = to_ms(options_.clock->wall());
    cut.record.capacity = cut.lun.capacity;
    cut.record.group = group;
    cut.record.made_by = options.made_by;
    cut.record.grade = options.grade;
    cut.record.details = options.details;
  }
  return cuts;
}

/// By another cut that came first, where the name was chosen here: stale.
Failure Manager::name_taken(const Cut& cut, const CreateOptions& options) {
  return failure(options.name.empty() ? Errc::stale : Errc::already_exists,
                 fmt::format("LUN '{}' has a snapshot '{}' already", cut.lun.name, cut.record.name),
                 "choose another name");
}

/// The time, and a number where that is taken.
std::string Manager::default_name(const std::vector<Cut>& cuts) {
  auto base =
      fmt::format("{:%Y%m%d-%H%M%S}",
                  fmt::gmtime(std::chrono::system_clock::to_time_t(options_.clock->wall())));
  auto name = base;
  auto taken = [&] {
    return std::ranges::any_of(
        cuts, [&](const Cut& cut) { return record_of(cut.lun, name).has_value(); });
  };
  for (int i = 2; taken(); ++i) name = fmt::format("{}-{}", base, i);
  return name;
}

Outcome<> Manager::prepare(std::vector<Cut>& cuts, const CreateOptions& options) {
  // One cut of a LUN at a time, and one that hangs holds up no other; in the order of UUIDs.
  for (auto& cut : cuts) cut.alone = cut.chain->hold_cuts();
  for (const auto& cut : cuts)
    if (record_of(cut.lun, cut.record.name)) return name_taken(cut, options);
  for (const auto& cut : cuts)
    if (auto now = options_.luns->find(cut.lun.uuid); now && now->restoring)
      return failure(Errc::in_use, fmt::format("LUN '{}' is being restored", cut.lun.name),
                     "wait until that has ended");
  auto noted = options_.catalog->change([&](Transaction& transaction) -> Outcome<> {
    for (auto& cut : cuts) {
      auto sequence = transaction.next_snapshot_sequence(cut.lun.uuid);
      if (!sequence) return sequence.error();
      cut.record.sequence = *sequence;
      if (auto put = transaction.put_snapshot(cut.record); !put) return put;
    }
    return {};
  });
  if (!noted) return noted;
  {
    std::lock_guard lock(mutex_);
    for (const auto& cut : cuts) records_[cut.record.uuid] = cut.record;
  }
  for (auto& cut : cuts) {
    auto primitive = cut.store->traits().clone ? Primitive::reflink : Primitive::copy;
    auto member = cut.chain->prepare(header_of(cut.record, cut.lun, primitive));
    if (!member) return member.error();
    cut.member = std::move(*member);
    if (cut.lun.thick && !options.allow_unreserved)
      if (auto reserved = reserve(*cut.member, cut.lun); !reserved) return reserved;
  }
  return {};
}

/// All at once; who hangs holds nobody up.
void Manager::write_back(std::vector<Cut>& cuts) {
  const auto until = std::chrono::steady_clock::now() + options_.write_back_limit;
  std::vector<std::future<void>> written;
  written.reserve(cuts.size());
  for (auto& cut : cuts) written.push_back(cut.chain->write_back(options_.write_back_limit));
  for (const auto& one : written) (void)one.wait_until(until);
}

Outcome<> Manager::switch_all(std::vector<Cut>& cuts) {
  write_back(cuts);
  std::vector<Uuid> luns;
  luns.reserve(cuts.size());
  for (const auto& cut : cuts) luns.push_back(cut.lun.uuid);
  auto held = options_.luns->hold(luns, options_.cut_limit, [&] {
    for (auto& cut : cuts) {
      cut.chain->switch_to(cut.member);
      cut.switched = true;
    }
  });
  if (!held) return held;
  for (const auto& cut : cuts) {
    auto now = options_.luns->find(cut.lun.uuid);
    if (!now || now->capacity != cut.record.capacity)
      return failure(Errc::stale,
                     fmt::format("LUN '{}' was resized while it was cut", cut.lun.name),
                     "try again");
  }
  return {};
}

Outcome<> Manager::commit(std::vector<Cut>& cuts) {
  for (auto& cut : cuts)
    if (auto durable = cut.chain->commit(cut.member); !durable) return durable;
  for (auto& cut : cuts)
    if (auto flushed = options_.luns->flush(cut.lun.uuid); !flushed) return flushed;
  std::lock_guard one_at_a_time(rows_mutex_);  // the lane may find one whole, or lost, by now
  for (auto& cut : cuts) {
    if (cut.member->invalid())
      return failure(Errc::no_space,
                     fmt::format("the snapshot of LUN '{}' was lost while it was cut: {}",
                                 cut.lun.name, cut.member->why_invalid()),
                     "make room in its store");
    cut.record.state = SnapshotState::present;
    std::lock_guard lock(mutex_);
    cut.record.complete = records_[cut.record.uuid].complete;
  }
  auto reported = options_.catalog->change([&](Transaction& transaction) -> Outcome<> {
    for (const auto& cut : cuts) {
      if (auto put = transaction.put_snapshot(cut.record); !put) return put;
      auto event = transaction.add_event("snapshot.created", cut.lun.name, cut.record.made_by,
                                         fmt::format("snapshot '{}' was cut", cut.record.name));
      if (!event) return event.error();
    }
    return {};
  });
  if (!reported) return reported;
  for (const auto& cut : cuts) {
    std::lock_guard lock(mutex_);
    records_[cut.record.uuid] = cut.record;
  }
  return {};
}

/// None of them was reported, so none is left: those that capture already stay, unseen,
/// for as long as an older one needs them.
void Manager::take_back(std::vector<Cut>& cuts) {
  for (auto& cut : cuts) {
    cut.record.state = SnapshotState::ghost;
    if (cut.switched) {
      if (auto saved = save(cut.record); !saved)
        log::warning("snapshot '{}' was not reported: {}", cut.record.name, saved.error().message);
      if (auto hidden = cut.chain->remove(cut.record.uuid); !hidden)
        log::warning("snapshot '{}' was not reported: {}", cut.record.name, hidden.error().message);
    } else if (cut.member) {
      cut.chain->discard(cut.member);
    } else if (auto cleaned = cut.chain->clean_up(cut.record.uuid); cleaned) {
      forget(cut.record.uuid);
    } else {  // the next start does it
      log::warning("what was made of snapshot '{}' may be left: {}", cut.record.name,
                   cleaned.error().message);
    }
  }
}

}  // namespace caisson::snapshot

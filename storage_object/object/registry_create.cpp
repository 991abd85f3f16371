// SPDX-License-Identifier: Apache-2.0
// Making and removing LUNs. The row comes first (creating, deleting) and its
// last state last; between the two a start finds out by the file how far it got.
#include <fmt/format.h>

#include <algorithm>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"
#include "storage_object/base/names.hpp"
#include "storage_object/object/identities.hpp"
#include "storage_object/object/registry_impl.hpp"

namespace caisson::object {

using catalog::CacheMode;
using catalog::LunRecord;
using catalog::LunState;
using catalog::Transaction;

namespace {

Failure bad(std::string message, std::string remedy) {
  return failure(Errc::invalid_argument, std::move(message), std::move(remedy));
}

Outcome<> check_geometry(const CreateOptions& options) {
  auto valid = [](std::uint32_t block) { return block == 512 || block == 4096; };
  if (!valid(options.logical_block) || !valid(options.physical_block) ||
      options.physical_block < options.logical_block)
    return bad(fmt::format("LUN '{}': blocks of {} on {} bytes are not supported", options.name,
                           options.logical_block, options.physical_block),
               "use 512e (512 on 4096), 512n (512 on 512) or 4096");
  if (options.capacity == 0 || options.capacity % options.logical_block != 0 ||
      options.capacity > format::kMaxCapacity)
    return bad(fmt::format("LUN '{}': a capacity of {} bytes is not possible", options.name,
                           options.capacity),
               fmt::format("give a multiple of {} up to {}", options.logical_block,
                           format_size(format::kMaxCapacity)));
  return {};
}

Outcome<> check_target_lun(const CreateOptions& options) {
  if (options.target_lun <= kMaxTargetLun) return {};
  return bad(fmt::format("LUN '{}': {} is not a LUN number below a target", options.name,
                         options.target_lun),
             fmt::format("give one from 0 to {}", kMaxTargetLun));
}

Outcome<> check_store(file_store::Store& store, const CreateOptions& options,
                      std::string_view name) {
  if (options.thick && !store.traits().allocate)
    return failure(Errc::unsupported,
                   fmt::format("store '{}' cannot reserve space for LUN '{}'", name, options.name),
                   "create it without --thick");
  if (options.cache != CacheMode::none) return {};
  auto direct = store.create_unnamed({.direct = true});
  if (!direct && to_errc(direct.error()) == Errc::invalid_argument)
    return failure(
        Errc::unsupported,
        fmt::format("store '{}' cannot go past the page cache for LUN '{}'", name, options.name),
        "use cache mode writeback or writethrough");
  return check_direct(store.traits(), fmt::format("LUN '{}'", options.name));
}

bool same(const LunRecord& row, const LunRecord& wanted, bool target_given) {
  return row.store == wanted.store && row.capacity == wanted.capacity &&
         row.logical_block == wanted.logical_block && row.physical_block == wanted.physical_block &&
         row.cache == wanted.cache && row.thick == wanted.thick &&
         row.removable == wanted.removable && row.vendor_location == wanted.vendor_location &&
         (!target_given ||
          (row.target_name == wanted.target_name && row.target_lun == wanted.target_lun));
}

}  // namespace

/// One that bore this name once keeps the target that was made of it.
std::string Registry::free_target_name(const CreateOptions& options) const {
  auto base = make_target_name(options_.authority, options_.node, options.name);
  auto name = base;
  auto taken = [&] {
    auto [first, last] = by_target_.equal_range(name);
    return std::any_of(first, last, [&](const auto& other) {
      return other.second->record.target_lun == options.target_lun &&
             other.second->record.name != options.name;
    });
  };
  std::lock_guard lock(mutex_);
  for (int i = 2; taken(); ++i) name = fmt::format("{}-{}", base, i);
  return name;
}

Outcome<LunRecord> Registry::checked_row(const CreateOptions& options) {
  if (auto name = checked_name("LUN", options.name); !name) return name.error();
  if (auto fine = check_geometry(options); !fine) return fine.error();
  if (auto fine = check_target_lun(options); !fine) return fine.error();
  LunRecord row;
  row.store = options.store.empty() ? default_store() : options.store;
  auto store = open_store(row.store);
  if (!store) return store.error();
  if (auto fine = check_store(**store, options, row.store); !fine) return fine.error();
  row.uuid = Uuid::random();
  row.name = options.name;
  row.file = container_name(options.name);
  row.capacity = options.capacity;
  row.logical_block = options.logical_block;
  row.physical_block = options.physical_block;
  row.cache = options.cache;
  row.thick = options.thick;
  row.removable = options.removable;
  row.naa = make_naa(options_.oui);
  row.serial = make_serial(row.uuid);
  row.target_lun = options.target_lun;
  row.target_name = options.target_name.empty() ? free_target_name(options) : options.target_name;
  row.vendor_location = options.location;
  row.state = LunState::creating;
  row.created_at = std::chrono::system_clock::to_time_t(options_.clock->wall());
  return row;
}

Outcome<LunView> Registry::create(const CreateOptions& options) {
  auto row = checked_row(options);
  if (!row) return row.error();
  for (;;) {
    if (auto known = lock(options.name)) {
      auto view = view_of(known->entry);
      if (same(view.record, *row, !options.target_name.empty())) return view;
      return failure(Errc::already_exists,
                     fmt::format("LUN '{}' exists already, with other attributes", options.name),
                     "choose another name, or change it with `caisson lun set` or `resize`");
    }
    if (options.dry_run) return preview(*row);
    auto made = build(*row, {});
    bool raced = !made && made.error().code == Errc::already_exists && entry_named(options.name);
    if (!raced) return made;
  }
}

Outcome<LunView> Registry::preview(const LunRecord& row) {
  {
    std::lock_guard lock(mutex_);
    if (auto free = check_free(row); !free) return free.error();
  }
  auto store = open_store(row.store);
  if (!store) return store.error();
  if (auto free = check_name_free(**store, row.store, row.file); !free) return free.error();
  auto room = check_room(**store, row, format::container_length(row.capacity));
  if (!room) return room.error();
  return LunView{.record = row, .state = row.state};
}

Outcome<LunView> Registry::build(const LunRecord& row, const Fill& fill) {
  auto reserved = reserve(row);
  if (!reserved) return reserved.error();
  const auto& entry = reserved->entry;
  auto noted =
      options_.catalog->change([&](Transaction& transaction) { return transaction.put_lun(row); });
  if (!noted) {
    forget(entry);
    return noted.error();
  }
  if (auto done = build_in(entry, fill); !done) {
    roll_back(entry);
    return done.error();
  }
  return view_of(entry);
}

Outcome<> Registry::build_in(const EntryPtr& entry, const Fill& fill) {
  auto row = row_of_entry(entry);
  auto store = open_store(row.store);
  if (!store) return store.error();
  auto container = Container::make(**store, row, fill);
  if (!container) return container.error();
  if (auto done = (*container)->publish(**store); !done) return done.error();
  auto online = save(entry, [](LunRecord& changed) {
    changed.state = LunState::online;
    changed.reason.clear();
  });
  if (!online) return online.error();
  return serve(entry, std::move(*container));
}

void Registry::roll_back(const EntryPtr& entry) {
  auto noted = save(entry, [](LunRecord& changed) { changed.state = LunState::deleting; });
  auto done = noted ? finish_deletion(entry) : noted;
  if (done) return;
  std::lock_guard lock(mutex_);
  // A row that still says "creating" is judged by its file, which may be complete.
  entry->reason = noted ? "its creation failed and is taken back at the next start"
                        : "its creation failed; the next start takes it back, or finishes it if "
                          "its file is complete";
  log::error("LUN '{}': {}: {}", entry->record.name, entry->reason, done.error().message);
}

Outcome<> Registry::remove(std::string_view name) {
  auto locked = lock(name);
  if (!locked) return locked.error();
  const auto& entry = locked->entry;
  auto row = row_of_entry(entry);
  if (auto store = open_store(row.store); !store) return store.error();
  if (auto fine = check_answers(entry); !fine) return fine.error();
  auto noted = save(entry, [](LunRecord& changed) { changed.state = LunState::deleting; });
  if (!noted) {
    if (options_.catalog->in_doubt()) withdraw_in_doubt(entry, "deleting it");
    return noted.error();
  }
  take_down(entry);
  control_->drain(entry->lane);  // a failure that is being recorded
  auto done = finish_deletion(entry);
  if (!done) {
    std::lock_guard lock(mutex_);
    entry->reason = fmt::format("its deletion is not finished: {}", done.error().message);
    return done.error();
  }
  return {};
}

}  // namespace caisson::object

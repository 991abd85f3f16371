// SPDX-License-Identifier: Apache-2.0
// What hosts set at a LUN and what is kept of it: modes, and whether a sanitize
// has ended. The catalog's row rules the cache mode, the trailer the rest.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"
#include "storage_object/object/registry_impl.hpp"

namespace caisson::object {

using catalog::CacheMode;
using catalog::LunRecord;

ModeKeeper Registry::mode_keeper(const EntryPtr& entry) {
  return [this, lane = entry->lane, weak = std::weak_ptr(entry)](
             ModeValues current, std::optional<ModeValues> saved, std::function<void(Error)> kept) {
    control_->post(lane, [this, weak, current, saved, kept = std::move(kept)] {
      auto changing = weak.lock();
      kept(changing ? keep_modes(changing, current, saved) : block::BlockErrc::offline);
    });
  };
}

/// Not behind an administrator's change: that may wait for hosts.
Error Registry::keep_modes(const EntryPtr& entry, ModeValues current,
                           const std::optional<ModeValues>& saved) {
  std::unique_lock change(entry->change, std::try_to_lock);
  if (!change) return block::BlockErrc::busy;
  auto row = row_of_entry(entry);
  std::shared_ptr<Container> container;
  std::shared_ptr<LunObject> object;
  {
    std::lock_guard lock(mutex_);
    container = entry->container;
    object = entry->object;
  }
  if (!object || !container) return block::BlockErrc::offline;
  std::shared_ptr<file_store::File> file;
  if (object->cache_mode() != current.cache) {
    auto store = open_store(row.store);
    if (!store) return store.error().code;
    auto opened = container->open_data(**store, current.cache);
    if (!opened) return opened.error().code;
    file = std::move(*opened);
  }
  if (saved)
    if (auto done = save_modes(entry, *container, *saved); !done) {
      log::error("LUN '{}': its modes cannot be saved: {}", row.name, done.error().message);
      return done.error().code;
    }
  if (file) use_file(*object, std::move(file), current.cache);
  return {};
}

CacheRestorer Registry::cache_restorer(const EntryPtr& entry) {
  return [this, lane = entry->lane, weak = std::weak_ptr(entry)] {
    control_->post(lane, [this, weak] {
      if (auto due = weak.lock()) restore_cache(due);
    });
  };
}

/// Where it cannot be done now, the watch comes again.
void Registry::restore_cache(const EntryPtr& entry) {
  constexpr std::chrono::milliseconds kMoment{500};  // that hosts may have to wait
  std::unique_lock change(entry->change, std::try_to_lock);
  if (!change) return;
  std::shared_ptr<Container> container;
  std::shared_ptr<LunObject> object;
  {
    std::lock_guard lock(mutex_);
    container = entry->container;
    object = entry->object;
  }
  if (!object || !container || !object->cache_is_due()) return;
  auto store = open_store(row_of_entry(entry).store);
  if (!store) return;
  auto mode = object->modes().saved().cache;
  auto file = container->open_data(**store, mode);
  LunObject::Pause pause(*object, std::min(kMoment, options_.pause_limit));
  if (!file || !pause.reached() || !object->cache_is_due()) return;
  use_file(*object, std::move(*file), mode);
  object->announce(ObjectEvent::mode_changed);
}

Outcome<> Registry::save_modes(const EntryPtr& entry, Container& container, ModeValues saved) {
  auto before = row_of_entry(entry).cache;
  auto set_cache = [&](CacheMode cache) {
    return save(entry, [cache](LunRecord& changed) { changed.cache = cache; });
  };
  if (before != saved.cache)
    if (auto done = set_cache(saved.cache); !done) return done;
  auto done = container.update([&](format::pb::Trailer& message) { write_modes(message, saved); });
  if (!done && before != saved.cache)
    if (auto back = set_cache(before); !back) log::error("{}", back.error().message);
  return done;
}

/// What a host set by SWP, set by the gateway itself: it is nobody's nexus, so all hear.
Outcome<> Registry::set_write_protect(const EntryPtr& entry, bool protect) {
  std::shared_ptr<Container> container;
  std::shared_ptr<LunObject> object;
  {
    std::lock_guard lock(mutex_);
    container = entry->container;
    object = entry->object;
  }
  if (!object || !container) return failure(Errc::offline, "the LUN is not online");
  LunObject::Pause pause(*object, options_.pause_limit);  // no host saves its own meanwhile
  if (!pause.reached()) return still_in_flight(entry);
  auto saved = object->modes().saved();
  if (saved.write_protect != protect) {
    saved.write_protect = protect;
    if (auto done = save_modes(entry, *container, saved); !done) return done;
    object->set_saved_modes(saved);
  }
  auto done = Outcome<>();
  object->change_modes({}, {.write_protect = protect}, [&](Error error) {
    if (error) done = failure(to_errc(error), fmt::format("LUN '{}'", row_of_entry(entry).name));
  });
  return done;
}

/// With the object to itself.
void Registry::use_file(LunObject& object, std::shared_ptr<file_store::File> file, CacheMode mode) {
  // It fails before anybody goes on: write-through would have nothing to flush.
  if (!file_store::sync(*object.data().file())) object.fail();
  object.set_mode(mode, std::move(file));
}

UpkeepKeeper Registry::upkeep_keeper(const EntryPtr& entry) {
  return [this, lane = entry->lane, weak = std::weak_ptr(entry)](
             UpkeepState state, bool may_be_left, std::function<void(Error)> kept) {
    control_->post(lane, [this, weak, state, may_be_left, kept = std::move(kept)] {
      auto changing = weak.lock();
      kept(changing ? keep_upkeep(changing, state, may_be_left) : make_error_code(Errc::offline));
    });
  };
}

EventNoter Registry::event_noter(const EntryPtr& entry) {
  return [this, lane = entry->lane, weak = std::weak_ptr(entry)](std::string_view kind,
                                                                 std::string text) {
    control_->post(lane, [this, weak, kind = std::string(kind), text = std::move(text)] {
      if (auto noted = weak.lock()) note_event(kind, row_of_entry(noted).name, text);
    });
  };
}

namespace {

/// Whether any block of the file is another's too, as far as its file system tells: it
/// would keep what is overwritten here. Clones of a LUN, and what share users copied.
bool shares_blocks(file_store::File& file) {
  if (!file.traits().clone) return false;
  auto attributes = file.attributes();
  std::array<file_store::MapExtent, 256> room;
  for (std::uint64_t at = 0; attributes && at < attributes->size;) {
    auto page = file.extent_map(at, attributes->size - at, room);
    if (!page) return false;
    auto told = std::span(room).first(page->count);
    if (std::ranges::any_of(told, &file_store::MapExtent::shared)) return true;
    if (page->end <= at) return false;
    at = page->end;
  }
  return false;
}

}  // namespace

Error Registry::keep_upkeep(const EntryPtr& entry, UpkeepState state, bool may_be_left) {
  std::shared_ptr<Container> container;
  {
    std::lock_guard lock(mutex_);
    container = entry->container;
  }
  if (!container) return make_error_code(Errc::offline);
  if (state == UpkeepState::sanitizing && shares_blocks(*container->file()))
    return make_error_code(Errc::in_use);
  auto done = container->update([&](format::pb::Trailer& message) {
    if (state == UpkeepState::none) return message.clear_sanitize();
    message.mutable_sanitize()->set_may_be_left(may_be_left);
  });
  if (done) return {};
  log::error("a sanitize cannot be noted: {}", done.error().message);
  return done.error().code;
}

}  // namespace caisson::object

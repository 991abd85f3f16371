// SPDX-License-Identifier: Apache-2.0
// Changes of a LUN that exists: size, name, cache mode, state, grants.
#include <fmt/format.h>

#include <future>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"
#include "storage_object/base/names.hpp"
#include "storage_object/object/registry_impl.hpp"

namespace caisson::object {

using catalog::CacheMode;
using catalog::LunKind;
using catalog::LunRecord;
using catalog::LunState;
using catalog::ResizeIntent;

namespace {

Failure not_served(const LunView& view) {
  return failure(
      Errc::offline,
      fmt::format("LUN '{}' is not online: {}", view.record.name,
                  view.reason.empty() ? "an administrator took it offline" : view.reason),
      fmt::format("bring it back with `caisson lun online {}`", view.record.name));
}

Failure written_by_another_version(std::string_view name) {
  return failure(Errc::unsupported, fmt::format("LUN '{}' is read-only", name),
                 "resize it with the version that wrote it");
}

Outcome<> check_resize(const LunView& lun, std::uint64_t capacity, bool allow_shrink) {
  const auto& row = lun.record;
  if (!lun.object) return not_served(lun);
  if (lun.state == LunState::failed)
    return failure(Errc::offline, fmt::format("LUN '{}' has failed", row.name),
                   "accept the loss with `lun online --accept-loss` first");
  if (row.restoring)
    return failure(Errc::in_use, fmt::format("LUN '{}' is being restored", row.name),
                   "wait until that has ended");
  if (capacity == 0 || capacity % row.logical_block != 0 || capacity > format::kMaxCapacity)
    return failure(
        Errc::invalid_argument,
        fmt::format("LUN '{}': a capacity of {} bytes is not possible", row.name, capacity),
        fmt::format("give a multiple of {} up to {}", row.logical_block,
                    format_size(format::kMaxCapacity)));
  if (capacity < row.capacity && row.kind == LunKind::clone)
    return failure(
        Errc::in_use,
        fmt::format("LUN '{}' is a clone that does not have everything itself yet", row.name),
        "shrink it when it has: caisson lun show tells");
  if (capacity < row.capacity && !allow_shrink)
    return failure(Errc::invalid_argument,
                   fmt::format("LUN '{}' has {}: {} would cut off data", row.name,
                               format_size(row.capacity), format_size(capacity)),
                   "shrink the file system in it first, then say --allow-shrink");
  return {};
}

/// While it lives snapshots have what a shrink cuts off, and none is cut that would need
/// it again. Made before the intent: a start finishes what is intended without asking.
class CutOff {
 public:
  CutOff(block::DataLayer* layer, const ResizeIntent& intent) : layer_(layer) {
    if (intent.to >= intent.from) layer_ = nullptr;
    if (layer_ != nullptr) kept_ = layer_->begin_cutting_off(intent.to);
  }
  ~CutOff() {
    if (layer_ != nullptr) layer_->end_cutting_off();
  }
  CutOff(const CutOff&) = delete;
  CutOff& operator=(const CutOff&) = delete;
  const Outcome<>& kept() const noexcept { return kept_; }

 private:
  block::DataLayer* layer_;
  Outcome<> kept_;
};

}  // namespace

Failure Registry::still_in_flight(const EntryPtr& entry) const {
  return failure(Errc::timed_out,
                 fmt::format("LUN '{}': requests of hosts do not end; nothing was changed",
                             row_of_entry(entry).name),
                 "look after the file system of its store, then try again");
}

Outcome<> Registry::check_answers(const EntryPtr& entry) {
  auto object = view_of(entry).object;
  if (!object) return {};
  auto lun = std::static_pointer_cast<LunObject>(object);
  if (LunObject::Pause pause(*lun, options_.pause_limit); !pause.reached())
    return still_in_flight(entry);
  auto answered = std::make_shared<std::promise<void>>();
  auto answer = answered->get_future();
  control_->post(entry->looks, [lun, answered] {
    if (auto file = lun->data().file()) (void)lun->sync_beside(*file);  // fails as any other
    answered->set_value();
  });
  if (answer.wait_for(options_.answer_limit) == std::future_status::ready) return {};
  return failure(Errc::timed_out,
                 fmt::format("LUN '{}': its container does not answer; nothing was changed",
                             row_of_entry(entry).name),
                 "look after the file system of its store, then try again");
}

Outcome<LunView> Registry::resize(std::string_view name, std::uint64_t capacity, bool allow_shrink,
                                  bool dry_run) {
  auto locked = lock(name);
  if (!locked) return locked.error();
  const auto& entry = locked->entry;
  auto lun = view_of(entry);
  if (lun.record.kind == LunKind::view) return no_disk_of_its_own(lun.record, "another size");
  if (auto fine = check_resize(lun, capacity, allow_shrink); !fine) return fine.error();
  if (lun.record.resize)
    return failure(
        Errc::in_use,
        fmt::format("LUN '{}': a resize to {} is not finished", name, lun.record.resize->to),
        "take the LUN offline and online to finish it");
  if (capacity == lun.record.capacity) return lun;
  ResizeIntent intent{lun.record.capacity, capacity};
  std::shared_ptr<LunObject> object;
  std::shared_ptr<Container> container;
  {
    std::lock_guard lock(mutex_);
    object = entry->object;
    container = entry->container;
  }
  if (container->read_only()) return written_by_another_version(name);
  if (auto fine = check_bearing(entry); !fine) return fine.error();
  if (dry_run) return preview_resize(std::move(lun), capacity);
  if (auto fine = check_answers(entry); !fine) return fine.error();
  CutOff cut_off(object->layer(), intent);
  if (!cut_off.kept()) return cut_off.kept().error();
  if (auto noted = intend_resize(entry, *container, intent); !noted) {
    container.reset();
    if (capacity < intent.from && options_.catalog->in_doubt())
      withdraw_in_doubt(entry, "shrinking it");  // a start may cut off what is written now
    return noted.error();
  }
  auto done = change_size(entry, *object, *container, intent);
  if (!done) {
    if (row_of_entry(entry).resize) {
      container.reset();
      if (finish_anew(entry, fmt::format("a resize was interrupted: {}", done.error().message)))
        return view_of(entry);
    }
    return done.error();
  }
  auto saved = save(entry, [](LunRecord& changed) {
    changed.capacity = changed.resize->to;
    changed.resize.reset();
    ++changed.config_id;
  });
  if (!saved) {
    // The container has its new size; the row still says that it is on its way.
    container.reset();
    if (finish_anew(entry,
                    fmt::format("its new size is not in the catalog: {}", saved.error().message)))
      return view_of(entry);
    return saved.error();
  }
  object->set_capacity(capacity, row_of_entry(entry).config_id);
  object->announce(ObjectEvent::capacity_changed);
  return view_of(entry);
}

Outcome<LunView> Registry::preview_resize(LunView lun, std::uint64_t capacity) {
  const auto before = lun.record.capacity;
  lun.record.capacity = capacity;
  if (capacity < before) return lun;
  auto store = open_store(lun.record.store);
  if (!store) return store.error();
  auto more = format::container_length(capacity) - format::container_length(before);
  if (auto room = check_room(**store, lun.record, more); !room) return room.error();
  return lun;
}

/// Finds the room, then records the intent. On failure the container is what it was.
Outcome<> Registry::intend_resize(const EntryPtr& entry, Container& container,
                                  const ResizeIntent& intent) {
  auto row = row_of_entry(entry);
  auto noted = container.prepare_resize(intent, row.thick);
  if (noted) noted = save(entry, [&](LunRecord& changed) { changed.resize = intent; });
  if (noted) return {};
  if (auto done = container.abandon_resize(intent); !done)
    log::warning("LUN '{}': {}", row.name, done.error().message);
  return noted;
}

/// The part after the intent. On failure it is taken back where that is possible;
/// else the row keeps the intent.
Outcome<> Registry::change_size(const EntryPtr& entry, LunObject& object, Container& container,
                                const ResizeIntent& intent) {
  std::optional<LunObject::Pause> pause;
  auto done = Outcome<>();
  if (intent.to < intent.from) {  // nobody may see what is cut off, or write to it, any more
    pause.emplace(object, options_.pause_limit);
    if (pause->reached())
      object.set_capacity(intent.to, object.config_id());
    else
      done = still_in_flight(entry);
  }
  if (done) done = container.resize(intent, row_of_entry(entry).thick);
  if (done) return done;
  auto taken_back = container.abandon_resize(intent);
  if (taken_back) taken_back = save(entry, [](LunRecord& changed) { changed.resize.reset(); });
  if (taken_back) object.set_capacity(intent.from, object.config_id());
  return done;
}

/// A resize that can only be finished: as a start would, and now if that is
/// possible. False: offline until then.
bool Registry::finish_anew(const EntryPtr& entry, std::string why) {
  take_down(entry);
  control_->drain(entry->lane);  // a failure that is being recorded
  auto finished = open_and_serve(entry);
  if (finished) return true;
  log::error("LUN '{}' is offline: {}; {}", row_of_entry(entry).name, why,
             finished.error().message);
  std::lock_guard lock(mutex_);
  entry->reason = std::move(why);
  return false;
}

Outcome<LunView> Registry::set(std::string_view name, const SetOptions& options) {
  auto locked = lock(name);
  if (!locked) return locked.error();
  const auto& entry = locked->entry;
  auto row = row_of_entry(entry);
  if (row.kind == LunKind::view && options.cache)
    return no_disk_of_its_own(row, "another cache mode");
  if (auto fine = check_answers(entry); !fine) return fine.error();
  // What is served may differ from what is saved: a host may have switched it.
  auto served = view_of(entry).object;
  if (options.cache &&
      (*options.cache != row.cache || (served && served->cache_mode() != *options.cache)))
    if (auto done = switch_cache(entry, *options.cache); !done) return done.error();
  if (options.write_protect) {
    if (!served) return not_served(view_of(entry));
    if (auto done = set_write_protect(entry, *options.write_protect); !done) return done.error();
  }
  if (options.location && *options.location != row.vendor_location) {
    auto done =
        save(entry, [&](LunRecord& changed) { changed.vendor_location = *options.location; });
    if (!done) return done.error();
  }
  std::shared_ptr<Container> container;
  {
    std::lock_guard lock(mutex_);
    container = entry->container;
  }
  auto fresh = row_of_entry(entry);
  if (container && !(fresh == row))
    if (auto done = container->update([&](format::pb::Trailer& m) { fill_message(m, fresh); });
        !done)
      log::warning("LUN '{}': {}", name, done.error().message);
  return view_of(entry);
}

// The new file is open before the catalog says so: nothing can fail after it.
Outcome<> Registry::switch_cache(const EntryPtr& entry, CacheMode mode) {
  std::shared_ptr<Container> container;
  std::shared_ptr<LunObject> object;
  {
    std::lock_guard lock(mutex_);
    container = entry->container;
    object = entry->object;
  }
  auto change = [mode](LunRecord& changed) { changed.cache = mode; };
  if (!object) return save(entry, change);
  auto store = open_store(row_of_entry(entry).store);
  if (!store) return store.error();
  auto file = container->open_data(**store, mode);
  if (!file) return file.error();
  LunObject::Pause pause(*object, options_.pause_limit);
  if (!pause.reached()) return still_in_flight(entry);
  if (auto saved = save(entry, change); !saved) return saved.error();
  auto modes = object->modes().saved();
  modes.cache = mode;
  object->set_saved_modes(modes);
  use_file(*object, std::move(*file), mode);
  object->announce(ObjectEvent::mode_changed);
  return {};
}

Outcome<LunView> Registry::set_online(std::string_view name, bool accept_loss) {
  if (auto known = find(name); known && !known->object) retry_store(known->record.store);
  auto locked = lock(name);
  if (!locked) return locked.error();
  const auto& entry = locked->entry;
  control_->drain(entry->lane);  // a failure that is being recorded
  auto lun = view_of(entry);
  auto row = lun.record;
  const bool failed =
      lun.state == LunState::failed || row.reason.starts_with(kFailedMark) || is_failing(entry);
  if (failed && !accept_loss)
    return failure(
        Errc::offline, fmt::format("LUN '{}' has failed: {}", name, row.reason),
        fmt::format("check what is in it, then `caisson lun online {} --accept-loss`", name));
  if (lun.object && failed) {
    if (auto fine = take_up_replacement(entry); !fine) return fine.error();
    lun = view_of(entry);
  }
  if (!lun.object) {
    auto done = save(entry, [&](LunRecord& changed) {
      if (changed.state != LunState::offline) return;
      changed.state = failed ? LunState::failed : LunState::online;
      changed.reason.clear();
    });
    if (done) done = bring_up(entry);
    if (!done) {
      std::lock_guard lock(mutex_);
      entry->reason = done.error().message;
      return done.error();
    }
  }
  std::shared_ptr<LunObject> object;
  {
    std::lock_guard lock(mutex_);
    object = entry->object;
  }
  if (object && object->state() == LunState::failed) {
    if (!accept_loss)
      return failure(Errc::offline, fmt::format("LUN '{}' has failed", name),
                     fmt::format("`caisson lun online {} --accept-loss`", name));
    if (auto accepted = accept_failure(entry, *object); !accepted) {
      if (!lun.object) (void)go_offline(entry);  // as it was
      return accepted.error();
    }
  }
  return view_of(entry);
}

Outcome<> Registry::go_offline(const EntryPtr& entry) {
  if (!take_down(entry, options_.pause_limit)) return still_in_flight(entry);
  control_->drain(entry->lane);  // a failure that is being recorded
  const bool failing = is_failing(entry);
  const auto why = failure_of(entry);
  return save(entry, [&](LunRecord& changed) {
    const bool failed = failing || changed.state == LunState::failed;
    const auto reason = changed.state == LunState::failed ? changed.reason : why;
    changed.state = LunState::offline;
    changed.reason.clear();
    if (failed) say_failed(changed, reason);
  });
}

Outcome<LunView> Registry::set_offline(std::string_view name) {
  auto locked = lock(name);
  if (!locked) return locked.error();
  const auto& entry = locked->entry;
  auto lun = view_of(entry);
  if (lun.record.state == LunState::offline) return lun;
  if (lun.record.state != LunState::online && lun.record.state != LunState::failed)
    return not_served(lun);
  if (auto fine = check_not_last(entry); !fine) return fine.error();
  if (auto fine = check_answers(entry); !fine) return fine.error();
  auto done = go_offline(entry);
  if (!done) {
    if (view_of(entry).object) return done.error();
    if (auto back = bring_up(entry); !back) {
      std::lock_guard lock(mutex_);
      entry->reason = back.error().message;
    }
    return done.error();
  }
  std::lock_guard lock(mutex_);
  entry->reason = entry->record.reason;
  return view(*entry);
}

Outcome<> Registry::refresh_grants(const Uuid& lun) {
  EntryPtr entry;
  {
    std::lock_guard lock(mutex_);
    auto found = by_uuid_.find(lun);
    if (found == by_uuid_.end())
      return failure(Errc::not_found, fmt::format("there is no LUN {}", lun.to_string()));
    entry = found->second;
  }
  std::lock_guard change(entry->change);
  std::shared_ptr<Container> container;
  {
    std::lock_guard lock(mutex_);
    container = entry->container;
  }
  if (!container) return {};  // copied when it is next online and a grant changes
  auto hosts = options_.catalog->hosts();
  if (!hosts) return hosts.error();
  auto grants = options_.catalog->grants();
  if (!grants) return grants.error();
  std::map<std::uint64_t, std::string> names;
  for (const auto& host : *hosts) names[host.id] = host.name;
  return container->update([&](format::pb::Trailer& message) {
    message.clear_grants();
    for (const auto& grant : *grants) {
      if (grant.lun != lun || grant.proposed) continue;
      auto& copy = *message.add_grants();
      copy.set_host(names[grant.host]);
      copy.set_read_only(grant.read_only);
      copy.set_lun_number(grant.lun_number);
      copy.set_quota(grant.quota);
      copy.set_allowed_verbs(grant.allowed_verbs);
    }
  });
}

}  // namespace caisson::object

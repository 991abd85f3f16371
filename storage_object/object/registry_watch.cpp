// SPDX-License-Identifier: Apache-2.0
// Share users can delete, replace or link the container of a LUN that is served.
// Its open file goes on, and ends with the gateway: so names are compared with
// what is open, every few seconds and before whatever closes or moves it.
#include <fmt/format.h>

#include <boost/system/errc.hpp>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"
#include "storage_object/object/registry_impl.hpp"

namespace caisson::object {

using catalog::LunRecord;
using catalog::Transaction;

namespace {

namespace errc = boost::system::errc;

/// Errors of look_up() that say for certain that the name is not our file's.
bool says_another(const Error& error) {
  for (auto code : {errc::no_such_file_or_directory, errc::too_many_symbolic_link_levels,
                    errc::cross_device_link, errc::invalid_argument, errc::not_a_directory})
    if (error == code) return true;
  return false;
}

Bearing bearing_of(const file_store::FileAttributes& own,
                   const Result<file_store::FileAttributes>& named) {
  if (named && named->id == own.id) return own.links > 1 ? Bearing::linked : Bearing::ours;
  if (!named && !says_another(named.error())) return Bearing::unknown;
  bool free = !named && named.error() == errc::no_such_file_or_directory;
  if (own.links == 0) return free ? Bearing::deleted : Bearing::replaced;
  return free ? Bearing::moved : Bearing::displaced;
}

bool is_astray(Bearing bearing) {
  return bearing != Bearing::ours && bearing != Bearing::linked && bearing != Bearing::unknown;
}

struct AstrayText {
  Bearing bearing;
  const char* what;
  const char* remedy;
};

// `{0}` is the container, `{1}` the LUN.
constexpr AstrayText kAstray[] = {
    {Bearing::deleted,
     "its container {0} was deleted on the share; what hosts wrote is only in the file that "
     "caissond still holds open",
     "put a copy of that file (/proc/PID/fd) or a backup in its place, then `caisson lun online "
     "{1} --accept-loss`"},
    {Bearing::replaced,
     "its container {0} was replaced on the share; what hosts wrote is only in the file that "
     "caissond still holds open",
     "`caisson lun online {1} --accept-loss` takes up what is there now; to keep the old data put "
     "a copy of the open file (/proc/PID/fd) there first"},
    {Bearing::moved,
     "its container {0} was renamed or moved on the share; hosts go on, the next start will not "
     "find it",
     "give the file its name back"},
    {Bearing::displaced,
     "its container {0} was renamed or moved on the share, and something else has its name",
     "give the file its name back; writes go on then"},
};

Failure astray(const LunRecord& row, Bearing bearing) {
  const auto* text = kAstray;
  while (text->bearing != bearing) ++text;
  auto file = fmt::format("{}/{}", row.store, row.file);
  return failure(Errc::corrupt, fmt::format(fmt::runtime(text->what), file, row.name),
                 fmt::format(fmt::runtime(text->remedy), file, row.name));
}

constexpr std::string_view kBackText = "its container has its name again";
constexpr std::string_view kLinkedReason =
    "its container has a second name on the share; it cannot be opened again until that is removed";

}  // namespace

void Registry::begin_watch() {
  if (options_.watch_interval == std::chrono::milliseconds::zero()) return;
  auto names = [this] {
    std::vector<std::string> all;
    std::lock_guard lock(mutex_);
    for (const auto& [name, entry] : stores_)
      if (entry.store) all.push_back(name);
    return all;
  };
  watch_ = std::make_unique<StoreWatch>(options_.watch_interval, names,
                                        [this](const std::string& store) { watch_store(store); });
}

void Registry::watch_store(const std::string& name) {
  std::vector<EntryPtr> served;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [lun, entry] : by_name_)
      if (entry->record.store == name && entry->object) served.push_back(entry);
    for (const auto& entry : served)
      if (entry->object->cache_is_due())
        control_->post(entry->lane, [this, entry] { restore_cache(entry); });
  }
  watch_space(name, served);
  if (!missing_failures().empty()) keep_recording();  // there may be a thread for it now
  for (const auto& entry : served) {
    if (stopping()) return;
    auto found = bearing(entry);
    bool known;
    {
      std::lock_guard lock(mutex_);
      known = found == entry->bearing;
    }
    if (known || found == Bearing::unknown) continue;
    // Whatever changes it now looks itself, or the next round does.
    std::unique_lock change(entry->change, std::try_to_lock);
    if (change) (void)check_bearing(entry);
  }
}

Bearing Registry::bearing(const EntryPtr& entry) {
  auto row = row_of_entry(entry);
  std::shared_ptr<Container> container;
  {
    std::lock_guard lock(mutex_);
    container = entry->container;
  }
  auto* where = store(row.store);
  if (!container || where == nullptr) return Bearing::unknown;
  auto own = container->attributes();
  return own ? bearing_of(*own, where->look_up(row.file)) : Bearing::unknown;
}

/// With entry->change held. Acts on what it finds; a failure if the container is
/// not under its name.
Outcome<> Registry::check_bearing(const EntryPtr& entry) {
  auto found = bearing(entry);
  if (found == Bearing::unknown) return {};
  auto row = row_of_entry(entry);
  Bearing before;
  {
    std::lock_guard lock(mutex_);
    before = std::exchange(entry->bearing, found);
    if (before == Bearing::linked || before == Bearing::moved) entry->reason.clear();
    if (found == Bearing::linked) entry->reason = kLinkedReason;
    if (found == Bearing::moved) entry->reason = astray(row, found).message;
  }
  if (is_astray(found)) {
    auto why = astray(row, found);
    if (found != before) found == Bearing::moved ? tell_moved(entry, why) : stop_writes(entry, why);
    return why;
  }
  if (found == Bearing::linked && before != Bearing::linked) {
    log::warning("LUN '{}': {}", row.name, kLinkedReason);
    note_event("lun.container_linked", row.name, kLinkedReason);
  } else if (is_astray(before)) {
    log::info("LUN '{}': {}", row.name, kBackText);
    note_event("lun.container_back", row.name, kBackText);
    resume_writes(entry);
  }
  return {};
}

/// Nothing is lost by that, and it is easily undone.
void Registry::tell_moved(const EntryPtr& entry, const Failure& why) {
  auto name = row_of_entry(entry).name;
  log::error("LUN '{}': {}; {}", name, why.message, why.remedy);
  note_event("lun.container_moved", name, why.message);
}

/// The container is back. If its name was all that failed nothing is lost: it was
/// open all the time, and what could not be written was refused.
void Registry::resume_writes(const EntryPtr& entry) {
  std::shared_ptr<LunObject> object;
  std::uint64_t failure;
  {
    std::lock_guard lock(mutex_);
    object = entry->object;
    entry->failure.clear();
    failure = std::exchange(entry->stopped, 0);
  }
  if (!object || failure == 0 || object->state() != catalog::LunState::failed) return;
  if (control_) control_->drain(entry->lane);  // the failure that is being recorded
  auto lifted = Outcome<>();
  if (file_store::sync(*object->data().file())) {
    lifted = lift_failure(entry, *object, failure);
  } else {
    object->fail();
    auto why = failure_of(entry);
    lifted = save(
        entry, [&](LunRecord& changed) { changed.reason = why; }, "lun.failed", why);
  }
  if (!lifted) log::error("LUN '{}': {}", row_of_entry(entry).name, lifted.error().message);
}

/// What is written now would not outlive the gateway, or not be found by the next
/// start: the LUN fails, as after a failed flush, and hosts read on.
void Registry::stop_writes(const EntryPtr& entry, const Failure& why) {
  std::shared_ptr<LunObject> object;
  {
    std::lock_guard lock(mutex_);
    object = entry->object;
    entry->failure = why.message;
  }
  auto name = row_of_entry(entry).name;
  log::error("LUN '{}': {}; {}", name, why.message, why.remedy);
  if (!object) return;
  if (object->state() != catalog::LunState::failed) {
    auto failure = object->fail();  // which is recorded
    std::lock_guard lock(mutex_);
    entry->stopped = failure;
    return;
  }
  auto saved = save(
      entry, [&](LunRecord& changed) { changed.reason = why.message; }, "lun.container_lost",
      why.message);
  if (!saved) log::error("LUN '{}': {}", name, saved.error().message);
}

void Registry::note_event(std::string_view kind, const std::string& lun, std::string_view text) {
  auto noted = options_.catalog->change([&](Transaction& transaction) -> Outcome<> {
    auto added = transaction.add_event(kind, lun, "caissond", text);
    if (!added) return added.error();
    return {};
  });
  if (!noted) log::warning("LUN '{}': an event is lost: {}", lun, noted.error().message);
}

/// The last name is gone: closing the file would be the end of the data.
Outcome<> Registry::check_not_last(const EntryPtr& entry) {
  auto fine = check_bearing(entry);
  if (fine) return {};
  std::lock_guard lock(mutex_);
  bool last = entry->bearing == Bearing::deleted || entry->bearing == Bearing::replaced;
  return last ? fine : Outcome<>();
}

/// After a rename of ours: whether it is our file that has the new name.
Outcome<> Registry::check_moved(const EntryPtr& entry, file_store::Store& store,
                                const std::string& file) {
  std::shared_ptr<Container> container;
  {
    std::lock_guard lock(mutex_);
    container = entry->container;
  }
  if (!container) return {};
  auto own = container->attributes();
  auto named = store.look_up(file);
  if (own && named && own->id == named->id) return {};
  return failure(Errc::corrupt,
                 fmt::format("LUN '{}': its container was replaced on the share meanwhile",
                             row_of_entry(entry).name),
                 "see `caisson lun show`");
}

/// Why it fails, for whoever reads it later.
std::string Registry::failure_of(const EntryPtr& entry) const {
  std::lock_guard lock(mutex_);
  if (!entry->failure.empty()) return entry->failure;
  return "a flush failed; what was written since the one before may be lost";
}

/// What an administrator put in the place of a container that is gone is taken up
/// if it is this LUN's; what is open is let go.
Outcome<> Registry::take_up_replacement(const EntryPtr& entry) {
  auto fine = check_bearing(entry);
  if (fine) return {};
  {
    std::lock_guard lock(mutex_);
    if (entry->bearing != Bearing::replaced) return fine;
  }
  auto row = row_of_entry(entry);
  auto store = open_store(row.store);
  if (!store) return store.error();
  if (auto there = Container::open(**store, row); !there) return there.error();
  take_down(entry);
  return {};
}

}  // namespace caisson::object

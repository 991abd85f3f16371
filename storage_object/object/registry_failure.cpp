// SPDX-License-Identifier: Apache-2.0
// The failed state of a LUN (decision 3): recorded wherever something durable
// takes it, tried again until the catalog has it, cleared by an administrator.
#include <fmt/format.h>

#include <chrono>
#include <system_error>
#include <utility>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"
#include "storage_object/object/registry_impl.hpp"

namespace caisson::object {

using catalog::LunRecord;
using catalog::LunState;

/// Whether the row will make the next start know. That of a LUN being deleted needs not.
bool says_failed(const LunRecord& row) {
  return row.state == LunState::failed || row.state == LunState::deleting ||
         (row.state == LunState::offline && row.reason.starts_with(kFailedMark));
}

void say_failed(LunRecord& row, const std::string& why) {
  if (row.state == LunState::deleting || row.state == LunState::creating) return;
  bool offline = row.state == LunState::offline;
  row.reason = (offline ? std::string(kFailedMark) : "") + why;
  if (!offline) row.state = LunState::failed;
}

bool Registry::is_failing(const EntryPtr& entry) const {
  std::lock_guard lock(mutex_);
  return entry->failing && !entry->erased;
}

Outcome<> Registry::save_failure(const EntryPtr& entry, const std::string& why) {
  return save(
      entry, [&](LunRecord& changed) { say_failed(changed, why); }, "lun.failed",
      why + ": writes are refused until `lun online --accept-loss`");
}

bool Registry::fail_trailer(const EntryPtr& entry, const std::string& why) {
  std::shared_ptr<Container> container;
  {
    std::lock_guard lock(mutex_);
    container = entry->container;
  }
  if (!container) return false;
  if (container->slot().message.has_failed()) return true;
  auto done = container->update([&](format::pb::Trailer& message) {
    message.mutable_failed()->set_reason(why);
    message.mutable_failed()->set_since(
        std::chrono::system_clock::to_time_t(options_.clock->wall()));
  });
  return done.has_value();
}

void Registry::record_failure(const EntryPtr& entry, const std::function<void()>& recorded) {
  std::lock_guard one_at_a_time(entry->recording);
  auto row = row_of_entry(entry);
  auto why = failure_of(entry);
  bool erased;
  {
    std::lock_guard lock(mutex_);
    erased = entry->erased;
    entry->failing = !erased;
  }
  if (erased) {
    (void)marks_->clear(row.uuid);
    return recorded();
  }
  marks_->set_quickly(row.uuid);
  log::error("LUN '{}': {}", row.name, why);
  auto saved = save_failure(entry, why);
  if (saved) recorded();
  bool in_trailer = fail_trailer(entry, why);
  bool marked = (saved && in_trailer) || marks_->set(row.uuid).has_value();
  {
    std::lock_guard lock(mutex_);
    entry->unrecorded = !saved && !in_trailer;
  }
  if (saved) return;
  log::error("LUN '{}': its failed state is not in the catalog{}: {}", row.name,
             in_trailer ? "" : (marked ? ", nor in its trailer" : ", nor anywhere else"),
             saved.error().message);
  recorded();
  keep_recording();
}

/// Once more, for one that the catalog does not have.
bool Registry::write_failure(const EntryPtr& entry) {
  std::lock_guard one_at_a_time(entry->recording);
  if (!is_failing(entry)) return true;
  auto why = failure_of(entry);
  auto saved = save_failure(entry, why);
  bool in_trailer = fail_trailer(entry, why);
  if (!saved && !in_trailer) (void)marks_->set(row_of_entry(entry).uuid);
  std::lock_guard lock(mutex_);
  if (saved || in_trailer) entry->unrecorded = false;
  return !entry->unrecorded;  // the trailer may have it although it is closed now
}

bool Registry::misses_failure(const EntryPtr& entry) const {
  std::lock_guard lock(mutex_);
  return !entry->erased && entry->failing && (entry->unrecorded || !says_failed(entry->record));
}

std::vector<EntryPtr> Registry::missing_failures() const {
  std::vector<EntryPtr> missing;
  std::lock_guard lock(mutex_);
  for (const auto& [name, entry] : by_name_)
    if (entry->failing && (entry->unrecorded || !says_failed(entry->record)))
      missing.push_back(entry);
  return missing;
}

/// Begins the thread that tries again, unless it runs.
void Registry::keep_recording() {
  std::lock_guard lock(mutex_);
  if (stopping_ || recorder_.joinable()) return;
  try {
    recorder_ = std::thread([this] { record_until_stopped(); });
  } catch (const std::system_error& error) {  // the watch comes again
    log::error("no thread to record failed states again: {}", error.what());
  }
}

/// On its own lane: a trailer that hangs keeps no other LUN's from being written.
void Registry::record_again(const EntryPtr& entry) {
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(entry->recording_again, true)) return;
  }
  control_->post(entry->lane, [this, entry] {
    if (!stopping() && write_failure(entry))
      log::info("LUN '{}': its failed state is recorded", row_of_entry(entry).name);
    std::lock_guard lock(mutex_);
    entry->recording_again = false;
  });
}

void Registry::record_until_stopped() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (lock_wake_.wait_for(lock, options_.record_retry, [this] { return stopping_; })) return;
    }
    for (const auto& entry : missing_failures()) record_again(entry);
  }
}

/// What a clean row needs to be true again, the catalog last: until that says
/// "online" the LUN stays failed, here and after a restart.
Outcome<> Registry::clear_failure(const EntryPtr& entry, std::string_view event,
                                  std::string_view text) {
  auto row = row_of_entry(entry);
  std::shared_ptr<Container> container;
  {
    std::lock_guard lock(mutex_);
    container = entry->container;
  }
  auto stays = [&](const char* what, const Failure& why) {
    return failure(to_errc(why.code),
                   fmt::format("LUN '{}' stays failed: {}: {}", row.name, what, why.message),
                   why.remedy);
  };
  // Always, if it can be: the syncs of the next change of it must not hear of what is
  // accepted now.
  if (container && (container->slot().message.has_failed() || !container->read_only()))
    if (auto done = container->update([](format::pb::Trailer& m) { m.clear_failed(); }); !done)
      return stays("its trailer cannot be changed", done.error());
  if (auto done = marks_->clear(row.uuid); !done)
    return stays("a mark of it cannot be removed",
                 {done.error(), done.error().message(),
                  "look after the run directory and the state directory"});
  auto saved = save(
      entry,
      [](LunRecord& changed) {
        changed.state = LunState::online;
        changed.reason.clear();
      },
      event, text);
  if (saved) return saved;
  // The row may say "online" all the same: it is written again, and marked until then.
  (void)marks_->set(row.uuid);
  {
    std::lock_guard lock(mutex_);
    entry->unrecorded = true;
  }
  keep_recording();
  return stays("the catalog cannot be changed", saved.error());
}

/// With entry->change held. No recording can overtake it, nor be overtaken.
Outcome<> Registry::accept_failure(const EntryPtr& entry, LunObject& object) {
  std::lock_guard one_at_a_time(entry->recording);
  auto accepted = object.failures();
  if (auto cleared = clear_failure(entry, "lun.loss_accepted",
                                   "an administrator accepted that writes may be lost");
      !cleared)
    return cleared.error();
  auto name = row_of_entry(entry).name;
  object.data().forget_losses();
  // What is lost must be seen now, not when the cache happens to be emptied.
  if (auto dropped = object.data().file()->drop_cache(); !dropped)
    log::warning("LUN '{}': the cache is not emptied: {}", name, dropped.error().message());
  return end_failure(entry, object, accepted);
}

Outcome<> Registry::lift_failure(const EntryPtr& entry, LunObject& object, std::uint64_t failure) {
  std::lock_guard one_at_a_time(entry->recording);
  if (object.failures() != failure)
    return caisson::failure(
        Errc::offline, "it stays failed: a flush failed meanwhile",
        fmt::format("`caisson lun online {} --accept-loss`", row_of_entry(entry).name));
  if (auto cleared = clear_failure(entry, "lun.resumed", "nothing was lost: writes go on");
      !cleared)
    return cleared.error();
  return end_failure(entry, object, failure);
}

Outcome<> Registry::end_failure(const EntryPtr& entry, LunObject& object, std::uint64_t failure) {
  auto name = row_of_entry(entry).name;
  if (!object.accept_loss(failure))
    return caisson::failure(Errc::offline, fmt::format("LUN '{}' failed again meanwhile", name),
                            fmt::format("`caisson lun online {} --accept-loss` once more", name));
  std::lock_guard lock(mutex_);
  entry->failing = entry->unrecorded = false;
  return {};
}

/// Whether it is to be served as failed; if so, the catalog is told if it did not know.
bool Registry::starts_failed(const EntryPtr& entry, Container& container) {
  auto row = row_of_entry(entry);
  bool failed = row.state == LunState::failed || container.slot().message.has_failed() ||
                container.take_sync_failure() || marks_->has(row.uuid) || is_failing(entry);
  if (!failed) return false;
  {
    std::lock_guard lock(mutex_);
    entry->failing = true;
  }
  if (row.state == LunState::failed) return true;
  marks_->set_quickly(row.uuid);
  auto saved = save(entry, [](LunRecord& changed) {
    say_failed(changed, "a flush failed before the last stop");
  });
  if (saved) return true;
  const bool in_trailer = container.slot().message.has_failed();
  if (!in_trailer) (void)marks_->set(row.uuid);
  {
    std::lock_guard lock(mutex_);
    entry->unrecorded = !in_trailer;
  }
  log::error("LUN '{}': its failed state is not in the catalog: {}", row.name,
             saved.error().message);
  keep_recording();
  return true;
}

/// A change of its row failed and may have happened all the same, and the next
/// start would contradict what is served: nothing is, until that is settled.
void Registry::withdraw_in_doubt(const EntryPtr& entry, const char* change) {
  take_down(entry);
  std::lock_guard lock(mutex_);
  entry->in_doubt = true;
  entry->reason = fmt::format(
      "{} failed, and the catalog cannot say whether it has happened all the same: a restart "
      "decides, or `caisson lun online {}` once the catalog can be written",
      change, entry->record.name);
}

/// Success: the row is what the lists say.
Outcome<> Registry::end_doubt(const EntryPtr& entry) {
  {
    std::lock_guard lock(mutex_);
    if (!entry->in_doubt) return {};
  }
  if (auto settled = options_.catalog->settle(); !settled) return settled.error();
  std::lock_guard lock(mutex_);
  entry->in_doubt = false;
  return {};
}

}  // namespace caisson::object

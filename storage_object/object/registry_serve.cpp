// SPDX-License-Identifier: Apache-2.0
// From a row of the catalog to a served object and back, and what a crash left
// to be finished on the way.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"
#include "storage_object/object/registry_impl.hpp"

namespace caisson::object {

using catalog::LunRecord;
using catalog::LunState;
using catalog::Transaction;

namespace {

constexpr auto kLockRetry = std::chrono::milliseconds(50);
constexpr const char* kNotYet = "its store does not answer yet";

/// Two descriptors a container, three past the page cache: more than the usual limit,
/// even the hard one, which may be raised by root alone.
void raise_descriptor_limit() {
  constexpr rlim_t kWanted = 1 << 20;  // the kernel's own default for fs.nr_open
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  rlimit raised{kWanted, std::max(limit.rlim_max, kWanted)};
  if (limit.rlim_cur >= kWanted || ::setrlimit(RLIMIT_NOFILE, &raised) == 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

Outcome<std::unique_ptr<ContainerData>> data_of(Container& container, file_store::Store& store,
                                                const LunRecord& row) {
  auto file = container.open_data(store, row.cache);
  if (!file) return file.error();
  auto witness = container.open_witness(store);
  if (!witness) return witness.error();
  DataOptions options{.geometry = {row.capacity, row.logical_block, row.physical_block},
                      .read_only = container.read_only(),
                      .give_space_back = !row.thick};
  return std::make_unique<ContainerData>(std::move(*file), std::move(*witness), options);
}

/// What keeps hosts out from the beginning.
UpkeepState upkeep_of(const LunRecord& row, const format::pb::Trailer& trailer) {
  if (trailer.has_sanitize()) return UpkeepState::sanitize_failed;
  return row.restoring ? UpkeepState::restoring : UpkeepState::none;
}

}  // namespace

Identity identity_of(const LunRecord& row) {
  return {.uuid = row.uuid,
          .name = row.name,
          .naa = row.naa,
          .serial = row.serial,
          .target_name = row.target_name,
          .target_lun = row.target_lun,
          .removable = row.removable};
}

Outcome<> Registry::start(RegistryObserver& observer) {
  raise_descriptor_limit();
  observer_ = &observer;
  control_ = std::make_unique<ControlThreads>();
  auto stores = options_.catalog->stores();
  if (!stores) return stores.error();
  auto rows = options_.catalog->luns();
  if (!rows) return rows.error();
  auto clean = options_.catalog->setting(kCleanShutdownSetting);
  if (!clean) return clean.error();
  distrust_ = *clean && **clean == "0";
  if (distrust_)
    log::warning("the last shutdown was not clean; what it interrupted is finished now");
  auto noted = options_.catalog->change(
      [](Transaction& transaction) { return transaction.put_setting(kCleanShutdownSetting, "0"); });
  if (!noted) return noted.error();

  marks_ = std::make_unique<FailureMarks>(options_.failure_marks, options_.failure_record);
  std::vector<EntryPtr> entries;
  {
    std::lock_guard lock(mutex_);
    for (auto& row : *rows) {
      auto entry = std::make_shared<Entry>();
      entry->record = std::move(row);
      index(entry);
      entries.push_back(std::move(entry));
    }
  }
  open_all(std::move(*stores), entries);
  begin_watch();
  return {};
}

/// Every store with its LUNs beside the others; one that does not answer is waited for
/// a while, and then comes when it does.
void Registry::open_all(std::vector<catalog::StoreRecord> stores,
                        const std::vector<EntryPtr>& entries) {
  const auto deadline = std::chrono::steady_clock::now() + options_.start_limit;
  std::map<std::string, std::vector<EntryPtr>> luns;
  {
    std::lock_guard lock(mutex_);
    for (const auto& record : stores) stores_[record.name] = {record, nullptr, kNotYet, {}};
    for (const auto& entry : entries) {
      if (stores_.contains(entry->record.store)) entry->reason = kNotYet;
      luns[entry->record.store].push_back(entry);
    }
  }
  for (auto& record : stores) {
    auto done = std::make_shared<std::promise<void>>();
    opening_.push_back({record.name, done->get_future()});
    auto job = [this, record, mine = std::move(luns[record.name]), done] {
      open_known(record);
      for (const auto& entry : mine)
        if (!stopping()) bring_up_or_note(entry, MayWait::yes);
      begin_lock_waiter();
      done->set_value();
    };
    control_->post(std::make_shared<ControlLane>(), std::move(job));
    luns.erase(record.name);
  }
  for (const auto& [unknown_store, mine] : luns)
    for (const auto& entry : mine) bring_up_or_note(entry, MayWait::no);
  for (const auto& [store, ended] : opening_)
    if (ended.wait_until(deadline) != std::future_status::ready)
      log::error("store '{}' does not answer; its LUNs come when it does", store);
}

void Registry::begin_lock_waiter() {
  std::lock_guard begin(lock_waiter_mutex_);
  {
    std::lock_guard lock(mutex_);
    if (stopping_ || waiting_for_lock_.empty() || std::exchange(waits_for_locks_, true)) return;
  }
  if (lock_waiter_.joinable()) lock_waiter_.join();  // one that has ended
  lock_waiter_ = std::thread([this] { wait_for_locks(); });
}

// One that cannot be served stays offline alone, with its reason.
void Registry::bring_up_or_note(const EntryPtr& entry, MayWait may_wait) {
  std::lock_guard change(entry->change);
  {
    std::lock_guard lock(mutex_);
    if (stopping_ || entry->object) return;  // it has been closed, or somebody else was first
    if (entry->reason == kNotYet) entry->reason.clear();
  }
  auto done = bring_up(entry);
  if (done) return;
  const auto& why = done.error();
  std::lock_guard lock(mutex_);
  bool locked = why.code == Errc::in_use && may_wait == MayWait::yes;
  if (locked)
    waiting_for_lock_.push_back({entry, std::chrono::steady_clock::now() + options_.lock_wait});
  entry->reason = why.message + (why.remedy.empty() ? "" : "; " + why.remedy);
  log::at(locked ? log::Level::info : log::Level::error, "LUN '{}' is offline: {}",
          entry->record.name, entry->reason);
}

void Registry::wait_for_locks() {
  std::unique_lock lock(mutex_);
  while (!waiting_for_lock_.empty()) {
    if (lock_wake_.wait_for(lock, kLockRetry, [this] { return stopping_; })) return;
    auto waiting = std::exchange(waiting_for_lock_, {});
    lock.unlock();
    const auto now = std::chrono::steady_clock::now();
    std::erase_if(waiting, [&](const auto& one) {
      if (!retry_lock(one.entry)) return true;
      if (now < one.until) return false;
      auto lun = view_of(one.entry);
      log::error("LUN '{}' stays offline: {}", lun.record.name, lun.reason);
      return true;
    });
    lock.lock();  // others may have come meanwhile
    waiting_for_lock_.insert(waiting_for_lock_.end(), waiting.begin(), waiting.end());
  }
  waits_for_locks_ = false;
}

/// True: another process has it still.
bool Registry::retry_lock(const EntryPtr& entry) {
  std::lock_guard change(entry->change);
  if (stopping() || row_of_entry(entry).state == LunState::offline || view_of(entry).object)
    return false;
  auto done = bring_up(entry);
  if (done) return false;
  if (done.error().code == Errc::in_use) return true;
  std::lock_guard note(mutex_);
  entry->reason = done.error().message;
  return false;
}

Outcome<> Registry::bring_up(const EntryPtr& entry) {
  if (entry->erased) return {};
  if (auto done = end_doubt(entry); !done) return done.error();
  if (auto done = finish_rename(entry); !done) return done.error();
  switch (row_of_entry(entry).state) {
    case LunState::offline: return {};
    case LunState::creating: return finish_creation(entry);
    case LunState::deleting: return finish_deletion(entry);
    case LunState::online:
    case LunState::failed: return open_and_serve(entry);
  }
  return {};
}

Outcome<> Registry::open_and_serve(const EntryPtr& entry) {
  auto row = row_of_entry(entry);
  if (row.kind == catalog::LunKind::view) return serve_view(entry);
  auto store = open_store(row.store);
  if (!store) return store.error();
  auto container = Container::open(**store, row);
  if (!container) return container.error();
  if (auto done = make_sure(entry, **container); !done) return done.error();
  return serve(entry, std::move(*container));
}

/// What the last process left half done is finished, and what it may have left in the
/// page cache only is made durable. That syncs hear of a loss is not forgotten.
Outcome<> Registry::make_sure(const EntryPtr& entry, Container& container) {
  mark_losses(row_of_entry(entry).uuid, container);
  auto done = finish_resize(entry, container);
  if (done && distrust_) done = container.anchor();
  if (!done && container.take_sync_failure()) record_failure(entry, [] {});
  if (done) container.keep_room();
  return done;
}

void Registry::mark_losses(const Uuid& uuid, Container& container) {
  container.set_sync_hook([this, uuid](file_store::File& synced) {
    auto done = synced.sync_all();
    if (!done) marks_->set_quickly(uuid);
    return done;
  });
}

Outcome<> Registry::finish_resize(const EntryPtr& entry, Container& container) {
  auto row = row_of_entry(entry);
  if (!row.resize) return {};
  if (auto durable = options_.catalog->settle(); !durable) return durable.error();
  if (auto done = container.resize(*row.resize, row.thick); !done) return done.error();
  return save(entry, [](LunRecord& changed) {
    changed.capacity = changed.resize->to;
    changed.resize.reset();
    ++changed.config_id;
  });
}

Outcome<> Registry::serve(const EntryPtr& entry, std::unique_ptr<Container> opened) {
  std::shared_ptr<Container> container(std::move(opened));
  auto row = row_of_entry(entry);
  auto store = open_store(row.store);
  if (!store) return store.error();
  const bool failed = starts_failed(entry, *container);
  auto opened_data = data_of(*container, **store, row);
  if (!opened_data) return opened_data.error();
  auto data = std::move(*opened_data);
  LunParts parts{.identity = identity_of(row),
                 .data = data.get(),
                 .cache = row.cache,
                 .failed = failed,
                 .config_id = row.config_id,
                 .owner_epoch = row.owner_epoch};
  parts.stack = std::move(data);
  put_layers(parts, {row, **store, container->file()});
  parts.recorder = [this, lane = entry->lane, weak = std::weak_ptr(entry), uuid = row.uuid](
                       std::shared_ptr<LunObject>, std::function<void()> recorded) {
    marks_->set_quickly(uuid);
    control_->post(lane, [this, weak, recorded = std::move(recorded)] {
      if (auto failing = weak.lock()) record_failure(failing, recorded);
    });
  };
  parts.reservations = read_reservations(container->slot().message);
  parts.keeper = [this, lane = entry->lane, weak = std::weak_ptr(entry)](
                     const ReservationState& state, std::function<void(Error)> kept) {
    control_->post(lane, [this, weak, state, kept = std::move(kept)] {
      auto reserved = weak.lock();
      kept(reserved ? keep_reservations(reserved, state) : make_error_code(Errc::offline));
    });
  };
  const auto trailer = container->slot().message;
  parts.saved_modes = read_modes(trailer, row.cache);
  parts.mode_keeper = mode_keeper(entry);
  parts.cache_restorer = cache_restorer(entry);
  parts.upkeep = upkeep_of(row, trailer);
  parts.upkeep_may_be_left = trailer.sanitize().may_be_left();
  parts.upkeep_keeper = upkeep_keeper(entry);
  parts.wipe_rate = options_.wipe_rate;
  parts.noter = event_noter(entry);
  auto object = std::make_shared<LunObject>(std::move(parts));
  container->set_sync_hook([weak = std::weak_ptr(object)](file_store::File& synced) {
    auto beside = weak.lock();
    return beside ? beside->sync_beside(synced) : synced.sync_all();
  });
  sample_space(*object, **store);
  {
    std::lock_guard lock(mutex_);
    entry->container = std::move(container);
    entry->object = object;
    entry->reason.clear();
    entry->bearing = Bearing::ours;
    entry->failure.clear();
    entry->stopped = 0;
    entry->made_sure = true;
  }
  observer_->on_served(object);
  return {};
}

/// Snapshots below everything else that is put over the data.
void Registry::put_layers(LunParts& parts, const LayerPlace& place) const {
  if (options_.layer) {
    auto layer = options_.layer(std::move(parts.stack), place);
    parts.layer = layer.get();
    parts.stack = std::move(layer);
  }
  if (options_.decorate) parts.stack = options_.decorate(std::move(parts.stack), place.record);
}

bool Registry::take_down(const EntryPtr& entry, std::chrono::milliseconds limit) {
  std::shared_ptr<LunObject> object;
  std::shared_ptr<Container> container;
  {
    std::lock_guard lock(mutex_);
    object = entry->object;
    container = entry->container;
  }
  if (object) {
    const bool for_ever = limit == std::chrono::milliseconds::max();
    if (for_ever) observer_->on_withdrawn(object);  // nobody comes in meanwhile
    bool was_failed = object->state() == LunState::failed;
    if (!object->withdraw(limit)) return false;
    if (!for_ever) observer_->on_withdrawn(object);
    auto flushed = file_store::sync(*object->data().file());
    if (!flushed && !was_failed) record_failure(entry, [] {});
    if (auto* layer = object->layer()) layer->close();
    object->data().close();  // front ends may keep the object
  }
  control_->drain(entry->lane);  // what is still to be kept in the trailer
  {
    std::lock_guard lock(mutex_);
    entry->object.reset();
    entry->container.reset();
  }
  if (!container) return true;
  // Its trailer is written with entry->change held or on the lane: by nobody from now
  // on. Who only looks at it may hold it open for a while, but not its lock.
  control_->drain(entry->lane);
  auto store = open_store(row_of_entry(entry).store);
  if (!store) return true;
  if (auto locked = container->open_data(**store, catalog::CacheMode::writeback))
    (void)(*locked)->release_owner();  // else it goes with the file
  return true;
}

Error Registry::keep_reservations(const EntryPtr& entry, const ReservationState& state) {
  std::shared_ptr<Container> container;
  {
    std::lock_guard lock(mutex_);
    container = entry->container;
  }
  if (!container) return Errc::offline;
  auto done =
      container->update([&](format::pb::Trailer& message) { write_reservations(message, state); });
  if (done) return {};
  log::error("reservations cannot be kept: {}", done.error().message);
  return done.error().code;
}

}  // namespace caisson::object

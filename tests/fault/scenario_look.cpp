// SPDX-License-Identifier: Apache-2.0
// What the start after the end of a gateway finds, against the model.
#include "storage_object/format/trailer.hpp"
#include "tests/fault/scenario.hpp"

namespace caisson::tests {

using catalog::LunState;
using object::LunView;

namespace {

/// Takes nothing more once the process is dead.
class MemoryOfProcess final : public BorrowedStore {
 public:
  MemoryOfProcess(SimStore& memory, const SimStore& disk) : BorrowedStore(memory), disk_(disk) {}
  Result<> publish(file_store::File& file, std::string_view name) override {
    if (disk_.is_cut()) return SimStore::power_lost();
    return BorrowedStore::publish(file, name);
  }
  Result<> remove(std::string_view name) override {
    if (disk_.is_cut()) return SimStore::power_lost();
    return BorrowedStore::remove(name);
  }

 private:
  const SimStore& disk_;
};

class Look {
 public:
  Look(SimStore& disk, SimStore& memory, End end, World& world)
      : disk_(disk), end_(end), world_(world), machine_(disk, nullptr, marks_in(memory, disk)) {}

  void all() {
    ASSERT_FALSE(machine_.failure()) << machine_.failure()->message;
    for (const auto& found : machine_.registry().list()) {
      containers_.insert(found.record.file);
      auto model = std::ranges::find(world_.luns, found.record.uuid, &LunModel::uuid);
      if (model == world_.luns.end()) model = late(found);
      if (::testing::Test::HasFailure()) return;
      lun(found, *model);
      if (::testing::Test::HasFailure()) return;
    }
    std::erase_if(world_.luns, [&](const LunModel& lun) {
      if (seen_.contains(lun.uuid)) return false;
      EXPECT_TRUE(lun.there.allows(false)) << "lost: " << lun.name.value();
      return true;
    });
    access();
    files();
    world_.unfinished.clear();
  }

 private:
  /// A creation that was not answered, but came through.
  std::list<LunModel>::iterator late(const LunView& found) {
    auto model = world_.unfinished.find(found.record.name);
    if (model == world_.unfinished.end()) {
      ADD_FAILURE() << "unknown: " << found.record.name;
      return world_.luns.end();
    }
    model->second.uuid = found.record.uuid;
    model->second.target_name = found.record.target_name;
    return world_.luns.insert(world_.luns.end(), model->second);
  }

  void lun(LunView found, LunModel& lun) {
    const auto name = found.record.name;
    seen_.insert(lun.uuid);
    ASSERT_TRUE(lun.there.allows(true)) << name << " is back";
    bool accepted = false;
    if (found.record.state == LunState::offline && lun.online.allows(false)) {
      accepted = bring_online(name, lun);
      found = *machine_.registry().find(name);
    }
    lun.online = true;
    lun.there = true;
    ASSERT_TRUE(found.object) << name << ": " << found.reason;
    bool failed = found.state == LunState::failed;
    ASSERT_TRUE(failed || found.state == LunState::online) << found.reason;
    if (lun.in_memory_only && end_ == End::power_cut) lun.failed = Failed::maybe;
    lun.in_memory_only = false;
    // Of a writeback that nobody had heard of the start itself may hear.
    if (lun.failed == Failed::no && disk_.hits() != 0) lun.failed = Failed::maybe;
    ASSERT_TRUE(lun.failed == Failed::maybe || (lun.failed == Failed::yes) == failed)
        << name << (failed ? " has failed: " + found.reason : " has forgotten that it failed");
    lun.failed = failed ? Failed::yes : Failed::no;
    if (lun.untold && end_ == End::killed && !failed) lun.medium.doubt();
    lun.untold = false;
    attributes(found, lun);
    content(*found.object, lun, accepted);
  }

  /// True if a loss was accepted for it.
  bool bring_online(const std::string& name, LunModel& lun) {
    bool plainly = machine_.registry().set_online(name, false).has_value();
    EXPECT_TRUE(lun.failed == Failed::maybe || plainly == (lun.failed == Failed::no)) << name;
    lun.failed = Failed::no;
    if (plainly) return false;
    auto accepted = machine_.registry().set_online(name, true);
    EXPECT_TRUE(accepted) << accepted.error().message;
    return true;
  }

  void attributes(const LunView& found, LunModel& lun) {
    const auto& row = found.record;
    ASSERT_TRUE(lun.name.allows(row.name)) << row.name;
    ASSERT_EQ(row.file, row.name + ".img");
    ASSERT_TRUE(lun.capacity.allows(row.capacity)) << row.name << ": " << row.capacity;
    ASSERT_EQ(found.object->geometry().capacity, row.capacity);
    ASSERT_EQ(found.object->identity()->target_name, lun.target_name);
    ASSERT_TRUE(lun.cache.allows(row.cache)) << row.name;
    ASSERT_EQ(found.object->cache_mode(), row.cache);
    ASSERT_TRUE(lun.location.allows(row.vendor_location)) << row.name;
    ASSERT_EQ(row.thick, lun.thick);
    if (lun.thick) {
      ASSERT_GE(found.object->allocated().value(), row.capacity) << row.name;
    }
    auto kept = KeptReservation::of(found.object->reservations().state());
    ASSERT_TRUE(lun.reservation.allows(kept)) << row.name << ": reservation";
    lun.name = row.name;
    lun.capacity = row.capacity;
    lun.cache = row.cache;
    lun.location = row.vendor_location;
    lun.reservation = kept;
  }

  void content(object::StorageObject& object, LunModel& lun, bool accepted) {
    auto capacity = lun.capacity.value();
    auto data = filled(capacity, 0xee);
    ASSERT_FALSE(read(object, 0, data));
    auto seen = accepted ? End::power_cut : end_;
    for (std::uint64_t number = 0; number < capacity / kSector; ++number) {
      auto print = fingerprint(std::span(data).subspan(number * kSector, kSector));
      ASSERT_TRUE(lun.medium.allows(number, print, seen))
          << lun.name.value() << " sector " << number;
      lun.medium.found(number, print, end_);
    }
    lun.medium.cut_off(capacity);
    if (end_ == End::power_cut || accepted) lun.medium.settled();
  }

  void access() {
    auto hosts = machine_.catalog().hosts();
    ASSERT_TRUE(hosts);
    std::map<std::uint64_t, std::string> names;
    for (const auto& host : *hosts) {
      ASSERT_TRUE(world_.hosts.contains(host.id) || world_.doubtful_hosts.contains(host.name))
          << "unknown host " << host.name;
      names[host.id] = host.name;
    }
    for (const auto& [id, name] : world_.hosts)
      ASSERT_TRUE(names.contains(id) || world_.doubtful_hosts.contains(name)) << "lost: " << name;
    world_.hosts = names;
    world_.doubtful_hosts.clear();
    auto grants = machine_.catalog().grants();
    ASSERT_TRUE(grants);
    for (auto& lun : world_.luns) {
      for (auto& [host, expected] : lun.grants) {
        std::optional<bool> found;
        for (const auto& grant : *grants)
          if (grant.lun == lun.uuid && grant.host == host) found = grant.read_only;
        ASSERT_TRUE(expected.allows(found)) << lun.name.value() << ": grant of host " << host;
        expected = found;
      }
      for (const auto& grant : *grants)
        ASSERT_TRUE(grant.lun != lun.uuid || lun.grants.contains(grant.host));
      auto copy = grants_in_trailer(lun);
      ASSERT_TRUE(lun.trailer_grants.contains(copy))
          << lun.name.value() << ": trailer has " << copy;
      if (end_ == End::power_cut) lun.trailer_grants = {copy};  // else it may still be lost
    }
  }

  std::string grants_in_trailer(const LunModel& lun) {
    auto bytes = disk_.content(lun.name.value() + ".img");
    auto trailer = format::trailer_position(lun.capacity.value());
    format::Slot newest;
    for (unsigned index = 0; index < format::kSlots; ++index) {
      auto at = format::slot_position(trailer, index);
      auto slot = format::parse_slot(std::span(bytes).subspan(at, format::kSlotSize), at);
      if (slot.defect == format::SlotDefect::none && slot.slot.uuid == lun.uuid &&
          slot.slot.generation > newest.generation)
        newest = slot.slot;
    }
    std::set<std::string> texts;
    for (const auto& grant : newest.message.grants())
      texts.insert(grant.host() + (grant.read_only() ? ":ro " : ":rw "));
    std::string all;
    for (const auto& text : texts) all += text;
    return all;
  }

  void files() {
    for (const auto& entry : disk_.list("").value()) {
      bool ours = entry.name.starts_with("catalog.db") || entry.name.starts_with(".") ||
                  containers_.contains(entry.name);
      ASSERT_TRUE(ours || world_.images.contains(entry.name) || world_.debris.contains(entry.name))
          << "left behind: " << entry.name;
    }
    for (auto it = world_.images.begin(); it != world_.images.end();) {
      bool gone = it->second.being_imported && became_container(it->first, it->second);
      if (!gone) image(it->first, it->second);
      gone ? void(it = world_.images.erase(it)) : void(++it);
    }
  }

  void image(const std::string& file, Image& image) {
    auto there = disk_.content(file);
    bool same = there.size() >= image.bytes.size() &&
                std::equal(image.bytes.begin(), image.bytes.end(), there.begin()) &&
                (image.being_imported || there.size() == image.bytes.size());
    EXPECT_TRUE(same) << "the image " << file << " was changed";
    image = {.bytes = std::move(there)};
  }

  /// It bears the name of a container now, or has gone to be one.
  bool became_container(const std::string& file, const Image& image) const {
    return containers_.contains(file) ||
           std::ranges::any_of(
               world_.luns, [&](const LunModel& known) { return known.name.value() == image.lun; });
  }

  SimStore& disk_;
  const End end_;
  World& world_;
  Machine machine_;
  std::set<std::string> containers_;
  std::set<Uuid> seen_;
};

}  // namespace

std::function<void(object::RegistryOptions&)> marks_in(SimStore& memory, const SimStore& disk) {
  return [&](object::RegistryOptions& options) {
    options.failure_marks = {{.name = "memory",
                              .open = [&](bool) -> Outcome<std::unique_ptr<file_store::Store>> {
                                return std::make_unique<MemoryOfProcess>(memory, disk);
                              },
                              .quick = true}};
  };
}

void look(SimStore& disk, SimStore& memory, End end, World& world) {
  Look(disk, memory, end, world).all();
}

}  // namespace caisson::tests

// SPDX-License-Identifier: Apache-2.0
// What administrators do in a scenario.
#include "tests/fault/scenario.hpp"

namespace caisson::tests {

using catalog::CacheMode;
using catalog::Transaction;

namespace {
constexpr std::uint64_t kUnit = 4096;
constexpr CacheMode kModes[] = {CacheMode::writeback, CacheMode::none, CacheMode::writethrough};
}  // namespace

object::CreateOptions Scenario::random_options() {
  return {.name = fresh_name(),
          .capacity = kSector * (1 + random_.below(500)),
          .cache = kModes[random_.below(3)],
          .thick = random_.chance(25)};
}

LunModel Scenario::expected(const object::CreateOptions& options) const {
  LunModel model;
  model.name = options.name;
  model.capacity = options.capacity;
  model.cache = options.cache;
  model.thick = options.thick;
  return model;
}

void Scenario::began(LunModel model, const Outcome<object::LunView>& made) {
  if (!answered(nullptr, made)) {
    world_.unfinished[model.name.value()] = std::move(model);
    return;
  }
  model.uuid = made->record.uuid;
  model.target_name = made->record.target_name;
  world_.luns.push_back(std::move(model));
}

void Scenario::create() {
  auto options = random_options();
  began(expected(options), machine_->registry().create(options));
}

/// A share user's file, durable when this returns true.
bool Scenario::place_image(const std::string& file, std::span<const std::byte> bytes) {
  world_.debris.insert(file);
  auto made = disk_->create_unnamed();
  bool done = made && file_store::write_at(**made, 0, bytes) && (*made)->sync_all() &&
              disk_->publish(**made, file) && disk_->sync_names();
  if (!answered(nullptr, done, "cannot make an image")) return false;
  world_.debris.erase(file);
  return true;
}

void Scenario::import(bool in_place) {
  if (world_.luns.size() >= 5) return;
  auto options = random_options();
  bool named_alike = in_place && random_.chance(30);
  auto file = named_alike ? options.name + ".img" : "image-of-" + options.name;
  std::vector<std::byte> bytes(1 + random_.below(40000));
  for (auto& byte : bytes) byte = static_cast<std::byte>(random_.next());
  if (!place_image(file, bytes)) return;
  auto& image = world_.images[file];
  image = {.bytes = bytes, .being_imported = in_place, .lun = options.name};
  options.capacity = (bytes.size() + kSector - 1) / kSector * kSector;
  auto model = expected(options);
  bytes.resize(options.capacity);
  model.medium.wrote(0, bytes, Answer::durable);
  auto made = machine_->registry().import(
      {.file = file, .name = options.name, .in_place = in_place, .like = options});
  if (made && in_place) world_.images.erase(file);
  began(std::move(model), made);
}

void Scenario::resize(LunModel& lun) {
  auto by = random_.chance(50) ? random_.below(40) * kSector : random_.below(64) * kUnit;
  auto from = lun.capacity.value();
  bool grows = random_.chance(50) || by >= from;
  auto to = grows ? from + by : from - by;
  auto resized = act(lun, [&] { return machine_->registry().resize(lun.name.value(), to, true); });
  if (lun.failed == Failed::yes) {
    EXPECT_TRUE(!resized || to == from || is_over()) << "a failed LUN was resized";
    return;
  }
  lun.capacity.asked(to);
  if (!resized && to < from) lun.medium.may_be_overwritten(to);
  if (!answered(&lun, resized)) return;
  lun.capacity.answered();
  lun.medium.cut_off(to);
}

void Scenario::rename(LunModel& lun) {
  auto from = lun.name.value(), to = fresh_name();
  auto renamed = act(lun, [&] { return machine_->registry().rename(from, to); });
  lun.name.asked(to);
  if (answered(&lun, renamed)) lun.name.answered();
}

void Scenario::remove(LunModel& lun) {
  lun.there.asked(false);
  if (answered(&lun, machine_->registry().remove(lun.name.value()))) lun.there.answered();
}

void Scenario::relocate(LunModel& lun) {
  auto place = "rack " + std::to_string(random_.below(99));
  lun.location.asked(place);
  if (answered(&lun, machine_->registry().set(lun.name.value(), {.location = place})))
    lun.location.answered();
}

void Scenario::switch_cache(LunModel& lun) {
  auto mode = kModes[random_.below(3)];
  auto done = act(lun, [&] { return machine_->registry().set(lun.name.value(), {.cache = mode}); });
  bool flushes = !lun.write_through() && mode == CacheMode::writethrough;
  lun.cache.asked(mode);
  if (!answered(&lun, done)) return;
  lun.cache.answered();
  auto object = machine_->object(lun.name.value());
  ASSERT_TRUE(object);
  EXPECT_EQ(object->cache_mode(), mode);
  // From now on nobody flushes: what was acknowledged must be durable, or known to be lost.
  if (flushes && lun.failed == Failed::no && object->state() == catalog::LunState::online)
    lun.medium.flushed();
}

void Scenario::offline(LunModel& lun) {
  const auto name = lun.name.value();
  lun.online.asked(false);
  auto taken = act(lun, [&] { return machine_->registry().set_offline(name); });
  if (!answered(&lun, taken)) return;
  lun.online.answered();
  bool may_have_failed = lun.failed == Failed::yes || disk_->hits() != hits_;
  auto plainly = machine_->registry().set_online(name, false);
  ASSERT_TRUE(lun.failed == Failed::no || !plainly) << name << " has forgotten that it failed";
  lun.online.asked(true);
  if (!plainly && may_have_failed && !is_over()) {
    lun.failed = Failed::yes;
    auto accepted_now = machine_->registry().set_online(name, true);
    if (!accepted_now) accepted_perhaps(lun);
    if (answered(&lun, accepted_now)) accepted(lun);
  } else if (!answered(&lun, plainly)) {
    return;
  }
  if (!is_over()) lun.online.answered();
}

void Scenario::accept_loss(LunModel& lun) {
  if (lun.failed != Failed::yes) return;
  const auto name = lun.name.value();
  ASSERT_FALSE(machine_->registry().set_online(name, false)) << name << " is online by itself";
  auto done = machine_->registry().set_online(name, true);
  if (!done) accepted_perhaps(lun);
  if (!done && !is_over() && disk_->hits() == hits_) ADD_FAILURE() << done.error().message;
  if (!done) return disk_->cut_now();
  accepted(lun);
}

/// The end came first; what was lost may show all the same.
void Scenario::accepted_perhaps(LunModel& lun) {
  lun.failed = Failed::maybe;
  lun.medium.doubt();
}

/// What was lost shows now.
void Scenario::accepted(LunModel& lun) {
  lun.failed = Failed::no;
  auto object = machine_->object(lun.name.value());
  ASSERT_TRUE(object);
  auto data = filled(lun.capacity.value(), 0xee);
  auto error = read(*object, 0, data);
  ASSERT_TRUE(!error || is_over());
  if (error) return lun.medium.doubt();  // nobody has seen it
  for (std::uint64_t number = 0; number < data.size() / kSector; ++number) {
    auto print = fingerprint(std::span(data).subspan(number * kSector, kSector));
    ASSERT_TRUE(lun.medium.allows(number, print, End::power_cut)) << "sector " << number;
    lun.medium.found(number, print, End::killed);
  }
  lun.medium.settled();
}

// Who may come.

std::optional<std::uint64_t> Scenario::some_host() {
  if (!world_.hosts.empty() && random_.chance(70)) {
    auto at = static_cast<std::ptrdiff_t>(random_.below(world_.hosts.size()));
    return std::next(world_.hosts.begin(), at)->first;
  }
  auto name = "host-" + fresh_name();
  catalog::HostRecord record{.name = name, .iqns = {"iqn." + name}, .no_auth = true};
  std::uint64_t id = 0;
  auto done = machine_->catalog().change([&](Transaction& transaction) -> Outcome<> {
    auto put = transaction.put_host(record);
    if (!put) return put.error();
    id = *put;
    return {};
  });
  if (!done) world_.doubtful_hosts.insert(record.name);
  if (!answered(nullptr, done)) return std::nullopt;
  world_.hosts[id] = record.name;
  return id;
}

void Scenario::grant(LunModel& lun) {
  auto host = some_host();
  if (!host) return;
  std::optional<bool> wanted;
  if (random_.chance(70)) wanted = random_.chance(50);
  auto& known = lun.grants.try_emplace(*host, std::nullopt).first->second;
  known.asked(wanted);
  auto done = machine_->catalog().change([&](Transaction& transaction) {
    if (!wanted) return transaction.erase_grant(lun.uuid, *host);
    return transaction.put_grant({.lun = lun.uuid, .host = *host, .read_only = *wanted});
  });
  if (!answered(nullptr, done)) return;
  known.answered();
  refresh(lun);
}

void Scenario::refresh(LunModel& lun) {
  std::set<std::string> texts;
  for (const auto& [host, granted] : lun.grants)
    if (granted.value()) texts.insert(world_.hosts[host] + (*granted.value() ? ":ro " : ":rw "));
  std::string all;
  for (const auto& text : texts) all += text;
  lun.trailer_grants.insert(all);
  if (answered(&lun, machine_->registry().refresh_grants(lun.uuid))) lun.trailer_grants = {all};
}

void Scenario::forget_host(LunModel&) {
  if (world_.hosts.empty()) return;
  const auto id = world_.hosts.begin()->first;
  const auto name = world_.hosts.begin()->second;
  std::vector<LunModel*> concerned;
  for (auto& lun : world_.luns)
    if (auto known = lun.grants.find(id); known != lun.grants.end()) {
      known->second.asked(std::nullopt);
      concerned.push_back(&lun);
    }
  auto done = machine_->catalog().change(
      [&](Transaction& transaction) { return transaction.erase_host(id); });
  if (!done) world_.doubtful_hosts.insert(name);
  if (!answered(nullptr, done)) return;
  world_.hosts.erase(id);
  for (auto* lun : concerned) {
    lun->grants[id].answered();
    if (!is_over()) refresh(*lun);
  }
}

}  // namespace caisson::tests

// SPDX-License-Identifier: Apache-2.0
#include "gateway/daemon/application.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <system_error>
#include <thread>

#include "gateway/daemon/listen.hpp"
#include "gateway/daemon/mark_places.hpp"
#include "gateway/daemon/version.hpp"
#include "gateway/service/snapshot_layers.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"
#include "storage_object/posix/engine.hpp"
#include "storage_object/posix/posix_store.hpp"

namespace caisson::daemon {
namespace {

constexpr std::chrono::minutes kDailyCopyCheck{30};
/// For verbs under way when the gateway stops; one may be at a file that hangs.
constexpr std::chrono::seconds kServiceLimit{20};

Outcome<> make_directory(const std::string& path) {
  std::error_code error;
  if (std::filesystem::create_directories(path, error); !error) return {};
  return failure(Errc::io_error, fmt::format("cannot make {}: {}", path, error.message()),
                 "make it, or name another with --state or --run");
}

posix::EngineKind engine_kind(config::Engine engine) {
  switch (engine) {
    case config::Engine::automatic: return posix::EngineKind::automatic;
    case config::Engine::io_uring: return posix::EngineKind::uring;
    case config::Engine::threads: return posix::EngineKind::threads;
  }
  return posix::EngineKind::automatic;
}

service::SnapshotPolicy configured_policy(const config::Config& config) {
  return {.hosts_first = config.snapshot_hosts_first, .pace = config.snapshot_pace};
}

Outcome<std::unique_ptr<file_store::Store>> open_posix_store(const catalog::StoreRecord& record) {
  auto store = posix::PosixStore::look_at(record.location);
  if (!store) return store.error();
  return std::unique_ptr<file_store::Store>(std::move(*store));
}

}  // namespace

Application::Application(config::Config config, Decorate decorate)
    : config_(std::move(config)), decorate_(std::move(decorate)) {}

Application::~Application() {
  if (auto stopped = stop(); !stopped) log::error("stop: {}", stopped.error().message);
}

Outcome<> Application::start() {
  signals_.add(SIGTERM);
  signals_.add(SIGINT);
  if (auto ok = make_directory(config_.state_directory); !ok) return ok;
  if (auto ok = make_directory(config_.run_directory); !ok) return ok;
  if (auto ok = open_catalog(); !ok) return ok;
  auto count = config_.io_threads != 0 ? config_.io_threads
                                       : std::max(1U, std::thread::hardware_concurrency());
  for (unsigned i = 0; i < count; ++i)
    io_threads_.push_back(std::make_unique<IoThread>(fmt::format("io-{}", i), [this] {
      return posix::make_engine(engine_kind(config_.engine));
    }));
  facts_.node = config_.node_name;
  facts_.version = kVersion;
  facts_.io_engine = io_threads_.front()->engine().name();
  facts_.io_threads = count;
  facts_.started_at = std::chrono::system_clock::to_time_t(Clock::system().wall());
  if (auto ok = open_objects(); !ok) return ok;
  if (auto ok = start_iscsi(); !ok) return ok;
  return start_control();
}

Outcome<> Application::open_catalog() {
  auto path = config_.state_directory + "/catalog.db";
  auto staged = path + ".to-restore";
  if (auto restored = catalog::restore_staged(staged, path); !restored) return restored;
  auto opened = catalog::Catalog::open({.path = path});
  if (!opened) return opened.error();
  catalog_ = std::move(*opened);
  access_ = std::make_unique<service::AccessBook>(*catalog_);
  return access_->load();
}

Outcome<> Application::open_objects() {
  auto clean = catalog_->setting(object::kCleanShutdownSetting);
  if (!clean) return clean.error();
  facts_.clean_start = !*clean || **clean != "0";
  directory_ = std::make_unique<service::Directory>(*access_, sessions_);
  object::RegistryOptions options;
  options.catalog = catalog_.get();
  options.open_store = open_posix_store;
  options.authority = config_.authority;
  options.node = config_.node_name;
  options.oui = config_.oui;
  options.failure_marks = failure_mark_places(config_.run_directory, config_.state_directory);
  options.failure_record = failure_record_place(config_.state_directory);
  options.watch_interval = config_.watch_interval;
  options.import_directories = config_.import_directories;
  options.wipe_rate = std::uint64_t{config_.wipe_rate} << 20;
  options.protected_directories = {config_.state_directory, config_.run_directory};
  snapshots_ = std::make_unique<snapshot::Manager>(
      snapshot::ManagerOptions{.catalog = catalog_.get(),
                               .luns = &snapshot_luns_,
                               .index_directory = config_.state_directory + "/snapshot-index"});
  service::put_snapshots_into(options, *snapshots_);
  options.decorate = decorate_;
  registry_ = object::ObjectRegistry::make(std::move(options));
  directory_->bind(*registry_);
  snapshot_luns_.bind(*registry_);
  snapshot_luns_.watch(*access_, sessions_);
  if (auto known = snapshots_->start(); !known) return known;
  if (auto started = registry_->start(*directory_); !started) return started;
  objects_open_ = true;
  add_configured_stores();
  return open_snapshots();
}

/// What snapshots are asked for, once there are LUNs.
Outcome<> Application::open_snapshots() {
  schedules_ = std::make_unique<snapshot::ScheduleRunner>(snapshot::ScheduleOptions{
      .snapshots = snapshots_.get(), .catalog = catalog_.get(), .luns = &snapshot_luns_});
  snapshot_engine_ =
      std::make_unique<service::SnapshotEngine>(*snapshots_, *schedules_, *registry_);
  auto policy = service::policy_in_force(*catalog_, configured_policy(config_));
  if (!policy) return policy.error();
  snapshot_engine_->set_policy(*policy);
  schedules_->start();
  return {};
}

// One that cannot be is not served, alone.
void Application::add_configured_stores() {
  auto known = registry_->stores();
  for (const auto& wanted : config_.stores) {
    auto at = std::ranges::find(known, wanted.name, &catalog::StoreRecord::name);
    if (at != known.end() && at->location == wanted.directory &&
        at->import_allowed == wanted.import_allowed)
      continue;
    catalog::StoreRecord record;
    record.name = wanted.name;
    record.location = wanted.directory;
    record.import_allowed = wanted.import_allowed;
    if (auto added = registry_->add_store(record); !added)
      log::error("configured store '{}' is not taken: {}; {}", wanted.name, added.error().message,
                 added.error().remedy);
  }
}

Outcome<> Application::start_iscsi() {
  iscsi::ServerOptions options;
  for (const auto& portal : usable_portals(config_.iscsi_listen, config_.iscsi_listen_is_default))
    options.portals.push_back({portal.address.host, portal.address.port, portal.group});
  options.target_groups.insert(config_.target_groups.begin(), config_.target_groups.end());
  for (const auto& thread : io_threads_) options.threads.push_back(thread.get());
  options.directory = directory_.get();
  options.sessions = &sessions_;
  options.timers.login = config_.login_timeout;
  options.timers.nop_interval = config_.nop_interval;
  options.timers.nop_timeout = config_.nop_timeout;
  options.timers.drain = config_.drain_timeout;
  options.limits.connections = config_.max_connections;
  options.limits.half_logins = config_.max_half_logins;
  options.limits.half_logins_per_address = config_.max_half_logins_per_address;
  iscsi_ = std::make_unique<iscsi::Server>(std::move(options));
  auto bound = iscsi_->start();
  if (!bound) return bound.error();
  portals_ = std::move(*bound);
  for (const auto& portal : portals_) facts_.portals.emplace_back("iscsi", portal.to_string());
  return {};
}

Outcome<> Application::start_control() {
  facts_.portals.emplace_back("control", config_.control_socket);
  service::Parts parts{*catalog_, *registry_, *access_,
                       sessions_, facts_,     config_.state_directory + "/catalog.db.to-restore"};
  parts.snapshots = snapshot_engine_.get();
  parts.configured_policy = configured_policy(config_);
  service_ = std::make_unique<service::Service>(std::move(parts));
  nbs::control::ControlServerOptions options;
  options.path = config_.control_socket;
  options.node = config_.node_name;
  options.software = fmt::format("caissond {}", kVersion);
  control_server_ = nbs::control::ControlServer::make(control_, *service_, std::move(options));
  if (auto started = control_server_->start(); !started) return started;
  make_daily_copy();
  return {};
}

void Application::make_daily_copy() {
  if (config_.daily_copies == 0) return;
  service_->run([this] {
    auto made = catalog::rotate_daily_copy(*catalog_, config_.state_directory + "/copies",
                                           config_.daily_copies, Clock::system());
    if (!made) log::error("the daily copy of the catalog failed: {}", made.error().message);
  });
  daily_.expires_after(kDailyCopyCheck);
  daily_.async_wait([this](Error error) {
    if (!error) make_daily_copy();
  });
}

std::string Application::ready_line() const {
  std::string line = "ready";
  for (const auto& portal : portals_) line += " iscsi=" + portal.to_string();
  return line;
}

void Application::run() {
  signals_.async_wait([this](Error error, int number) {
    if (error) return;
    log::info("stopping: {}", ::strsignal(number));
    quit();
  });
  control_.run();
}

void Application::end_service() {
  ending_service_ = std::make_unique<object::ParallelJobs>(
      std::vector<std::function<void()>>{[this] { service_->stop(); }});
  if (ending_service_->wait(kServiceLimit).empty()) return;
  log::error("stop: a verb did not end within {} s", kServiceLimit.count());
  hangs_ = true;
}

Outcome<> Application::stop() {
  if (hangs_) return {};
  if (control_server_) control_server_->stop();
  daily_.cancel();
  if (service_) end_service();
  if (schedules_) schedules_->stop();
  if (iscsi_) iscsi_->stop();
  Outcome<> closed = {};
  if (objects_open_) closed = registry_->stop();
  objects_open_ = false;
  hangs_ = hangs_ || (!closed && closed.error().code == Errc::timed_out);
  if (hangs_) return closed;
  if (snapshots_) snapshots_->stop();  // what it still does asks the registry
  control_server_.reset();
  iscsi_.reset();
  service_.reset();
  snapshot_engine_.reset();
  schedules_.reset();
  io_threads_.clear();
  directory_.reset();
  registry_.reset();
  snapshots_.reset();
  access_.reset();
  catalog_.reset();
  return closed;
}

}  // namespace caisson::daemon

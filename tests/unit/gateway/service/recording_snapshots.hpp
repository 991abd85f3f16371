// SPDX-License-Identifier: Apache-2.0
// An engine that writes down what it is asked and answers what a test says, and what
// stands around it: a catalog, LUNs in a directory, hosts and grants.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gateway/service/directory.hpp"
#include "gateway/service/snapshots.hpp"
#include "gateway/service/verbs.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/posix/posix_store.hpp"
#include "tests/support/temp_dir.hpp"

namespace caisson::service {

class RecordingSnapshots final : public Snapshots {
 public:
  std::vector<std::string> asked;             ///< one line a call
  std::map<std::string, SnapshotView> views;  ///< by "lun snapshot"
  std::map<std::string, ScheduleView> kept;
  CreateOptions created;
  RestoreOptions restored;
  DiffQuery queried;
  DiffPage page;
  SnapshotPolicy policy_;
  std::uint64_t now = 1000;
  std::function<Outcome<object::LunView>(const std::string& name)> make_lun;

  SnapshotView& add(const std::string& lun, const std::string& name) {
    auto& view = views[lun + " " + name];
    view.lun = lun;
    view.record.uuid = Uuid::random();
    view.record.name = name;
    view.record.state = catalog::SnapshotState::present;
    return view;
  }

  Outcome<std::vector<SnapshotView>> create(const CreateOptions& options) override {
    asked.push_back("create");
    created = options;
    std::vector<SnapshotView> made;
    for (const auto& lun : options.luns) made.push_back({.lun = lun});
    return made;
  }
  snapshot::UnknownSnapshots unknown;
  bool rebuilding = false;
  snapshot::UnknownSnapshots find_unknown(const catalog::LunRecord& lun) override {
    asked.push_back(fmt::format("find_unknown {}{}", lun.name, rebuilding ? " rebuilding" : ""));
    return unknown;
  }
  void note_rebuild(bool under_way) override { rebuilding = under_way; }
  Outcome<std::vector<SnapshotView>> list(std::string_view lun) override {
    asked.push_back(fmt::format("list {}", lun));
    std::vector<SnapshotView> found;
    for (const auto& [key, view] : views)
      if (view.lun == lun) found.push_back(view);
    return found;
  }
  Outcome<SnapshotView> show(std::string_view lun, std::string_view snapshot) override {
    auto at = views.find(fmt::format("{} {}", lun, snapshot));
    if (at != views.end()) return at->second;
    return failure(Errc::not_found, fmt::format("LUN {} has no snapshot {}", lun, snapshot),
                   "look");
  }
  Outcome<SnapshotView> rename(std::string_view lun, std::string_view snapshot, std::string_view to,
                               bool dry_run) override {
    asked.push_back(fmt::format("rename {} {} {} {}", lun, snapshot, to, dry_run));
    return show(lun, snapshot);
  }
  Outcome<SnapshotView> lock(std::string_view lun, std::string_view snapshot,
                             std::chrono::seconds duration, bool dry_run) override {
    asked.push_back(fmt::format("lock {} {} {} {}", lun, snapshot, duration.count(), dry_run));
    auto view = show(lun, snapshot);
    if (!view) return view;
    view->record.locked_until =
        std::max(view->record.locked_until, now + static_cast<std::uint64_t>(duration.count()));
    if (!dry_run) views[fmt::format("{} {}", lun, snapshot)] = *view;
    return view;
  }
  Outcome<SnapshotView> unlock(std::string_view lun, std::string_view snapshot,
                               bool dry_run) override {
    asked.push_back(fmt::format("unlock {} {} {}", lun, snapshot, dry_run));
    auto view = show(lun, snapshot);
    if (view && view->record.locked_until > now)
      return failure(Errc::in_use, fmt::format("snapshot {} is locked", snapshot), "wait");
    if (view) view->record.locked_until = 0;
    if (view && !dry_run) views[fmt::format("{} {}", lun, snapshot)] = *view;
    return view;
  }
  std::uint64_t run_seconds() override { return now; }
  Outcome<> remove(std::string_view lun, std::string_view snapshot, bool dry_run) override {
    asked.push_back(fmt::format("remove {} {} {}", lun, snapshot, dry_run));
    return {};
  }
  Outcome<> prepare_deletion(std::string_view lun, bool dry_run) override {
    asked.push_back(fmt::format("prepare deletion {} {}", lun, dry_run));
    return {};
  }
  Outcome<std::string> restore(const RestoreOptions& options) override {
    asked.push_back("restore");
    restored = options;
    return options.keep_state ? std::string("before") : std::string();
  }
  Outcome<object::LunView> clone(const CloneOptions& options) override {
    asked.push_back(fmt::format("clone {} {} {} {} {} {}", options.lun, options.snapshot,
                                options.name, options.store, options.location, options.dry_run));
    return make_lun(options.name);
  }
  std::optional<unsigned> clone_percent(const Uuid&) override { return std::nullopt; }
  Outcome<DiffPage> diff(const DiffQuery& query) override {
    asked.push_back("diff");
    queried = query;
    return page;
  }
  Outcome<ExportedFile> export_image(const ExportOptions& options) override {
    asked.push_back(fmt::format("export {} {}", options.lun, options.snapshot));
    return ExportedFile{"/store/" + options.snapshot + ".img", 4096};
  }
  Outcome<object::LunView> expose(std::string_view lun, std::string_view snapshot,
                                  std::string_view name, bool dry_run) override {
    asked.push_back(fmt::format("expose {} {} {} {}", lun, snapshot, name, dry_run));
    return make_lun(std::string(name));
  }
  Outcome<> unexpose(std::string_view name, bool dry_run) override {
    asked.push_back(fmt::format("unexpose {} {}", name, dry_run));
    return {};
  }
  SnapshotPolicy policy() override { return policy_; }
  void set_policy(const SnapshotPolicy& policy) override {
    asked.push_back("set_policy");
    policy_ = policy;
  }
  Outcome<std::vector<ScheduleView>> schedules() override {
    std::vector<ScheduleView> all;
    for (const auto& [name, view] : kept) all.push_back(view);
    return all;
  }
  Outcome<ScheduleChange> create_schedule(const catalog::ScheduleRecord& record,
                                          bool dry_run) override {
    asked.push_back("create_schedule");
    bool same = kept.contains(record.name) && kept[record.name].record == record;
    if (!dry_run) kept[record.name].record = record;
    return ScheduleChange{{.record = record, .next_at = 77}, !same};
  }
  Outcome<ScheduleChange> change_schedule(
      std::string_view name, const std::function<Outcome<>(catalog::ScheduleRecord&)>& edit,
      bool) override {
    asked.push_back("change_schedule");
    auto view = kept[std::string(name)];
    auto before = view.record;
    if (auto edited = edit(view.record); !edited) return edited.error();
    kept[std::string(name)] = view;
    return ScheduleChange{view, view.record != before};
  }
  Outcome<> remove_schedule(std::string_view name, bool dry_run) override {
    asked.push_back(fmt::format("remove_schedule {} {}", name, dry_run));
    return {};
  }
};

/// Two LUNs, a and b, and the host web.
class SnapshotVerbsTest : public ::testing::Test {
 protected:
  SnapshotVerbsTest() {
    std::filesystem::create_directory(directory_.path() / "store");
    auto opened = catalog::Catalog::open({.path = (directory_.path() / "catalog.db").string()});
    catalog_ = std::move(*opened);
    access_ = std::make_unique<AccessBook>(*catalog_);
    engine_.make_lun = [this](const std::string& name) { return make_lun(name); };
  }
  void SetUp() override {
    start();
    auto added =
        registry_->add_store({.name = "main", .location = (directory_.path() / "store").string()});
    ASSERT_TRUE(added) << added.error().message;
    for (const char* name : {"a", "b"}) ASSERT_TRUE(make_lun(name));
    catalog::HostRecord host;
    host.name = "web";
    host.no_auth = true;
    auto stored = access_->put_host(host, false);
    ASSERT_TRUE(stored) << stored.error().message;
    web_ = stored->id;
  }
  void TearDown() override { EXPECT_TRUE(registry_->stop()); }

  void start() {
    object::RegistryOptions options;
    options.catalog = catalog_.get();
    options.node = "n1";
    options.authority = "2026-11.io.caisson";
    options.open_store =
        [](const catalog::StoreRecord& record) -> Outcome<std::unique_ptr<file_store::Store>> {
      auto store = posix::PosixStore::look_at(record.location);
      if (!store) return store.error();
      return std::unique_ptr<file_store::Store>(std::move(*store));
    };
    observer_ = std::make_unique<Directory>(*access_, sessions_);
    registry_ = object::ObjectRegistry::make(std::move(options));
    observer_->bind(*registry_);
    ASSERT_TRUE(registry_->start(*observer_));
    parts_ = std::make_unique<Parts>(
        Parts{*catalog_, *registry_, *access_, sessions_, facts_, "", &engine_, {}});
  }
  /// As the engine leaves a LUN that it made of a snapshot.
  void be_made_of(const std::string& name, catalog::LunKind kind, const Uuid& snapshot) {
    auto record = registry_->find(name)->record;
    record.kind = kind;
    record.origin = snapshot;
    ASSERT_TRUE(registry_->stop());
    registry_.reset();
    if (kind == catalog::LunKind::clone) {  // that is not filled yet
      auto store = directory_.path() / "store";
      auto file = "." + record.uuid.to_string() + ".clone";
      std::filesystem::rename(store / std::exchange(record.file, file), store / file);
    }
    ASSERT_TRUE(catalog_->change([&](auto& change) { return change.put_lun(record); }));
    start();
  }

  Outcome<object::LunView> make_lun(const std::string& name) {
    object::CreateOptions options;
    options.name = name;
    options.capacity = 1 << 20;
    return registry_->create(options);
  }
  void grant(const std::string& lun, std::string verbs, bool read_only = false) {
    catalog::GrantRecord grant;
    grant.lun = registry_->find(lun)->record.uuid;
    grant.host = web_;
    grant.read_only = read_only;
    grant.allowed_verbs = std::move(verbs);
    ASSERT_TRUE(access_->put_grant(grant, false));
  }
  void be(wire::Role role) {
    caller_.role = role;
    caller_.name = role == wire::Role::host ? "web" : "uid:0";
    caller_.host_id = role == wire::Role::host ? web_ : 0;
  }
  Call call() { return {caller_, progress_, stop_.get_token()}; }

  tests::TempDir directory_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<AccessBook> access_;
  scsi::SessionRegistry sessions_;
  std::unique_ptr<Directory> observer_;
  std::unique_ptr<object::ObjectRegistry> registry_;
  GatewayFacts facts_;
  RecordingSnapshots engine_;
  std::unique_ptr<Parts> parts_;
  std::uint64_t web_ = 0;
  nbs::control::Caller caller_{wire::Role::admin, "uid:0"};
  nbs::control::Progress progress_ = [](std::uint64_t, std::uint64_t) {};
  std::stop_source stop_;
};

inline Errc code_of(const Failure& failure) { return to_errc(failure.code); }

}  // namespace caisson::service

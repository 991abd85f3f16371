// SPDX-License-Identifier: Apache-2.0
// The LUNs of the registry, as snapshots need them.
#pragma once

#include "gateway/scsi/nexus.hpp"
#include "gateway/service/access_book.hpp"
#include "snapshot/manager/lun_host.hpp"
#include "storage_object/object/registry.hpp"

namespace caisson::service {

/// Thread-safe; blocks.
class SnapshotLuns final : public snapshot::LunHost {
 public:
  /// Which must outlive it. Before it nothing is asked: the layers of the registry's
  /// own start do not.
  void bind(object::ObjectRegistry& registry) { registry_ = &registry; }
  /// By which it tells who uses a LUN; without them nobody does.
  void watch(const AccessBook& access, scsi::SessionRegistry& sessions) {
    access_ = &access;
    sessions_ = &sessions;
  }

  std::optional<snapshot::LunFacts> find(std::string_view name) override;
  std::optional<snapshot::LunFacts> find(const Uuid& uuid) override;
  std::vector<snapshot::LunFacts> list() override;
  file_store::Store* store(std::string_view name) override;
  Outcome<> hold(std::span<const Uuid> luns, std::chrono::milliseconds limit,
                 const std::function<void()>& body) override;
  Outcome<> flush(const Uuid& lun) override;
  Outcome<> check_quiet(const Uuid& lun, std::chrono::seconds quiet) override;
  Outcome<> keep_out(const Uuid& lun) override;
  Outcome<> begin_restore(const Uuid& lun, const Uuid& snapshot) override;
  Outcome<> end_restore(const Uuid& lun, bool changed) override;
  void note_restore(const Uuid& lun, std::uint64_t done, std::uint64_t of) override;
  std::shared_ptr<block::BlockDevice> disk(const Uuid& lun) override;
  std::vector<std::string> made_of(const Uuid& snapshot) override;
  Outcome<> end_clone(const Uuid& lun) override;

 private:
  object::ObjectRegistry* registry_ = nullptr;
  const AccessBook* access_ = nullptr;
  scsi::SessionRegistry* sessions_ = nullptr;
};

}  // namespace caisson::service

// SPDX-License-Identifier: Apache-2.0
// The LUNs of the registry, as snapshots need them.
#pragma once

#include "snapshot/manager/lun_host.hpp"
#include "storage_object/object/registry.hpp"

namespace caisson::service {

/// Thread-safe; blocks.
class SnapshotLuns final : public snapshot::LunHost {
 public:
  /// Which must outlive it. Before it nothing is asked: the layers of the registry's
  /// own start do not.
  void bind(object::ObjectRegistry& registry) { registry_ = &registry; }

  std::optional<snapshot::LunFacts> find(std::string_view name) override;
  std::optional<snapshot::LunFacts> find(const Uuid& uuid) override;
  std::vector<snapshot::LunFacts> list() override;
  file_store::Store* store(std::string_view name) override;
  Outcome<> hold(std::span<const Uuid> luns, std::chrono::milliseconds limit,
                 const std::function<void()>& body) override;
  Outcome<> flush(const Uuid& lun) override;
  void set_shares_blocks(const Uuid& lun, bool shares) override;

 private:
  object::ObjectRegistry* registry_ = nullptr;
};

}  // namespace caisson::service

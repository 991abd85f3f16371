// SPDX-License-Identifier: Apache-2.0
// What transports see: the storage objects that are served, as logical units
// below their targets, filtered by what the asking host was granted.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "gateway/scsi/directory.hpp"
#include "gateway/scsi/nexus.hpp"
#include "gateway/service/access_book.hpp"
#include "storage_object/object/registry.hpp"

namespace caisson::service {

/// Thread-safe. Logical units appear and go with the registry's objects.
class Directory final : public scsi::TargetDirectory, public object::RegistryObserver {
 public:
  Directory(const AccessBook& access, scsi::SessionRegistry& sessions)
      : access_(access), sessions_(sessions) {}

  /// The registry whose LUNs it tells of; once, before the first login.
  void bind(const object::ObjectRegistry& registry) { registry_ = &registry; }

  std::optional<scsi::HostIdentity> identify(std::string_view initiator) const override;
  std::vector<std::string> targets(std::uint64_t host) const override;
  scsi::Admission admit(std::uint64_t host, std::string_view target) const override;

  void on_served(const std::shared_ptr<object::StorageObject>& object) override;
  void on_withdrawn(const std::shared_ptr<object::StorageObject>& object) override;

 private:
  std::shared_ptr<scsi::LogicalUnit> unit(const Uuid& lun) const;

  const AccessBook& access_;
  scsi::SessionRegistry& sessions_;
  const object::ObjectRegistry* registry_ = nullptr;
  mutable std::mutex mutex_;  // guards units_
  std::map<Uuid, std::shared_ptr<scsi::LogicalUnit>> units_;
};

}  // namespace caisson::service

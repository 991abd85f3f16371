// SPDX-License-Identifier: Apache-2.0
#include "gateway/service/directory.hpp"

#include <algorithm>
#include <set>

namespace caisson::service {

std::optional<scsi::HostIdentity> Directory::identify(std::string_view initiator) const {
  auto state = access_.state();
  const auto* host = state->host_of_initiator(initiator);
  if (host == nullptr) return std::nullopt;
  return scsi::HostIdentity{.id = host->id,
                            .name = host->name,
                            .no_auth = host->no_auth,
                            .chap_user = host->chap_user,
                            .chap_secret = host->chap_secret,
                            .mutual_user = host->mutual_user,
                            .mutual_secret = host->mutual_secret};
}

std::vector<std::string> Directory::targets(std::uint64_t host) const {
  auto state = access_.state();
  std::set<std::string> names;
  for (const auto& lun : registry_->list())
    if (state->effective(lun.record.uuid, host) != nullptr) names.insert(lun.record.target_name);
  return {names.begin(), names.end()};
}

scsi::Admission Directory::admit(std::uint64_t host, std::string_view target) const {
  auto state = access_.state();
  scsi::Admission admission;
  bool granted = false;
  for (const auto& lun : registry_->find_by_target(target)) {
    const auto* grant = state->effective(lun.record.uuid, host);
    if (grant == nullptr) continue;
    granted = true;
    if (!grant->redirect_to.empty() && !admission.redirect)
      admission.redirect = scsi::Redirect{grant->redirect_to, grant->redirect_permanent};
    if (auto served = unit(lun.record.uuid))
      admission.units.push_back({grant->lun_number, std::move(served), grant->read_only});
  }
  std::ranges::sort(admission.units, {}, &scsi::LunMapping::number);
  if (!admission.units.empty())
    admission.verdict = scsi::Verdict::granted;
  else if (granted)
    admission.verdict = scsi::Verdict::unavailable;
  return admission;
}

std::shared_ptr<scsi::LogicalUnit> Directory::unit(const Uuid& lun) const {
  std::lock_guard lock(mutex_);
  auto found = units_.find(lun);
  return found == units_.end() ? nullptr : found->second;
}

void Directory::on_served(const std::shared_ptr<object::StorageObject>& object) {
  {
    std::lock_guard lock(mutex_);
    units_[object->identity()->uuid] = std::make_shared<scsi::LogicalUnit>(object);
  }
  sessions_.refresh_all();
}

void Directory::on_withdrawn(const std::shared_ptr<object::StorageObject>& object) {
  {
    std::lock_guard lock(mutex_);
    units_.erase(object->identity()->uuid);
  }
  sessions_.refresh_all();
}

}  // namespace caisson::service

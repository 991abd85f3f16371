// SPDX-License-Identifier: Apache-2.0
// An iSCSI target in this process: real server, real I/O threads and real
// termination over objects in memory, on ports of its own.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "gateway/iscsi/server.hpp"
#include "gateway/scsi/directory.hpp"
#include "gateway/scsi/nexus.hpp"
#include "storage_object/base/io_thread.hpp"
#include "tests/support/memory_object.hpp"

namespace caisson::tests {

/// Hosts and grants as a test sets them. Thread-safe.
class FixedDirectory final : public scsi::TargetDirectory {
 public:
  void add_host(scsi::HostIdentity host, std::vector<std::string> initiators);
  void remove_host(std::uint64_t host);
  void grant(std::uint64_t host, const std::string& target, scsi::Admission admission);
  void revoke(std::uint64_t host, const std::string& target);

  std::optional<scsi::HostIdentity> identify(std::string_view initiator) const override;
  std::vector<std::string> targets(std::uint64_t host) const override;
  scsi::Admission admit(std::uint64_t host, std::string_view target) const override;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, scsi::HostIdentity, std::less<>> hosts_;
  std::map<std::uint64_t, std::map<std::string, scsi::Admission, std::less<>>> grants_;
};

class IscsiTarget {
 public:
  static constexpr const char* kTarget = "iqn.2026-11.io.caisson:node:disk";
  static constexpr std::uint64_t kOpenHost = 1;  ///< "*", no authentication

  using Adjust = std::function<void(iscsi::ServerOptions&)>;
  explicit IscsiTarget(const Adjust& adjust = {}, std::size_t threads = 2);
  ~IscsiTarget();

  std::uint16_t port() const noexcept { return bound.front().port; }
  /// Runs on the I/O thread of sessions and waits. With one thread only.
  void on_thread(const std::function<void()>& work);
  /// Waits until the condition holds; false after ten seconds.
  static bool eventually(const std::function<bool()>& condition);

  FixedDirectory directory;
  scsi::SessionRegistry sessions;
  std::shared_ptr<MemoryObject> object = std::make_shared<MemoryObject>();
  std::shared_ptr<scsi::LogicalUnit> unit = std::make_shared<scsi::LogicalUnit>(object);
  std::vector<std::unique_ptr<IoThread>> threads;
  std::unique_ptr<iscsi::Server> server;
  std::vector<iscsi::Portal> bound;
};

}  // namespace caisson::tests

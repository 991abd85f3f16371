// SPDX-License-Identifier: Apache-2.0
// A whole gateway in this process: everything caissond is, on loopback ports
// and in directories of its own.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "gateway/daemon/application.hpp"
#include "tests/support/gateway_admin.hpp"
#include "tests/support/temp_dir.hpp"

namespace caisson::tests {

/// Serving when the constructor returns; the destructor stops it and fails the
/// test if that does not go cleanly.
class RunningGateway : public GatewayAdmin {
 public:
  using Adjust = std::function<void(config::Config&)>;
  using Decorate = daemon::Application::Decorate;
  explicit RunningGateway(const Adjust& adjust = {}, Decorate decorate = {});
  ~RunningGateway();

  /// "ADDR:PORT" of the portal with this index.
  std::string portal(std::size_t index = 0) const;
  std::string container(const std::string& lun) const;
  std::string control_socket() const { return directory_.path() / "state/caisson.sock"; }

 private:
  void start(const config::Config& config, Decorate decorate);

  TempDir directory_;
  std::unique_ptr<daemon::Application> application_;
  std::thread thread_;
};

}  // namespace caisson::tests

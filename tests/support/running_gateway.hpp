// SPDX-License-Identifier: Apache-2.0
// A whole gateway in this process: everything caissond is, on loopback ports
// and in directories of its own.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "gateway/daemon/application.hpp"
#include "nbs/client/control_client.hpp"
#include "tests/support/temp_dir.hpp"

namespace caisson::tests {

/// Serving when the constructor returns; the destructor stops it and fails the
/// test if that does not go cleanly.
class RunningGateway {
 public:
  using Adjust = std::function<void(config::Config&)>;
  explicit RunningGateway(const Adjust& adjust = {});
  ~RunningGateway();

  /// Runs a verb as an administrator; its failure fails the test.
  template <class Reply>
  Reply call(nbs::wire::Op op, const google::protobuf::Message& request) {
    Reply reply;
    auto done = client_->call(op, request, reply, {});
    if (!done) ADD_FAILURE() << nbs::wire::opcode(op).name << ": " << done.error().message;
    return reply;
  }

  /// Runs a verb that has to fail; what it failed with.
  template <class Reply>
  Failure refused(nbs::wire::Op op, const google::protobuf::Message& request) {
    Reply reply;
    auto done = client_->call(op, request, reply, {});
    if (!done) return done.error();
    ADD_FAILURE() << nbs::wire::opcode(op).name << " did what it must not";
    return {};
  }

  /// A LUN that every initiator may use.
  void create_lun(const std::string& name, std::uint64_t size, const std::string& cache = "",
                  const std::string& block_size = "");
  void resize(const std::string& name, std::uint64_t size);
  nbs::wire::LunDescription show(const std::string& name);

  /// "ADDR:PORT" of the portal with this index.
  std::string portal(std::size_t index = 0) const;
  std::string container(const std::string& lun) const;

 private:
  void start(const config::Config& config);

  TempDir directory_;
  std::unique_ptr<daemon::Application> application_;
  std::thread thread_;
  std::unique_ptr<nbs::client::ControlClient> client_;
};

}  // namespace caisson::tests

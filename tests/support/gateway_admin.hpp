// SPDX-License-Identifier: Apache-2.0
// An administrator of a gateway that a test has started, wherever it runs.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "nbs/client/control_client.hpp"

namespace caisson::tests {

/// Used by one thread at a time; another thread takes another one.
class GatewayAdmin {
 public:
  GatewayAdmin() = default;
  /// Throws std::runtime_error when nobody answers at the control socket.
  explicit GatewayAdmin(const std::string& socket) { connect(socket); }

  /// Runs a verb, which may fail.
  template <class Reply>
  Outcome<Reply> attempt(nbs::wire::Op op, const google::protobuf::Message& request) {
    Reply reply;
    auto done = client_->call(op, request, reply, {});
    if (!done) return done.error();
    return reply;
  }

  /// Runs a verb; its failure fails the test.
  template <class Reply>
  Reply call(nbs::wire::Op op, const google::protobuf::Message& request) {
    auto reply = attempt<Reply>(op, request);
    if (reply) return std::move(*reply);
    ADD_FAILURE() << nbs::wire::opcode(op).name << ": " << reply.error().message;
    return {};
  }

  /// Runs a verb that has to fail; what it failed with.
  template <class Reply>
  Failure refused(nbs::wire::Op op, const google::protobuf::Message& request) {
    auto reply = attempt<Reply>(op, request);
    if (!reply) return reply.error();
    ADD_FAILURE() << nbs::wire::opcode(op).name << " did what it must not";
    return {};
  }

  /// A LUN that every initiator may use.
  void create_lun(const std::string& name, std::uint64_t size, const std::string& cache = "",
                  const std::string& block_size = "");
  /// The host "*", which every initiator is.
  void admit_all();
  /// A host of its own for the initiator of that name, and its access.
  void admit(const std::string& lun, const std::string& host, const std::string& iqn,
             bool read_only = false);
  void resize(const std::string& name, std::uint64_t size, bool allow_shrink = false);
  nbs::wire::LunDescription show(const std::string& name);

  /// Snapshots of all these LUNs, cut at one instant.
  void cut(const std::vector<std::string>& luns, const std::string& name) {
    auto made = try_cut(luns, name);
    EXPECT_TRUE(made) << made.error().message;
  }
  Outcome<> try_cut(const std::vector<std::string>& luns, const std::string& name);
  struct Restore {
    bool force = false, keep = true;
  };
  /// The name of the snapshot that keeps the state before.
  Outcome<std::string> restore(const std::string& lun, const std::string& snapshot,
                               const Restore& how);
  std::vector<std::string> snapshots(const std::string& lun);
  void remove(const std::string& lun, const std::string& snapshot);
  /// The path of the snapshot's whole image.
  std::string exported(const std::string& lun, const std::string& snapshot);

 protected:
  void connect(const std::string& socket);
  void disconnect() { client_.reset(); }

 private:
  std::unique_ptr<nbs::client::ControlClient> client_;
};

}  // namespace caisson::tests

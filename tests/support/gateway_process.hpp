// SPDX-License-Identifier: Apache-2.0
// caissond as the program it is, in a process of its own that can be killed, and
// the command line to it.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "tests/support/gateway_admin.hpp"
#include "tests/support/temp_dir.hpp"

namespace caisson::tests {

/// What a program said, and how it ended.
struct Said {
  int exit = -1;
  std::string out, err;
};

/// Serving when the constructor returns; std::runtime_error when it does not. The
/// destructor stops it and fails the test if that does not go cleanly. It never
/// outlives the thread that started it.
class GatewayProcess : public GatewayAdmin {
 public:
  /// Its LUNs live in `store`; empty: in a directory of its own.
  explicit GatewayProcess(const std::string& store = "");
  ~GatewayProcess();

  /// SIGKILL: nothing it had in memory is saved.
  void kill();
  /// SIGTERM, and its orderly end.
  void stop();
  /// Again, on the same portal.
  void start();

  const std::string& portal() const noexcept { return portal_; }
  /// A directory from which LUNs may be imported.
  std::string images() const { return directory_.path() / "images"; }
  std::string container(const std::string& lun) const { return store_ + "/" + lun + ".img"; }
  /// Runs the command line.
  Said caisson(const std::vector<std::string>& words) const;

  /// Its state directory: with the catalog.
  std::string state() const { return directory_.path() / "state"; }

 private:
  std::string log_tail() const;

  TempDir directory_;
  std::string store_;
  std::string portal_ = "127.0.0.1:0";
  pid_t pid_ = -1;
};

}  // namespace caisson::tests

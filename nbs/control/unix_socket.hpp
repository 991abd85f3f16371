// SPDX-License-Identifier: Apache-2.0
// The listening socket of the control channel, made so that nobody ever meets
// it with the wrong permissions and no running gateway loses its own.
#pragma once

#include <sys/types.h>

#include <string>

#include "storage_object/base/result.hpp"

namespace caisson::nbs::control {

/// A listening Unix socket and the name it has; removes the name if it is still
/// its own.
class UnixListener {
 public:
  /// Binds beside `path`, sets mode 0660 and group `group` (if there is one),
  /// listens, and then takes the name. A socket already there is replaced only
  /// if nobody listens on it: Errc::in_use otherwise, and when it is no socket.
  static Outcome<UnixListener> open(const std::string& path, const std::string& group, int backlog);

  UnixListener(UnixListener&& other) noexcept;
  UnixListener& operator=(UnixListener&&) = delete;
  ~UnixListener();

  /// Hands the descriptor to the caller, who closes it; the name stays ours.
  int release_descriptor() noexcept;

 private:
  UnixListener(std::string path, int descriptor);

  std::string path_;
  int descriptor_ = -1;
  dev_t device_ = 0;  // of the name, to know it again
  ino_t inode_ = 0;
};

}  // namespace caisson::nbs::control

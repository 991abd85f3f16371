// SPDX-License-Identifier: Apache-2.0
// Which role a process on this machine has (decision 10).
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "nbs/wire/opcode.hpp"
#include "storage_object/base/result.hpp"

namespace caisson::nbs::control {

struct PeerCredentials {
  uid_t uid = 0;
  gid_t gid = 0;
  pid_t pid = 0;
};

/// What the kernel recorded when the peer connected (SO_PEERCRED).
Result<PeerCredentials> credentials_of(int socket);

/// uid 0 and the uid this process runs as: admin. Members of `group` (primary
/// or supplementary, by the user database): operator. Others: nullopt, also
/// when there is no such group.
std::optional<wire::Role> role_of(const PeerCredentials& peer, const std::string& group);

/// The id of a group; nullopt if there is none.
std::optional<gid_t> group_id(const std::string& group);

}  // namespace caisson::nbs::control

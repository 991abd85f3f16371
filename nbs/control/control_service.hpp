// SPDX-License-Identifier: Apache-2.0
// What stands behind the control verbs: the port that gateway/service implements.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "nbs/wire/opcode.hpp"
#include "storage_object/base/result.hpp"

namespace caisson::nbs::control {

/// Who asks. Filled in from what the transport proved, never from the request.
struct Caller {
  wire::Role role = wire::Role::host;
  std::string name;           ///< for audits: "uid:0", later a host's name
  std::uint64_t host_id = 0;  ///< Role::host: the catalog's id; else 0
  uid_t uid = 0;              ///< Unix socket only, like the next two
  gid_t gid = 0;
  pid_t pid = 0;
};

/// Tells a waiting caller how far a long verb is; `total` 0: unknown. From any
/// thread, until `done` was called; cheap, drops what comes faster than it can
/// be sent.
using Progress = std::function<void(std::uint64_t done, std::uint64_t total)>;

/// The end of a verb: the serialized reply message (at most
/// wire::kMaxReplyTotal bytes) or the failure. With Errc::partly_done `bytes`
/// may hold the reply as far as it came.
struct ControlReply {
  std::string bytes;
  std::optional<Failure> failure;

  static ControlReply success(std::string bytes) { return {std::move(bytes), std::nullopt}; }
  static ControlReply failed(Failure failure) { return {{}, std::move(failure)}; }
};

/// Thread rules: call() runs on the control thread and must not block: it hands
/// work that touches files or the catalog to threads of its own. `done` is
/// called exactly once, from any thread, also before call() returns, also when
/// the client has gone meanwhile (the verb runs to its end all the same).
class ControlService {
 public:
  virtual ~ControlService() = default;

  /// `opcode` is a row of the table, its role check is done; HELLO and KEEPALIVE
  /// never come here. `request` is what came over the wire: parse and validate
  /// it (opcode.request names the message; Errc::protocol if it is none). For
  /// Role::host check opcode.right against the caller's grant on the object.
  virtual void call(const wire::Opcode& opcode, const Caller& caller, std::string request,
                    Progress progress, std::function<void(ControlReply)> done) = 0;

  /// The caller's role does not permit this row and the caller has been told so;
  /// for logs and audits. On the control thread, must not block. Nothing keeps a
  /// peer from bringing this about as fast as it can send.
  virtual void refused(const wire::Opcode& opcode, const Caller& caller, std::string request) = 0;
};

}  // namespace caisson::nbs::control

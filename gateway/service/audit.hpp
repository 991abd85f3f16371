// SPDX-License-Identifier: Apache-2.0
// What a mutating request is about, read from the message itself.
#pragma once

#include <string>

#include "nbs/wire/opcode.hpp"

namespace caisson::service {

struct AuditSubject {
  std::string object;  ///< names only: "a", "a -> b", "a for h"; never a secret
  bool dry_run = false;
};

/// Parses `request` as the opcode's request message. An unreadable one has an
/// empty object.
AuditSubject audit_subject(const nbs::wire::Opcode& opcode, const std::string& request);

}  // namespace caisson::service

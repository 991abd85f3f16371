// SPDX-License-Identifier: Apache-2.0
// What a transport must know of hosts and targets. Declared here, implemented
// by gateway/service, so that no transport sees the catalog.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/scsi/logical_unit.hpp"

namespace caisson::scsi {

/// A host an initiator name belongs to, with what proves it.
struct HostIdentity {
  std::uint64_t id = 0;
  std::string name;
  bool no_auth = false;   ///< may log in without CHAP
  std::string chap_user;  ///< what the initiator must prove
  std::string chap_secret;
  std::string mutual_user;  ///< what the target proves when asked; empty: cannot
  std::string mutual_secret;
};

/// One logical unit as one host sees it.
struct LunMapping {
  std::uint64_t number = 0;  ///< LUN number below the target
  std::shared_ptr<LogicalUnit> unit;
  bool read_only = false;
};

/// A target port group (SPC-4 5.15.2). Over iSCSI it is a portal group: its number
/// is the target portal group tag, and it holds the one target port that a target
/// has there (RFC 7143 4.4.1). Both numbers are configured, so they stay over restarts.
struct TargetPortGroup {
  std::uint16_t tag = 1;             ///< never 0
  std::vector<std::uint16_t> ports;  ///< relative target port identifiers, ascending

  bool operator==(const TargetPortGroup&) const = default;
};

/// Sends whoever logs in to another place (RFC 7143 11.13.5, class 1).
struct Redirect {
  std::string address;     ///< "ADDR:PORT"; who comes in there is served
  bool permanent = false;  ///< 0102, else 0101

  bool operator==(const Redirect&) const = default;
};

enum class Verdict : std::uint8_t {
  granted,
  not_found,    ///< 0203: never granted to this host, or no such target
  unavailable,  ///< 0301: known and granted, not served now
};

struct Admission {
  Verdict verdict = Verdict::not_found;
  std::vector<LunMapping> units;     ///< ascending by number; with `granted` only
  std::optional<Redirect> redirect;  ///< not with `not_found`
};

/// Thread-safe; never waits for a disk. Answers reflect the last committed change.
class TargetDirectory {
 public:
  virtual ~TargetDirectory() = default;
  /// The host that lists this initiator name, else the host "*", else nullopt.
  virtual std::optional<HostIdentity> identify(std::string_view initiator) const = 0;
  /// Names of the targets this host may log in to.
  virtual std::vector<std::string> targets(std::uint64_t host) const = 0;
  virtual Admission admit(std::uint64_t host, std::string_view target) const = 0;
};

}  // namespace caisson::scsi

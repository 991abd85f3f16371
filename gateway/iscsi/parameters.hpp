// SPDX-License-Identifier: Apache-2.0
// Every key a session negotiates (RFC 7143 13), in one table that drives the
// checks, the answers and the results.
#pragma once

#include <bitset>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "storage_object/base/result.hpp"

namespace caisson::iscsi {

/// What login has agreed on. Starts with the defaults of the RFC.
struct SessionParameters {
  std::uint32_t header_digest = 0;  ///< 1: CRC32C
  std::uint32_t data_digest = 0;
  std::uint32_t max_connections = 1;
  std::uint32_t initial_r2t = 1;
  std::uint32_t immediate_data = 1;
  std::uint32_t peer_max_recv = 8192;  ///< what the initiator takes per PDU
  std::uint32_t max_burst = 262144;
  std::uint32_t first_burst = 65536;
  std::uint32_t time_to_wait = 2;
  std::uint32_t time_to_retain = 20;
  std::uint32_t max_outstanding_r2t = 1;
  std::uint32_t data_pdu_in_order = 1;
  std::uint32_t data_sequence_in_order = 1;
  std::uint32_t error_recovery_level = 0;
  std::uint32_t protocol_level = 1;
};

/// What this target wishes; results never exceed it.
struct TargetOffer {
  std::uint32_t max_recv = 262144;  ///< declared; what we take per PDU
  std::uint32_t max_burst = 1048576;
  std::uint32_t first_burst = 262144;
  std::uint32_t max_outstanding_r2t = 8;
};

enum class KeyKind : std::uint8_t {
  list,         ///< the first of the offered values that we know
  boolean_or,   ///< Yes if either side says so
  boolean_and,  ///< Yes if both do
  minimum,      ///< the smaller number
  maximum,      ///< the larger number
  declaration,  ///< a number, told, not answered
  identity,     ///< who and what: the login state machine's
  security,     ///< of the security stage: the login state machine's
  obsolete,     ///< RFC 3720's markers, answered so that they stay off
};

enum class Stage : std::uint8_t { security = 0, operational = 1, full_feature = 3 };

struct KeySpec {
  std::string_view name;
  KeyKind kind;
  bool full_feature;  ///< may be sent in the full feature phase too
  bool irrelevant_in_discovery;
  std::uint32_t low, high;  ///< range of a number
  std::uint32_t SessionParameters::*result;
  std::uint32_t TargetOffer::*offer;  ///< our number; null: `ours`
  std::uint32_t ours;
  std::string_view values;  ///< of a list: what we know, in the order of their numbers
};

/// All keys, ascending by name.
std::span<const KeySpec> key_table() noexcept;
/// nullptr for a key no one defined.
const KeySpec* find_key(std::string_view name) noexcept;

/// One login's, or one session's, negotiation of the operational keys.
class Negotiation {
 public:
  /// `agreed` holds until something else is.
  Negotiation(const TargetOffer& offer, bool discovery, const SessionParameters& agreed = {})
      : offer_(offer), discovery_(discovery), agreed_(agreed) {}

  /// Takes a key the initiator sent in `stage` and appends the answer, if one
  /// is due. A Failure ends the login (a key negotiated twice, in the wrong
  /// stage, or an answer of ours that was never asked for).
  Outcome<> take(std::string_view key, std::string_view value, Stage stage, std::string& answer);

  /// Appends what this target declares of itself in the operational stage; once.
  void declare(std::string& answer);

  const SessionParameters& result() const noexcept { return agreed_; }
  void set_discovery(bool discovery) noexcept { discovery_ = discovery; }

 private:
  std::string decide(const KeySpec& spec, std::string_view value);
  std::string decide_number(const KeySpec& spec, std::string_view value);
  std::string decide_boolean(const KeySpec& spec, std::string_view value);
  std::string decide_list(const KeySpec& spec, std::string_view value);

  TargetOffer offer_;
  bool discovery_;
  bool declared_ = false;
  SessionParameters agreed_;
  std::bitset<64> seen_;
};

}  // namespace caisson::iscsi

// SPDX-License-Identifier: Apache-2.0
// The login phase of one connection (RFC 7143 6.3, 11.12, 11.13) as a state
// machine without socket or clock: a request goes in, the answer comes out.
#pragma once

#include <atomic>
#include <bitset>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/iscsi/chap.hpp"
#include "gateway/iscsi/demand.hpp"
#include "gateway/iscsi/parameters.hpp"
#include "gateway/iscsi/pdu.hpp"
#include "gateway/iscsi/portal_groups.hpp"
#include "gateway/iscsi/text.hpp"
#include "gateway/scsi/directory.hpp"

namespace caisson::iscsi {

/// Status-Class and Status-Detail (RFC 7143 11.13.5) as one number.
enum class LoginStatus : std::uint16_t {
  success = 0x0000,
  moved_temporarily = 0x0101,
  moved_permanently = 0x0102,
  initiator_error = 0x0200,
  authentication_failure = 0x0201,
  authorization_failure = 0x0202,
  target_not_found = 0x0203,
  unsupported_version = 0x0205,
  too_many_connections = 0x0206,
  missing_parameter = 0x0207,
  session_type_unsupported = 0x0209,
  session_does_not_exist = 0x020a,
  invalid_during_login = 0x020b,
  target_error = 0x0300,
  service_unavailable = 0x0301,
  out_of_resources = 0x0302,
};

/// "0201 authentication failure".
std::string to_string(LoginStatus status);

struct LoginResult;

/// What the login machine asks of the world around it.
struct LoginContext {
  const scsi::TargetDirectory& directory;
  TargetOffer offer;
  std::uint16_t portal_group = 1;        ///< of the portal it came in by
  std::string local;                     ///< that portal, "ADDR:PORT"; sends nobody on to itself
  const PortalGroups* groups = nullptr;  ///< nullptr: every target is reached
  const std::atomic<bool>* stopping = nullptr;  ///< the gateway stops: nobody gets in
  /// TSIH of the live session of this initiator port and target; 0: there is none.
  std::function<std::uint16_t(const LoginResult&)> live_tsih;
  std::size_t max_text = 16384;   ///< bytes of one request over its continuations
  std::size_t max_requests = 32;  ///< requests until a login must be done
};

/// What a finished login has established.
struct LoginResult {
  bool discovery = false;
  std::string initiator_name;
  std::string target_name;  ///< empty in discovery
  scsi::HostIdentity host;  ///< without its secrets
  Demand demand;            ///< of the host when it was satisfied
  std::string_view auth;    ///< "none", "chap" or "mutual-chap": what took place
  std::uint16_t portal_group = 1;
  std::vector<scsi::LunMapping> units;
  SessionParameters parameters;
  Isid isid{};
  std::uint16_t cid = 0;
  std::uint32_t cmd_sn = 0;  ///< the first the session expects
};

class Login {
 public:
  enum class Next : std::uint8_t { more, established, refused };

  struct Answer {
    LoginResponseBhs header{};  ///< the numbers and TSIH are the connection's to fill
    std::string text;
    Next next = Next::more;
    std::string reason;  ///< with `refused`: for the log; names no secret
    LoginStatus status = LoginStatus::success;
  };

  explicit Login(const LoginContext& context);

  /// One Login Request with its data segment.
  Answer take(const LoginRequestBhs& request, std::string_view text);

  /// An answer that refuses, for reasons the connection found.
  Answer refuse(LoginStatus status, std::string reason) const;

  /// Valid after `established`; once.
  LoginResult result();

  /// The initiator's name as far as it was told, for logs.
  std::string_view initiator() const noexcept { return result_.initiator_name; }

 private:
  struct Refusal {
    LoginStatus status;
    std::string reason;
    std::string text;  ///< keys that go with the status
  };
  using Step = std::optional<Refusal>;

  Answer refuse(Refusal refusal) const;
  Step check_frame(const LoginRequestBhs& request);
  Step check_first(const LoginRequestBhs& request);
  Step check_once(const std::vector<TextPair>& pairs);
  Step take_text(const std::vector<TextPair>& pairs, std::string& answer);
  Step take_identity(const TextPair& pair);
  bool same_identity(const TextPair& pair) const;
  Step resolve_identity();
  Step take_security(const std::vector<TextPair>& pairs, std::string& answer);
  Step choose_method(std::string_view offered, std::string& answer);
  Step run_chap(const std::vector<TextPair>& pairs, std::string& answer);
  Step admit();
  Step join() const;
  Step admit_to_target(bool stopping);
  Step advance(const LoginRequestBhs& request, Answer& answer);
  Answer respond(const LoginRequestBhs& request) const;

  LoginContext context_;
  LoginResult result_;
  scsi::HostIdentity host_;
  Negotiation negotiation_;
  std::optional<ChapExchange> chap_;
  std::string pending_;      ///< text of a request that continues
  LoginRequestBhs first_{};  ///< what must stay the same through a login
  std::size_t requests_ = 0;
  std::bitset<64> seen_;  ///< keys of the table that were given
  Stage stage_ = Stage::security;
  std::optional<bool> discovery_;  ///< SessionType, once told
  bool identified_ = false;        ///< the first complete request was taken
  bool authenticated_ = false;
  bool method_chosen_ = false;
};

}  // namespace caisson::iscsi

// SPDX-License-Identifier: Apache-2.0
#include "gateway/iscsi/login.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace caisson::iscsi {
namespace {

constexpr std::byte kCurrentStageMask{0x0c};
constexpr std::byte kNextStageMask{0x03};
constexpr std::size_t kMaxIscsiName = 223;  // RFC 7143 4.2.7.2

Stage current_stage(const LoginRequestBhs& request) noexcept {
  return static_cast<Stage>(std::to_integer<unsigned>(request.flags & kCurrentStageMask) >> 2);
}
Stage next_stage(const LoginRequestBhs& request) noexcept {
  return static_cast<Stage>(std::to_integer<unsigned>(request.flags & kNextStageMask));
}
bool transits(const LoginRequestBhs& request) noexcept {
  return (request.flags & kTransitBit) != std::byte{0};
}
bool continues(const LoginRequestBhs& request) noexcept {
  return (request.flags & kContinueBit) != std::byte{0};
}

bool valid_iscsi_name(std::string_view name) noexcept {
  return !name.empty() && name.size() <= kMaxIscsiName &&
         std::ranges::all_of(name, [](unsigned char c) { return c > 0x20 && c != 0x7f; });
}

std::optional<std::string_view> value_of(const std::vector<TextPair>& pairs, std::string_view key) {
  auto found = std::ranges::find(pairs, key, &TextPair::key);
  if (found == pairs.end()) return std::nullopt;
  return found->value;
}

constexpr std::pair<LoginStatus, std::string_view> kStatusNames[] = {
    {LoginStatus::success, "success"},
    {LoginStatus::initiator_error, "initiator error"},
    {LoginStatus::authentication_failure, "authentication failure"},
    {LoginStatus::authorization_failure, "authorization failure"},
    {LoginStatus::target_not_found, "not found"},
    {LoginStatus::unsupported_version, "unsupported version"},
    {LoginStatus::too_many_connections, "too many connections"},
    {LoginStatus::missing_parameter, "missing parameter"},
    {LoginStatus::session_type_unsupported, "session type not supported"},
    {LoginStatus::session_does_not_exist, "session does not exist"},
    {LoginStatus::invalid_during_login, "invalid during login"},
    {LoginStatus::target_error, "target error"},
    {LoginStatus::service_unavailable, "service unavailable"},
    {LoginStatus::out_of_resources, "out of resources"},
};

}  // namespace

std::string to_string(LoginStatus status) {
  const auto* row =
      std::ranges::find(kStatusNames, status, [](const auto& row) { return row.first; });
  return fmt::format("{:04x} {}", static_cast<unsigned>(status), row->second);
}

Login::Login(const LoginContext& context) : context_(context), negotiation_(context.offer, false) {}

Login::Answer Login::respond(const LoginRequestBhs& request) const {
  Answer answer;
  answer.header =
      make_header<LoginResponseBhs>(Opcode::login_response, request.flags & kCurrentStageMask);
  answer.header.isid = request.isid;
  answer.header.tsih = request.tsih;
  answer.header.initiator_task_tag = request.initiator_task_tag;
  return answer;
}

Login::Answer Login::refuse(LoginStatus status, std::string reason) const {
  auto answer = respond(first_);
  auto code = static_cast<std::uint16_t>(status);
  answer.header.status_class = static_cast<std::uint8_t>(code >> 8);
  answer.header.status_detail = static_cast<std::uint8_t>(code & 0xff);
  answer.next = Next::refused;
  answer.status = status;
  answer.reason = std::move(reason);
  return answer;
}

Login::Answer Login::take(const LoginRequestBhs& request, std::string_view text) {
  if (requests_ == 0) first_ = request;
  if (auto no = check_frame(request)) return refuse(no->status, std::move(no->reason));
  auto answer = respond(request);
  if (pending_.size() + text.size() > context_.max_text)
    return refuse(LoginStatus::initiator_error, "the login text is too long");
  pending_.append(text);
  if (continues(request)) return answer;
  auto whole = std::exchange(pending_, {});
  auto pairs = parse_text(whole);
  if (!pairs) return refuse(LoginStatus::initiator_error, pairs.error().message);
  if (auto no = take_text(*pairs, answer.text)) return refuse(no->status, std::move(no->reason));
  if (auto no = advance(request, answer)) return refuse(no->status, std::move(no->reason));
  return answer;
}

Login::Step Login::check_frame(const LoginRequestBhs& request) {
  if (++requests_ > context_.max_requests)
    return Refusal{LoginStatus::initiator_error, "the login does not come to an end"};
  if (requests_ == 1)
    if (auto no = check_first(request)) return no;
  if (request.isid != first_.isid || request.tsih != first_.tsih || request.cid != first_.cid ||
      request.initiator_task_tag != first_.initiator_task_tag)
    return Refusal{LoginStatus::initiator_error, "the login changed its ISID, TSIH, CID or tag"};
  if (current_stage(request) != stage_)
    return Refusal{LoginStatus::initiator_error, "the login is in another stage than it says"};
  if (transits(request) && continues(request))
    return Refusal{LoginStatus::initiator_error, "a login request with both C and T"};
  auto next = next_stage(request);
  if (transits(request) && (next <= stage_ || next == Stage{2}))
    return Refusal{LoginStatus::initiator_error, "the login asks for an impossible next stage"};
  return {};
}

Login::Step Login::check_first(const LoginRequestBhs& request) {
  if (request.version_min > 0)
    return Refusal{LoginStatus::unsupported_version, "an iSCSI version other than 0"};
  if (request.tsih != 0)
    return Refusal{LoginStatus::session_does_not_exist,
                   "a connection for an existing session: a session has one connection here"};
  stage_ = current_stage(request);
  if (stage_ != Stage::security && stage_ != Stage::operational)
    return Refusal{LoginStatus::initiator_error, "a login that starts in no login stage"};
  result_.isid = request.isid;
  result_.cid = request.cid;
  result_.cmd_sn = request.cmd_sn;
  return {};
}

Login::Step Login::take_text(const std::vector<TextPair>& pairs, std::string& answer) {
  bool first = !identified_;
  for (const auto& pair : pairs) {
    const auto* spec = find_key(pair.key);
    if (spec == nullptr || spec->kind != KeyKind::identity) continue;
    if (!first || pair.key == "SendTargets")
      return Refusal{LoginStatus::initiator_error, fmt::format("{} out of place", pair.key)};
    if (auto no = take_identity(pair)) return no;
  }
  if (first) {
    if (auto no = resolve_identity()) return no;
    if (!result_.discovery)
      append_text(answer, "TargetPortalGroupTag", std::to_string(context_.portal_group));
  }
  if (stage_ == Stage::security)
    if (auto no = take_security(pairs, answer)) return no;
  for (const auto& pair : pairs) {
    const auto* spec = find_key(pair.key);
    if (spec != nullptr && spec->kind == KeyKind::identity) continue;
    if (spec != nullptr && spec->kind == KeyKind::security && stage_ == Stage::security) continue;
    if (auto taken = negotiation_.take(pair.key, pair.value, stage_, answer); !taken)
      return Refusal{LoginStatus::initiator_error, taken.error().message};
  }
  if (stage_ == Stage::operational) negotiation_.declare(answer);
  return {};
}

Login::Step Login::take_identity(const TextPair& pair) {
  if (pair.key == "SessionType") {
    if (discovery_ || (pair.value != "Discovery" && pair.value != "Normal"))
      return Refusal{LoginStatus::session_type_unsupported, "an unknown or repeated SessionType"};
    discovery_ = pair.value == "Discovery";
    return {};
  }
  if (pair.key == "InitiatorAlias") return {};
  auto& name = pair.key == "InitiatorName" ? result_.initiator_name : result_.target_name;
  if (!name.empty() || !valid_iscsi_name(pair.value))
    return Refusal{LoginStatus::initiator_error,
                   fmt::format("a malformed or repeated {}", pair.key)};
  name = lower_name(pair.value);
  return {};
}

Login::Step Login::resolve_identity() {
  identified_ = true;
  result_.discovery = discovery_.value_or(false);
  negotiation_.set_discovery(result_.discovery);
  if (result_.initiator_name.empty())
    return Refusal{LoginStatus::missing_parameter, "InitiatorName is missing"};
  if (!result_.discovery && result_.target_name.empty())
    return Refusal{LoginStatus::missing_parameter, "TargetName is missing"};
  auto host = context_.directory.identify(result_.initiator_name);
  if (!host) return Refusal{LoginStatus::authorization_failure, "no host has this initiator name"};
  host_ = std::move(*host);
  if (stage_ != Stage::operational) return {};
  if (!host_.no_auth)
    return Refusal{LoginStatus::authentication_failure,
                   fmt::format("host {} must authenticate, the initiator did not", host_.name)};
  authenticated_ = true;
  return admit();
}

Login::Step Login::admit() {
  if (result_.discovery) return {};
  auto admission = context_.directory.admit(host_.id, result_.target_name);
  switch (admission.verdict) {
    case scsi::Verdict::granted: result_.units = std::move(admission.units); return {};
    case scsi::Verdict::unavailable:
      return Refusal{LoginStatus::service_unavailable,
                     fmt::format("target {} is not served now", result_.target_name)};
    case scsi::Verdict::not_found: break;
  }
  return Refusal{LoginStatus::target_not_found, fmt::format("target {} is not granted to host {}",
                                                            result_.target_name, host_.name)};
}

Login::Step Login::take_security(const std::vector<TextPair>& pairs, std::string& answer) {
  if (auto offered = value_of(pairs, "AuthMethod")) {
    if (method_chosen_)
      return Refusal{LoginStatus::initiator_error, "AuthMethod was negotiated twice"};
    if (auto no = choose_method(*offered, answer)) return no;
  }
  return run_chap(pairs, answer);
}

Login::Step Login::choose_method(std::string_view offered, std::string& answer) {
  method_chosen_ = true;
  for (auto method : split_list(offered)) {
    bool chap = method == "CHAP" && !host_.chap_user.empty();
    bool none = method == "None" && host_.no_auth;
    if (!chap && !none) continue;
    append_text(answer, "AuthMethod", method);
    if (chap)
      chap_.emplace(ChapCredentials{host_.chap_user, host_.chap_secret, host_.mutual_user,
                                    host_.mutual_secret});
    else
      authenticated_ = true;
    return authenticated_ ? admit() : Step{};
  }
  return Refusal{
      LoginStatus::authentication_failure,
      fmt::format("host {} may not use any offered method: AuthMethod={}", host_.name, offered)};
}

Login::Step Login::run_chap(const std::vector<TextPair>& pairs, std::string& answer) {
  auto algorithms = value_of(pairs, "CHAP_A");
  ChapExchange::Reply reply{value_of(pairs, "CHAP_N"), value_of(pairs, "CHAP_R"),
                            value_of(pairs, "CHAP_I"), value_of(pairs, "CHAP_C")};
  bool replies = reply.name || reply.response || reply.identifier || reply.challenge;
  if (!algorithms && !replies) return {};
  if (!chap_ || authenticated_ || (algorithms && replies))
    return Refusal{LoginStatus::initiator_error, "CHAP keys out of place"};
  auto done = algorithms ? chap_->begin(*algorithms, answer) : chap_->finish(reply, answer);
  if (!done)
    return Refusal{LoginStatus::authentication_failure,
                   fmt::format("host {}: {}", host_.name, done.error().message)};
  if (algorithms) return {};
  authenticated_ = true;
  return admit();
}

Login::Step Login::advance(const LoginRequestBhs& request, Answer& answer) {
  if (!transits(request)) return {};
  if (!authenticated_) {
    if (chap_) return {};  // the exchange goes on in this stage
    if (!host_.no_auth)
      return Refusal{LoginStatus::authentication_failure,
                     fmt::format("host {} must authenticate, the initiator did not", host_.name)};
    authenticated_ = true;
    if (auto no = admit()) return no;
  }
  stage_ = next_stage(request);
  answer.header.flags |= kTransitBit | (request.flags & kNextStageMask);
  if (stage_ != Stage::full_feature) return {};
  result_.parameters = negotiation_.result();
  answer.next = Next::established;
  return {};
}

LoginResult Login::result() {
  host_.chap_secret.clear();
  host_.mutual_secret.clear();
  result_.host = host_;
  result_.auth = !chap_ ? "none" : chap_->mutual() ? "mutual-chap" : "chap";
  return std::move(result_);
}

}  // namespace caisson::iscsi

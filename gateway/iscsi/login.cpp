// SPDX-License-Identifier: Apache-2.0
#include "gateway/iscsi/login.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "storage_object/base/iscsi_name.hpp"

namespace caisson::iscsi {
namespace {

constexpr std::byte kCurrentStageMask{0x0c};
constexpr std::byte kNextStageMask{0x03};

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

/// Of a target: whatever has not the form of a name is just not found.
bool printable_name(std::string_view name) noexcept {
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
    {LoginStatus::moved_temporarily, "moved temporarily"},
    {LoginStatus::moved_permanently, "moved permanently"},
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
  if (auto no = check_frame(request)) return refuse(std::move(*no));
  auto answer = respond(request);
  if (pending_.size() + text.size() > context_.max_text)
    return refuse(LoginStatus::initiator_error, "the login text is too long");
  pending_.append(text);
  if (continues(request)) return answer;
  auto whole = std::exchange(pending_, {});
  auto pairs = parse_text(whole);
  if (!pairs) return refuse(LoginStatus::initiator_error, pairs.error().message);
  if (auto no = check_once(*pairs)) return refuse(std::move(*no));
  if (auto no = take_text(*pairs, answer.text)) return refuse(std::move(*no));
  if (auto no = advance(request, answer)) return refuse(std::move(*no));
  return answer;
}

Login::Answer Login::refuse(Refusal refusal) const {
  auto answer = refuse(refusal.status, std::move(refusal.reason));
  answer.text = std::move(refusal.text);
  return answer;
}

/// A key is given once in a negotiation (RFC 7143 6.2): which of two values would
/// count is a question that is better not answered. Names may be told once more in
/// a later request, as libiscsi does; take_text() sees to it that they stay.
Login::Step Login::check_once(const std::vector<TextPair>& pairs) {
  for (auto pair = pairs.begin(); pair != pairs.end(); ++pair) {
    const auto* spec = find_key(pair->key);
    auto index = spec == nullptr ? 0 : static_cast<std::size_t>(spec - key_table().data());
    auto same_key = [&](const TextPair& other) { return other.key == pair->key; };
    if (std::find_if(pairs.begin(), pair, same_key) != pair || (spec != nullptr && seen_[index]))
      return Refusal{LoginStatus::initiator_error, fmt::format("{} was given twice", pair->key)};
    if (spec != nullptr && spec->kind != KeyKind::identity) seen_.set(index);
  }
  return {};
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
    if (pair.key == "SendTargets" || (!first && !same_identity(pair)))
      return Refusal{LoginStatus::initiator_error, fmt::format("{} out of place", pair.key)};
    if (!first) continue;
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
    if (pair.value != "Discovery" && pair.value != "Normal")
      return Refusal{LoginStatus::session_type_unsupported, "an unknown SessionType"};
    discovery_ = pair.value == "Discovery";
    return {};
  }
  if (pair.key == "InitiatorAlias") return {};
  if (pair.key == "TargetName") {
    if (!printable_name(pair.value))
      return Refusal{LoginStatus::initiator_error, "a malformed TargetName"};
    result_.target_name = lower_name(pair.value);
    return {};
  }
  auto name = checked_iscsi_name(pair.value);
  if (!name) return Refusal{LoginStatus::initiator_error, "InitiatorName: " + name.error().message};
  result_.initiator_name = std::move(*name);
  return {};
}

/// What a later request says of names is what the first one said.
bool Login::same_identity(const TextPair& pair) const {
  if (pair.key == "SessionType") return (pair.value == "Discovery") == result_.discovery;
  if (pair.key == "InitiatorName") return lower_name(pair.value) == result_.initiator_name;
  if (pair.key == "TargetName") return lower_name(pair.value) == result_.target_name;
  return pair.key == "InitiatorAlias";
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

/// A login with a TSIH is to add a connection to that session, or to take the
/// place of one (RFC 7143 6.3.1). A session has one connection here.
Login::Step Login::join() const {
  if (first_.tsih == 0) return {};
  if (context_.live_tsih && context_.live_tsih(result_) == first_.tsih)
    return Refusal{LoginStatus::too_many_connections,
                   "a connection for an existing session: a session has one connection here"};
  return Refusal{LoginStatus::session_does_not_exist, "a connection for a session that is not"};
}

Login::Step Login::admit() {
  if (auto no = join()) return no;
  bool stopping = context_.stopping != nullptr && context_.stopping->load();
  if (!result_.discovery) return admit_to_target(stopping);
  if (stopping) return Refusal{LoginStatus::service_unavailable, "the gateway stops"};
  return {};
}

Login::Step Login::admit_to_target(bool stopping) {
  const auto& target = result_.target_name;
  auto admission = context_.directory.admit(host_.id, target);
  if (admission.verdict == scsi::Verdict::not_found)
    return Refusal{LoginStatus::target_not_found,
                   fmt::format("target {} is not granted to host {}", target, host_.name)};
  if (context_.groups != nullptr && !context_.groups->reach(target, context_.portal_group))
    return Refusal{LoginStatus::target_not_found,
                   fmt::format("target {} is not reached through portal group {}", target,
                               context_.portal_group)};
  if (const auto& to = admission.redirect; to && to->address != context_.local) {
    Refusal moved{to->permanent ? LoginStatus::moved_permanently : LoginStatus::moved_temporarily,
                  fmt::format("target {} is at {} for host {}", target, to->address, host_.name)};
    append_text(moved.text, "TargetAddress", to->address);
    return moved;
  }
  if (stopping) return Refusal{LoginStatus::service_unavailable, "the gateway stops"};
  if (admission.verdict == scsi::Verdict::unavailable)
    return Refusal{LoginStatus::service_unavailable,
                   fmt::format("target {} is not served now", target)};
  result_.units = std::move(admission.units);
  return {};
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
  result_.demand = Demand(host_);
  result_.portal_group = context_.portal_group;
  host_.chap_secret.clear();
  host_.mutual_secret.clear();
  result_.host = host_;
  result_.auth = !chap_ ? "none" : chap_->mutual() ? "mutual-chap" : "chap";
  return std::move(result_);
}

}  // namespace caisson::iscsi

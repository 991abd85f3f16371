// SPDX-License-Identifier: Apache-2.0
// The rest of a session: pings, text, logout, asynchronous messages, rejects.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "gateway/iscsi/connection.hpp"
#include "gateway/iscsi/iscsi_errc.hpp"
#include "gateway/iscsi/session.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::iscsi {
namespace {

enum class LogoutReason : std::uint8_t { close_session = 0, close_connection = 1, recovery = 2 };
enum class LogoutResponse : std::uint8_t { closed = 0, no_such_cid = 1, no_recovery = 2 };

/// Data of its own for a PDU.
void attach(OutPdu& pdu, std::span<const std::byte> data) {
  if (data.empty()) return;
  pdu.owned = Buffer(data.size());
  std::memcpy(pdu.owned.data(), data.data(), data.size());
  pdu.data = pdu.owned.data();
  pdu.data_length = static_cast<std::uint32_t>(data.size());
}

OutPdu& control_pdu() {
  auto& pdu = SendQueue::make();
  pdu.kind = PduKind::control;
  return pdu;
}

bool any_address(const std::string& address) { return address == "0.0.0.0" || address == "::"; }

}  // namespace

void Session::nop_out(const Bhs& bhs, std::span<const std::byte> data) {
  if (bhs.initiator_task_tag == kNoTag) return;  // the answer to our ping, or no answer wanted
  auto header = make_header<NopInBhs>(Opcode::nop_in);
  header.initiator_task_tag = bhs.initiator_task_tag;
  header.target_transfer_tag = kNoTag;
  auto& pdu = control_pdu();
  pdu.owned = std::move(connection_->incoming().body);
  pdu.charge = std::move(connection_->incoming().charge);
  pdu.data = pdu.owned.data();
  pdu.data_length = std::min<std::uint32_t>(static_cast<std::uint32_t>(data.size()),
                                            login_.parameters.peer_max_recv);
  connection_->send(pdu, header, true);
}

void Session::ping() {
  auto header = make_header<NopInBhs>(Opcode::nop_in);
  header.initiator_task_tag = kNoTag;
  header.target_transfer_tag = 0;
  connection_->send(control_pdu(), header, false);
}

void Session::announce(AsyncEvent event, std::chrono::milliseconds within) {
  auto header = make_header<AsyncMessageBhs>(Opcode::async_message);
  header.initiator_task_tag = kNoTag;
  header.event = event;
  header.parameter_3 =
      static_cast<std::uint16_t>(std::chrono::ceil<std::chrono::seconds>(within).count());
  connection_->send(control_pdu(), header, true);
}

void Session::reject(const Bhs& offender, RejectReason reason) {
  auto header = make_header<RejectBhs>(Opcode::reject);
  header.reason = reason;
  header.initiator_task_tag = kNoTag;
  auto& pdu = control_pdu();
  store(std::span(pdu.small), offender);
  pdu.data = pdu.small.data();
  pdu.data_length = kBhsLength;
  if (rejects_++ == 0)
    log::info("session {}: {} of {} rejected, reason {:#04x}; more are only counted", id_,
              opcode_name(offender.code()), connection_->peer(), static_cast<unsigned>(reason));
  connection_->send(pdu, header, true);
}

void Session::text(const Bhs& bhs, std::span<const std::byte> data) {
  auto request = header_cast<TextRequestBhs>(bhs);
  std::string_view piece(reinterpret_cast<const char*>(data.data()), data.size());
  if (request.target_transfer_tag == kNoTag) std::string().swap(text_out_);
  if (text_in_.size() + piece.size() > state_->options.limits.login_text) {
    text_in_.clear();
    return reject(bhs, RejectReason::negotiation_reset);
  }
  text_in_.append(piece);
  if ((request.flags & kContinueBit) != std::byte{0}) {
    auto header = make_header<TextResponseBhs>(Opcode::text_response, std::byte{0});
    header.initiator_task_tag = request.initiator_task_tag;
    header.target_transfer_tag = 1;
    connection_->send(control_pdu(), header, true);
    return;
  }
  auto whole = std::exchange(text_in_, {});
  if (!whole.empty()) {
    auto pairs = parse_text(whole);
    if (!pairs) return reject(bhs, RejectReason::protocol_error);
    text_out_ = answer_text(*pairs);
  }
  if (!text_charge_.set(answers_, text_out_.size()))
    return connection_->end(make_error_code(IscsiErrc::too_many_bodies).message());
  send_text(request.initiator_task_tag);
}

/// The next piece of text_out_ that fits; the initiator asks for the rest.
void Session::send_text(std::uint32_t tag) {
  auto length = std::min<std::size_t>(text_out_.size(), login_.parameters.peer_max_recv);
  bool last = length == text_out_.size();
  auto header =
      make_header<TextResponseBhs>(Opcode::text_response, last ? kFinalBit : kContinueBit);
  header.initiator_task_tag = tag;
  header.target_transfer_tag = last ? kNoTag : 1;
  auto& pdu = control_pdu();
  if (!pdu.charge.set(bodies_, length))
    return connection_->end(make_error_code(IscsiErrc::too_many_bodies).message());
  attach(pdu, std::as_bytes(std::span(text_out_).first(length)));
  text_out_.erase(0, length);
  if (last) text_charge_.reset();
  connection_->send(pdu, header, true);
}

std::string Session::answer_text(const std::vector<TextPair>& pairs) {
  std::string answer;
  Negotiation negotiation(state_->options.offer, login_.discovery, login_.parameters);
  bool listed = false;
  for (const auto& pair : pairs) {
    if (pair.key == "SendTargets" && std::exchange(listed, true)) {
      append_text(answer, pair.key, "Reject");
      continue;
    }
    if (pair.key == "SendTargets") {
      if (auto lost = lost_entitlement()) {
        connection_->drop(std::move(*lost));
        return {};
      }
      answer += list_targets(pair.value);
      continue;
    }
    if (!negotiation.take(pair.key, pair.value, Stage::full_feature, answer))
      append_text(answer, pair.key, "Reject");
  }
  // All else is the login's alone (RFC 7143 13).
  login_.parameters.peer_max_recv = negotiation.result().peer_max_recv;
  return answer;
}

/// RFC 7143 appendix C: "All" in discovery, a name, or nothing for the
/// session's own target. Only what this host may log in to.
std::string Session::list_targets(std::string_view which) const {
  auto own = std::string_view(login_.target_name);
  auto wanted = lower_name(which);
  std::string text;
  auto local = connection_->local();
  for (const auto& name : state_->options.directory->targets(login_.host.id)) {
    bool asked = which == "All" ? login_.discovery : which.empty() ? name == own : name == wanted;
    if (!asked) continue;
    auto addresses = list_addresses(name, local);
    if (addresses.empty()) continue;  // without one it would mean: at this address
    append_text(text, "TargetName", name);
    text += addresses;
  }
  return text;
}

/// The portals of the target's groups. One that is bound to any address is told
/// as the address the initiator used, if that is of its family.
std::string Session::list_addresses(std::string_view target, const Portal& local) const {
  std::string text;
  bool six = local.address.find(':') != std::string::npos;
  for (const auto& portal : state_->bound) {
    if (!state_->groups.reach(target, portal.group)) continue;
    bool any = any_address(portal.address);
    if (any && (portal.address == "::") != six) continue;
    Portal shown{any ? local.address : portal.address, portal.port};
    append_text(text, "TargetAddress", fmt::format("{},{}", shown.to_string(), portal.group));
  }
  return text;
}

void Session::logout(const Bhs& bhs) {
  auto request = header_cast<LogoutRequestBhs>(bhs);
  auto reason = static_cast<LogoutReason>(std::to_integer<unsigned>(request.reason) & 0x7f);
  bool other = reason == LogoutReason::close_connection && request.cid != login_.cid;
  if (other || reason >= LogoutReason::recovery) {
    auto header = make_header<LogoutResponseBhs>(Opcode::logout_response);
    header.initiator_task_tag = request.initiator_task_tag;
    header.response = static_cast<std::uint8_t>(other ? LogoutResponse::no_such_cid
                                                      : LogoutResponse::no_recovery);
    connection_->send(control_pdu(), header, true);
    return;
  }
  logging_out_ = true;
  logout_ = bhs;
  end_commands();
}

/// Later, as in maybe_gone().
void Session::finish_logout() {
  if (!std::exchange(logged_out_, true))
    thread_.post([self = shared_from_this()] { self->answer_logout(); });
}

/// The nexus has ended when the initiator hears it (RFC 7143 11.15): what it asks of
/// an administrator then is not refused on its own account.
void Session::answer_logout() {
  end_nexus();
  if (connection_ == nullptr) return;
  auto header = make_header<LogoutResponseBhs>(Opcode::logout_response);
  header.initiator_task_tag = logout_.initiator_task_tag;
  header.time_to_wait = static_cast<std::uint16_t>(login_.parameters.time_to_wait);
  connection_->send(control_pdu(), header, true);
  connection_->finish("logged out");
}

}  // namespace caisson::iscsi

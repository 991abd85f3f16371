// SPDX-License-Identifier: Apache-2.0
#include "gateway/iscsi/session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <utility>

#include "gateway/iscsi/connection.hpp"
#include "gateway/iscsi/iscsi_errc.hpp"
#include "storage_object/base/clock.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::iscsi {
namespace {

/// Where every numbered request has its CmdSN.
std::uint32_t cmd_sn_of(const Bhs& bhs) noexcept { return header_cast<ScsiCommandBhs>(bhs).cmd_sn; }

std::string initiator_port(const LoginResult& login) {
  std::string isid;
  for (auto b : login.isid) isid += fmt::format("{:02x}", std::to_integer<unsigned>(b));
  return fmt::format("{},i,0x{}", login.initiator_name, isid);
}

std::vector<std::uint64_t> numbers_of(const std::vector<scsi::LunMapping>& units) {
  std::vector<std::uint64_t> numbers;
  numbers.reserve(units.size());
  for (const auto& unit : units) numbers.push_back(unit.number);
  return numbers;
}

bool same_mapping(const scsi::LunMapping& a, const scsi::LunMapping& b) noexcept {
  return a.number == b.number && a.unit == b.unit && a.read_only == b.read_only;
}

}  // namespace

struct Session::Leaving {
  Leaving(boost::asio::io_context& context, std::chrono::milliseconds within)
      : timer(context, within) {}
  boost::asio::steady_timer timer;
};

Session::Session(std::shared_ptr<ServerState> state, Connection& connection, LoginResult login,
                 std::uint16_t tsih)
    : state_(std::move(state)),
      connection_(&connection),
      shared_connection_(connection.weak_from_this()),
      thread_(connection.thread()),
      login_(std::move(login)),
      tsih_(tsih),
      window_(login_.cmd_sn, state_->options.limits.window),
      table_(std::size_t{state_->options.limits.window} + state_->options.limits.immediate),
      held_(state_->options.limits.window),
      bodies_(std::make_shared<BodyAccount>(state_, state_->bytes,
                                            state_->options.limits.control_bytes,
                                            state_->options.limits.total_bytes)),
      answers_(std::make_shared<BodyAccount>(state_, state_->bytes,
                                             state_->options.limits.answer_bytes,
                                             state_->options.limits.total_bytes)) {}

Session::~Session() = default;

void Session::open() {
  auto& sessions = *state_->options.sessions;
  id_ = sessions.next_id();
  since_ =
      std::chrono::duration_cast<std::chrono::seconds>(Clock::system().wall().time_since_epoch())
          .count();
  portal_ = connection_->local().to_string();
  luns_ = numbers_of(login_.units);
  identity_ = {.id = id_,
               .host = login_.host.id,
               .host_name = login_.host.name,
               .initiator_port = initiator_port(login_),
               .target_name = login_.target_name,
               .relative_port = login_.portal_group,
               .portal_group = login_.portal_group,
               .peer_address = connection_->peer(),
               .abort_limit = state_->options.timers.abort,
               .port_groups = state_->groups.of(login_.target_name)};
  units_ = login_.units;
  nexus_ = std::make_unique<scsi::Nexus>(identity_, std::move(login_.units), weak_from_this());
  sessions.add(id_, shared_from_this());
  log::info("session {}: {} ({}) at {} logged in to {}", id_, login_.initiator_name,
            login_.host.name, connection_->peer(), login_.target_name);
  refresh();  // a grant may have changed between the login's question and now
}

void Session::abandon() {
  connection_ = nullptr;
  gone();
}

bool Session::takes(const Bhs& bhs) const noexcept {
  if (logging_out_) return false;
  const auto* spec = find_opcode(bhs.code());
  if (!spec->numbered || bhs.immediate()) return true;
  auto number = cmd_sn_of(bhs);
  return window_.contains(number) &&
         (number == window_.expected() || held_[number % window_.size()] == nullptr);
}

std::span<std::byte> Session::begin_pdu(const PduHeader& pdu, Error& error) {
  auto& incoming = connection_->incoming();
  incoming.command = nullptr;
  incoming.ignored = !takes(pdu.bhs);
  if (incoming.ignored) return {};
  std::uint32_t length = pdu.bhs.data_segment_length;
  switch (static_cast<Opcode>(pdu.bhs.code())) {
    case Opcode::scsi_command: return nexus_ ? begin_command(pdu, error) : std::span<std::byte>{};
    case Opcode::data_out: return begin_data_out(pdu);
    case Opcode::nop_out:
    case Opcode::text_request: return begin_body(length, error);
    default: return {};
  }
}

std::span<std::byte> Session::begin_body(std::uint32_t length, Error& error) {
  auto& incoming = connection_->incoming();
  incoming.drop_body();
  if (length == 0) return {};
  if (!incoming.charge.set(bodies_, length)) {
    error = IscsiErrc::too_many_bodies;
    return {};
  }
  incoming.body = Buffer(length);
  return incoming.body.span();
}

Result<std::span<std::byte>> Session::on_header(const PduHeader& pdu) {
  Error error;
  auto place = begin_pdu(pdu, error);
  if (error) return error;
  return place;
}

Result<> Session::on_pdu(const PduHeader& pdu, std::span<const std::byte> data, bool intact) {
  if (pdu.bhs.data_segment_length == 0) {
    Error error;
    begin_pdu(pdu, error);
    if (error) return error;
  }
  if (!connection_->incoming().ignored) take(pdu, data, intact);
  connection_->incoming().drop_body();  // what is needed of it has moved on
  return {};
}

void Session::take(const PduHeader& pdu, std::span<const std::byte> data, bool intact) {
  if (pdu.bhs.code() == static_cast<std::uint8_t>(Opcode::data_out))
    return data_out(pdu.bhs, intact);
  auto* command = std::exchange(connection_->incoming().command, nullptr);
  if (!intact) {
    if (command != nullptr) free(*command);
    return reject(pdu.bhs, RejectReason::data_digest_error);
  }
  if (!find_opcode(pdu.bhs.code())->numbered || pdu.bhs.immediate())
    dispatch(pdu.bhs, data, command);
  else if (cmd_sn_of(pdu.bhs) == window_.expected())
    deliver(pdu.bhs, data, command);
  else
    hold(pdu.bhs, command);
}

void Session::hold(const Bhs& bhs, Command* command) {
  if (command == nullptr) {
    command = Command::acquire();
    command->header = bhs;
    command->task.data_out = std::move(connection_->incoming().body);
    command->body_charge = std::move(connection_->incoming().charge);
  }
  held_[cmd_sn_of(bhs) % window_.size()] = command;
  ++held_count_;
}

Command* Session::take_held() noexcept {
  if (held_count_ == 0) return nullptr;
  auto* command = std::exchange(held_[window_.expected() % window_.size()], nullptr);
  if (command != nullptr) --held_count_;
  return command;
}

void Session::deliver(const Bhs& bhs, std::span<const std::byte> data, Command* command) {
  window_.advance();
  dispatch(bhs, data, command);
  deliver_held();
}

void Session::deliver_held() {
  while (connection_ != nullptr && !logging_out_) {
    auto* next = take_held();
    if (next == nullptr) return numbers_came();
    window_.advance();
    if (next->aborted) {
      free(*next);
    } else if (next->header.code() == static_cast<std::uint8_t>(Opcode::scsi_command)) {
      dispatch(next->header, {}, next);
    } else {
      connection_->incoming().body = std::move(next->task.data_out);
      connection_->incoming().charge = std::move(next->body_charge);
      dispatch(next->header, connection_->incoming().body.span(), nullptr);
      free(*next);
    }
  }
}

void Session::dispatch(const Bhs& bhs, std::span<const std::byte> data, Command* command) {
  if (!nexus_ && !find_opcode(bhs.code())->discovery) {
    reject(bhs, RejectReason::command_not_supported);
    if (command != nullptr) free(*command);  // it was held; `bhs` is part of it
    return;
  }
  switch (static_cast<Opcode>(bhs.code())) {
    case Opcode::scsi_command: return begin(*command);
    case Opcode::nop_out: return nop_out(bhs, data);
    case Opcode::text_request: return text(bhs, data);
    case Opcode::task_management: return task_management(bhs);
    case Opcode::logout_request: return logout(bhs);
    case Opcode::snack: return reject(bhs, RejectReason::snack_rejected);
    default: return reject(bhs, RejectReason::protocol_error);
  }
}

void Session::connection_lost(const std::string& reason) {
  if (connection_ == nullptr) return;
  // What is in the table or held is freed with its like below, even if a
  // Data-Out for it was arriving.
  if (auto* arriving = std::exchange(connection_->incoming().command, nullptr);
      arriving != nullptr && !arriving->tabled && !std::ranges::count(held_, arriving))
    free(*arriving);
  self_ = shared_from_this();
  connection_ = nullptr;
  leaving_.reset();
  for (auto*& held : held_)
    if (auto* command = std::exchange(held, nullptr)) free(*command);
  held_count_ = 0;
  log::info("session {}: {} at {} ended: {}{}", id_, login_.initiator_name,
            login_.discovery ? "discovery" : login_.target_name, reason,
            rejects_ > 1 ? fmt::format("; {} PDUs were rejected", rejects_) : "");
  end_commands();
}

/// Later: the termination may be on its way out of a command of this session.
void Session::maybe_gone() {
  if (connection_ != nullptr || executing_ != 0 || !self_) return set_alarm();
  thread_.post([self = std::exchange(self_, nullptr)] { self->gone(); });
}

/// Administrators see the session no more. May be called again.
void Session::end_nexus() {
  nexus_.reset();
  if (!login_.discovery && id_ != 0) state_->options.sessions->remove(id_);
}

void Session::gone() {
  alarm_.reset();
  watch_.reset();
  end_nexus();
  if (!login_.discovery) state_->remove(key(), *this);
  state_->free_tsih(tsih_);
  std::vector<std::weak_ptr<Connection>> successors;
  {
    std::lock_guard lock(mutex_);
    gone_ = true;
    successors.swap(successors_);
  }
  for (auto& successor : successors)
    if (auto waiting = successor.lock()) waiting->proceed();
}

/// `successor` proceeds when this is gone. False: it is, and it does.
bool Session::lead(const std::shared_ptr<Connection>& successor) {
  std::lock_guard lock(mutex_);
  if (gone_) {
    successor->proceed();
    return false;
  }
  std::erase_if(successors_, [](const auto& other) { return other.expired(); });
  successors_.push_back(successor);
  return true;
}

void Session::replace(const std::shared_ptr<Connection>& successor) {
  if (lead(successor)) drop("the initiator logged in again");
}

void Session::precede(const std::shared_ptr<Connection>& successor) {
  thread_.post([self = shared_from_this(), successor] {
    if (self->connection_ != nullptr && !self->connection_->left()) return successor->proceed();
    self->lead(successor);
  });
}

scsi::SessionView Session::view() const {
  scsi::SessionView view;
  view.identity = identity_;
  view.transport = "iscsi";
  view.portal = portal_;
  view.auth = login_.auth;
  view.since = since_;
  view.commands = commands_.load(std::memory_order_relaxed);
  view.last_io = last_io_.load(std::memory_order_relaxed);
  view.bytes_in = bytes_in_.load(std::memory_order_relaxed);
  view.bytes_out = bytes_out_.load(std::memory_order_relaxed);
  std::lock_guard lock(mutex_);
  view.luns = luns_;
  return view;
}

void Session::drop(std::string reason) {
  if (auto connection = shared_connection_.lock()) connection->drop(std::move(reason));
}

void Session::refresh() {
  thread_.post([self = shared_from_this()] { self->apply_grants(); });
}

/// Why the initiator could not log in as it did any more; nullopt: it could.
std::optional<std::string> Session::lost_entitlement() const {
  auto host = state_->options.directory->identify(login_.initiator_name);
  if (!host || host->id != login_.host.id) return "the initiator belongs to that host no more";
  if (!login_.demand.covers(Demand(*host)))
    return fmt::format("host {} demands more than this login ({}) proved", host->name, login_.auth);
  return std::nullopt;
}

void Session::apply_grants() {
  if (connection_ == nullptr || !nexus_) return;
  if (auto lost = lost_entitlement()) return connection_->drop(std::move(*lost));
  auto admission = state_->options.directory->admit(login_.host.id, login_.target_name);
  if (admission.verdict != scsi::Verdict::granted || admission.units.empty())
    return connection_->drop("the host's grant was withdrawn, or the target is not served now");
  if (admission.redirect && admission.redirect->address != portal_)
    leave_for(*admission.redirect);
  else
    leaving_.reset();
  if (std::ranges::equal(admission.units, units_, same_mapping)) return;
  units_ = admission.units;
  {
    std::lock_guard lock(mutex_);
    luns_ = numbers_of(units_);
  }
  nexus_->remap(std::move(admission.units));
}

/// The initiator finishes what it has under way, logs out, and is sent on when
/// it logs in again; if it does not, it is dropped.
void Session::leave_for(const scsi::Redirect& redirect) {
  if (leaving_) return;
  auto within = state_->options.timers.drain;
  log::info("session {}: {} is asked to log in at {}", id_, login_.initiator_name,
            redirect.address);
  announce(AsyncEvent::request_logout, within);
  leaving_ = std::make_unique<Leaving>(thread_.context(), within);
  leaving_->timer.async_wait([self = weak_from_this()](boost::system::error_code error) {
    auto session = self.lock();
    if (!error && session && session->leaving_)
      session->drop("the target has moved, and the initiator did not log out");
  });
}

}  // namespace caisson::iscsi

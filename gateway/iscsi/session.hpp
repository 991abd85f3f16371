// SPDX-License-Identifier: Apache-2.0
// An iSCSI session in the full feature phase: command numbering, data
// transfer, task management. Lives on its connection's I/O thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "gateway/iscsi/alarm.hpp"
#include "gateway/iscsi/command.hpp"
#include "gateway/iscsi/command_table.hpp"
#include "gateway/iscsi/command_window.hpp"
#include "gateway/iscsi/login.hpp"
#include "gateway/iscsi/pdu_parser.hpp"
#include "gateway/iscsi/server_state.hpp"
#include "gateway/iscsi/task_functions.hpp"
#include "gateway/scsi/nexus.hpp"

namespace caisson::iscsi {

class Connection;

/// Ends when its connection does and no command is left in the termination.
class Session final : public scsi::SessionHandle,
                      public scsi::NexusHost,
                      public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<ServerState> state, Connection& connection, LoginResult login,
          std::uint16_t tsih);
  ~Session() override;

  SessionKey key() const {
    return {login_.initiator_name, login_.isid, login_.target_name, login_.portal_group};
  }
  std::uint16_t tsih() const noexcept { return tsih_; }
  bool discovery() const noexcept { return login_.discovery; }
  const SessionParameters& parameters() const noexcept { return login_.parameters; }
  CommandWindow& window() noexcept { return window_; }

  /// The login came to nothing after all; instead of open().
  void abandon();
  /// Makes the nexus and shows the session to administrators.
  void open();

  // From the connection, on its thread.
  Result<std::span<std::byte>> on_header(const PduHeader& pdu);
  Result<> on_pdu(const PduHeader& pdu, std::span<const std::byte> data, bool intact);
  /// The data of an answered command has left.
  void on_sent(Command& command) noexcept;
  void ping();
  void announce(AsyncEvent event, std::chrono::milliseconds within);
  void connection_lost(const std::string& reason);

  /// Ends it; `successor`, a connection that may give up before, proceeds when
  /// nothing of it is left. From any thread.
  void replace(const std::shared_ptr<Connection>& successor);
  /// If the initiator has closed it, be that noticed here or not, `successor`
  /// proceeds when nothing of it is left; if not, at once. From any thread.
  void precede(const std::shared_ptr<Connection>& successor);

  // SessionHandle: from any thread.
  scsi::SessionView view() const override;
  void drop(std::string reason) override;
  void refresh() override;

  // NexusHost: from any thread.
  void post(std::function<void(scsi::Nexus*)> work) override;
  void clear(std::shared_ptr<scsi::LogicalUnit> unit, scsi::Clearing clearing,
             std::function<void()> done) override;

 private:
  struct Leaving;  // the time within which the initiator is to log out

  // session.cpp: numbering and dispatch
  bool takes(const Bhs& bhs) const noexcept;
  std::span<std::byte> begin_pdu(const PduHeader& pdu, Error& error);
  std::span<std::byte> begin_body(std::uint32_t length, Error& error);
  void take(const PduHeader& pdu, std::span<const std::byte> data, bool intact);
  void deliver(const Bhs& bhs, std::span<const std::byte> data, Command* command);
  void dispatch(const Bhs& bhs, std::span<const std::byte> data, Command* command);
  void hold(const Bhs& bhs, Command* command);
  Command* take_held() noexcept;
  void deliver_held();
  std::optional<std::string> lost_entitlement() const;
  void apply_grants();
  void leave_for(const scsi::Redirect& redirect);
  bool lead(const std::shared_ptr<Connection>& successor);
  void gone();
  void maybe_gone();
  void end_nexus();

  // session_commands.cpp: SCSI commands
  std::span<std::byte> begin_command(const PduHeader& pdu, Error& error);
  Error read_ahs(Command& command, std::span<const std::byte> ahs);
  std::span<std::byte> place_immediate(Command& command, std::uint32_t length);
  void begin(Command& command);
  void plan(Command& command);
  void advance(Command& command);
  void schedule(Command& command);
  bool reserve(Command& command);
  bool refuse_memory(Command& command) noexcept;
  void charge(Command& command, std::size_t bytes) noexcept;
  void execute(Command& command);
  static void completed(scsi::Task& task) noexcept;
  void on_complete(Command& command);
  void fail(Command& command, const scsi::Sense& sense) noexcept;
  void retire(Command& command) noexcept;
  void free(Command& command) noexcept;
  void wake_waiting();
  void stop_waiting(Command& command);
  Command* find_command(std::uint32_t tag) const noexcept;
  /// One thread writes a counter, so no locked instruction is needed.
  static void count(std::atomic<std::uint64_t>& counter, std::uint64_t n) noexcept {
    counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }

  // session_data.cpp: data-out and answers
  std::span<std::byte> begin_data_out(const PduHeader& pdu);
  void data_out(const Bhs& bhs, bool intact);
  void data_of_aborted(Command& command, const DataOutBhs& data);
  bool burst_ended(Command& command, const DataOutBhs& data);
  scsi::Sense check_unsolicited(Command& command, const DataOutBhs& data) const noexcept;
  scsi::Sense check_burst(const Burst& burst, const DataOutBhs& data) const noexcept;
  void request_data(Command& command);
  void respond(Command& command);
  void send_data_in(Command& command, std::uint32_t length, std::byte residual_flags,
                    std::uint32_t residual, bool with_status);
  void send_response(Command& command, std::byte residual_flags, std::uint32_t residual,
                     bool after_data);

  // session_control.cpp: pings, text, logout, rejects
  void nop_out(const Bhs& bhs, std::span<const std::byte> data);
  void text(const Bhs& bhs, std::span<const std::byte> data);
  void send_text(std::uint32_t tag);
  std::string answer_text(const std::vector<TextPair>& pairs);
  std::string list_targets(std::string_view which) const;
  std::string list_addresses(std::string_view target, const Portal& local) const;
  void logout(const Bhs& bhs);
  void finish_logout();
  void answer_logout();
  void reject(const Bhs& offender, RejectReason reason);

  // session_tasks.cpp: task management
  void task_management(const Bhs& bhs);
  TaskFunctionResponse query(const TaskManagementBhs& request, const FunctionSpec& spec);
  TaskFunctionResponse abort_one(PendingFunction& function);
  TaskFunctionResponse plug(std::uint32_t number, std::uint32_t before);
  void abort_sets(PendingFunction& function);
  void abort_set(PendingFunction& function, std::uint64_t lun);
  void expect_numbers(PendingFunction& function);
  bool forestalled(const Command& command) const noexcept;
  void numbers_came();
  void clear_here(const scsi::LogicalUnit& unit, const scsi::Clearing& clearing,
                  std::function<void()> done);
  PendingFunction& begin_function(PendingFunction::Kind kind, PendingFunction::Time from,
                                  std::chrono::milliseconds within);
  void end_part(std::uint64_t id);
  void settle();
  void finish_function(PendingFunction& function);
  void close_target();
  void answer_function(const TaskManagementBhs& request, TaskFunctionResponse response);

  // session_abort.cpp: commands that end before their time
  void abort(Command& command, PendingFunction& function, bool answer);
  bool linger(Command& command, PendingFunction& function);
  void stop_lingering(Command& command);
  void end_aborted(Command& command);
  void abandon(Command& command);
  static void orphan_completed(scsi::Task& task) noexcept;
  void end_commands();
  void set_alarm();
  void on_alarm();
  void watch();
  void on_watch();
  /// Calls visit(command) for each in the table; visits may end any of them.
  template <class Visit>
  void each_command(Visit visit) {
    for (std::size_t slot = 0; slot < table_.end(); ++slot)
      if (auto* command = table_.at(slot)) visit(*command);
  }

  std::shared_ptr<ServerState> state_;
  Connection* connection_;  ///< nullptr once it is lost
  const std::weak_ptr<Connection> shared_connection_;
  IoThread& thread_;
  LoginResult login_;
  const std::uint16_t tsih_;
  std::uint64_t id_ = 0;
  scsi::NexusIdentity identity_;
  std::vector<scsi::LunMapping> units_;  ///< as the nexus has them
  std::unique_ptr<scsi::Nexus> nexus_;   ///< none in discovery, or when logged out
  CommandWindow window_;
  CommandTable table_;
  std::vector<Command*> held_;  ///< ahead of ExpCmdSN, by CmdSN modulo the window
  std::size_t held_count_ = 0;
  CommandList waiting_;
  PendingFunctions functions_;
  std::vector<Forestalled> forestalled_;  ///< numbers that have not come
  std::uint64_t last_function_ = 0;
  std::unique_ptr<Alarm> alarm_;  ///< of functions_
  std::unique_ptr<Alarm> watch_;  ///< of what executes
  bool watching_ = false;
  std::uint32_t rounds_ = 0;  ///< of the watch
  std::size_t bytes_ = 0;     ///< charged to this session
  std::shared_ptr<BodyAccount> bodies_, answers_;
  std::size_t orphaned_bytes_ = 0;  ///< of them, of commands that were given up
  std::size_t executing_ = 0;
  std::size_t immediate_ = 0;  ///< open immediate commands
  Bhs logout_{};
  bool logging_out_ = false;
  bool logged_out_ = false;  ///< and that is answered
  bool waking_ = false;
  bool complained_ = false;           ///< an unknown transfer tag was logged
  std::uint64_t rejects_ = 0;         ///< of which the first was logged
  std::string text_in_;               ///< a text request that continues
  std::string text_out_;              ///< a text response that continues
  BodyCharge text_charge_;            ///< of text_out_
  std::unique_ptr<Leaving> leaving_;  ///< it was asked to log in elsewhere
  std::shared_ptr<Session> self_;     ///< while ended and not gone

  std::atomic<std::uint64_t> commands_ = 0, bytes_in_ = 0, bytes_out_ = 0;
  std::atomic<std::chrono::steady_clock::time_point> last_io_{};
  std::int64_t since_ = 0;
  std::string portal_;
  mutable std::mutex mutex_;  ///< guards luns_, gone_, successors_
  std::vector<std::uint64_t> luns_;
  bool gone_ = false;
  std::vector<std::weak_ptr<Connection>> successors_;
};

}  // namespace caisson::iscsi

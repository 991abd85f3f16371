// SPDX-License-Identifier: Apache-2.0
// The use cases behind every control verb, on threads of their own; whatever
// front end brings the request (NBS now), this is what answers.
#pragma once

#include <memory>

#include "gateway/service/parts.hpp"
#include "gateway/service/refusals.hpp"
#include "nbs/control/control_service.hpp"

namespace caisson::service {

/// Thread-safe. Every mutating verb is audited in the catalog's events, with
/// who asked, what for and how it ended.
class Service final : public nbs::control::ControlService {
 public:
  /// `threads` requests run beside each other; the rest wait in order.
  explicit Service(Parts parts);
  /// Ends what is running, answers what waits with Errc::cancelled.
  ~Service() override;

  void call(const nbs::wire::Opcode& opcode, const nbs::control::Caller& caller,
            std::string request, nbs::control::Progress progress,
            std::function<void(nbs::control::ControlReply)> done) override;

  /// Logged and audited, a flood of one caller only as Refusals has it.
  void refused(const nbs::wire::Opcode& opcode, const nbs::control::Caller& caller,
               std::string request) override;

  /// Runs blocking work of the gateway itself (an event to record, the daily
  /// copy) on the same threads.
  void run(std::function<void()> work);

  /// Adds an event; for what happens without a verb (sessions, failures).
  void record(std::string kind, std::string object, std::string actor, std::string text);

  /// Takes no more requests, asks long ones to give up, waits for those that run.
  void stop();

 private:
  struct Threads;
  Outcome<std::string> perform(const nbs::wire::Opcode& opcode, const Call& call,
                               const std::string& request);
  void audit(const nbs::wire::Opcode& opcode, const nbs::control::Caller& caller,
             const std::string& request, const Outcome<std::string>& result);

  Parts parts_;
  std::unique_ptr<Threads> threads_;
  Refusals refusals_;
};

}  // namespace caisson::service

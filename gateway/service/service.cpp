// SPDX-License-Identifier: Apache-2.0
#include "gateway/service/service.hpp"

#include <fmt/format.h>

#include "gateway/service/audit.hpp"
#include "gateway/service/verbs.hpp"
#include "storage_object/base/control_threads.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::service {

using nbs::control::ControlReply;

struct Service::Threads {
  ControlThreads pool;
  std::stop_source stopping;
};

Service::Service(Parts parts) : parts_(std::move(parts)), threads_(std::make_unique<Threads>()) {}

Service::~Service() { stop(); }

void Service::stop() {
  threads_->stopping.request_stop();
  threads_->pool.stop();
}

void Service::run(std::function<void()> work) {
  threads_->pool.post(std::make_shared<ControlLane>(), std::move(work));
}

void Service::call(const nbs::wire::Opcode& opcode, const nbs::control::Caller& caller,
                   std::string request, nbs::control::Progress progress,
                   std::function<void(ControlReply)> done) {
  run([this, &opcode, caller, request = std::move(request), progress = std::move(progress),
       done = std::move(done)] {
    if (threads_->stopping.stop_requested()) {
      done(ControlReply::failed(
          failure(Errc::cancelled, "the gateway is stopping", "ask again once it has started")));
      return;
    }
    auto result = perform(opcode, {caller, progress, threads_->stopping.get_token()}, request);
    if (opcode.mutating) audit(opcode, caller, request, result);
    done(result ? ControlReply::success(std::move(*result))
                : ControlReply::failed(std::move(result.error())));
  });
}

void Service::refused(const nbs::wire::Opcode& opcode, const nbs::control::Caller& caller,
                      std::string request) {
  auto unheard = refusals_.take(caller.name, Refusals::Clock::now());
  if (!unheard) return;
  auto text = fmt::format("{}: not permitted to {}{}", opcode.name, to_string(caller.role),
                          *unheard == 0 ? "" : fmt::format("; {} more before", *unheard));
  log::warning("control: {}: {}", caller.name, text);
  run([this, &opcode, actor = caller.name, request = std::move(request), text = std::move(text)] {
    record("audit", audit_subject(opcode, request).object, actor, text);
  });
}

Outcome<std::string> Service::perform(const nbs::wire::Opcode& opcode, const Call& call,
                                      const std::string& request) {
  auto function = find_verb(opcode.number);
  if (function == nullptr)
    return failure(Errc::unsupported, fmt::format("{} is not offered here", opcode.name),
                   "use a caisson of the same version as caissond");
  try {
    return function(parts_, call, request);
  } catch (const std::exception& error) {
    log::error("{} asked by {}: {}", opcode.name, call.caller.name, error.what());
    return failure(Errc::internal, fmt::format("{}: {}", opcode.name, error.what()),
                   "this is a bug; the log of caissond has more");
  }
}

void Service::audit(const nbs::wire::Opcode& opcode, const nbs::control::Caller& caller,
                    const std::string& request, const Outcome<std::string>& result) {
  auto subject = audit_subject(opcode, request);
  if (subject.dry_run) return;
  record("audit", subject.object, caller.name,
         result ? fmt::format("{}: done", opcode.name)
                : fmt::format("{}: {}", opcode.name, result.error().message));
}

void Service::record(std::string kind, std::string object, std::string actor, std::string text) {
  auto stored = parts_.catalog.change([&](catalog::Transaction& transaction) -> Outcome<> {
    auto added = transaction.add_event(kind, object, actor, text);
    if (!added) return added.error();
    return {};
  });
  if (!stored) log::error("event {} of {} is lost: {}", kind, object, stored.error().message);
}

}  // namespace caisson::service

// SPDX-License-Identifier: Apache-2.0
#include "gateway/cli/run.hpp"

#include <fmt/format.h>

#include <chrono>

#include "gateway/cli/json.hpp"
#include "gateway/cli/parse.hpp"
#include "gateway/cli/progress_bar.hpp"
#include "gateway/cli/request.hpp"
#include "gateway/cli/version.hpp"
#include "gateway/cli/view.hpp"
#include "nbs/client/control_client.hpp"
#include "nbs/wire/messages.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::cli {
namespace {

using google::protobuf::Message;
using nbs::client::ControlClient;

constexpr std::chrono::seconds kConnectTimeout{10};

Exit exit_of(const Failure& failure) {
  switch (to_errc(failure.code)) {
    case Errc::invalid_argument: return kUsage;
    case Errc::partly_done: return kPartlyDone;
    default: return kFailed;
  }
}

int complain(Console& console, const Parsed& parsed, const Failure& failure) {
  if (parsed.json) {
    console.err << to_json(failure) << '\n';
  } else {
    console.err << "caisson: " << printable(failure.message) << '\n';
    if (!failure.remedy.empty()) console.err << "  way out: " << printable(failure.remedy) << '\n';
  }
  return exit_of(failure);
}

std::string server_of(const Parsed& parsed, const Console& console) {
  if (!parsed.server.empty()) return parsed.server;
  auto named = console.environment ? console.environment("CAISSON_SERVER") : std::nullopt;
  return named && !named->empty() ? *named : std::string(nbs::client::kDefaultServer);
}

/// Asks before what cannot be taken back. Fails if the answer is no, or if
/// nobody is there to give one.
Outcome<> confirm(Console& console, const Parsed& parsed, const Message& request) {
  if (!parsed.command->asks(parsed.typed) || parsed.yes || parsed.dry_run) return {};
  auto subject = fill_in(parsed.command->subject, request);
  auto done = fill_in(parsed.command->done, request);
  if (!console.in_is_terminal || !console.err_is_terminal)
    return failure(Errc::invalid_argument,
                   fmt::format("{} will not be {} without a yes", subject, done),
                   "give --yes, or try it with --dry-run");
  console.err << fmt::format("{} will be {}, for good. Type yes to go on: ", subject, done)
              << std::flush;
  std::string answer;
  std::getline(console.in, answer);
  if (answer == "yes") return {};
  return failure(Errc::cancelled, fmt::format("{} was left alone", subject), "");
}

void show(Console& console, const Parsed& parsed, const Message& request, const Message& reply) {
  if (parsed.json)
    console.out << to_json(reply) << '\n';
  else
    render(console.out, *parsed.command, request, reply);
}

/// A verb whose command asks and writes for itself.
Outcome<> call_in_pages(Console& console, const Parsed& parsed, Message& request,
                        ControlClient& gateway) {
  Paging paging{.typed = parsed.typed,
                .request = request,
                .ask =
                    [&](const Message& page, Message& reply) {
                      return gateway.call(*parsed.command->op, page, reply,
                                          {std::chrono::seconds(parsed.timeout), {}});
                    },
                .out = console.out,
                .err = console.err,
                .json = parsed.json,
                .out_is_terminal = console.out_is_terminal,
                .err_is_terminal = console.err_is_terminal};
  return parsed.command->pages(paging);
}

int call(Console& console, const Parsed& parsed, Message& request) {
  const auto& row = nbs::wire::opcode(*parsed.command->op);
  auto gateway =
      ControlClient::connect(server_of(parsed, console), {std::string(kSoftware), kConnectTimeout});
  if (!gateway) return complain(console, parsed, gateway.error());
  if (parsed.command->pages != nullptr) {
    auto written = call_in_pages(console, parsed, request, **gateway);
    return written ? kDone : complain(console, parsed, written.error());
  }
  auto reply = nbs::wire::make_message(row.reply);
  auto outcome = [&] {
    ProgressBar bar(console.err, console.err_is_terminal);
    return (*gateway)->call(
        *parsed.command->op, request, *reply,
        {std::chrono::seconds(parsed.timeout),
         [&bar](std::uint64_t done, std::uint64_t total) { bar.step(done, total); }});
  }();
  const bool partly = !outcome && to_errc(outcome.error().code) == Errc::partly_done;
  if (outcome || partly) show(console, parsed, request, *reply);
  return outcome ? kDone : complain(console, parsed, outcome.error());
}

}  // namespace

int run(const std::vector<std::string>& words, Console& console) {
  auto parsed = parse(words, console.out, console.err);
  if (parsed.command == nullptr) return parsed.exit;
  if (parsed.command->local != nullptr) {
    console.out << parsed.command->local(parsed.typed);
    return kDone;
  }
  auto request = build_request(*parsed.command, parsed.typed, parsed.dry_run, console.in);
  if (!request) return complain(console, parsed, request.error());
  if (auto agreed = confirm(console, parsed, **request); !agreed)
    return complain(console, parsed, agreed.error());
  return call(console, parsed, **request);
}

}  // namespace caisson::cli

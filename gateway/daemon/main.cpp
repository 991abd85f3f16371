// SPDX-License-Identifier: Apache-2.0
// caissond: the gateway. See caissond(8).
#include <google/protobuf/stubs/logging.h>
#include <systemd/sd-daemon.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "gateway/config/config.hpp"
#include "gateway/daemon/application.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"

namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;

void complain(const caisson::Failure& failure) {
  std::fprintf(stderr, "caissond: %s\n", failure.message.c_str());
  if (!failure.remedy.empty()) std::fprintf(stderr, "caissond: %s\n", failure.remedy.c_str());
}

/// What protobuf says of a peer's or a file's bad strings goes to our log.
void log_protobuf(google::protobuf::LogLevel, const char*, int, const std::string& message) {
  caisson::log::debug("protobuf: {}", message);
}

int serve(caisson::config::Config config) {
  google::protobuf::SetLogHandler(log_protobuf);
  caisson::daemon::Application application(std::move(config));
  if (auto started = application.start(); !started) {
    complain(started.error());
    return kFailed;
  }
  std::printf("%s\n", application.ready_line().c_str());
  std::fflush(stdout);
  ::sd_notify(0, "READY=1");
  application.run();
  ::sd_notify(0, "STOPPING=1");
  auto stopped = application.stop();
  if (!stopped) complain(stopped.error());
  if (application.hangs()) std::_Exit(kFailed);  // what is open goes with the process
  return stopped ? 0 : kFailed;
}

}  // namespace

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  auto config = caisson::config::parse_command_line(argc, argv);
  if (!config) {
    complain(config.error());
    return caisson::to_errc(config.error().code) == caisson::Errc::invalid_argument ? kUsage
                                                                                    : kFailed;
  }
  if (!config->answer.empty()) {
    std::fputs(config->answer.c_str(), stdout);
    return 0;
  }
  caisson::log::set_level(config->log_level);
  try {
    return serve(std::move(*config));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "caissond: %s\n", error.what());
    return kFailed;
  }
}

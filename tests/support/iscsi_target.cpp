// SPDX-License-Identifier: Apache-2.0
#include "tests/support/iscsi_target.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <future>
#include <stdexcept>

namespace caisson::tests {
namespace {

/// For threads without files.
class NoFiles final : public IoEngine {
 public:
  ~NoFiles() override { ::close(event_); }
  std::size_t submit_and_reap() override { return 0; }
  int event_descriptor() const noexcept override { return event_; }
  std::size_t in_flight() const noexcept override { return 0; }
  const char* name() const noexcept override { return "none"; }

 private:
  int event_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
};

}  // namespace

void FixedDirectory::add_host(scsi::HostIdentity host, std::vector<std::string> initiators) {
  std::lock_guard lock(mutex_);
  for (auto& initiator : initiators) hosts_[initiator] = host;
}

void FixedDirectory::remove_host(std::uint64_t host) {
  std::lock_guard lock(mutex_);
  std::erase_if(hosts_, [host](const auto& entry) { return entry.second.id == host; });
}

void FixedDirectory::grant(std::uint64_t host, const std::string& target,
                           scsi::Admission admission) {
  std::lock_guard lock(mutex_);
  grants_[host][target] = std::move(admission);
}

void FixedDirectory::revoke(std::uint64_t host, const std::string& target) {
  std::lock_guard lock(mutex_);
  grants_[host].erase(target);
}

std::optional<scsi::HostIdentity> FixedDirectory::identify(std::string_view initiator) const {
  std::lock_guard lock(mutex_);
  auto found = hosts_.find(initiator);
  if (found == hosts_.end()) found = hosts_.find("*");
  if (found == hosts_.end()) return std::nullopt;
  return found->second;
}

std::vector<std::string> FixedDirectory::targets(std::uint64_t host) const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  if (auto found = grants_.find(host); found != grants_.end())
    for (const auto& [name, admission] : found->second) names.push_back(name);
  return names;
}

scsi::Admission FixedDirectory::admit(std::uint64_t host, std::string_view target) const {
  std::lock_guard lock(mutex_);
  auto grants = grants_.find(host);
  if (grants == grants_.end()) return {};
  auto found = grants->second.find(target);
  return found == grants->second.end() ? scsi::Admission{} : found->second;
}

IscsiTarget::IscsiTarget(const Adjust& adjust, std::size_t thread_count) {
  for (std::size_t i = 0; i < thread_count; ++i)
    threads.push_back(std::make_unique<IoThread>("io-" + std::to_string(i),
                                                 [] { return std::make_unique<NoFiles>(); }));
  directory.add_host({.id = kOpenHost, .name = "anyone", .no_auth = true}, {"*"});
  directory.grant(kOpenHost, kTarget, {scsi::Verdict::granted, {{0, unit, false}}});
  iscsi::ServerOptions options;
  options.portals = {{"127.0.0.1", 0}};
  for (auto& thread : threads) options.threads.push_back(thread.get());
  options.directory = &directory;
  options.sessions = &sessions;
  options.timers.drain = std::chrono::milliseconds(200);
  if (adjust) adjust(options);
  server = std::make_unique<iscsi::Server>(std::move(options));
  auto started = server->start();
  if (!started) throw std::runtime_error(started.error().message);
  bound = *started;
}

IscsiTarget::~IscsiTarget() {
  server->stop();
  for (auto& thread : threads) thread->stop();
  server.reset();
}

void IscsiTarget::on_thread(const std::function<void()>& work) {
  std::promise<void> done;
  threads.front()->post([&] {
    work();
    threads.front()->flush();
    done.set_value();
  });
  done.get_future().wait();
}

bool IscsiTarget::eventually(const std::function<bool()>& condition) {
  auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace caisson::tests

// SPDX-License-Identifier: Apache-2.0
#include "tests/support/running_gateway.hpp"

#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <vector>

namespace caisson::tests {

namespace wire = nbs::wire;

RunningGateway::RunningGateway(const Adjust& adjust) {
  config::Config config;
  config.state_directory = directory_.path() / "state";
  config.run_directory = config.state_directory;
  config.control_socket = config.state_directory + "/caisson.sock";
  config.node_name = "test";
  config.iscsi_listen = {{{"127.0.0.1", 0}}};
  config.iscsi_listen_is_default = false;
  config.log_level = log::Level::error;
  config.stores = {{"main", directory_.path() / "store", false}};
  if (adjust) adjust(config);
  log::set_level(config.log_level);
  for (const auto& store : config.stores) std::filesystem::create_directories(store.directory);
  start(config);
  wire::HostCreateRequest host;
  host.set_name("*");
  host.set_no_auth(true);
  call<wire::HostReply>(wire::Op::host_create, host);
}

void RunningGateway::start(const config::Config& config) {
  application_ = std::make_unique<daemon::Application>(config);
  if (auto started = application_->start(); !started)
    throw std::runtime_error(started.error().message);
  thread_ = std::thread([this] { application_->run(); });
  auto client = nbs::client::ControlClient::connect("unix:" + config.control_socket, {});
  if (!client) throw std::runtime_error(client.error().message);
  client_ = std::move(*client);
}

RunningGateway::~RunningGateway() {
  client_.reset();
  application_->quit();
  if (thread_.joinable()) thread_.join();
  auto stopped = application_->stop();
  if (!stopped) ADD_FAILURE() << "the gateway did not stop cleanly: " << stopped.error().message;
}

void RunningGateway::create_lun(const std::string& name, std::uint64_t size,
                                const std::string& cache, const std::string& block_size) {
  wire::LunCreateRequest create;
  create.set_name(name);
  create.set_size(size);
  create.set_cache(cache);
  create.set_block_size(block_size);
  call<wire::LunReply>(wire::Op::lun_create, create);
  wire::AccessGrantRequest grant;
  grant.set_lun(name);
  grant.set_host("*");
  call<wire::AccessReply>(wire::Op::access_grant, grant);
}

void RunningGateway::resize(const std::string& name, std::uint64_t size) {
  wire::LunResizeRequest request;
  request.set_name(name);
  request.set_size(size);
  call<wire::LunReply>(wire::Op::lun_resize, request);
}

wire::LunDescription RunningGateway::show(const std::string& name) {
  wire::LunShowRequest request;
  request.set_name(name);
  return call<wire::LunReply>(wire::Op::lun_show, request).lun();
}

std::string RunningGateway::portal(std::size_t index) const {
  std::istringstream words(application_->ready_line());
  std::vector<std::string> portals;
  for (std::string word; words >> word;)
    if (word.starts_with("iscsi=")) portals.push_back(word.substr(6));
  return portals.at(index);
}

std::string RunningGateway::container(const std::string& lun) const {
  return directory_.path() / "store" / (lun + ".img");
}

}  // namespace caisson::tests

// SPDX-License-Identifier: Apache-2.0
#include "tests/support/running_gateway.hpp"

#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <utility>
#include <vector>

namespace caisson::tests {

RunningGateway::RunningGateway(const Adjust& adjust, Decorate decorate) {
  config::Config config;
  config.state_directory = directory_.path() / "state";
  config.run_directory = config.state_directory;
  config.control_socket = control_socket();
  config.node_name = "test";
  config.iscsi_listen = {{{"127.0.0.1", 0}}};
  config.iscsi_listen_is_default = false;
  config.log_level = log::Level::error;
  config.stores = {{"main", directory_.path() / "store", false}};
  if (adjust) adjust(config);
  log::set_level(config.log_level);
  for (const auto& store : config.stores) std::filesystem::create_directories(store.directory);
  start(config, std::move(decorate));
  admit_all();
}

void RunningGateway::start(const config::Config& config, Decorate decorate) {
  application_ = std::make_unique<daemon::Application>(config, std::move(decorate));
  if (auto started = application_->start(); !started)
    throw std::runtime_error(started.error().message);
  thread_ = std::thread([this] { application_->run(); });
  connect(config.control_socket);
}

RunningGateway::~RunningGateway() {
  disconnect();
  application_->quit();
  if (thread_.joinable()) thread_.join();
  auto stopped = application_->stop();
  if (!stopped) ADD_FAILURE() << "the gateway did not stop cleanly: " << stopped.error().message;
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

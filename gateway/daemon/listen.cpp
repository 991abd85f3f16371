// SPDX-License-Identifier: Apache-2.0
#include "gateway/daemon/listen.hpp"

#include <sys/socket.h>
#include <unistd.h>

namespace caisson::daemon {
namespace {

bool family_exists(const config::Address& address) {
  bool six = address.host.find(':') != std::string::npos;
  auto descriptor = ::socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return false;
  ::close(descriptor);
  return true;
}

}  // namespace

std::vector<config::Address> usable_addresses(const std::vector<config::Address>& addresses,
                                              bool defaults) {
  auto usable = addresses;
  if (defaults) std::erase_if(usable, [](const auto& address) { return !family_exists(address); });
  return usable;
}

}  // namespace caisson::daemon

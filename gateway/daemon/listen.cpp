// SPDX-License-Identifier: Apache-2.0
#include "gateway/daemon/listen.hpp"

#include <sys/socket.h>
#include <unistd.h>

namespace caisson::daemon {
namespace {

bool family_exists(const Address& address) {
  bool six = address.host.find(':') != std::string::npos;
  auto descriptor = ::socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return false;
  ::close(descriptor);
  return true;
}

}  // namespace

std::vector<config::IscsiPortal> usable_portals(const std::vector<config::IscsiPortal>& portals,
                                                bool defaults) {
  auto usable = portals;
  if (defaults)
    std::erase_if(usable, [](const auto& portal) { return !family_exists(portal.address); });
  return usable;
}

}  // namespace caisson::daemon

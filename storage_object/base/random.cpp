// SPDX-License-Identifier: Apache-2.0
#include "storage_object/base/random.hpp"

#include <sys/random.h>

#include <cerrno>
#include <system_error>

namespace caisson {

void fill_random(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    auto got = ::getrandom(bytes.data(), bytes.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw std::system_error(errno, std::generic_category(), "getrandom");
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
}

}  // namespace caisson

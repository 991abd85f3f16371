// SPDX-License-Identifier: Apache-2.0
// What a host demands of its initiators, as it can be kept for the life of a
// session: it tells whether more is demanded now, and holds no secret.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

#include "gateway/scsi/directory.hpp"

namespace caisson::iscsi {

class Demand {
 public:
  Demand() = default;  ///< nothing
  explicit Demand(const scsi::HostIdentity& host);

  /// Whoever satisfied this one satisfies `now` too: it is the same, or less.
  bool covers(const Demand& now) const noexcept;

 private:
  using Digest = std::array<std::byte, 32>;
  static Digest digest(std::string_view user, std::string_view secret);

  std::optional<Digest> chap_;    // nullopt: no authentication is demanded
  std::optional<Digest> mutual_;  // nullopt: the target proves nothing
};

}  // namespace caisson::iscsi

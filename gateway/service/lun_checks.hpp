// SPDX-License-Identifier: Apache-2.0
// What must hold before a LUN changes for reasons that only the service knows
// (sessions, grants). All else the registry checks, in dry runs too.
#pragma once

#include "gateway/service/describe.hpp"

namespace caisson::service {

/// `name`, or the only store, or "main"; not_found with the way out.
Outcome<std::string> default_store(Parts& parts, std::string_view name);

/// in_use, naming them, while sessions reach the LUN.
Outcome<> check_no_sessions(Parts& parts, const object::LunView& lun);

/// Whether the caller has `right` on the LUN. Those with the host role need it in their
/// grant, and all but `snapshot` need one that permits writing.
bool has_right(Parts& parts, const Call& call, const object::LunView& lun, wire::Right right);

/// The LUN of that name, for a caller who has `right` on it. To a host that has not, one
/// that is not there looks the same: Errc::permission_denied; to others it is not_found.
Outcome<object::LunView> lun_for(Parts& parts, const Call& call, std::string_view name,
                                 wire::Right right);

/// True when a comma-separated list of verbs names `right`.
bool allows(std::string_view verbs, std::string_view right) noexcept;

}  // namespace caisson::service

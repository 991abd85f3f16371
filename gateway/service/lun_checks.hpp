// SPDX-License-Identifier: Apache-2.0
// What must hold before a LUN changes, as far as it can be told without
// changing anything. The registry checks again when it acts: this is for
// --dry-run and for reasons that only the service knows (sessions, grants).
#pragma once

#include "gateway/service/describe.hpp"

namespace caisson::service {

/// `name`, or the only store, or "main"; not_found with the way out.
Outcome<std::string> default_store(Parts& parts, std::string_view name);

/// The LUN as it would be, or why it cannot be made.
Outcome<object::LunView> preview_create(Parts& parts, const object::CreateOptions& options);

Outcome<> check_resize(Parts& parts, const object::LunView& lun, std::uint64_t capacity,
                       bool allow_shrink);

/// in_use, naming them, while sessions reach the LUN.
Outcome<> check_no_sessions(Parts& parts, const object::LunView& lun);

/// Callers with the host role need `right` in their grant on the LUN.
Outcome<> check_host_right(Parts& parts, const Call& call, const object::LunView& lun,
                           std::string_view right);

/// True when a comma-separated list of verbs names `right`.
bool allows(std::string_view verbs, std::string_view right) noexcept;

}  // namespace caisson::service

// SPDX-License-Identifier: Apache-2.0
// What snapshots put into the LUNs of the registry.
#pragma once

#include "snapshot/manager/manager.hpp"
#include "storage_object/object/registry.hpp"

namespace caisson::service {

/// The layer that keeps a LUN's snapshots, what a clone reads through, what a view shows.
/// The manager outlives the registry that is made of `options`.
void put_snapshots_into(object::RegistryOptions& options, snapshot::Manager& manager);

}  // namespace caisson::service

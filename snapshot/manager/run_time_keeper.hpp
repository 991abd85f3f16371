// SPDX-License-Identifier: Apache-2.0
// The seconds in which caissond ran, over all its lives: what locks are counted in.
#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <string_view>

#include "snapshot/policy/run_time.hpp"
#include "storage_object/base/clock.hpp"
#include "storage_object/catalog/catalog.hpp"

namespace caisson::snapshot {

/// Setting of the catalog: the counter as it was saved last, in decimal.
inline constexpr std::string_view kRunTimeSetting = "run_time_seconds";

/// Thread-safe; save() blocks. What is saved never goes back.
class RunTimeKeeper {
 public:
  RunTimeKeeper(catalog::Catalog& catalog, const Clock& clock);

  /// Goes on from what the catalog says. Before it the counter stands at zero: locks hold.
  Outcome<> load();
  std::chrono::seconds value();
  /// Durable if it grew; with what `also` writes, in the same transaction.
  Outcome<> save(const std::function<Outcome<>(catalog::Transaction&)>& also = {});

 private:
  catalog::Catalog& catalog_;
  const Clock& clock_;
  std::mutex mutex_;  // not held while the catalog is asked
  RunTimeCounter counter_;
};

}  // namespace caisson::snapshot

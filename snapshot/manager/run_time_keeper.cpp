// SPDX-License-Identifier: Apache-2.0
#include "snapshot/manager/run_time_keeper.hpp"

#include <charconv>
#include <string>

#include "storage_object/base/log.hpp"

namespace caisson::snapshot {

using std::chrono::seconds;

namespace {

/// Where it cannot be read the counter begins again: locks then end later, never earlier.
seconds parse(const std::string& text) {
  std::int64_t value = 0;
  const auto* last = text.data() + text.size();
  auto [end, error] = std::from_chars(text.data(), last, value);
  if (error == std::errc() && end == last && value >= 0) return seconds(value);
  log::warning("the catalog's '{}' is no number of seconds: '{}'; it is counted from zero again",
               kRunTimeSetting, text);
  return seconds(0);
}

}  // namespace

RunTimeKeeper::RunTimeKeeper(catalog::Catalog& catalog, const Clock& clock)
    : catalog_(catalog), clock_(clock), counter_(seconds(0), clock.monotonic()) {}

Outcome<> RunTimeKeeper::load() {
  auto text = catalog_.setting(kRunTimeSetting);
  if (!text) return text.error();
  auto saved = *text ? parse(**text) : seconds(0);
  std::lock_guard lock(mutex_);
  counter_ = RunTimeCounter(saved, clock_.monotonic());
  return {};
}

seconds RunTimeKeeper::value() {
  std::lock_guard lock(mutex_);
  return counter_.advance(clock_.monotonic());
}

/// The catalog makes one change at a time, so what a later one writes is not less.
Outcome<> RunTimeKeeper::save(const std::function<Outcome<>(catalog::Transaction&)>& also) {
  seconds now(0);
  auto saved = catalog_.change([&](catalog::Transaction& transaction) -> Outcome<> {
    now = value();
    auto put = transaction.put_setting(kRunTimeSetting, std::to_string(now.count()));
    return put && also ? also(transaction) : put;
  });
  if (!saved) return saved;
  std::lock_guard lock(mutex_);
  counter_.saved(now);
  return {};
}

}  // namespace caisson::snapshot

// SPDX-License-Identifier: Apache-2.0
// The end: every LUN is flushed and closed, beside each other, because a file may
// hang for ever.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"
#include "storage_object/object/registry_impl.hpp"

namespace caisson::object {

using catalog::Transaction;

namespace {

constexpr std::chrono::milliseconds kLeastForRecords{1000};

std::string joined(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

Outcome<> Registry::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  lock_wake_.notify_all();
  if (watch_) watch_->stop();
  const auto deadline = std::chrono::steady_clock::now() + options_.flush_limit;
  auto hung = close_all();
  if (!hung.empty())
    return failure(Errc::timed_out,
                   fmt::format("not flushed within {} s: {}", options_.flush_limit.count() / 1000,
                               joined(hung)),
                   "what hosts flushed is safe; look after the store's file system");
  auto unrecorded = std::make_shared<Names>();
  recording_ = std::make_unique<ParallelJobs>(record_missing_failures(unrecorded));
  auto rest =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  if (!recording_->wait(std::max(rest, kLeastForRecords)).empty())
    return failure(Errc::timed_out, "what was still to be recorded of failed LUNs hangs",
                   "look after the file systems of the stores and of the state directory");
  if (!unrecorded->names.empty())
    return failure(Errc::io_error,
                   fmt::format("neither the catalog nor the trailer took the failed state of {}",
                               joined(unrecorded->names)),
                   "distrust these LUNs until they are checked");
  if (distrust_ && !all_made_sure()) return {};  // the next start must not trust them either
  return options_.catalog->change(
      [](Transaction& transaction) { return transaction.put_setting(kCleanShutdownSetting, "1"); });
}

bool Registry::all_made_sure() const {
  std::lock_guard lock(mutex_);
  return std::ranges::all_of(by_name_, [](const auto& lun) {
    const auto& entry = *lun.second;
    return entry.made_sure || (entry.record.state != catalog::LunState::online &&
                               entry.record.state != catalog::LunState::failed);
  });
}

/// Jobs that write what is missing, one a LUN; they name those whose failed state
/// neither catalog nor trailer took.
std::vector<std::function<void()>> Registry::record_missing_failures(
    const std::shared_ptr<Names>& unrecorded) {
  const auto all = entries();
  std::vector<std::function<void()>> jobs;
  jobs.reserve(all.size());
  for (const auto& entry : all)
    jobs.emplace_back([this, entry, unrecorded] {
      if (control_) control_->drain(entry->lane);
      if (!misses_failure(entry) || write_failure(entry)) return;
      std::lock_guard lock(unrecorded->mutex);
      unrecorded->names.push_back(row_of_entry(entry).name);
    });
  return jobs;
}

bool Registry::stopping() const {
  std::lock_guard lock(mutex_);
  return stopping_;
}

/// Names of the LUNs that could not be closed in time. Their threads go on.
std::vector<std::string> Registry::close_all() {
  auto all = entries();
  std::vector<std::function<void()>> jobs;
  jobs.reserve(all.size() + 2 + opening_.size());
  for (const auto& entry : all)
    jobs.emplace_back([this, entry] {
      std::lock_guard change(entry->change);
      (void)check_bearing(entry);
      take_down(entry);
    });
  jobs.emplace_back([this] {
    {
      std::lock_guard begin(lock_waiter_mutex_);
      if (lock_waiter_.joinable()) lock_waiter_.join();
    }
    if (recorder_.joinable()) recorder_.join();
  });
  jobs.emplace_back([this] {
    if (watch_) watch_->wait();
  });
  for (const auto& store : opening_) jobs.emplace_back([ended = store.ended] { ended.wait(); });
  closing_ = std::make_unique<ParallelJobs>(std::move(jobs));
  auto left = closing_->wait(options_.flush_limit);
  std::vector<std::string> hung;
  for (auto index : left) {
    constexpr auto kStore = "store '{}' (its file system does not answer)";
    if (index < all.size())
      hung.push_back(row_of_entry(all[index]).name);
    else if (index == all.size())
      hung.emplace_back("one that waits for its owner lock");
    else if (index == all.size() + 1)
      for (const auto& store : watch_->busy()) hung.push_back(fmt::format(kStore, store));
    else
      hung.push_back(fmt::format(kStore, opening_[index - all.size() - 2].store));
    log::error("stopping: {} does not answer", hung.back());
  }
  return hung;
}

}  // namespace caisson::object

// SPDX-License-Identifier: Apache-2.0
#include "storage_object/object/failure_marks.hpp"

#include "storage_object/base/errc.hpp"

namespace caisson::object {

FailureMarks::FailureMarks(std::unique_ptr<file_store::Store> directory)
    : directory_(std::move(directory)) {
  if (!directory_) return;
  auto names = directory_->list();
  if (!names) return;
  for (const auto& entry : *names)
    if (auto uuid = Uuid::parse(entry.name)) marked_.insert(*uuid);
}

bool FailureMarks::has(const Uuid& uuid) const {
  std::lock_guard lock(mutex_);
  return marked_.contains(uuid);
}

Result<> FailureMarks::set(const Uuid& uuid) {
  std::lock_guard lock(mutex_);
  if (!directory_) return make_error_code(Errc::unsupported);
  if (marked_.contains(uuid)) return {};
  auto file = directory_->create_unnamed();
  if (!file) return file.error();
  if (auto done = (*file)->sync_all(); !done) return done.error();
  if (auto done = directory_->publish(**file, uuid.to_string()); !done) return done.error();
  if (auto done = directory_->sync_names(); !done) return done.error();
  marked_.insert(uuid);
  return {};
}

Result<> FailureMarks::clear(const Uuid& uuid) {
  std::lock_guard lock(mutex_);
  if (!marked_.contains(uuid)) return {};
  if (auto done = directory_->remove(uuid.to_string()); !done) return done.error();
  if (auto done = directory_->sync_names(); !done) return done.error();
  marked_.erase(uuid);
  return {};
}

}  // namespace caisson::object

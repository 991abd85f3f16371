// SPDX-License-Identifier: Apache-2.0
// A snapshot as a read-only file, whether its image is whole or not: what the data of a
// view is.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "snapshot/copies/origin.hpp"
#include "storage_object/base/control_threads.hpp"
#include "storage_object/file_store/file.hpp"

namespace caisson::snapshot {

/// Thread rules as File. EROFS for all that would change it; a sync has nothing to do.
/// Once the image is whole it is read as any file; before that on control threads.
class SnapshotFile final : public file_store::File {
 public:
  /// `threads` outlives it.
  SnapshotFile(std::shared_ptr<Origin> origin, ControlThreads& threads);

  void submit(file_store::FileRequest& request) override;
  const file_store::FileTraits& traits() const noexcept override { return traits_; }
  Result<file_store::FileAttributes> attributes() override;
  Result<> resize(std::uint64_t size) override;
  Result<> sync_all() override { return {}; }
  Result<> drop_cache() override { return {}; }
  Result<> lock_owner() override;
  Result<> hold_off_owner() override;

 private:
  Error perform(file_store::FileRequest& request);
  Error read(file_store::FileRequest& request);
  Error list(file_store::FileRequest& request);
  void look_for_image();

  const std::shared_ptr<Origin> origin_;
  ControlThreads& threads_;
  const file_store::FileTraits traits_;
  std::mutex mutex_;  // guards image_ while it is set
  std::shared_ptr<file_store::File> image_;
  std::atomic<file_store::File*> whole_{nullptr};  ///< image_, once it is there: then for good
};

}  // namespace caisson::snapshot

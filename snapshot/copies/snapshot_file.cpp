// SPDX-License-Identifier: Apache-2.0
#include "snapshot/copies/snapshot_file.hpp"

#include <algorithm>
#include <boost/system/errc.hpp>

#include "snapshot/copies/blocking.hpp"

namespace caisson::snapshot {

namespace errc = boost::system::errc;
using file_store::FileOp;
using file_store::FileRequest;

namespace {

Error read_only() { return errc::make_error_code(errc::read_only_file_system); }

}  // namespace

SnapshotFile::SnapshotFile(std::shared_ptr<Origin> origin, ControlThreads& threads)
    : origin_(std::move(origin)), threads_(threads) {}

void SnapshotFile::submit(FileRequest& request) {
  if (request.length == 0 || request.op == FileOp::sync) return request.finish({});
  if (request.op != FileOp::read && request.op != FileOp::extents)
    return request.finish(read_only());
  if (auto* whole = whole_.load(std::memory_order_acquire)) return whole->submit(request);
  on_control_thread(
      threads_, [this, &request] { return perform(request); },
      [&request](Error error) { request.finish(error); });
}

Error SnapshotFile::perform(FileRequest& request) {
  look_for_image();
  return request.op == FileOp::read ? read(request) : list(request);
}

void SnapshotFile::look_for_image() {
  std::lock_guard lock(mutex_);
  if (image_ || !(image_ = origin_->image())) return;
  whole_.store(image_.get(), std::memory_order_release);
}

Error SnapshotFile::read(FileRequest& request) {
  auto offset = request.offset;
  for (const auto& part : request.buffers) {
    std::span into(static_cast<std::byte*>(part.iov_base), part.iov_len);
    if (auto got = origin_->read(offset, into); !got) return got.error().code;
    offset += part.iov_len;
  }
  return {};
}

Error SnapshotFile::list(FileRequest& request) {
  auto offset = request.offset;
  const auto end = request.offset + request.length;
  request.extent_count = 0;
  while (offset < end && request.extent_count < request.extents.size()) {
    auto extent = origin_->extent(offset, end - offset);
    if (!extent) return extent.error().code;
    request.extents[request.extent_count++] = *extent;
    offset = extent->offset + extent->length;
  }
  return {};
}

Result<file_store::FileAttributes> SnapshotFile::attributes() {
  return file_store::FileAttributes{.size = origin_->capacity(), .read_only = true};
}

Result<> SnapshotFile::resize(std::uint64_t) { return read_only(); }
Result<> SnapshotFile::lock_owner() { return read_only(); }
Result<> SnapshotFile::hold_off_owner() { return read_only(); }

}  // namespace caisson::snapshot

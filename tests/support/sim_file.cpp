// SPDX-License-Identifier: Apache-2.0
#include "tests/support/sim_file.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <span>

namespace caisson::tests {

using file_store::FileOp;
using file_store::FileRequest;

namespace {

SimOp sim_op(FileOp op) {
  switch (op) {
    case FileOp::read: return SimOp::read;
    case FileOp::write: return SimOp::write;
    case FileOp::sync: return SimOp::sync;
    case FileOp::punch: return SimOp::punch;
    case FileOp::zero: return SimOp::zero;
    case FileOp::allocate: return SimOp::allocate;
    case FileOp::extents: return SimOp::extents;
  }
  return SimOp::read;
}

constexpr auto kEnd = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

}  // namespace

SimFile::SimFile(std::shared_ptr<SimCore> core, SimNodePtr node, file_store::OpenOptions options)
    : core_(std::move(core)),
      node_(std::move(node)),
      traits_(core_->options.traits),
      read_only_(options.read_only),
      handle_(++core_->last_handle),
      heard_(node_->writeback.heard ? node_->writeback.failures : 0) {
  traits_.direct = options.direct;
  ++node_->handles;
}

SimFile::~SimFile() {
  auto lock = core_->lock();
  if (node_->owner_lock == handle_) node_->owner_lock = 0;
  if (holds_off_) --node_->held_off;
  --node_->handles;
  core_->dropped(*node_);
}

Error SimFile::check(const FileRequest& request) const {
  auto [op, offset, length] = std::tuple(request.op, request.offset, request.length);
  const auto& can = core_->options.traits;
  auto transfers = op == FileOp::read || op == FileOp::write;
  if (offset > kEnd || length > kEnd - offset) return sim_error(EFBIG);
  if (transfers && total_length(request.buffers) != length) return sim_error(EINVAL);
  if (transfers && traits_.direct && (offset | length) % traits_.direct_alignment != 0)
    return sim_error(EINVAL);
  auto changes =
      op == FileOp::write || op == FileOp::punch || op == FileOp::zero || op == FileOp::allocate;
  if (changes && read_only_) return sim_error(EBADF);
  if ((op == FileOp::punch && !can.punch) || (op == FileOp::zero && !can.zero) ||
      (op == FileOp::allocate && !can.allocate))
    return sim_error(EOPNOTSUPP);
  return {};
}

Error SimFile::execute(FileRequest& request, const SimVerdict& verdict) {
  auto error = core_->execute(*node_, request, verdict);
  if (error && !verdict.dying && !core_->cut && (request.op == FileOp::sync || verdict.in_sync))
    lose(error);
  auto syncs = request.op == FileOp::sync || (request.op == FileOp::write && request.durable);
  return error || !syncs ? error : hear_of_writeback();
}

/// This handle has heard of a failed writeback, the others will.
void SimFile::lose(const Error& error) {
  node_->writeback = {node_->writeback.failures + 1, error.value(), true};
  // What it had not heard of before is told by the same error.
  heard_ = node_->writeback.failures;
}

/// What fsync answers of a writeback that failed before it: each handle once.
Error SimFile::hear_of_writeback() {
  auto& writeback = node_->writeback;
  if (heard_ == writeback.failures) return {};
  heard_ = writeback.failures;
  writeback.heard = true;
  ++core_->hits;
  return sim_error(writeback.error);
}

void SimFile::submit(FileRequest& request) {
  auto error = check(request);
  auto* executor = Executor::current();
  auto settled = error || (request.op != FileOp::sync && request.length == 0);
  if (!settled) {
    auto lock = core_->lock();
    auto verdict = core_->enter(sim_op(request.op), node_.get(), request.offset, request.length,
                                request.durable);
    if (verdict.hang) {
      core_->hung.push_back({&request, this, executor, verdict.error});
      return;
    }
    error = execute(request, verdict);
  }
  if (core_->options.asynchronous && executor != nullptr)
    executor->post([&request, error] { request.finish(error); });
  else
    request.finish(error);
}

void SimFile::resume(SimCore& core, const SimCore::Hung& hung) {
  auto lock = core.lock();
  SimVerdict verdict{.error = core.cut ? SimStore::power_lost() : hung.error};
  auto error = hung.file->execute(*hung.request, verdict);
  lock.unlock();
  hung.request->finish(error);
}

Result<file_store::FileAttributes> SimFile::attributes() {
  auto lock = core_->lock();
  auto verdict = core_->enter_blocking(lock, SimOp::attributes);
  if (verdict.error) return verdict.error;
  return attributes_of(*node_);
}

Result<> SimFile::resize(std::uint64_t size) {
  if (size > kEnd) return sim_error(EFBIG);
  if (read_only_) return sim_error(EINVAL);
  auto lock = core_->lock();
  auto verdict = core_->enter_blocking(lock, SimOp::resize, node_.get(), size);
  if (auto error = core_->resize(*node_, size, verdict); error) return error;
  return {};
}

Result<> SimFile::sync_all() {
  auto lock = core_->lock();
  auto verdict = core_->enter_blocking(lock, SimOp::sync_all, node_.get());
  if (auto error = core_->sync(*node_, true, verdict); error) {
    if (!verdict.dying && !core_->cut) lose(error);
    return error;
  }
  if (auto error = hear_of_writeback(); error) return error;
  return {};
}

Result<> SimFile::drop_cache() {
  auto lock = core_->lock();
  node_->data.drop_clean();
  return {};
}

Error SimFile::check_clone(const SimFile& source, std::uint64_t from, std::uint64_t length,
                           std::uint64_t to) const {
  const auto block = traits_.block;
  const auto there = source.node_->data.size(), here = node_->data.size();
  if (read_only_) return sim_error(EBADF);
  if (to > kEnd || length > kEnd - to) return sim_error(EFBIG);
  if (from > there || length > there - from) return sim_error(EINVAL);
  if (from % block != 0 || to % block != 0) return sim_error(EINVAL);
  // A part of a block can only be shared where nothing follows in either file.
  if (length % block != 0 && (from + length != there || to + length < here))
    return sim_error(EINVAL);
  if (source.node_ == node_ && from < to + length && to < from + length) return sim_error(EINVAL);
  return {};
}

Result<> SimFile::clone_range(file_store::File& source, std::uint64_t from, std::uint64_t length,
                              std::uint64_t to) {
  auto* own = dynamic_cast<SimFile*>(&source.innermost());
  if (own == nullptr || own->core_ != core_) return sim_error(EXDEV);
  if (!traits_.clone) return sim_error(EOPNOTSUPP);
  if (length == 0) return {};
  auto lock = core_->lock();
  if (auto bad = check_clone(*own, from, length, to)) return bad;
  auto verdict = core_->enter_blocking(lock, SimOp::clone, node_.get(), to, length);
  // While it hung the source may have become shorter.
  if (auto bad = verdict.error ? Error() : check_clone(*own, from, length, to)) return bad;
  if (auto error = core_->clone(*own->node_, from, length, *node_, to, verdict)) return error;
  return {};
}

Error SimFile::check_map(std::uint64_t offset, std::uint64_t length) {
  if (offset > kEnd || length > kEnd - offset) return sim_error(EFBIG);
  if (!core_->options.maps) return sim_error(EOPNOTSUPP);
  return {};
}

Result<file_store::MapPage> SimFile::extent_map(std::uint64_t offset, std::uint64_t length,
                                                std::span<file_store::MapExtent> room) {
  if (auto bad = check_map(offset, length)) return bad;
  if (room.empty()) return sim_error(EINVAL);
  auto lock = core_->lock();
  auto verdict = core_->enter_blocking(lock, SimOp::map, node_.get(), offset, length);
  if (verdict.error) return verdict.error;
  return core_->map(*node_, offset, length, room);
}

void SimFile::write_back(std::span<const file_store::ByteRange> ranges) {
  auto lock = core_->lock();
  for (const auto& range : ranges)
    (void)core_->enter_blocking(lock, SimOp::write_back, node_.get(), range.offset, range.length);
}

Result<std::size_t> SimFile::count_extents(std::uint64_t offset, std::uint64_t length,
                                           std::size_t most) {
  if (auto bad = check_map(offset, length)) return bad;
  auto lock = core_->lock();
  auto verdict = core_->enter_blocking(lock, SimOp::map, node_.get(), offset, length);
  if (verdict.error) return verdict.error;
  std::size_t count = 0;
  std::array<file_store::MapExtent, 64> room;
  for (auto at = offset; at < offset + length && count < most;) {
    auto page = node_->data.live().map(at, offset + length - at, room);
    count += static_cast<std::size_t>(std::ranges::count_if(
        std::span(room).first(page.count),
        [](const auto& extent) { return extent.state != file_store::MapState::hole; }));
    at = page.end;
  }
  return std::min(count, most);
}

Result<> SimFile::set_mode(bool read_only) {
  auto lock = core_->lock();
  auto verdict = core_->enter_blocking(lock, SimOp::set_mode, node_.get());
  if (!verdict.error || verdict.dying) node_->data.set_read_only(read_only);
  if (verdict.error) return verdict.error;
  return {};
}

Result<> SimFile::lock_owner() {
  auto lock = core_->lock();
  auto verdict = core_->enter_blocking(lock, SimOp::lock);
  if (verdict.error) return verdict.error;
  if (read_only_) return sim_error(EBADF);
  if (node_->owner_lock != 0 && node_->owner_lock != handle_) return sim_error(EAGAIN);
  if (node_->held_off > (holds_off_ ? 1U : 0U)) return sim_error(EAGAIN);
  node_->owner_lock = handle_;
  return {};
}

Result<> SimFile::hold_off_owner() {
  auto lock = core_->lock();
  auto verdict = core_->enter_blocking(lock, SimOp::lock);
  if (verdict.error) return verdict.error;
  if (node_->owner_lock != 0 && node_->owner_lock != handle_) return sim_error(EAGAIN);
  if (node_->owner_lock == handle_) node_->owner_lock = 0;
  if (!std::exchange(holds_off_, true)) ++node_->held_off;
  return {};
}

Result<> SimFile::release_owner() {
  auto lock = core_->lock();
  auto verdict = core_->enter_blocking(lock, SimOp::lock);
  if (verdict.error) return verdict.error;
  if (node_->owner_lock == handle_) node_->owner_lock = 0;
  if (std::exchange(holds_off_, false)) --node_->held_off;
  return {};
}

}  // namespace caisson::tests

// SPDX-License-Identifier: Apache-2.0
#include "snapshot/format/append_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>

#include "snapshot/format/window.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::snapshot {
namespace {

using file_store::FileOp;

constexpr std::uint64_t kBlock = 4096;

std::uint64_t block_up(std::uint64_t offset) { return (offset + kBlock - 1) / kBlock * kBlock; }

/// file_store::write_at() from scattered memory.
Result<> write_gathered(file_store::File& file, std::uint64_t offset,
                        std::span<const IoVec> pieces) {
  std::atomic<bool> done = false;
  file_store::FileRequest request;
  request.op = FileOp::write;
  request.offset = offset;
  request.length = total_length(pieces);
  request.buffers = pieces;
  request.owner = &done;
  request.complete = [](file_store::FileRequest& finished) noexcept {
    auto& flag = *static_cast<std::atomic<bool>*>(finished.owner);
    flag.store(true, std::memory_order_release);
    flag.notify_one();
  };
  file.submit(request);
  done.wait(false, std::memory_order_acquire);
  if (request.error) return request.error;
  return {};
}

/// Zeros over the range, by one write where it is not longer than a chunk.
Result<> write_zeros(file_store::File& file, std::uint64_t from, std::uint64_t to) {
  constexpr std::uint64_t kStep = std::uint64_t{1} << 20;
  Buffer zeros(static_cast<std::size_t>(std::min(kStep, to - from)));
  std::ranges::fill(zeros.span(), std::byte{0});
  while (from < to) {
    auto piece = zeros.span().first(static_cast<std::size_t>(std::min(kStep, to - from)));
    if (auto done = file_store::write_at(file, from, piece); !done) return done;
    from += piece.size();
  }
  return {};
}

}  // namespace

AppendFile::AppendFile(file_store::File& file, std::string label, Room room, std::uint64_t end)
    : file_(&file), label_(std::move(label)), room_(room), end_(end), allocated_(end) {}

Outcome<> AppendFile::fail(const char* doing, const Error& error) {
  failed_ = file_failure(label_, doing, error);
  return *failed_;
}

Outcome<> AppendFile::state() const {
  if (failed_) return *failed_;
  return {};
}

Outcome<> AppendFile::begin(std::span<const std::byte> bytes) {
  auto attributes = file_->attributes();
  if (!attributes) return fail("read its length", attributes.error());
  if (attributes->size != 0)
    return failure(Errc::invalid_argument, fmt::format("{}: is not empty", label_));
  if (auto done = make_room(bytes.size()); !done) return done;
  IoVec piece{const_cast<std::byte*>(bytes.data()), bytes.size()};
  if (auto done = write({&piece, 1}); !done) return done;
  if (auto done = file_->sync_all(); !done) return fail("make it durable", done.error());
  return {};
}

Outcome<> AppendFile::take_over(std::uint64_t size) {
  if (failed_) return *failed_;
  auto ahead = size <= end_ + room_.chunk + room_.reserve + kBlock;
  if (auto done = ahead ? clear_behind(size) : cut_off(); !done) return done;
  // What was allocated once is found allocated, whatever the store has left. Written or not:
  // a start with thousands of maps does not write all of their room.
  if (ahead && size > end_)
    if (auto done = allocate(size, false); !done && failed_) return done;
  if (auto done = make_room(0); !done && failed_) return done;
  return {};
}

Outcome<> AppendFile::clear_behind(std::uint64_t size) {
  if (size <= end_) return {};
  Buffer behind(static_cast<std::size_t>(size - end_));
  if (auto done = file_store::read_at(*file_, end_, behind.span()); !done)
    return fail("read what lies behind", done.error());
  if (all_zero(behind.span())) return {};
  if (auto done = write_zeros(*file_, end_, size); !done)
    return fail("overwrite what lies behind", done.error());
  if (auto done = file_->sync_all(); !done) return fail("make it durable", done.error());
  return {};
}

Outcome<> AppendFile::cut_off() {
  if (auto done = file_->resize(end_); !done) return fail("cut off what lies behind", done.error());
  if (auto done = file_->sync_all(); !done) return fail("make it durable", done.error());
  return {};
}

/// Backs the file by space up to `to`, makes it as long and writes it: a sync of what is
/// written there later has no metadata to write, as where space is allocated only.
Outcome<> AppendFile::allocate(std::uint64_t to, bool written) {
  auto done = back_by_space(allocated_, to);
  if (done && (file_->traits().allocate ? written : room_.by_zeros))
    done = write_zeros(*file_, allocated_, to);
  if (!done) {
    if (to_errc(done.error()) != Errc::no_space) return fail("allocate room", done.error());
    full_ = true;
    return file_failure(label_, "allocate room", done.error());
  }
  allocated_ = to;
  full_ = false;
  return {};
}

Outcome<> AppendFile::make_room(std::uint64_t length) {
  if (failed_) return *failed_;
  auto needed = end_ + length + room_.reserve;
  if (needed <= allocated_) return {};
  return allocate(block_up(std::max(needed, allocated_ + room_.chunk)));
}

Result<> AppendFile::back_by_space(std::uint64_t from, std::uint64_t to) {
  if (!file_->traits().allocate) return {};
  auto done = file_store::apply(*file_, FileOp::allocate, from, to - from);
  return done ? file_->resize(to) : done;
}

bool AppendFile::enter_reserve(std::uint64_t length) {
  auto next = block_up(end_);
  if (failed_ || next + length > allocated_) return false;
  end_ = next;
  return true;
}

Outcome<> AppendFile::write(std::span<const IoVec> pieces) {
  if (failed_) return *failed_;
  auto length = total_length(pieces);
  if (auto done = write_gathered(*file_, end_, pieces); !done)
    return fail("write to it", done.error());
  end_ += length;
  return {};
}

Outcome<> AppendFile::sync() {
  if (failed_) return *failed_;
  if (auto done = file_store::sync(*file_); !done) return fail("make it durable", done.error());
  return {};
}

}  // namespace caisson::snapshot

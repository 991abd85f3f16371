// SPDX-License-Identifier: Apache-2.0
#include "storage_object/posix/operation.hpp"

#include <linux/falloc.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <limits>

namespace caisson::posix {
namespace {

constexpr std::uint64_t kLargestTransfer = std::uint64_t{1} << 30;  // io_uring counts in 32 bits
constexpr std::size_t kBounceSize = std::size_t{1} << 20;
constexpr std::size_t kMaxVectors = IOV_MAX;

bool aligned(std::span<const IoVec> vectors, std::uint32_t alignment) {
  return std::ranges::all_of(vectors, [mask = std::uintptr_t{alignment} - 1](const IoVec& v) {
    return ((reinterpret_cast<std::uintptr_t>(v.iov_base) | v.iov_len) & mask) == 0;
  });
}

/// EINVAL for a request that contradicts itself, EFBIG beyond any file.
int check(const FileRequest& request, bool transfers, std::uint32_t alignment) {
  constexpr auto kEnd = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (request.offset > kEnd || request.length > kEnd - request.offset) return EFBIG;
  if (!transfers) return 0;
  if (total_length(request.buffers) != request.length) return EINVAL;
  if (alignment != 0 && ((request.offset | request.length) & (alignment - 1)) != 0) return EINVAL;
  return 0;
}

}  // namespace

int fallocate_mode(FileOp op) noexcept {
  switch (op) {
    case FileOp::punch: return FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    case FileOp::zero: return FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
    default: return FALLOC_FL_KEEP_SIZE;
  }
}

bool Operation::transfers() const noexcept {
  return request_->op == FileOp::read || request_->op == FileOp::write;
}

void Operation::fail(int number) noexcept {
  error_ = Error(number, boost::system::system_category());
}

bool Operation::begin(FileRequest& request, Descriptor& descriptor) {
  request_ = &request;
  descriptor_ = &descriptor;
  request.progress = 0;
  error_ = {};
  auto alignment = descriptor.alignment;
  if (auto number = check(request, transfers(), alignment); number != 0) {
    fail(number);
    return false;
  }
  bounced_ = alignment != 0 && transfers() && !aligned(request.buffers, alignment);
  return request.op == FileOp::sync || request.length != 0;
}

void Operation::plan() {
  if (!transfers()) return;
  if (bounced_) return plan_bounce();
  const auto& request = *request_;
  if (request.progress == 0 && request.length <= kLargestTransfer &&
      request.buffers.size() <= kMaxVectors)
    vectors_ = request.buffers;
  else
    plan_rest();
}

void Operation::plan_bounce() {
  auto& request = *request_;
  auto length = std::min<std::uint64_t>(request.length - request.progress, kBounceSize);
  if (bounce_.size() < length) bounce_ = Buffer(length);
  if (request.op == FileOp::write)
    gather(bounce_.span().first(length), request.buffers, request.progress);
  bounce_vector_ = {bounce_.data(), length};
  vectors_ = {&bounce_vector_, 1};
}

void Operation::plan_rest() {
  auto skip = request_->progress;
  auto room = kLargestTransfer;
  rest_.clear();
  for (const auto& v : request_->buffers) {
    if (skip >= v.iov_len) {
      skip -= v.iov_len;
      continue;
    }
    auto length = std::min<std::uint64_t>(v.iov_len - skip, room);
    rest_.push_back({static_cast<std::byte*>(v.iov_base) + skip, length});
    skip = 0;
    room -= length;
    if (room == 0 || rest_.size() == kMaxVectors) break;
  }
  vectors_ = rest_;
}

bool Operation::settle(int result) {
  if (result == -EINTR || result == -EAGAIN) return false;
  if (result < 0) {
    fail(-result);
  } else if (transfers()) {
    auto& request = *request_;
    if (bounced_ && request.op == FileOp::read)
      scatter(request.buffers, request.progress,
              bounce_.span().first(static_cast<std::size_t>(result)));
    request.progress += static_cast<std::uint64_t>(result);
    if (request.progress != request.length) {
      auto broken =
          descriptor_->alignment != 0 && (request.progress & (descriptor_->alignment - 1)) != 0;
      if (result != 0 && !broken) return false;
      fail(EIO);  // the end of the file, or a device that takes nothing
    }
  }
  bounce_ = Buffer();
  return true;
}

}  // namespace caisson::posix

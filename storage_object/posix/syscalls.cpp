// SPDX-License-Identifier: Apache-2.0
#include "storage_object/posix/syscalls.hpp"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "storage_object/posix/blocks.hpp"

namespace caisson::posix {
namespace {

int result_of(ssize_t value) { return value < 0 ? -errno : static_cast<int>(value); }

int call(const Operation& operation) {
  const auto& request = operation.request();
  auto fd = operation.descriptor().number;
  auto vectors = operation.vectors();
  auto count = static_cast<int>(vectors.size());
  auto at = static_cast<off_t>(operation.position());
  switch (request.op) {
    case FileOp::read: return result_of(::preadv2(fd, vectors.data(), count, at, 0));
    case FileOp::write:
      return result_of(::pwritev2(fd, vectors.data(), count, at, request.durable ? RWF_DSYNC : 0));
    case FileOp::sync: return result_of(::fdatasync(fd));
    default:
      return result_of(
          ::fallocate(fd, fallocate_mode(request.op), at, static_cast<off_t>(request.length)));
  }
}

/// SEEK_HOLE goes from extent to extent until it finds one, however far behind `end`.
constexpr std::uint64_t kShort = std::uint64_t{16} << 20;

Result<std::uint64_t> end_of_data(int fd, std::uint64_t at, std::uint64_t end) {
  if (end - at <= kShort)
    if (auto until = data_until(fd, at, end); until > at) return until;
  return seek(fd, at, end, SEEK_HOLE);
}

/// Behind the last one if they touch and are the same.
void put_extent(FileRequest& request, const file_store::FileExtent& extent) {
  if (request.extent_count != 0) {
    auto& last = request.extents[request.extent_count - 1];
    if (last.data == extent.data) {
      last.length += extent.length;
      return;
    }
  }
  request.extents[request.extent_count++] = extent;
}

Error find_extents(int fd, FileRequest& request) {
  auto end = request.offset + request.length;
  request.extent_count = 0;
  if (request.extents.empty()) return {};
  for (auto at = request.offset; at < end;) {
    auto data = seek(fd, at, end, SEEK_DATA);
    if (!data) return data.error();
    auto is_data = *data == at;
    if (request.extent_count == request.extents.size() &&
        request.extents[request.extent_count - 1].data != is_data)
      break;
    auto stop = is_data ? end_of_data(fd, at, end) : data;
    if (!stop) return stop.error();
    // A hole punched between the two calls: look again from here.
    if (*stop == at) continue;
    put_extent(request, {at, *stop - at, is_data});
    at = *stop;
  }
  return {};
}

}  // namespace

Result<std::uint64_t> seek(int fd, std::uint64_t at, std::uint64_t end, int whence) {
  auto found = ::lseek(fd, static_cast<off_t>(at), whence);
  if (found >= 0) return std::min(static_cast<std::uint64_t>(found), end);
  if (errno == ENXIO) return end;
  return Error(errno, boost::system::system_category());
}

void perform(Operation& operation) {
  auto& request = operation.request();
  if (request.op == FileOp::extents) {
    if (auto error = find_extents(operation.descriptor().number, request); error)
      operation.fail(error.value());
    return;
  }
  do operation.plan();
  while (!operation.settle(call(operation)));
}

bool try_cached(Operation& operation) {
  auto& descriptor = operation.descriptor();
  auto vectors = operation.vectors();
  auto got =
      result_of(::preadv2(descriptor.number, vectors.data(), static_cast<int>(vectors.size()),
                          static_cast<off_t>(operation.position()), RWF_NOWAIT));
  if (got == -EOPNOTSUPP) descriptor.try_cached.store(false, std::memory_order_relaxed);
  // Nothing cached, or nothing there: the full read that follows tells.
  if (got <= 0) return false;
  return operation.settle(got);
}

}  // namespace caisson::posix

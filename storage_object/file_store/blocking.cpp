// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <atomic>
#include <cerrno>

#include "storage_object/file_store/file.hpp"

namespace caisson::file_store {
namespace {

Result<> perform(File& file, FileRequest& request) {
  std::atomic<bool> done = false;
  request.owner = &done;
  request.complete = [](FileRequest& finished) noexcept {
    auto& flag = *static_cast<std::atomic<bool>*>(finished.owner);
    flag.store(true, std::memory_order_release);
    flag.notify_one();
  };
  file.submit(request);
  done.wait(false, std::memory_order_acquire);
  if (request.error) return request.error;
  return {};
}

Result<> transfer(File& file, FileOp op, std::uint64_t offset, IoVec memory, bool durable) {
  FileRequest request;
  request.op = op;
  request.durable = durable;
  request.offset = offset;
  request.length = memory.iov_len;
  request.buffers = {&memory, 1};
  return perform(file, request);
}

Error unsupported() { return Error(EOPNOTSUPP, boost::system::system_category()); }

}  // namespace

Result<> File::release_owner() { return unsupported(); }

Result<> File::clone_range(File&, std::uint64_t, std::uint64_t, std::uint64_t) {
  return unsupported();
}

Result<MapPage> File::extent_map(std::uint64_t, std::uint64_t, std::span<MapExtent>) {
  return unsupported();
}

Result<std::uint64_t> File::seek_data(std::uint64_t offset, std::uint64_t length) {
  const auto end = offset + length;
  while (offset < end) {
    std::array<FileExtent, 1> extent;
    auto found = extents(*this, offset, end - offset, extent);
    if (!found) return found.error();
    if (*found == 0 || extent[0].data) return offset;
    offset = extent[0].offset + extent[0].length;
  }
  return end;
}

Result<std::size_t> File::count_extents(std::uint64_t, std::uint64_t, std::size_t) {
  return unsupported();
}

void File::write_back(std::span<const ByteRange>) {}

Result<> File::set_read_only() { return unsupported(); }
Result<> File::set_writable() { return unsupported(); }

Result<> read_at(File& file, std::uint64_t offset, std::span<std::byte> into) {
  return transfer(file, FileOp::read, offset, {into.data(), into.size()}, false);
}

Result<> write_at(File& file, std::uint64_t offset, std::span<const std::byte> from, bool durable) {
  IoVec memory{const_cast<std::byte*>(from.data()), from.size()};
  return transfer(file, FileOp::write, offset, memory, durable);
}

Result<> sync(File& file) {
  FileRequest request;
  request.op = FileOp::sync;
  return perform(file, request);
}

Result<std::size_t> extents(File& file, std::uint64_t offset, std::uint64_t length,
                            std::span<FileExtent> room) {
  FileRequest request;
  request.op = FileOp::extents;
  request.offset = offset;
  request.length = length;
  request.extents = room;
  if (auto told = perform(file, request); !told) return told.error();
  return request.extent_count;
}

Result<> apply(File& file, FileOp op, std::uint64_t offset, std::uint64_t length) {
  FileRequest request;
  request.op = op;
  request.offset = offset;
  request.length = length;
  return perform(file, request);
}

}  // namespace caisson::file_store

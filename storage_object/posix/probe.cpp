// SPDX-License-Identifier: Apache-2.0
#include "storage_object/posix/probe.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>
#include <vector>

#include "storage_object/base/buffer.hpp"
#include "storage_object/posix/blocks.hpp"
#include "storage_object/posix/operation.hpp"
#include "storage_object/posix/system.hpp"

namespace caisson::posix {
namespace {

constexpr std::size_t kTried = 65536;
constexpr std::uint32_t kAlignments[] = {512, 4096};

bool can(int scratch, FileOp op) {
  return retried([&] { return ::fallocate(scratch, fallocate_mode(op), 0, kTried); }) == 0;
}

bool direct_works(int scratch, const Buffer& memory, std::uint32_t alignment) {
  auto* at = memory.data() + alignment;
  auto wrote = ::pwrite(scratch, at, alignment, alignment);
  return wrote == static_cast<ssize_t>(alignment) &&
         ::pread(scratch, at, alignment, alignment) == static_cast<ssize_t>(alignment);
}

constexpr std::size_t kCloned = 1 << 20;

/// Bytes that differ from block to block and from one `version` to the next.
std::vector<std::byte> pattern(std::size_t size, unsigned version) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<std::byte>((i >> 9) * 7 + i + version * 101 + 1);
  return bytes;
}

bool put(int file, std::span<const std::byte> bytes, std::uint64_t at) {
  auto wrote = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(at));
  return wrote == static_cast<ssize_t>(bytes.size());
}

bool holds(int file, std::span<const std::byte> bytes, std::uint64_t at) {
  std::vector<std::byte> there(bytes.size());
  auto got = ::pread(file, there.data(), there.size(), static_cast<off_t>(at));
  return got == static_cast<ssize_t>(there.size()) && std::ranges::equal(there, bytes);
}

std::uint32_t reported_alignment(int scratch) {
  struct statx status {};
  if (::statx(scratch, "", AT_EMPTY_PATH, STATX_DIOALIGN, &status) != 0) return 0;
  if ((status.stx_mask & STATX_DIOALIGN) == 0) return 0;
  if (status.stx_dio_offset_align == 0) return 0;
  auto larger = std::max(status.stx_dio_mem_align, status.stx_dio_offset_align);
  return std::max(std::bit_ceil(larger), std::uint32_t{512});
}

}  // namespace

file_store::FileTraits probe_traits(int scratch) {
  file_store::FileTraits traits;
  Buffer memory(kTried);
  std::memset(memory.data(), 0x5a, memory.size());
  auto wrote = ::pwrite(scratch, memory.data(), memory.size(), 0);
  auto filled = wrote == static_cast<ssize_t>(memory.size());
  traits.punch = filled && can(scratch, FileOp::punch);
  traits.zero = filled && can(scratch, FileOp::zero);
  traits.allocate = can(scratch, FileOp::allocate);
  struct statvfs status {};
  if (::fstatvfs(scratch, &status) == 0 && std::has_single_bit(status.f_frsize))
    traits.block = static_cast<std::uint32_t>(std::min<unsigned long>(status.f_frsize, 1U << 30));
  return traits;
}

bool clone_works(int source, int target, std::uint32_t block) {
  const auto size = std::max<std::size_t>(kCloned, 2 * std::size_t{block});
  const auto content = pattern(size, 0), newer = pattern(size, 1), other = pattern(3 * block, 2);
  const auto second = std::span(content).subspan(block, block);
  const std::uint64_t large = 3 * std::uint64_t{block};
  if (!put(source, content, 0) || !put(target, other, 0)) return false;
  if (clone_blocks(source, block, block, target, block)) return false;
  if (clone_blocks(source, 0, size, target, large)) return false;
  auto as_cloned = [&] {
    return holds(target, std::span(other).first(block), 0) && holds(target, second, block) &&
           holds(target, std::span(other).subspan(2 * block), 2 * block) &&
           holds(target, content, large);
  };
  return as_cloned() && put(source, newer, 0) && as_cloned() && holds(source, newer, 0);
}

std::uint32_t probe_direct_alignment(int scratch) {
  if (auto reported = reported_alignment(scratch); reported != 0) return reported;
  Buffer memory(2 * kAlignments[1]);
  std::memset(memory.data(), 0, memory.size());
  // A write that extends by one unit, then the smaller units inside it.
  if (!direct_works(scratch, memory, kAlignments[1])) return 0;
  return direct_works(scratch, memory, kAlignments[0]) ? kAlignments[0] : kAlignments[1];
}

}  // namespace caisson::posix

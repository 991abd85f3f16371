// SPDX-License-Identifier: Apache-2.0
#include "storage_object/posix/probe.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "storage_object/base/buffer.hpp"
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

std::uint32_t probe_direct_alignment(int scratch) {
  if (auto reported = reported_alignment(scratch); reported != 0) return reported;
  Buffer memory(2 * kAlignments[1]);
  std::memset(memory.data(), 0, memory.size());
  // A write that extends by one unit, then the smaller units inside it.
  if (!direct_works(scratch, memory, kAlignments[1])) return 0;
  return direct_works(scratch, memory, kAlignments[0]) ? kAlignments[0] : kAlignments[1];
}

}  // namespace caisson::posix

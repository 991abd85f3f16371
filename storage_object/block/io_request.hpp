// SPDX-License-Identifier: Apache-2.0
// One operation on the bytes of a disk, and who asked for it.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>

#include "storage_object/base/buffer.hpp"
#include "storage_object/base/result.hpp"

namespace caisson::block {

enum class IoOp : std::uint8_t {
  read,          ///< fills `buffers` from [offset, offset+length)
  write,         ///< stores `buffers` there; `fua`: durable at completion
  flush,         ///< everything completed before is durable at completion
  unmap,         ///< the range reads as zeros from now on, space goes back
  write_zeroes,  ///< zeros; `may_unmap`: space may go back
  status,        ///< fills `status` with the allocation of the range
};

/// How a write goes together with what is there. Only a storage object knows
/// others than `replace`; no write comes between its reading and its writing.
enum class Combine : std::uint8_t {
  replace,
  set_bits,          ///< every bit that is set in either
  replace_if_equal,  ///< `buffers` hold twice `length`: what must be there, and
                     ///< what comes in its place; else BlockErrc::miscompare
};

/// True for operations that change what a read returns.
constexpr bool changes_data(IoOp op) noexcept {
  return op == IoOp::write || op == IoOp::unmap || op == IoOp::write_zeroes;
}

enum class Priority : std::uint8_t { host, background };

/// Who asks, on which path, and until when it matters.
struct IoContext {
  std::uint64_t host = 0;   ///< catalog id of the host; 0: the gateway itself
  std::uint64_t nexus = 0;  ///< I_T nexus or NBS session, unique per process
  Priority priority = Priority::host;
  bool read_only = false;   ///< the grant allows no writes
  std::uint64_t epoch = 0;  ///< owner epoch the caller believes in; 0: current
  std::chrono::steady_clock::time_point deadline{};  ///< zero: none
};

/// A part of a disk.
struct Range {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::uint64_t end() const noexcept { return offset + length; }
};

/// A run of blocks of one kind, as IoOp::status reports it.
struct StatusExtent {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  bool allocated = true;
};

/// Owned by the submitter, alive and unmoved until `complete` was called.
/// Whoever holds it between submit and completion may use `next`.
struct IoRequest {
  using Completion = void (*)(IoRequest&) noexcept;

  IoOp op = IoOp::read;
  bool fua = false;
  bool may_unmap = false;
  Combine combine = Combine::replace;  ///< of a write
  std::uint64_t offset = 0;            ///< bytes
  std::uint64_t length = 0;            ///< bytes; equals the buffers' sum for read and write
  std::span<const IoVec> buffers;      ///< alive until completion
  /// Of an unmap: which parts of [offset, offset+length), in any order; empty: all of it.
  /// Alive until completion. Only a storage object knows others than empty; no cut comes
  /// between its parts.
  std::span<const Range> ranges;
  std::span<StatusExtent> status;  ///< in: room; ascending, gapless from `offset`
  std::size_t status_count = 0;    ///< out: extents filled (may end early when room does)
  std::uint64_t mismatch = 0;      ///< out, with miscompare: the first byte that differs
  IoContext context;
  Error error;  ///< out: BlockErrc on failure
  Completion complete = nullptr;
  void* owner = nullptr;  ///< the submitter's own
  IoRequest* next = nullptr;

  void finish(Error result) noexcept {
    error = result;
    complete(*this);
  }
};

}  // namespace caisson::block

// SPDX-License-Identifier: Apache-2.0
// The port every layer of a disk offers to the one above: the storage object,
// the snapshot chain, container data, and the decorators between them.
#pragma once

#include <cstdint>

#include "storage_object/block/block_errc.hpp"
#include "storage_object/block/io_request.hpp"

namespace caisson::block {

struct Geometry {
  std::uint64_t capacity = 0;         ///< bytes, a multiple of logical_block
  std::uint32_t logical_block = 512;  ///< bytes: 512 or 4096
  std::uint32_t physical_block = 4096;
};

/// What the device can do. Ask first; it never fails late for want of one.
struct Features {
  bool read_only = false;
  bool write_cache = true;  ///< completed writes need a flush to be durable
  bool unmap = false;       ///< unmap gives space back
  bool write_zeroes = true;
  std::uint32_t unmap_granularity = 4096;  ///< bytes
};

/// Bytes of one disk. Called from any I/O thread, or from a control thread;
/// calls overlap; overlapping writes are unordered. A request completes exactly
/// once, on the thread that submitted it (on a control thread: on any), perhaps
/// before submit returns. The hot path takes no lock.
///
/// Durability: a completed write is visible to every reader at once, and
/// durable after a flush submitted later has completed, or at once when it
/// carried `fua` or features().write_cache is false.
class BlockDevice {
 public:
  virtual ~BlockDevice() = default;
  virtual Geometry geometry() const noexcept = 0;  // capacity may grow under I/O
  virtual Features features() const noexcept = 0;
  virtual void submit(IoRequest& request) = 0;
};

/// Performs one request and waits for it. Control threads and tests only: on an
/// I/O thread it would wait for itself.
Error perform(BlockDevice& device, IoRequest& request);

}  // namespace caisson::block

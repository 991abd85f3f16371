// SPDX-License-Identifier: Apache-2.0
// The data area of a container as a BlockDevice: the bottom of an object's
// stack.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "storage_object/block/block_device.hpp"
#include "storage_object/file_store/file.hpp"

namespace caisson::object {

struct DataOptions {
  block::Geometry geometry;
  bool read_only = false;
  bool give_space_back = true;  ///< unmap punches; false for thick objects
};

/// Thread rules as BlockDevice. Range, alignment and permission have been
/// checked above it.
///
/// Past the page cache a write must be a multiple of write_unit(). One that is
/// not is done as read-modify-write: the caller then keeps every other write off
/// the blocks it touches until it completes (StorageObject does, by its range
/// table). `fua` of unmap and write_zeroes makes them durable too; when only
/// that part fails the error is BlockErrc::failed.
///
/// A durable write that found no space may have been refused, or may have reported
/// (for this open file never again) that a writeback of earlier writes found none.
/// The `witness` tells, another open file of the container that hears of the same
/// writebacks and is synced for nothing else: BlockErrc::no_space when nothing was
/// lost, else failed.
class ContainerData final : public block::BlockDevice {
 public:
  ContainerData(std::shared_ptr<file_store::File> file, std::shared_ptr<file_store::File> witness,
                DataOptions options);

  block::Geometry geometry() const noexcept override;
  block::Features features() const noexcept override;
  void submit(block::IoRequest& request) override;

  /// Bytes that a write must be aligned to, or it is a read-modify-write; 1
  /// when the page cache takes care of that.
  std::uint32_t write_unit() const noexcept { return unit_.load(std::memory_order_relaxed); }

  void set_capacity(std::uint64_t capacity) noexcept;
  /// Goes on with another open file of the same container. Nothing is in flight.
  void replace_file(std::shared_ptr<file_store::File> file) noexcept;
  /// What has been lost until now is accepted: no later sync speaks of it. Blocks.
  void forget_losses();
  /// Lets go of the files. Nothing is in flight, and nothing is submitted any more.
  void close() noexcept;
  /// nullptr once closed. Control threads.
  std::shared_ptr<file_store::File> file() const;

 private:
  mutable std::mutex file_mutex_;  // of control threads; requests rely on what is in flight
  std::shared_ptr<file_store::File> file_, witness_;
  const DataOptions options_;
  const block::Features features_;
  std::atomic<std::uint64_t> capacity_;
  std::atomic<std::uint32_t> unit_;
};

}  // namespace caisson::object

// SPDX-License-Identifier: Apache-2.0
// A decorator of a disk that must hear of changes to its data which do not come as
// requests.
#pragma once

#include <cstdint>
#include <string_view>

#include "storage_object/base/result.hpp"
#include "storage_object/block/block_device.hpp"

namespace caisson::block {

class DataLayer : public BlockDevice {
 public:
  /// Before everything behind `capacity` is cut off: keeps what it still needs of that,
  /// however long it takes, and lets nothing begin to need more until
  /// end_cutting_off(), which follows in any case. While hosts go on. Control threads.
  virtual Outcome<> begin_cutting_off(std::uint64_t capacity) = 0;
  virtual void end_cutting_off() noexcept = 0;
  /// Whether other images share, or are to share, blocks with what is below: they keep
  /// what is overwritten. From any thread; does not block.
  virtual bool shares_blocks() const noexcept = 0;
  /// The LUN has this name from now on. Control threads.
  virtual void renamed(std::string_view name) = 0;
  /// The disk is served no more, and somebody else may take its files up: lets go of
  /// them. Nothing is in flight, and nothing is submitted any more. Again: no effect.
  virtual void close() = 0;
};

}  // namespace caisson::block

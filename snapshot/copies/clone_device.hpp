// SPDX-License-Identifier: Apache-2.0
// The layer of a clone, over the one that keeps its own snapshots: what its container
// does not have yet comes from the snapshot that it was born from.
#pragma once

#include <memory>

#include "snapshot/copies/clone_fill.hpp"
#include "storage_object/block/data_layer.hpp"

namespace caisson::snapshot {

/// Thread rules as BlockDevice. Once the clone has everything a request costs one load more.
class CloneDevice final : public block::DataLayer {
 public:
  CloneDevice(std::unique_ptr<block::DataLayer> below, std::shared_ptr<CloneFill> fill)
      : below_(std::move(below)), fill_(std::move(fill)) {}
  ~CloneDevice() override;  ///< close(); nothing is in flight

  block::Geometry geometry() const noexcept override { return below_->geometry(); }
  block::Features features() const noexcept override { return below_->features(); }
  void submit(block::IoRequest& request) override {
    auto& pace = fill_->pace();
    pace.note_host();
    if (request.op == block::IoOp::flush || fill_->has(request.offset, request.length))
      return pace.submit(*below_, request);
    fill_->submit_missing(request);
  }

  Outcome<> begin_cutting_off(std::uint64_t capacity) override;
  void end_cutting_off() noexcept override { below_->end_cutting_off(); }
  bool shares_blocks() const noexcept override {
    return fill_->shares_blocks() || below_->shares_blocks();
  }
  void renamed(std::string_view name) override { below_->renamed(name); }
  void close() override;

 private:
  std::unique_ptr<block::DataLayer> below_;
  std::shared_ptr<CloneFill> fill_;
};

}  // namespace caisson::snapshot

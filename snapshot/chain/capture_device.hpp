// SPDX-License-Identifier: Apache-2.0
// The layer of a disk that keeps its snapshots what they were: no unit that one of
// them still needs is overwritten before it has been captured (decision 4).
#pragma once

#include <memory>
#include <mutex>

#include "snapshot/chain/chain.hpp"
#include "storage_object/block/data_layer.hpp"

namespace caisson::snapshot {

/// Thread rules as BlockDevice. Without a snapshot that captures, and for units that
/// are captured already, a request costs a few loads more. Others wait for their
/// capture; a capture that fails ends them as the chain's policy has it.
class CaptureDevice final : public block::DataLayer {
 public:
  CaptureDevice(std::unique_ptr<block::BlockDevice> below, std::shared_ptr<Chain> chain);
  ~CaptureDevice() override;  ///< closes the chain; nothing is in flight

  block::Geometry geometry() const noexcept override { return below_->geometry(); }
  block::Features features() const noexcept override { return below_->features(); }
  void submit(block::IoRequest& request) override {
    auto& pace = chain_->pace();
    pace.note_host();
    if (!block::changes_data(request.op) || !chain_->holds_back(request.offset, request.length))
      return pace.submit(*below_, request);
    chain_->hold_back(request);
  }

  Outcome<> begin_cutting_off(std::uint64_t capacity) override;
  void end_cutting_off() noexcept override;
  bool shares_blocks() const noexcept override { return chain_->shares_blocks(); }
  void renamed(std::string_view name) override { chain_->renamed(name); }
  void close() override { chain_->close(); }

 private:
  std::unique_ptr<block::BlockDevice> below_;
  std::shared_ptr<Chain> chain_;
  std::unique_lock<std::mutex> cuts_;  ///< while something is being cut off
};

}  // namespace caisson::snapshot

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <utility>
#include <vector>

#include "storage_object/block/io_request.hpp"

namespace caisson::tests {

/// A write or a read that may be on its way for a while.
struct Sent {
  std::vector<std::byte> bytes;
  IoVec memory{};
  block::IoRequest request;
  std::atomic<int> completions = 0;

  Sent(block::IoOp op, std::uint64_t offset, std::vector<std::byte> data,
       block::Combine combine = block::Combine::replace)
      : bytes(std::move(data)), memory{bytes.data(), bytes.size()} {
    request.op = op;
    request.offset = offset;
    request.length = combine == block::Combine::replace_if_equal ? bytes.size() / 2 : bytes.size();
    request.combine = combine;
    request.buffers = {&memory, 1};
    request.owner = this;
    request.complete = [](block::IoRequest& done) noexcept {
      ++static_cast<Sent*>(done.owner)->completions;
    };
  }
  bool ended_with(Error error) const { return completions == 1 && request.error == error; }
};

}  // namespace caisson::tests

// SPDX-License-Identifier: Apache-2.0
// A change of data that waits for its range to be captured: inside this folder only.
#pragma once

#include "snapshot/chain/chain.hpp"
#include "storage_object/base/executor.hpp"
#include "storage_object/block/io_request.hpp"

namespace caisson::snapshot {

struct Chain::Waiter {
  block::IoRequest* request = nullptr;
  Executor* executor = nullptr;  ///< of the thread that submitted it; nullptr: any
  std::uint64_t length = 0;      ///< bytes from `next` on that it waits for
  std::uint64_t next = 0;        ///< up to here it may not be captured yet
};

}  // namespace caisson::snapshot

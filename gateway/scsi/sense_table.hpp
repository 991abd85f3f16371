// SPDX-License-Identifier: Apache-2.0
// The rows by which block errors become SCSI status and sense.
#pragma once

#include <span>

#include "gateway/scsi/task.hpp"
#include "storage_object/block/block_errc.hpp"

namespace caisson::scsi {

struct SenseRow {
  block::BlockErrc code;
  Status status;
  Sense sense;  ///< present() with check_condition only
};

std::span<const SenseRow> sense_table() noexcept;

/// The row of a block error; INTERNAL TARGET FAILURE for codes of other origin.
const SenseRow& sense_row(const Error& error) noexcept;

}  // namespace caisson::scsi

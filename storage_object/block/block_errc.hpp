// SPDX-License-Identifier: Apache-2.0
// Why an operation on a disk failed. Each front end maps these to its protocol
// in one table.
#pragma once

#include <boost/system/error_code.hpp>
#include <type_traits>

namespace caisson::block {

enum class BlockErrc {
  out_of_range = 1,  ///< beyond the capacity
  misaligned,        ///< not a multiple of the logical block
  no_space,          ///< the store is full; retry when space is back
  medium_error,      ///< a read failed below
  write_error,       ///< a write failed below, nothing claimed about the range
  failed,            ///< a flush or writeback failed before: nothing is trusted
  write_protected,   ///< the grant or the object is read-only
  offline,           ///< not served now
  fenced,            ///< another owner's epoch is current
  conflict,          ///< a reservation of another nexus forbids it
  busy,              ///< try again
  aborted,           ///< taken back before it took effect
  miscompare,        ///< what should be there is not; nothing was written
  unsupported,       ///< features() does not claim it
};

const boost::system::error_category& block_category() noexcept;
boost::system::error_code make_error_code(BlockErrc code) noexcept;

}  // namespace caisson::block

template <>
struct boost::system::is_error_code_enum<caisson::block::BlockErrc> : std::true_type {};

// SPDX-License-Identifier: Apache-2.0
// Why a connection cannot go on. Each value has the words of the log line.
#pragma once

#include <boost/system/error_code.hpp>
#include <type_traits>

namespace caisson::iscsi {

enum class IscsiErrc {
  header_digest = 1,  ///< a header cannot be trusted, so neither can its length
  segment_too_long,   ///< a data segment above MaxRecvDataSegmentLength
  bad_ahs,            ///< additional headers that contradict their own lengths
  bad_opcode,         ///< not an initiator's
  no_login,           ///< something other than a login came first
  early_data,         ///< bytes after a login request, before its answer
  too_many_bodies,    ///< pings and texts that arrive, are held or unread, beyond a limit
};

const boost::system::error_category& iscsi_category() noexcept;
boost::system::error_code make_error_code(IscsiErrc code) noexcept;

}  // namespace caisson::iscsi

template <>
struct boost::system::is_error_code_enum<caisson::iscsi::IscsiErrc> : std::true_type {};

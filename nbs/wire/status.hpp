// SPDX-License-Identifier: Apache-2.0
// The one place where failures become status codes of the wire and back.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "storage_object/base/errc.hpp"

namespace caisson::nbs::wire {

/// Header::status. Numbers stay; from 0x0100 on they are left to block data.
enum class Status : std::uint16_t {
  ok = 0x0000,
  invalid_argument = 0x0001,
  not_found = 0x0002,
  already_exists = 0x0003,
  in_use = 0x0004,
  permission_denied = 0x0005,
  no_space = 0x0006,
  io_error = 0x0007,
  corrupt = 0x0008,
  offline = 0x0009,
  unsupported = 0x000a,
  stale = 0x000b,
  timed_out = 0x000c,
  cancelled = 0x000d,
  protocol = 0x000e,
  partly_done = 0x000f,
  internal = 0x0010,
};

/// The status of any code of ours or of the system; never ok.
Status to_status(const Error& code) noexcept;

/// What a peer's status means here; Errc::protocol for a number unknown here.
Errc to_errc(Status status) noexcept;

/// The word for programs and documents: "not_found".
std::string_view name_of(Errc code) noexcept;

/// A serialized ErrorBody. `partial`: the reply as far as it came.
std::string encode_failure(const Failure& failure, std::string_view partial = {});

/// The Failure of a reply whose status is not ok; `partial` may be nullptr. A
/// body that is no ErrorBody still gives a Failure.
Failure decode_failure(std::uint16_t status, std::string_view body, std::string* partial);

}  // namespace caisson::nbs::wire

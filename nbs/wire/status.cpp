// SPDX-License-Identifier: Apache-2.0
#include "nbs/wire/status.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "nbs/wire/control.pb.h"

namespace caisson::nbs::wire {
namespace {

struct StatusRow {
  Errc code;
  Status status;
  std::string_view name;
};

constexpr StatusRow kStatuses[] = {
    {Errc::invalid_argument, Status::invalid_argument, "invalid_argument"},
    {Errc::not_found, Status::not_found, "not_found"},
    {Errc::already_exists, Status::already_exists, "already_exists"},
    {Errc::in_use, Status::in_use, "in_use"},
    {Errc::permission_denied, Status::permission_denied, "permission_denied"},
    {Errc::no_space, Status::no_space, "no_space"},
    {Errc::io_error, Status::io_error, "io_error"},
    {Errc::corrupt, Status::corrupt, "corrupt"},
    {Errc::offline, Status::offline, "offline"},
    {Errc::unsupported, Status::unsupported, "unsupported"},
    {Errc::stale, Status::stale, "stale"},
    {Errc::timed_out, Status::timed_out, "timed_out"},
    {Errc::cancelled, Status::cancelled, "cancelled"},
    {Errc::protocol, Status::protocol, "protocol"},
    {Errc::partly_done, Status::partly_done, "partly_done"},
    {Errc::internal, Status::internal, "internal"},
};

}  // namespace

Status to_status(const Error& code) noexcept {
  const auto* row = std::ranges::find(kStatuses, caisson::to_errc(code), &StatusRow::code);
  return row != std::end(kStatuses) ? row->status : Status::internal;
}

Errc to_errc(Status status) noexcept {
  const auto* row = std::ranges::find(kStatuses, status, &StatusRow::status);
  return row != std::end(kStatuses) ? row->code : Errc::protocol;
}

std::string_view name_of(Errc code) noexcept {
  const auto* row = std::ranges::find(kStatuses, code, &StatusRow::code);
  return row != std::end(kStatuses) ? row->name : "unknown";
}

std::string encode_failure(const Failure& failure, std::string_view partial) {
  ErrorBody body;
  body.set_message(failure.message);
  body.set_remedy(failure.remedy);
  body.set_partial(std::string(partial));
  return body.SerializeAsString();
}

Failure decode_failure(std::uint16_t status, std::string_view body, std::string* partial) {
  auto code = to_errc(static_cast<Status>(status));
  ErrorBody error;
  if (!error.ParseFromArray(body.data(), static_cast<int>(body.size())) || error.message().empty())
    return failure(code, fmt::format("the gateway answered with status {} and no words", status));
  if (partial != nullptr) *partial = std::move(*error.mutable_partial());
  return failure(code, error.message(), error.remedy());
}

}  // namespace caisson::nbs::wire

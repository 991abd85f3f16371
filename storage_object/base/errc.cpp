// SPDX-License-Identifier: Apache-2.0
#include "storage_object/base/errc.hpp"

#include <array>
#include <boost/system/errc.hpp>
#include <boost/system/system_error.hpp>
#include <cerrno>

namespace caisson {
namespace {

constexpr std::array kMessages = {
    "invalid argument",  "not found",      "already exists",      "in use",
    "permission denied", "no space",       "input/output error",  "corrupt",
    "offline",           "not supported",  "stale configuration", "timed out",
    "cancelled",         "protocol error", "partly done",         "internal error",
};

class ErrcCategory final : public boost::system::error_category {
 public:
  constexpr ErrcCategory() : error_category(0xca155010a11ce5e1ULL) {}
  const char* name() const noexcept override { return "caisson"; }
  std::string message(int value) const override {
    auto index = static_cast<std::size_t>(value) - 1;
    return index < kMessages.size() ? kMessages[index] : "unknown error";
  }
};

constexpr ErrcCategory kCategory;

struct SystemRow {
  int number;
  Errc code;
};

constexpr SystemRow kSystemErrors[] = {
    {ENOSPC, Errc::no_space},
    {EDQUOT, Errc::no_space},
    {EFBIG, Errc::no_space},
    {ENOENT, Errc::not_found},
    {EEXIST, Errc::already_exists},
    {EACCES, Errc::permission_denied},
    {EPERM, Errc::permission_denied},
    {EROFS, Errc::permission_denied},
    {EBUSY, Errc::in_use},
    {EAGAIN, Errc::in_use},
    {ETXTBSY, Errc::in_use},
    {EOPNOTSUPP, Errc::unsupported},
    {ENOSYS, Errc::unsupported},
    {EINVAL, Errc::invalid_argument},
    {ENAMETOOLONG, Errc::invalid_argument},
    {ETIMEDOUT, Errc::timed_out},
    {ECANCELED, Errc::cancelled},
};

}  // namespace

const boost::system::error_category& errc_category() noexcept { return kCategory; }

boost::system::error_code make_error_code(Errc code) noexcept {
  return {static_cast<int>(code), kCategory};
}

Failure failure(Errc code, std::string message, std::string remedy) {
  return {code, std::move(message), std::move(remedy)};
}

Errc to_errc(const Error& code) noexcept {
  if (code.category() == kCategory) return static_cast<Errc>(code.value());
  for (const auto& row : kSystemErrors)
    if (code == Error(row.number, boost::system::system_category()) ||
        code == Error(row.number, boost::system::generic_category()))
      return row.code;
  return Errc::io_error;
}

void throw_exception_from_error(const Failure& failure, const boost::source_location&) {
  throw boost::system::system_error(failure.code, failure.message);
}

}  // namespace caisson

// SPDX-License-Identifier: Apache-2.0
#include "gateway/iscsi/iscsi_errc.hpp"

#include <string>

namespace caisson::iscsi {
namespace {

struct Row {
  IscsiErrc code;
  const char* message;
};

constexpr Row kMessages[] = {
    {IscsiErrc::header_digest, "a header's digest is wrong"},
    {IscsiErrc::segment_too_long, "a data segment is longer than was declared"},
    {IscsiErrc::bad_ahs, "the additional headers contradict their lengths"},
    {IscsiErrc::bad_opcode, "an opcode that no initiator sends"},
    {IscsiErrc::no_login, "the first request is no login"},
    {IscsiErrc::early_data, "data after a login request, before its answer"},
    {IscsiErrc::too_many_bodies,
     "the data of pings and texts not answered, or not read, is too much"},
};

class Category final : public boost::system::error_category {
 public:
  Category() noexcept : error_category(0xca15501015c51e77ULL) {}
  const char* name() const noexcept override { return "caisson.iscsi"; }
  std::string message(int value) const override {
    for (const auto& row : kMessages)
      if (static_cast<int>(row.code) == value) return row.message;
    return "unknown iSCSI error";
  }
};

}  // namespace

const boost::system::error_category& iscsi_category() noexcept {
  static const Category instance;
  return instance;
}

boost::system::error_code make_error_code(IscsiErrc code) noexcept {
  return {static_cast<int>(code), iscsi_category()};
}

}  // namespace caisson::iscsi

// SPDX-License-Identifier: Apache-2.0
#include "storage_object/block/block_errc.hpp"

#include <array>
#include <string>

namespace caisson::block {
namespace {

constexpr std::array kMessages = {
    "beyond the capacity",
    "not a multiple of the block size",
    "store is full",
    "read failed",
    "write failed",
    "failed earlier, data may be lost",
    "write protected",
    "offline",
    "owned by another server",
    "reservation conflict",
    "busy",
    "aborted",
    "not what was expected there",
    "not supported",
};

class BlockCategory final : public boost::system::error_category {
 public:
  constexpr BlockCategory() : error_category(0xca155010b10c4e57ULL) {}
  const char* name() const noexcept override { return "caisson.block"; }
  std::string message(int value) const override {
    auto index = static_cast<std::size_t>(value) - 1;
    return index < kMessages.size() ? kMessages[index] : "unknown error";
  }
};

constexpr BlockCategory kCategory;

}  // namespace

const boost::system::error_category& block_category() noexcept { return kCategory; }

boost::system::error_code make_error_code(BlockErrc code) noexcept {
  return {static_cast<int>(code), kCategory};
}

}  // namespace caisson::block

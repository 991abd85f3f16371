// SPDX-License-Identifier: Apache-2.0
#include "storage_object/block/block_errc.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace caisson::block {
namespace {

TEST(BlockErrc, EveryCodeHasAMessageOfItsOwn) {
  std::set<std::string> messages;
  constexpr auto kLast = static_cast<int>(BlockErrc::unsupported);
  for (int value = 1; value <= kLast; ++value)
    messages.insert(make_error_code(static_cast<BlockErrc>(value)).message());
  EXPECT_EQ(messages.size(), static_cast<std::size_t>(kLast));
  EXPECT_FALSE(messages.contains("unknown error"));
  EXPECT_EQ(block_category().message(kLast + 1), "unknown error");
  EXPECT_EQ(block_category().message(0), "unknown error");
}

}  // namespace
}  // namespace caisson::block

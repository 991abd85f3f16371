// SPDX-License-Identifier: Apache-2.0
// A target with a session that behaves, which must notice nothing of its neighbours.
#pragma once

#include <gtest/gtest.h>
#include <malloc.h>

#include <cstddef>

#include "tests/support/iscsi_client.hpp"
#include "tests/support/iscsi_target.hpp"

namespace caisson::tests {

/// Allocated now; nothing under a sanitizer's allocator.
inline std::size_t allocated() { return ::mallinfo2().uordblks; }

class IscsiHostile : public ::testing::Test {
 protected:
  explicit IscsiHostile(const IscsiTarget::Adjust& adjust = {}) : target_(adjust) {}

  void SetUp() override {
    ASSERT_EQ(good_.login(IscsiTarget::kTarget).status, 0);
    good_.isid[5] = std::byte{7};
    good_.clear_attentions();
  }
  void TearDown() override {
    auto data = pattern(4096);
    EXPECT_EQ(good_.write(0, data).status, 0);
    EXPECT_EQ(good_.read(0, 8).data, data);
    EXPECT_TRUE(IscsiTarget::eventually([&] { return target_.server->bytes_held() == 0; }));
  }
  /// A second session, free to misbehave.
  void login(IscsiClient& client, const IscsiClient::Keys& keys = {}) {
    client.isid[5] = std::byte{0xee};
    ASSERT_EQ(client.login(IscsiTarget::kTarget, keys).status, 0);
    client.clear_attentions();
  }

  IscsiTarget target_;
  IscsiClient good_{target_.port()};
};

}  // namespace caisson::tests

// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/gateway/service/recording_snapshots.hpp"

namespace caisson::service {
namespace {

using ::testing::IsEmpty;

class SnapshotPolicyTest : public SnapshotVerbsTest {
 protected:
  void SetUp() override {
    SnapshotVerbsTest::SetUp();
    parts_->configured_policy = {.hosts_first = true, .pace = 7};
    engine_.policy_ = parts_->configured_policy;
  }
  Outcome<wire::SnapshotPolicyReply> set(const wire::SnapshotPolicySetRequest& request) {
    return snapshot_policy_set(*parts_, call(), request);
  }
  SnapshotPolicy after_restart() {
    auto policy = policy_in_force(*catalog_, parts_->configured_policy);
    EXPECT_TRUE(policy);
    return *policy;
  }
};

TEST_F(SnapshotPolicyTest, IsTheConfiguredOneUntilItIsSet) {
  auto shown = snapshot_policy_show(*parts_, call(), {});
  ASSERT_TRUE(shown);
  EXPECT_EQ(shown->policy().full_store(), "hosts-first");
  EXPECT_EQ(shown->policy().pace(), 7U);
  EXPECT_EQ(after_restart(), parts_->configured_policy);
}

TEST_F(SnapshotPolicyTest, WhatIsSetHoldsAtOnceAndAfterARestart) {
  wire::SnapshotPolicySetRequest request;
  request.set_full_store("snapshots-first");
  auto reply = set(request);
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_TRUE(reply->change().changed());
  const SnapshotPolicy wanted{.hosts_first = false, .pace = 7};
  EXPECT_EQ(engine_.policy_, wanted);
  EXPECT_EQ(after_restart(), wanted);
  EXPECT_FALSE(set(request)->change().changed());
  // Only what was set goes before the configuration.
  parts_->configured_policy.pace = 50;
  EXPECT_EQ(after_restart().pace, 50U);
}

TEST_F(SnapshotPolicyTest, ResetGivesTheConfigurationItsSayBack) {
  wire::SnapshotPolicySetRequest request;
  request.set_full_store("snapshots-first");
  request.set_pace(0);
  ASSERT_TRUE(set(request));
  EXPECT_EQ(engine_.policy_.pace, 0U);
  wire::SnapshotPolicySetRequest reset;
  reset.set_reset(true);
  reset.set_pace(100);
  ASSERT_TRUE(set(reset));
  EXPECT_EQ(engine_.policy_, (SnapshotPolicy{.hosts_first = true, .pace = 100}));
  EXPECT_EQ(after_restart(), engine_.policy_);
}

TEST_F(SnapshotPolicyTest, TriesAndWrongWordsChangeNothing) {
  wire::SnapshotPolicySetRequest request;
  request.set_pace(9);
  request.set_dry_run(true);
  auto tried = set(request);
  ASSERT_TRUE(tried);
  EXPECT_EQ(tried->policy().pace(), 9U);
  request.set_dry_run(false);
  request.set_pace(101);
  EXPECT_EQ(code_of(set(request).error()), Errc::invalid_argument);
  request.set_pace(9);
  request.set_full_store("nobody-first");
  EXPECT_EQ(code_of(set(request).error()), Errc::invalid_argument);
  request.set_full_store("");
  EXPECT_EQ(code_of(set(request).error()), Errc::invalid_argument);
  EXPECT_THAT(engine_.asked, IsEmpty());
  EXPECT_EQ(after_restart(), parts_->configured_policy);
}

}  // namespace
}  // namespace caisson::service

// SPDX-License-Identifier: Apache-2.0
#include "gateway/iscsi/demand.hpp"

#include <gtest/gtest.h>

namespace caisson::iscsi {
namespace {

const scsi::HostIdentity kOpen{.id = 1, .name = "h", .no_auth = true};
const scsi::HostIdentity kChap{
    .id = 1, .name = "h", .chap_user = "alice", .chap_secret = "wonderland-12"};
const scsi::HostIdentity kMutual{.id = 1,
                                 .name = "h",
                                 .chap_user = "alice",
                                 .chap_secret = "wonderland-12",
                                 .mutual_user = "caisson",
                                 .mutual_secret = "looking-glass"};

scsi::HostIdentity with(scsi::HostIdentity host, std::string scsi::HostIdentity::*member,
                        std::string value) {
  host.*member = std::move(value);
  return host;
}

TEST(Demand, TheSameOrLessIsCovered) {
  for (const auto& host : {kOpen, kChap, kMutual}) {
    EXPECT_TRUE(Demand(host).covers(Demand(host)));
    EXPECT_TRUE(Demand(host).covers(Demand(kOpen)));
  }
  EXPECT_TRUE(Demand(kMutual).covers(Demand(kChap)));
}

TEST(Demand, MoreOrOtherIsNot) {
  EXPECT_FALSE(Demand().covers(Demand(kChap)));
  EXPECT_FALSE(Demand(kOpen).covers(Demand(kChap)));
  EXPECT_FALSE(Demand(kChap).covers(Demand(kMutual)));
  using H = scsi::HostIdentity;
  EXPECT_FALSE(Demand(kChap).covers(Demand(with(kChap, &H::chap_secret, "wonderland-13"))));
  EXPECT_FALSE(Demand(kChap).covers(Demand(with(kChap, &H::chap_user, "bob"))));
  EXPECT_FALSE(Demand(kMutual).covers(Demand(with(kMutual, &H::mutual_secret, "other-glass-1"))));
}

}  // namespace
}  // namespace caisson::iscsi

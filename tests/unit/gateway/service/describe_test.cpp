// SPDX-License-Identifier: Apache-2.0
#include "gateway/service/describe.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/storage_object/object/machine.hpp"

namespace caisson::service {
namespace {

class DescribeTest : public ::testing::Test {
 protected:
  tests::SimStore disk_;
  tests::Machine machine_{disk_};
  AccessBook access_{machine_.catalog()};
  scsi::SessionRegistry sessions_;
  GatewayFacts facts_;
  Parts parts_{machine_.catalog(), machine_.registry(), access_, sessions_, facts_, {}};
};

TEST_F(DescribeTest, ALunShowsThoseOfItsSnapshotsThatArePresentOldestFirst) {
  using catalog::SnapshotState;
  for (const char* name : {"db", "other"}) machine_.make(name, 1 << 20);
  const auto lun = *machine_.registry().find("db");
  auto put = [&](const Uuid& owner, const char* name, std::uint64_t sequence, SnapshotState state) {
    auto done = machine_.catalog().change([&](catalog::Transaction& change) {
      return change.put_snapshot({.uuid = Uuid::random(),
                                  .lun = owner,
                                  .name = name,
                                  .sequence = sequence,
                                  .state = state});
    });
    ASSERT_TRUE(done) << done.error().message;
  };
  put(lun.record.uuid, "newest", 5, SnapshotState::present);
  put(lun.record.uuid, "a-coming", 6, SnapshotState::creating);
  put(lun.record.uuid, "deleted", 2, SnapshotState::ghost);
  put(lun.record.uuid, "given-up", 3, SnapshotState::invalid);
  put(lun.record.uuid, "oldest", 1, SnapshotState::present);
  put(machine_.registry().find("other")->record.uuid, "others", 1, SnapshotState::present);
  for (auto detail : {Detail::summary, Detail::full})
    EXPECT_THAT(describe_lun(parts_, lun, detail).snapshots(),
                ::testing::ElementsAre("oldest", "newest"));
}

}  // namespace
}  // namespace caisson::service

// SPDX-License-Identifier: Apache-2.0
// Task attributes, and tasks that end before their time.
#include "gateway/scsi/task_set.hpp"

#include "tests/unit/gateway/scsi/termination.hpp"

namespace caisson::scsi {
namespace {

constexpr auto kRead = "28 00 00000000 00 0001 00";
constexpr auto kReady = "00 00 00 00 00 00";

class TaskSetTest : public ScsiTest {
 protected:
  TaskSetTest() {
    other_ = std::make_unique<Nexus>(identity(2), std::vector<LunMapping>{{0, unit_, false}});
    clear(*other_);
  }

  static void send(Nexus& nexus, Exchange& x, std::string_view cdb, TaskAttribute attribute) {
    x.task.attribute = attribute;
    start(nexus, x, hex(cdb));
  }

  Exchange a_, b_, c_, d_;
  std::unique_ptr<Nexus> other_;
};

TEST_F(TaskSetTest, OrderedWaitsForOlderOnesOfEveryNexusAndHoldsUpLaterOnes) {
  object_->hold();
  send(*other_, a_, kRead, TaskAttribute::simple);
  send(*nexus_, b_, kReady, TaskAttribute::ordered);
  send(*other_, c_, kReady, TaskAttribute::simple);
  EXPECT_EQ(b_.completions + c_.completions, 0);
  object_->release();
  EXPECT_EQ(a_.completions, 1);
  EXPECT_EQ(b_.completions, 1);
  EXPECT_EQ(c_.completions, 1);
}

TEST_F(TaskSetTest, OrderedOnesRunOneAfterTheOther) {
  object_->hold();
  send(*nexus_, a_, kRead, TaskAttribute::ordered);
  send(*other_, b_, kRead, TaskAttribute::ordered);
  send(*nexus_, c_, kReady, TaskAttribute::ordered);
  EXPECT_EQ(object_->release(), 1u) << "the second was not sent down before the first had ended";
  EXPECT_EQ(a_.completions + b_.completions + c_.completions, 3);
}

TEST_F(TaskSetTest, HeadOfQueueRunsAtOnceAndKeepsDormantOnesDormant) {
  object_->hold();
  send(*nexus_, a_, kRead, TaskAttribute::head_of_queue);
  send(*nexus_, b_, kReady, TaskAttribute::simple);
  send(*other_, c_, kReady, TaskAttribute::ordered);
  send(*other_, d_, kReady, TaskAttribute::head_of_queue);
  EXPECT_EQ(d_.completions, 1);
  EXPECT_EQ(b_.completions + c_.completions, 0);
  object_->release();
  EXPECT_EQ(a_.completions + b_.completions + c_.completions, 3);
}

TEST_F(TaskSetTest, AbortedOrderedTaskHoldsUpNobody) {
  object_->hold();
  send(*nexus_, a_, kRead, TaskAttribute::simple);
  send(*nexus_, b_, kReady, TaskAttribute::ordered);
  send(*other_, c_, kReady, TaskAttribute::simple);
  nexus_->recall(b_.task, block::BlockErrc::busy);
  EXPECT_EQ(b_.completions, 0) << "it waits for no range";
  nexus_->recall(b_.task, block::BlockErrc::aborted);
  EXPECT_EQ(b_.completions, 1);
  EXPECT_EQ(c_.completions, 1);
  object_->release();
}

TEST_F(TaskSetTest, TaskThatIsWithdrawnBeforeItsDataHasComeHoldsUpNobody) {
  Exchange write;
  std::ranges::copy(hex("2A 00 00000000 00 0001 00"), write.task.cdb.begin());
  write.task.cdb_length = 16;
  ASSERT_TRUE(nexus_->prepare(write.task, write.plan));
  send(*other_, a_, kReady, TaskAttribute::ordered);
  EXPECT_EQ(a_.completions, 0);
  nexus_->withdraw(write.task);
  EXPECT_EQ(a_.completions, 1);
}

TEST_F(TaskSetTest, DormantTasksOfAUnitThatIsUnmappedFail) {
  object_->hold();
  send(*other_, a_, kRead, TaskAttribute::simple);
  send(*nexus_, b_, kReady, TaskAttribute::ordered);
  send(*nexus_, c_, kReady, TaskAttribute::simple);
  nexus_->remap({});
  expect_sense(b_, kNoSuchLun);
  expect_sense(c_, kNoSuchLun);
  object_->release();
  EXPECT_EQ(a_.completions, 1);
  send(*other_, d_, kReady, TaskAttribute::ordered);
  EXPECT_EQ(d_.completions, 1) << "nothing of the other nexus is awaited";
}

TEST_F(TaskSetTest, NexusThatGoesIsNotAwaited) {
  Exchange write;
  std::ranges::copy(hex("2A 00 00000000 00 0001 00"), write.task.cdb.begin());
  write.task.cdb_length = 16;
  ASSERT_TRUE(other_->prepare(write.task, write.plan));
  send(*nexus_, a_, kReady, TaskAttribute::ordered);
  EXPECT_EQ(a_.completions, 0);
  other_->withdraw(write.task);
  other_.reset();
  EXPECT_EQ(a_.completions, 1);
}

TEST_F(TaskSetTest, GivenUpTaskNeedsNeitherItsNexusNorItsPlaceInTheSet) {
  object_->hold();
  send(*other_, a_, kRead, TaskAttribute::simple);
  send(*nexus_, b_, kReady, TaskAttribute::ordered);
  other_->abandon(a_.task);
  EXPECT_EQ(b_.completions, 1);
  other_.reset();
  EXPECT_EQ(a_.completions, 0);
  object_->release();
  EXPECT_EQ(a_.completions, 1);
}

TEST_F(TaskSetTest, CommandOfManyStepsStopsBetweenThem) {
  object_->hold();
  object_->forget_seen();
  // WRITE SAME of 4 MiB, in steps of one.
  Exchange x;
  start(*nexus_, x, hex("93 00 0000000000000000 00002000 00 00"), filled(kBlock, 'x'));
  nexus_->recall(x.task, block::BlockErrc::aborted);
  EXPECT_EQ(x.completions, 0);
  object_->release();
  EXPECT_EQ(x.completions, 1);
  EXPECT_EQ(object_->seen().size(), 1u);
}

TEST_F(TaskSetTest, RecalledRequestEndsBusy) {
  object_->allow_recall();
  object_->hold();
  send(*nexus_, a_, kRead, TaskAttribute::simple);
  nexus_->recall(a_.task, block::BlockErrc::busy);
  EXPECT_EQ(a_.completions, 1);
  EXPECT_EQ(a_.status(), Status::busy);
  object_->release();
}

TEST_F(TaskSetTest, AcaIsRefused) {
  send(*nexus_, a_, kReady, TaskAttribute::aca);
  EXPECT_FALSE(a_.accepted);
  expect_sense(a_, kInvalidMessage);
}

TEST_F(TaskSetTest, ClearingWithoutOtherSessionsIsDoneAtOnce) {
  bool done = false;
  EXPECT_TRUE(nexus_->clear_elsewhere(lun_address(0), {}, [&] { done = true; }));
  EXPECT_TRUE(done);
  EXPECT_FALSE(nexus_->clear_elsewhere(lun_address(8), {}, [] {}));
}

}  // namespace
}  // namespace caisson::scsi

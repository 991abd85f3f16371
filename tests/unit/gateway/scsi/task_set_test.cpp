// SPDX-License-Identifier: Apache-2.0
// Task attributes, and tasks that end before their time.
#include "gateway/scsi/task_set.hpp"

#include <utility>

#include "tests/unit/gateway/scsi/termination.hpp"

namespace caisson::scsi {
namespace {

constexpr auto kRead = "28 00 00000000 00 0001 00";
constexpr auto kReady = "00 00 00 00 00 00";
constexpr auto kVerify = "2F 02 00000000 00 0001 00";  // the block is compared with zeros

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

  /// Its data has yet to come: give().
  static void prepare_only(Nexus& nexus, Exchange& x, std::string_view cdb,
                           TaskAttribute attribute) {
    x.task.attribute = attribute;
    std::ranges::copy(hex(cdb), x.task.cdb.begin());
    x.task.cdb_length = 16;
    x.task.owner = &x;
    x.task.complete = [](Task& task) noexcept {
      ++static_cast<Exchange*>(task.owner)->completions;
    };
    ASSERT_TRUE(nexus.prepare(x.task, x.plan)) << cdb;
  }
  static void give(Nexus& nexus, Exchange& x) {
    x.task.data_out_length = x.plan.length;
    x.task.data_out = Buffer(x.plan.length);
    std::ranges::fill(x.task.data_out.span(), std::byte{0});
    nexus.execute(x.task);
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
  nexus_->recall(b_.task, block::BlockErrc::aborted);
  EXPECT_EQ(b_.completions, 1);
  EXPECT_EQ(c_.completions, 1);
  object_->release();
}

TEST_F(TaskSetTest, DormantTaskThatWaitedTooLongEndsBusyAndHoldsUpNobody) {
  object_->hold();
  send(*nexus_, a_, kRead, TaskAttribute::ordered);
  send(*nexus_, b_, kReady, TaskAttribute::ordered);
  send(*other_, c_, kReady, TaskAttribute::simple);
  nexus_->recall(b_.task, block::BlockErrc::busy);
  EXPECT_EQ(b_.completions, 1);
  EXPECT_EQ(b_.status(), Status::busy);
  EXPECT_EQ(c_.completions, 0);
  object_->release();
  EXPECT_EQ(a_.completions, 1);
  EXPECT_EQ(c_.completions, 1);
}

TEST_F(TaskSetTest, OneWhoseDataNeverComesHoldsUpNobodyElse) {
  for (auto attribute :
       {TaskAttribute::simple, TaskAttribute::ordered, TaskAttribute::head_of_queue}) {
    SCOPED_TRACE(static_cast<int>(attribute));
    Exchange verify, simple, ordered, own;
    prepare_only(*nexus_, verify, kVerify, attribute);
    send(*other_, simple, kReady, TaskAttribute::simple);
    send(*other_, ordered, kReady, TaskAttribute::ordered);
    EXPECT_EQ(simple.completions, 1);
    EXPECT_EQ(ordered.completions, 1);
    send(*nexus_, own, kReady, TaskAttribute::simple);
    EXPECT_EQ(own.completions, 1);
    nexus_->withdraw(verify.task);
    send(*other_, a_, kReady, TaskAttribute::simple);
    EXPECT_EQ(std::exchange(a_.completions, 0), 1);
  }
}

TEST_F(TaskSetTest, OrderedWaitsForTheDataOfOlderOnesOfItsNexusAndOnlyThatNexusWithIt) {
  Exchange early, late;
  prepare_only(*nexus_, early, kVerify, TaskAttribute::simple);
  send(*nexus_, a_, kReady, TaskAttribute::ordered);
  prepare_only(*nexus_, late, kVerify, TaskAttribute::simple);
  send(*nexus_, b_, kReady, TaskAttribute::simple);
  send(*other_, c_, kReady, TaskAttribute::simple);
  send(*other_, d_, kReady, TaskAttribute::ordered);
  EXPECT_EQ(a_.completions, 0);
  EXPECT_EQ(b_.completions, 0) << "it came after the ordered one";
  EXPECT_EQ(c_.completions, 1);
  EXPECT_EQ(d_.completions, 1);
  object_->hold();
  give(*nexus_, early);
  EXPECT_EQ(a_.completions + b_.completions, 0);
  object_->release();
  EXPECT_EQ(early.completions, 1);
  EXPECT_EQ(a_.completions, 1);
  EXPECT_EQ(b_.completions, 1);
  give(*nexus_, late);
  EXPECT_EQ(late.completions, 1);
}

TEST_F(TaskSetTest, OrderedGoesOnWhenTheOlderOneIsWithdrawnBeforeItsDataHasCome) {
  Exchange verify;
  prepare_only(*nexus_, verify, kVerify, TaskAttribute::simple);
  send(*nexus_, a_, kReady, TaskAttribute::ordered);
  send(*nexus_, b_, kReady, TaskAttribute::simple);
  send(*nexus_, c_, kReady, TaskAttribute::ordered);
  nexus_->recall(a_.task, block::BlockErrc::aborted);
  EXPECT_EQ(a_.completions, 1);
  EXPECT_EQ(a_.status(), Status::task_aborted);
  EXPECT_EQ(b_.completions, 1) << "only the ordered one held it up";
  EXPECT_EQ(c_.completions, 0);
  nexus_->withdraw(verify.task);
  EXPECT_EQ(c_.completions, 1);
}

TEST_F(TaskSetTest, DataThatComesAfterTheUnitWasUnmappedEndsTheCommand) {
  for (auto attribute :
       {TaskAttribute::simple, TaskAttribute::ordered, TaskAttribute::head_of_queue}) {
    SCOPED_TRACE(static_cast<int>(attribute));
    Exchange verify, holding;
    object_->hold();
    send(*other_, holding, kRead, TaskAttribute::ordered);
    prepare_only(*nexus_, verify, kVerify, attribute);
    nexus_->remap({});
    give(*nexus_, verify);
    EXPECT_EQ(verify.completions, 1);
    expect_sense(verify, kNoSuchLun);
    object_->release();
    EXPECT_EQ(holding.completions, 1);
    nexus_->remap({{0, unit_, false}});
    clear(*nexus_);
  }
}

/// A transport whose threads get round to their messages when a test says so.
class LateHost final : public NexusHost {
 public:
  void post(std::function<void(Nexus*)> work) override { posted.push_back(std::move(work)); }
  void clear(std::shared_ptr<LogicalUnit>, Clearing, std::function<void()> done) override {
    done();
  }
  void run() {
    for (auto& work : std::exchange(posted, {})) work(nexus);
  }
  Nexus* nexus = nullptr;
  std::vector<std::function<void(Nexus*)>> posted;
};

class LateMessages : public TaskSetTest {
 protected:
  LateMessages() : host_(std::make_shared<LateHost>()) {
    late_ = std::make_unique<Nexus>(identity(3), std::vector<LunMapping>{{0, unit_, false}}, host_);
    host_->nexus = late_.get();
    clear(*late_);
  }
  std::shared_ptr<LateHost> host_;
  std::unique_ptr<Nexus> late_;
};

TEST_F(LateMessages, ReachAViewThatWasGivenUp) {
  send(*other_, a_, kReady, TaskAttribute::ordered);
  EXPECT_EQ(a_.completions, 0);
  late_->remap({});
  EXPECT_EQ(a_.completions, 1);
  host_->run();
  late_->remap({{0, unit_, false}});
  send(*other_, b_, kReady, TaskAttribute::ordered);
  late_->remap({});
  late_->remap({{0, unit_, false}});
  host_->run();
  EXPECT_EQ(b_.completions, 1);
}

TEST_F(LateMessages, ReachAViewThatWasGivenUpWhenItsLastTaskHasEnded) {
  object_->hold();
  send(*late_, c_, kRead, TaskAttribute::simple);
  send(*other_, a_, kReady, TaskAttribute::ordered);
  late_->remap({});
  EXPECT_EQ(a_.completions, 1);
  object_->release();
  EXPECT_EQ(c_.completions, 1);
  host_->run();
}

TEST_F(TaskSetTest, WhatIsForbiddenWhileItsDataIsAwaitedIsNotDone) {
  constexpr auto kSelect = "15 10 00 00 04 00", kFormat = "04 10 00 00 00 00";
  for (auto cdb : {kSelect, kFormat}) {
    SCOPED_TRACE(cdb);
    object_->forget_seen();
    Exchange x, y;
    prepare_only(*nexus_, x, cdb, TaskAttribute::simple);
    start(*other_, y, hex("16 00 00 00 00 00"));
    ASSERT_TRUE(y.good());
    give(*nexus_, x);
    EXPECT_EQ(x.status(), Status::reservation_conflict);
    Exchange z;
    start(*other_, z, hex("17 00 00 00 00 00"));
    ASSERT_TRUE(z.good());
    Exchange later;
    prepare_only(*nexus_, later, cdb, TaskAttribute::simple);
    nexus_->remap({{0, unit_, true}});
    give(*nexus_, later);
    expect_sense(later, kWriteProtected);
    EXPECT_TRUE(object_->seen().empty());
    nexus_->remap({{0, unit_, false}});
    clear(*nexus_);
  }
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

TEST_F(LateMessages, NexusThatGoesIsNotAwaited) {
  send(*nexus_, a_, kReady, TaskAttribute::ordered);
  EXPECT_EQ(a_.completions, 0);
  host_->nexus = nullptr;
  late_.reset();
  EXPECT_EQ(a_.completions, 1);
  host_->run();
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

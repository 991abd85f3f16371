// SPDX-License-Identifier: Apache-2.0
#include "storage_object/object/in_flight.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace caisson::object {
namespace {

/// Entries of a thread that is no I/O thread: always the slow table.
struct Range {
  InFlightEntry entry;
  bool granted = false;

  Range(Hold hold, std::uint64_t begin, std::uint64_t end) {
    entry.hold = hold;
    entry.begin = begin;
    entry.end = end;
    entry.owner = this;
    entry.granted = [](InFlightEntry& self) noexcept {
      static_cast<Range*>(self.owner)->granted = true;
    };
  }
};

TEST(InFlight, SharedOnesOverlap) {
  InFlight table;
  Range a(Hold::write, 0, 100), b(Hold::write, 50, 150), c(Hold::read, 0, 1000);
  EXPECT_TRUE(table.enter(a.entry));
  EXPECT_TRUE(table.enter(b.entry));
  EXPECT_TRUE(table.enter(c.entry));
  table.leave(a.entry);
  table.leave(b.entry);
  table.leave(c.entry);
}

TEST(InFlight, ARewriteExcludesWritesOfItsRangeAndNothingElse) {
  InFlight table;
  Range rewrite(Hold::rewrite, 4096, 8192);
  Range inside(Hold::write, 4096, 4608), beside(Hold::write, 8192, 9000),
      reader(Hold::read, 0, 10000), second(Hold::rewrite, 4096, 8192);
  EXPECT_TRUE(table.enter(rewrite.entry));
  EXPECT_FALSE(table.enter(inside.entry));
  EXPECT_TRUE(table.enter(beside.entry));
  EXPECT_TRUE(table.enter(reader.entry));
  EXPECT_FALSE(table.enter(second.entry));
  table.leave(rewrite.entry);
  EXPECT_TRUE(inside.granted);
  EXPECT_FALSE(second.granted);
  table.leave(inside.entry);
  EXPECT_TRUE(second.granted);
  table.leave(second.entry);
  table.leave(beside.entry);
  table.leave(reader.entry);
}

TEST(InFlight, WhoWantsAllWaitsForAllAndHoldsUpWhoComesLater) {
  InFlight table;
  Range write(Hold::write, 0, 512), flush(Hold::read, kFlushRange, kWholeEnd),
      all(Hold::all, 0, kWholeEnd), late(Hold::read, 9000, 9001);
  EXPECT_TRUE(table.enter(write.entry));
  EXPECT_TRUE(table.enter(flush.entry));
  EXPECT_FALSE(table.enter(all.entry));
  EXPECT_FALSE(table.enter(late.entry));
  table.leave(write.entry);
  EXPECT_FALSE(all.granted);
  table.leave(flush.entry);
  EXPECT_TRUE(all.granted);
  EXPECT_FALSE(late.granted);
  table.leave(all.entry);
  EXPECT_TRUE(late.granted);
  table.leave(late.entry);
}

/// A thread with a slot of its own, as I/O threads have.
class FakeExecutor final : public Executor {
 public:
  FakeExecutor() { set_current(this); }
  ~FakeExecutor() override { set_current(nullptr); }
  void post(std::function<void()> work) override {
    std::lock_guard lock(mutex_);
    posted_.push_back(std::move(work));
    wake_.notify_one();
  }
  /// Runs what was posted until `done`.
  void run_until(const bool& done) {
    std::unique_lock lock(mutex_);
    while (!done) {
      wake_.wait(lock, [this] { return !posted_.empty(); });
      auto work = std::move(posted_.front());
      posted_.erase(posted_.begin());
      lock.unlock();
      work();
      lock.lock();
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::function<void()>> posted_;
};

TEST(InFlight, ManyThreadsNeverShareARewrittenBlock) {
  InFlight table;
  constexpr int kThreads = 4, kRounds = 4000;
  int inside = 0;  // unprotected but by the table
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      FakeExecutor executor;
      for (int i = 0; i < kRounds; ++i) {
        bool rewrite = (i + t) % 3 == 0;
        Range range(rewrite ? Hold::rewrite : Hold::write, rewrite ? 0 : 4096u * (1 + t),
                    rewrite ? 4096 : 4096u * (2 + t));
        range.entry.executor = &executor;
        if (!table.enter(range.entry)) executor.run_until(range.granted);
        if (rewrite) inside += 1;
        table.leave(range.entry);
      }
    });
  for (auto& thread : threads) thread.join();
  int expected = 0;
  for (int t = 0; t < kThreads; ++t)
    for (int i = 0; i < kRounds; ++i) expected += (i + t) % 3 == 0;
  EXPECT_EQ(inside, expected);
}

TEST(InFlight, WhoWantsAllSeesTheFastOnesOfOtherThreads) {
  InFlight table;
  constexpr int kRounds = 200;
  std::atomic<int> busy = 0;
  std::atomic<bool> stop = false, overlap = false;
  constexpr int kThreads = 3;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&] {
      FakeExecutor executor;
      while (!stop) {
        Range range(Hold::write, 0, 512);
        range.entry.executor = &executor;
        if (!table.enter(range.entry)) executor.run_until(range.granted);
        ++busy;
        --busy;
        table.leave(range.entry);
      }
    });
  for (int i = 0; i < kRounds; ++i) {
    Range all(Hold::all, 0, kWholeEnd);
    EXPECT_TRUE(table.enter_within(all.entry, std::chrono::milliseconds::max()));
    if (busy != 0) overlap = true;
    table.leave(all.entry);
  }
  stop = true;
  for (auto& thread : threads) thread.join();
  EXPECT_FALSE(overlap);
}

TEST(InFlight, AWaiterThatIsTakenBackHoldsUpNobody) {
  InFlight table;
  Range first(Hold::write, 0, 100), all(Hold::all, 0, kWholeEnd), later(Hold::read, 0, 10);
  EXPECT_TRUE(table.enter(first.entry));
  EXPECT_FALSE(table.enter(all.entry));
  EXPECT_FALSE(table.enter(later.entry));
  EXPECT_TRUE(table.withdraw(all.entry));
  EXPECT_TRUE(later.granted);
  EXPECT_FALSE(table.withdraw(later.entry)) << "it has entered";
  table.leave(later.entry);
  table.leave(first.entry);
  EXPECT_FALSE(all.granted);
}

TEST(InFlight, AGivenUpWriteExcludesReadsAndWritesOfItsRange) {
  InFlight table;
  Range hung(Hold::write, 0, 100), beside(Hold::write, 100, 200);
  Range writer(Hold::write, 50, 150), reader(Hold::read, 0, 10);
  EXPECT_TRUE(table.enter(hung.entry));
  table.give_up(hung.entry);
  table.give_up(hung.entry);
  EXPECT_TRUE(table.enter(beside.entry));
  EXPECT_FALSE(table.enter(writer.entry));
  EXPECT_FALSE(table.enter(reader.entry));
  table.leave(beside.entry);
  table.leave(hung.entry);
  EXPECT_TRUE(writer.granted && reader.granted);
  table.leave(writer.entry);
  table.leave(reader.entry);
  Range after(Hold::all, 0, kWholeEnd);
  EXPECT_TRUE(table.enter(after.entry)) << "nothing stays announced or held";
  table.leave(after.entry);
}

TEST(InFlight, AGivenUpReadExcludesNobody) {
  InFlight table;
  Range hung(Hold::read, 0, 100), writer(Hold::write, 0, 100);
  EXPECT_TRUE(table.enter(hung.entry));
  table.give_up(hung.entry);
  EXPECT_TRUE(table.enter(writer.entry));
  table.leave(writer.entry);
  table.leave(hung.entry);
}

TEST(InFlight, AWriteOfTheFastTableCanBeGivenUp) {
  InFlight table;
  Range hung(Hold::write, 0, 100), again(Hold::write, 0, 100), writer(Hold::write, 50, 150);
  std::thread([&] {
    FakeExecutor executor;
    ASSERT_TRUE(table.enter(hung.entry));
    ASSERT_EQ(hung.entry.place, InFlightEntry::Place::fast);
    table.give_up(hung.entry);
    EXPECT_EQ(hung.entry.place, InFlightEntry::Place::held);
  }).join();
  EXPECT_FALSE(table.enter(writer.entry));
  table.leave(hung.entry);
  EXPECT_TRUE(writer.granted);
  table.leave(writer.entry);
  std::thread([&] {
    FakeExecutor executor;
    ASSERT_TRUE(table.enter(again.entry));
    EXPECT_EQ(again.entry.place, InFlightEntry::Place::fast) << "nothing is announced any more";
    table.leave(again.entry);
  }).join();
}

TEST(InFlight, RulesFenceWhatChangesDataAndHoldUpWhatComesLater) {
  InFlight table;
  Range write(Hold::write, 0, 100), rewrite(Hold::rewrite, 100, 200), read(Hold::read, 200, 300);
  Range rules(Hold::rules, 0, kWholeEnd);
  for (auto* one : {&write, &rewrite, &read}) EXPECT_TRUE(table.enter(one->entry));
  EXPECT_TRUE(table.enter(rules.entry));
  Range beside(Hold::write, 500, 600), all(Hold::all, 0, kWholeEnd),
      second(Hold::rules, 0, kWholeEnd);
  for (auto* one : {&beside, &second}) EXPECT_FALSE(table.enter(one->entry));
  table.leave(rules.entry);
  EXPECT_TRUE(beside.granted && second.granted);
  table.leave(second.entry);
  Range writer(Hold::write, 50, 60), reader(Hold::read, 150, 160), newer(Hold::write, 200, 300);
  EXPECT_FALSE(table.enter(writer.entry)) << "what it overlaps may come before the change only";
  EXPECT_FALSE(table.enter(reader.entry));
  EXPECT_TRUE(table.enter(newer.entry)) << "reads are not fenced";
  EXPECT_FALSE(table.enter(all.entry)) << "a size does not change while anything is under way";
  for (auto* one : {&write, &rewrite}) table.leave(one->entry);
  EXPECT_TRUE(writer.granted && reader.granted);
  for (auto* one : {&writer, &reader, &newer, &beside, &read}) table.leave(one->entry);
  EXPECT_TRUE(all.granted);
  table.leave(all.entry);
}

TEST(InFlight, RulesFenceTheFastTablesToo) {
  InFlight table;
  FakeExecutor executor;
  Range write(Hold::write, 0, 100), read(Hold::read, 300, 400), rules(Hold::rules, 0, kWholeEnd);
  for (auto* one : {&write, &read}) {
    EXPECT_TRUE(table.enter(one->entry));
    ASSERT_EQ(one->entry.place, InFlightEntry::Place::fast);
  }
  EXPECT_TRUE(table.enter(rules.entry));
  table.leave(rules.entry);
  Range reader(Hold::read, 50, 60), newer(Hold::write, 300, 400), again(Hold::write, 0, 100);
  EXPECT_FALSE(table.enter(reader.entry));
  EXPECT_TRUE(table.enter(newer.entry));
  table.leave(write.entry);
  EXPECT_TRUE(reader.granted);
  for (auto* one : {&reader, &newer, &read}) table.leave(one->entry);
  EXPECT_TRUE(table.enter(again.entry));
  EXPECT_EQ(again.entry.place, InFlightEntry::Place::fast) << "nothing is announced any more";
  table.leave(again.entry);
}

TEST(InFlight, AFencedWriteCanBeGivenUp) {
  InFlight table;
  FakeExecutor executor;
  for (bool fast : {true, false}) {
    Range all(Hold::all, 0, kWholeEnd), hung(Hold::write, 0, 100), rules(Hold::rules, 0, kWholeEnd);
    if (!fast) {
      EXPECT_TRUE(table.enter(all.entry));
    }
    EXPECT_EQ(table.enter(hung.entry), fast);
    if (!fast) table.leave(all.entry);
    EXPECT_TRUE(table.enter(rules.entry));
    table.leave(rules.entry);
    table.give_up(hung.entry);
    Range reader(Hold::read, 50, 60);
    EXPECT_FALSE(table.enter(reader.entry));
    table.leave(hung.entry);
    EXPECT_TRUE(reader.granted);
    table.leave(reader.entry);
  }
  Range after(Hold::write, 0, 100);
  EXPECT_TRUE(table.enter(after.entry));
  EXPECT_EQ(after.entry.place, InFlightEntry::Place::fast) << "nothing is announced any more";
  table.leave(after.entry);
}

/// A write that a change of rules found under way is over before anybody reads there.
TEST(InFlight, ManyThreadsNeverReadUnderAFence) {
  InFlight table;
  std::atomic<int> owner = 0;  // who may write; changes under `rules`
  std::atomic<bool> stop = false, late = false;
  std::atomic<int> last = 0;
  std::vector<std::thread> threads;
  threads.reserve(2);
  for (int me = 0; me < 2; ++me)
    threads.emplace_back([&, me] {
      FakeExecutor executor;
      while (!stop) {
        Range write(Hold::write, 0, 512);
        write.entry.executor = &executor;
        if (!table.enter(write.entry)) executor.run_until(write.granted);
        if (owner == me) {
          std::this_thread::yield();
          last = me;
        }
        table.leave(write.entry);
      }
    });
  FakeExecutor executor;
  for (int i = 1; i <= 500; ++i) {
    Range rules(Hold::rules, 0, kWholeEnd), read(Hold::read, 0, 512);
    for (auto* one : {&rules, &read}) one->entry.executor = &executor;
    if (!table.enter(rules.entry)) executor.run_until(rules.granted);
    owner = i % 2;
    table.leave(rules.entry);
    if (!table.enter(read.entry)) executor.run_until(read.granted);
    table.leave(read.entry);
    last = i % 2;  // from now on only the new owner's
    std::this_thread::yield();
    if (last != i % 2) late = true;
  }
  stop = true;
  for (auto& thread : threads) thread.join();
  EXPECT_FALSE(late);
}

TEST(InFlight, WhoWaitsForALimitedTimeHoldsUpNobodyAfterIt) {
  InFlight table;
  Range write(Hold::write, 0, 100), all(Hold::all, 0, kWholeEnd), later(Hold::read, 0, 10);
  EXPECT_TRUE(table.enter(write.entry));
  EXPECT_FALSE(table.enter_within(all.entry, std::chrono::milliseconds(1)));
  EXPECT_TRUE(table.enter(later.entry));
  table.leave(later.entry);
  table.leave(write.entry);
  EXPECT_TRUE(table.enter_within(all.entry, std::chrono::milliseconds(1)));
  table.leave(all.entry);
}

}  // namespace
}  // namespace caisson::object

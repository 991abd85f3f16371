// SPDX-License-Identifier: Apache-2.0
#include "storage_object/base/io_thread.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <future>
#include <stdexcept>

namespace caisson {
namespace {

using ::testing::ElementsAre;

/// Completes callbacks that the test queues; counts how it is driven.
class ScriptedEngine final : public IoEngine {
 public:
  ~ScriptedEngine() override { ::close(event_); }
  std::size_t submit_and_reap() override {
    ++entered;
    auto ready = std::exchange(ready_, {});
    for (auto& completion : ready) completion();
    return ready.size();
  }
  int event_descriptor() const noexcept override { return event_; }
  std::size_t in_flight() const noexcept override { return ready_.size() + in_flight_elsewhere; }
  const char* name() const noexcept override { return "scripted"; }

  void complete_later(std::function<void()> completion) { ready_.push_back(std::move(completion)); }
  void signal() {
    std::uint64_t one = 1;
    ASSERT_EQ(::write(event_, &one, sizeof one), 8);
  }

  int entered = 0;
  std::size_t in_flight_elsewhere = 0;

 private:
  int event_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  std::vector<std::function<void()>> ready_;
};

class Hook final : public BatchHook {
 public:
  explicit Hook(std::function<void()> action) : action_(std::move(action)) {}
  void on_batch_end() noexcept override {
    ++calls;
    action_();
  }
  int calls = 0;

 private:
  std::function<void()> action_;
};

class IoThreadTest : public ::testing::Test {
 protected:
  /// Runs `work` on the thread and waits for it and its flush.
  void run(std::function<void()> work) {
    thread_.post(std::move(work));
    std::promise<void> after;
    thread_.post([&] { after.set_value(); });
    after.get_future().wait();
  }
  ScriptedEngine& engine() { return static_cast<ScriptedEngine&>(thread_.engine()); }

  IoThread thread_{"test io", [] { return std::make_unique<ScriptedEngine>(); }};
};

TEST_F(IoThreadTest, WorkRunsThereInTheOrderPosted) {
  std::vector<int> order;
  auto here = std::this_thread::get_id();
  auto there = here;
  for (int i = 0; i < 5; ++i) thread_.post([&, i] { order.push_back(i); });
  run([&] { there = std::this_thread::get_id(); });
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_NE(there, here);
}

TEST_F(IoThreadTest, CurrentIsKnownThereOnly) {
  EXPECT_EQ(IoThread::current(), nullptr);
  EXPECT_EQ(Executor::current(), nullptr);
  run([&] {
    EXPECT_EQ(IoThread::current(), &thread_);
    EXPECT_EQ(Executor::current(), &thread_);
  });
}

TEST_F(IoThreadTest, AnEngineThatCannotBeMadeIsReported) {
  auto fails = []() -> std::unique_ptr<IoEngine> { throw std::runtime_error("no ring"); };
  EXPECT_THROW(IoThread("broken", fails), std::runtime_error);
}

TEST_F(IoThreadTest, DeferredHooksRunOnceAfterTheBatch) {
  int during = 0;
  Hook hook([] {});
  run([&] {
    thread_.defer(hook);
    thread_.defer(hook);
    engine().complete_later([&] { thread_.defer(hook); });
    during = hook.calls;
  });
  EXPECT_EQ(during, 0);
  EXPECT_EQ(hook.calls, 1);
}

TEST_F(IoThreadTest, AHookMayDeferAnotherAndQueueMore) {
  int completed = 0;
  Hook second([] {});
  Hook first([&] {
    thread_.defer(second);
    engine().complete_later([&] { ++completed; });
  });
  run([&] { thread_.defer(first); });
  EXPECT_EQ(first.calls, 1);
  EXPECT_EQ(second.calls, 1);
  EXPECT_EQ(completed, 1);
}

TEST_F(IoThreadTest, AForgottenHookIsNotCalled) {
  Hook forgotten([] {});
  Hook forgetting([&] { thread_.forget(forgotten); });
  run([&] {
    thread_.defer(forgotten);
    thread_.forget(forgotten);
  });
  EXPECT_EQ(forgotten.calls, 0);
  run([&] {
    thread_.defer(forgetting);
    thread_.defer(forgotten);
  });
  EXPECT_EQ(forgetting.calls, 1);
  EXPECT_EQ(forgotten.calls, 0) << "also when its batch is already running";
}

TEST_F(IoThreadTest, TheEventDescriptorWakesIt) {
  std::promise<void> reaped;
  run([&] { engine().in_flight_elsewhere = 1; });
  // Queued behind the thread's back, as the kernel does; only the event tells.
  run([&] {
    boost::asio::post(thread_.context(), [&] {
      engine().complete_later([&] {
        engine().in_flight_elsewhere = 0;
        reaped.set_value();
      });
      engine().signal();
    });
  });
  reaped.get_future().wait();
}

TEST_F(IoThreadTest, StoppingWaitsForWhatIsInFlight) {
  int completed = 0;
  run([&] {
    engine().in_flight_elsewhere = 1;
    engine().complete_later([&] {
      engine().complete_later([&] {
        ++completed;
        engine().in_flight_elsewhere = 0;
      });
    });
  });
  thread_.stop();
  EXPECT_EQ(completed, 1);
  thread_.stop();
}

}  // namespace
}  // namespace caisson

// SPDX-License-Identifier: Apache-2.0
// What hangs, and who holds something open, keeps no other from what it does; and
// threads that the system refuses keep nothing from being done.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <future>
#include <thread>

#include "storage_object/base/errc.hpp"
#include "storage_object/object/lun_object.hpp"
#include "storage_object/object/parallel_jobs.hpp"
#include "tests/unit/storage_object/object/machine.hpp"

namespace caisson::tests {
namespace {

using catalog::LunState;
using object::LunObject;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kAlways = 1'000'000;

/// While it lives the system refuses every new thread: each would want more stack
/// than there are addresses.
class NoThreads {
 public:
  NoThreads() {
    pthread_getattr_default_np(&before_);
    pthread_attr_t none;
    pthread_getattr_default_np(&none);
    pthread_attr_setstacksize(&none, std::size_t{1} << 48);
    EXPECT_EQ(pthread_setattr_default_np(&none), 0);
    pthread_attr_destroy(&none);
  }
  ~NoThreads() {
    pthread_setattr_default_np(&before_);
    pthread_attr_destroy(&before_);
  }

 private:
  pthread_attr_t before_;
};

/// A gateway with the stores "main" and, once added, "far"; its catalog lies elsewhere.
class HangTest : public ::testing::Test {
 protected:
  void begin(const std::function<void(object::RegistryOptions&)>& adjust = {}) {
    machine_.reset();
    machine_ = std::make_unique<Machine>(catalog_, nullptr, [&](object::RegistryOptions& options) {
      options.watch_interval = std::chrono::milliseconds(0);
      options.record_retry = std::chrono::milliseconds(1);
      options.open_store =
          [this](
              const catalog::StoreRecord& record) -> Outcome<std::unique_ptr<file_store::Store>> {
        if (record.name != "far") return std::make_unique<BorrowedStore>(store_);
        if (!far_there_) return failure(Errc::offline, "not there");
        ++opening_;
        far_hangs_.wait(true);
        return std::make_unique<BorrowedStore>(far_);
      };
      if (adjust) adjust(options);
    });
  }
  void wait_for_hanging(std::size_t count = 1) {
    while (store_.hanging() < count) std::this_thread::yield();
  }
  object::ObjectRegistry& registry() { return machine_->registry(); }
  LunState row_state(const std::string& name) { return registry().find(name)->record.state; }

  SimStore catalog_, store_, far_;
  std::atomic<bool> far_there_ = true, far_hangs_ = false;
  std::atomic<int> opening_ = 0;
  std::unique_ptr<Machine> machine_;
};

TEST_F(HangTest, ARenameThatHangsKeepsItsNameOnly) {
  begin();
  for (const auto* name : {"a", "b", "c"}) machine_->make(name, kMiB);
  store_.inject({.op = SimOp::rename, .hang = true});
  auto hung = std::async(std::launch::async, [&] { return registry().rename("a", "a2", false); });
  wait_for_hanging();
  EXPECT_TRUE(registry().rename("b", "b2", false));
  EXPECT_EQ(registry().rename("c", "a2", false).error().code, Errc::already_exists);
  EXPECT_EQ(registry().create({.name = "a2", .capacity = kMiB}).error().code, Errc::already_exists);
  store_.release();
  EXPECT_TRUE(hung.get());
  EXPECT_TRUE(machine_->object("a2"));
  EXPECT_TRUE(registry().rename("a2", "a", false));
  EXPECT_TRUE(registry().rename("c", "a2", false));  // nobody keeps it any more
}

TEST_F(HangTest, AStoreThatHangsInOpenKeepsNoOtherStoresLunOffline) {
  begin();
  ASSERT_TRUE(registry().add_store({.name = "far", .location = "/far"}, false));
  ASSERT_TRUE(registry().create({.name = "x", .store = "far", .capacity = kMiB}));
  ASSERT_TRUE(registry().create({.name = "b", .store = "main", .capacity = kMiB}));
  ASSERT_TRUE(registry().set_offline("b"));
  far_there_ = false;
  begin();
  far_there_ = far_hangs_ = true;
  const int before = opening_;
  auto hung = std::async(std::launch::async, [&] { return registry().set_online("x", false); });
  while (opening_ == before) std::this_thread::yield();
  EXPECT_TRUE(registry().set_online("b", false));
  far_hangs_ = false;
  far_hangs_.notify_all();
  EXPECT_TRUE(hung.get());
  EXPECT_EQ(opening_, before + 1);
}

TEST_F(HangTest, AStoreThatHangsAtTheStartComesWhenItAnswers) {
  begin();
  ASSERT_TRUE(registry().add_store({.name = "far", .location = "/far"}, false));
  ASSERT_TRUE(registry().create({.name = "x", .store = "far", .capacity = kMiB}));
  ASSERT_TRUE(registry().create({.name = "y", .store = "far", .capacity = kMiB}));
  ASSERT_TRUE(registry().set_offline("y"));
  machine_->make("near", kMiB);
  far_hangs_ = true;
  begin([](object::RegistryOptions& options) {
    options.start_limit = std::chrono::milliseconds(50);
  });
  EXPECT_TRUE(machine_->object("near"));
  EXPECT_THAT(registry().find("x")->reason, HasSubstr("does not answer yet"));
  EXPECT_THAT(registry().store_reason("far"), HasSubstr("does not answer yet"));
  EXPECT_TRUE(registry().set_offline("near"));
  far_hangs_ = false;
  far_hangs_.notify_all();
  while (registry().find("x")->object == nullptr) std::this_thread::yield();
  EXPECT_EQ(registry().find("x")->reason, "");
  while (!registry().find("y")->reason.empty()) std::this_thread::yield();
  EXPECT_EQ(registry().find("y")->state, LunState::offline);
  EXPECT_EQ(registry().store_reason("far"), "");
}

TEST_F(HangTest, AStoreThatHangsAtTheStartIsToldByStopAndTrustedByNobody) {
  begin();
  ASSERT_TRUE(registry().add_store({.name = "far", .location = "/far"}, false));
  ASSERT_TRUE(registry().create({.name = "x", .store = "far", .capacity = kMiB}));
  auto brief = [](object::RegistryOptions& options) {
    options.start_limit = options.flush_limit = std::chrono::milliseconds(50);
  };
  far_hangs_ = true;
  begin(brief);  // after an unclean stop
  auto stopped = registry().stop();
  ASSERT_FALSE(stopped);
  EXPECT_THAT(stopped.error().message, HasSubstr("store 'far'"));
  far_hangs_ = false;
  far_hangs_.notify_all();
  far_there_ = false;
  begin(brief);
  EXPECT_TRUE(registry().stop());
  EXPECT_EQ(machine_->catalog().setting("clean_shutdown")->value(), "0") << "x was not looked at";
  far_there_ = true;
  begin(brief);
  EXPECT_TRUE(machine_->object("x"));
  EXPECT_TRUE(registry().stop());
  EXPECT_EQ(machine_->catalog().setting("clean_shutdown")->value(), "1");
}

TEST_F(HangTest, ATrailerThatHangsKeepsNoOtherFailureFromTheCatalog) {
  begin();
  auto hung = machine_->make("a", kMiB);
  auto good = machine_->make("good", kMiB);
  catalog_.inject({.times = kAlways, .error = EIO});
  store_.inject({.op = SimOp::sync, .error = EIO, .file = "a.img"});
  store_.inject({.op = SimOp::write, .times = kAlways, .error = EIO, .file = "a.img"});
  EXPECT_EQ(flush(*hung), block::BlockErrc::failed);
  store_.clear_faults();
  store_.inject({.op = SimOp::write, .times = kAlways, .hang = true, .file = "a.img"});
  wait_for_hanging();  // what tries again
  store_.inject({.op = SimOp::sync, .error = EIO, .file = "good.img"});
  EXPECT_EQ(flush(*good), block::BlockErrc::failed);
  EXPECT_EQ(row_state("good"), LunState::online);
  catalog_.clear_faults();
  while (row_state("good") != LunState::failed) std::this_thread::yield();
  store_.clear_faults();
  store_.release();
  machine_.reset();
}

TEST_F(HangTest, ALookThatNeverEndsIsToldByStop) {
  begin([](auto& options) {
    options.watch_interval = std::chrono::milliseconds(1);
    options.flush_limit = std::chrono::milliseconds(200);
  });
  store_.inject({.op = SimOp::space, .hang = true});
  wait_for_hanging();
  auto stopped = registry().stop();
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, Errc::timed_out);
  EXPECT_THAT(stopped.error().message, HasSubstr("store 'main'"));
  EXPECT_EQ(machine_->catalog().setting("clean_shutdown")->value(), "0");
  store_.release();
  machine_.reset();
}

TEST_F(HangTest, TheOwnerLockGoesWithTheServiceNotWithWhoLooks) {
  begin();
  auto served = machine_->make("db", kMiB);
  auto looked_at = static_cast<LunObject&>(*served).data().file();
  ASSERT_TRUE(registry().set_offline("db"));
  EXPECT_TRUE(store_.open("db.img").value()->lock_owner());
  auto online = registry().set_online("db", false);
  EXPECT_TRUE(online) << online.error().message;
  looked_at = static_cast<LunObject&>(*online->object).data().file();
  EXPECT_TRUE(registry().remove("db"));
  EXPECT_FALSE(registry().find("db"));
}

/// An administrator is told so; hosts go on, and nothing is lost.
TEST_F(HangTest, AContainerThatDoesNotAnswerIsLeftAsItIs) {
  begin([](auto& options) { options.answer_limit = std::chrono::milliseconds(50); });
  auto served = machine_->make("db", kMiB);
  EXPECT_EQ(write(*served, 0, filled(4096, 7)), Error());
  store_.inject({.op = SimOp::sync_all, .hang = true, .file = "db.img"});
  auto before = registry().find("db")->record;
  auto refusal = [](auto done) { return done ? Failure() : done.error(); };
  for (const auto& refused :
       {refusal(registry().set_offline("db")), refusal(registry().remove("db")),
        refusal(registry().set("db", {.location = "rack"})),
        refusal(registry().set("db", {.cache = catalog::CacheMode::writethrough})),
        refusal(registry().set("db", {.write_protect = true})),
        refusal(registry().resize("db", kMiB / 2, true, false))}) {
    EXPECT_EQ(refused.code, Errc::timed_out);
    EXPECT_THAT(refused.message, HasSubstr("LUN 'db'"));
    EXPECT_THAT(refused.message, HasSubstr("does not answer"));
    EXPECT_FALSE(refused.remedy.empty());
  }
  EXPECT_EQ(registry().find("db")->record, before);
  EXPECT_EQ(registry().find("db")->object, served);
  EXPECT_EQ(served->state(), LunState::online);
  EXPECT_EQ(write(*served, 4096, filled(4096, 8)), Error()) << "nobody waits behind it";
  store_.clear_faults();
  store_.release();
  auto offline = registry().set_offline("db");
  EXPECT_TRUE(offline) << offline.error().message;
  EXPECT_TRUE(registry().remove("db"));
}

TEST_F(HangTest, ALookThatHangsKeepsNoLunFromBeingDeleted) {
  begin([](auto& options) { options.watch_interval = std::chrono::milliseconds(1); });
  machine_->make("db", kMiB);
  store_.inject({.op = SimOp::look_up, .hang = true});
  wait_for_hanging();
  auto removed = registry().remove("db");
  EXPECT_TRUE(removed) << removed.error().message;
  store_.release();
}

TEST(LunFailure, NobodyHasTheObjectToHimselfBeforeTheFailureIsBeingRecorded) {
  SimStore store;
  auto opened = store.create_unnamed();
  ASSERT_TRUE((*opened)->resize(kMiB));
  std::shared_ptr<file_store::File> file = std::move(*opened);
  auto data = std::make_unique<object::ContainerData>(
      file, file, object::DataOptions{.geometry = {kMiB, 512, 4096}});
  bool recorded = false, had_it = false;
  object::LunParts parts{.data = data.get()};
  parts.stack = std::move(data);
  parts.recorder = [&](std::shared_ptr<LunObject> self, std::function<void()> done) {
    LunObject::Pause pause(*self, std::chrono::milliseconds(0));
    had_it = pause.reached();
    recorded = true;
    done();
  };
  auto lun = std::make_shared<LunObject>(std::move(parts));
  store.inject({.op = SimOp::sync, .error = EIO});
  EXPECT_EQ(flush(*lun), block::BlockErrc::failed);
  EXPECT_TRUE(recorded);
  EXPECT_FALSE(had_it);
  EXPECT_TRUE(LunObject::Pause(*lun, std::chrono::milliseconds(0)).reached());
}

TEST(ParallelJobs, AreDoneWithoutAThread) {
  std::atomic<int> done = 0;
  NoThreads none;
  object::ParallelJobs jobs(std::vector<std::function<void()>>(100, [&] { ++done; }));
  EXPECT_THAT(jobs.wait(std::chrono::minutes(10)), IsEmpty());
  EXPECT_EQ(done, 100);
}

TEST_F(HangTest, AFailureIsRecordedOnceThereIsAThread) {
  begin([](auto& options) { options.watch_interval = std::chrono::milliseconds(1); });
  auto lun = machine_->make("db", kMiB);
  catalog_.inject({.times = kAlways, .error = EIO});
  store_.inject({.op = SimOp::sync, .error = EIO, .file = "db.img"});
  {
    NoThreads none;
    EXPECT_EQ(flush(*lun), block::BlockErrc::failed);
  }
  catalog_.clear_faults();
  while (row_state("db") != LunState::failed) std::this_thread::yield();
}

}  // namespace
}  // namespace caisson::tests

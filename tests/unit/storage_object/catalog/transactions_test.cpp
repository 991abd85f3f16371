// SPDX-License-Identifier: Apache-2.0
// All of a change or nothing of it, references that hold, one owner at a time.
#include <gmock/gmock.h>
#include <sys/resource.h>

#include <csignal>
#include <stdexcept>
#include <thread>

#include "catalog_fixture.hpp"

namespace caisson::catalog {
namespace {

using ::testing::HasSubstr;

class TransactionsTest : public CatalogTest {
 protected:
  TransactionsTest() {
    open();
    change([&](Transaction& t) { ASSERT_TRUE(t.put_store(sample_store())); });
  }
  std::size_t lun_count() { return catalog_->luns()->size(); }
};

TEST_F(TransactionsTest, FailureUndoesEverythingAndIsPassedOn) {
  auto changed = catalog_->change([](Transaction& t) -> Outcome<> {
    (void)t.put_lun(sample_lun());
    (void)t.put_setting("key", "value");
    return failure(Errc::no_space, "store main is full", "Make room.");
  });
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code, Errc::no_space);
  EXPECT_EQ(changed.error().message, "store main is full");
  EXPECT_EQ(changed.error().remedy, "Make room.");
  EXPECT_EQ(lun_count(), 0u);
  EXPECT_EQ(*catalog_->setting("key"), std::nullopt);
}

TEST_F(TransactionsTest, ExceptionUndoesEverythingAndIsPassedOn) {
  EXPECT_THROW((void)catalog_->change([](Transaction& t) -> Outcome<> {
    (void)t.put_lun(sample_lun());
    throw std::runtime_error("bug");
  }),
               std::runtime_error);
  EXPECT_EQ(lun_count(), 0u);
  change([](Transaction& t) { ASSERT_TRUE(t.put_lun(sample_lun())); });
  EXPECT_EQ(lun_count(), 1u);
}

TEST_F(TransactionsTest, StoreWithLunsStays) {
  change([](Transaction& t) { ASSERT_TRUE(t.put_lun(sample_lun())); });
  auto erased = catalog_->change([](Transaction& t) { return t.erase_store("main"); });
  ASSERT_FALSE(erased);
  EXPECT_EQ(erased.error().code, Errc::in_use);
  EXPECT_THAT(erased.error().message, HasSubstr("store main"));
  EXPECT_EQ(catalog_->stores()->size(), 1u);
}

TEST_F(TransactionsTest, ReferencesMustExist) {
  auto nowhere =
      catalog_->change([](Transaction& t) { return t.put_lun(sample_lun("a", "gone")); });
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().code, Errc::not_found);
  EXPECT_THAT(nowhere.error().message, HasSubstr("gone"));
  auto grant = catalog_->change(
      [](Transaction& t) { return t.put_grant({.lun = Uuid::random(), .host = 1}); });
  ASSERT_FALSE(grant);
  EXPECT_EQ(grant.error().code, Errc::not_found);
}

TEST_F(TransactionsTest, NamesFilesAndInitiatorsBelongToOne) {
  change([](Transaction& t) {
    ASSERT_TRUE(t.put_lun(sample_lun("a")));
    ASSERT_TRUE(t.put_host(sample_host("h")));
  });
  auto same_name = sample_lun("a");
  same_name.file = "other.img";
  auto same_file = sample_lun("b");
  same_file.file = "a.img";
  auto same_iqn = sample_host("h2");
  same_iqn.iqns = {sample_host("h").iqns[1]};
  auto code = [&](const Outcome<>& outcome) { return outcome ? Error() : outcome.error().code; };
  auto put_host = [&](const HostRecord& host) {
    return catalog_->change([&](Transaction& t) -> Outcome<> {
      auto put = t.put_host(host);
      if (!put) return put.error();
      return {};
    });
  };
  EXPECT_EQ(code(catalog_->change([&](Transaction& t) { return t.put_lun(same_name); })),
            Errc::already_exists);
  EXPECT_EQ(code(catalog_->change([&](Transaction& t) { return t.put_lun(same_file); })),
            Errc::already_exists);
  EXPECT_EQ(code(put_host(sample_host("h"))), Errc::already_exists);
  EXPECT_EQ(code(put_host(same_iqn)), Errc::already_exists);
  EXPECT_EQ(catalog_->hosts()->size(), 1u);
}

TEST_F(TransactionsTest, ErasingTakesWhatDependsWithIt) {
  auto lun = sample_lun("a"), other = sample_lun("b");
  std::uint64_t host = 0, second = 0;
  change([&](Transaction& t) {
    ASSERT_TRUE(t.put_lun(lun));
    ASSERT_TRUE(t.put_lun(other));
    host = t.put_host(sample_host("h")).value();
    second = t.put_host(sample_host("i")).value();
    ASSERT_TRUE(t.put_grant({.lun = lun.uuid, .host = host}));
    ASSERT_TRUE(t.put_grant({.lun = other.uuid, .host = host}));
    ASSERT_TRUE(t.put_grant({.lun = other.uuid, .host = second}));
  });
  change([&](Transaction& t) { ASSERT_TRUE(t.erase_lun(lun.uuid)); });
  EXPECT_EQ(catalog_->grants()->size(), 2u);
  change([&](Transaction& t) { ASSERT_TRUE(t.erase_host(host)); });
  EXPECT_EQ(catalog_->grants()->size(), 1u);
  change([&](Transaction& t) {  // its names went too, so they are free
    lun.uuid = Uuid::random();
    ASSERT_TRUE(t.put_lun(lun));
    ASSERT_TRUE(t.put_host(sample_host("h")));
  });
}

TEST_F(TransactionsTest, FailedCommitLeavesTheCatalogUsable) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  auto* old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 256 * 1024;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  auto changed = catalog_->change([](Transaction& t) -> Outcome<> {
    (void)t.put_setting("small", "lost");
    return t.put_setting("large", std::string(1024 * 1024, 'x'));
  });
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, old_handler);
  ASSERT_FALSE(changed);
  EXPECT_TRUE(changed.error().code == Errc::no_space || changed.error().code == Errc::io_error)
      << changed.error().message;
  EXPECT_THAT(changed.error().message, HasSubstr(path_));
  EXPECT_EQ(*catalog_->setting("small"), std::nullopt);
  change([](Transaction& t) { ASSERT_TRUE(t.put_setting("after", "kept")); });
  open();
  EXPECT_EQ(*catalog_->setting("small"), std::nullopt);
  EXPECT_EQ(*catalog_->setting("after"), "kept");
}

TEST_F(TransactionsTest, ThreadsTakeTurns) {
  constexpr int kThreads = 8, kChanges = 25;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int n = 0; n < kThreads; ++n)
    threads.emplace_back([this, n] {
      for (int i = 0; i < kChanges; ++i) {
        auto changed = catalog_->change([&](Transaction& t) -> Outcome<> {
          auto added = t.add_event("thread", std::to_string(n), "", std::to_string(i));
          if (!added) return added.error();
          if (auto put = t.put_setting("last-" + std::to_string(n), std::to_string(i)); !put)
            return put;
          if (i % 5 == 4) return failure(Errc::cancelled, "every fifth is undone");
          return {};
        });
        EXPECT_EQ(changed.has_value(), i % 5 != 4);
        EXPECT_TRUE(catalog_->latest_events(3));
      }
    });
  for (auto& thread : threads) thread.join();
  auto events = *catalog_->events_after(0, 10000);
  EXPECT_EQ(events.size(), static_cast<std::size_t>(kThreads * kChanges * 4 / 5));
  for (int n = 0; n < kThreads; ++n)
    EXPECT_EQ(*catalog_->setting("last-" + std::to_string(n)), std::to_string(kChanges - 2));
}

TEST_F(TransactionsTest, ASecondOwnerIsRefused) {
  auto refused = open_failure();
  EXPECT_EQ(refused.code, Errc::in_use) << refused.message;
  EXPECT_THAT(refused.message, HasSubstr(path_));
  change([](Transaction& t) { ASSERT_TRUE(t.put_setting("first", "still here")); });
}

TEST_F(TransactionsTest, NoSharedMemoryFileIsMade) {
  EXPECT_TRUE(std::filesystem::exists(path_ + "-wal"));
  EXPECT_FALSE(std::filesystem::exists(path_ + "-shm"));
}

}  // namespace
}  // namespace caisson::catalog

// SPDX-License-Identifier: Apache-2.0
#include <set>
#include <thread>

#include "tests/unit/gateway/scsi/termination.hpp"

namespace caisson::scsi {
namespace {

class FakeSession final : public SessionHandle {
 public:
  FakeSession(SessionRegistry& registry, std::uint64_t id) : registry_(registry), id_(id) {}

  SessionView view() const override {
    SessionView view;
    view.identity.id = id_;
    return view;
  }
  /// Leaves at once, as a session on the calling thread would.
  void drop(std::string reason) override {
    reason_ = std::move(reason);
    registry_.remove(id_);
  }
  void refresh() override { ++refreshed_; }

  SessionRegistry& registry_;
  std::uint64_t id_;
  std::string reason_;
  int refreshed_ = 0;
};

class SessionRegistryTest : public ::testing::Test {
 protected:
  std::shared_ptr<FakeSession> add() {
    auto id = registry_.next_id();
    auto session = std::make_shared<FakeSession>(registry_, id);
    registry_.add(id, session);
    return session;
  }
  SessionRegistry registry_;
};

TEST_F(SessionRegistryTest, ListsInOrderOfIds) {
  auto first = add(), second = add();
  auto views = registry_.list();
  ASSERT_EQ(views.size(), 2u);
  EXPECT_EQ(views[0].identity.id, first->id_);
  EXPECT_EQ(views[1].identity.id, second->id_);
}

TEST_F(SessionRegistryTest, DropTellsTheSessionWhy) {
  auto first = add(), second = add();
  EXPECT_TRUE(registry_.drop(first->id_, "asked to"));
  EXPECT_EQ(first->reason_, "asked to");
  EXPECT_EQ(registry_.list().size(), 1u);
  EXPECT_FALSE(registry_.drop(first->id_, "again"));
  EXPECT_EQ(second->reason_, "");
}

TEST_F(SessionRegistryTest, RemovedSessionsAreReleased) {
  auto session = add();
  std::weak_ptr<FakeSession> watched = session;
  auto id = session->id_;
  session.reset();
  EXPECT_FALSE(watched.expired());
  registry_.remove(id);
  EXPECT_TRUE(watched.expired());
  registry_.remove(id);
}

TEST_F(SessionRegistryTest, RefreshReachesAll) {
  auto first = add(), second = add();
  registry_.refresh_all();
  EXPECT_EQ(first->refreshed_, 1);
  EXPECT_EQ(second->refreshed_, 1);
}

TEST_F(SessionRegistryTest, IdsAreNeverUsedTwice) {
  std::mutex mutex;
  std::set<std::uint64_t> ids;
  {
    constexpr int kThreads = 4;
    std::vector<std::jthread> threads;
    threads.reserve(kThreads);
    for (int t = 0; t < kThreads; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < 250; ++i) {
          auto id = registry_.next_id();
          std::lock_guard lock(mutex);
          EXPECT_TRUE(ids.insert(id).second);
        }
      });
  }
  EXPECT_EQ(ids.size(), 1000u);
  EXPECT_FALSE(ids.contains(0)) << "0 is the gateway itself";
}

}  // namespace
}  // namespace caisson::scsi

// SPDX-License-Identifier: Apache-2.0
// Soft thresholds of a store, and who hears when one is reached.
#include "storage_object/object/space.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <thread>

#include "tests/unit/storage_object/object/machine.hpp"

namespace caisson::tests {
namespace {

using object::SoftThresholds;
using object::Space;
using ::testing::HasSubstr;

constexpr std::uint64_t kMiB = 1 << 20;

std::pair<std::uint32_t, std::uint32_t> look(SoftThresholds& thresholds, unsigned used) {
  auto crossed = thresholds.look(1000, 1000 - used);
  return {crossed.reached, crossed.rearmed};
}

constexpr std::pair<std::uint32_t, std::uint32_t> kNothing{0, 0};

TEST(SoftThresholdsTest, EachSpeaksOnceAndAgainOnlyAfterThereWasMoreRoom) {
  SoftThresholds thresholds;
  EXPECT_EQ(look(thresholds, 799), kNothing);
  EXPECT_EQ(look(thresholds, 800), std::pair(1U, 0U));
  EXPECT_EQ(look(thresholds, 949), kNothing);
  EXPECT_EQ(look(thresholds, 950), std::pair(2U, 0U));
  EXPECT_EQ(look(thresholds, 1000), kNothing);
  EXPECT_EQ(look(thresholds, 900), kNothing);
  EXPECT_EQ(look(thresholds, 960), kNothing) << "not re-armed by so little";
  EXPECT_EQ(look(thresholds, 899), std::pair(0U, 2U));
  EXPECT_EQ(look(thresholds, 750), kNothing);
  EXPECT_EQ(look(thresholds, 801), kNothing);
  EXPECT_EQ(look(thresholds, 749), std::pair(0U, 1U));
  EXPECT_EQ(look(thresholds, 990), std::pair(3U, 0U)) << "both at once";
}

TEST(SoftThresholdsTest, StoresOfAnySize) {
  constexpr auto kHuge = std::numeric_limits<std::uint64_t>::max();
  SoftThresholds thresholds;
  EXPECT_EQ(thresholds.look(kHuge, kHuge / 4).reached, 0U);
  EXPECT_EQ(thresholds.look(kHuge, kHuge / 6).reached, 1U);
  EXPECT_EQ(thresholds.look(kHuge, 0).reached, 2U);
  SoftThresholds other;
  EXPECT_EQ(other.look(10, 20).reached, 0U) << "quotas may say that more is left than there is";
}

TEST(SpaceTest, TheFirstLookTellsNothing) {
  Space space;
  EXPECT_FALSE(space.report().known());
  EXPECT_FALSE(space.publish({}));
  EXPECT_FALSE(space.publish({1000, 100, 5}));
  EXPECT_EQ(space.report().available, 100U);
  EXPECT_EQ(space.report().used, 5U);
  EXPECT_FALSE(space.publish({1000, 90, 5})) << "it had been reached before";
  EXPECT_TRUE(space.publish({1000, 40, 5}));
  EXPECT_FALSE(space.publish({1000, 30, 5}));
}

struct Listener final : object::ObjectObserver {
  void on_object_event(object::ObjectEvent event) noexcept override {
    if (event == object::ObjectEvent::space_low) ++heard;
  }
  std::atomic<int> heard = 0;
};

class SpaceWatchTest : public ::testing::Test {
 protected:
  SpaceWatchTest() {
    SimOptions options;
    options.capacity = 100 * kMiB;
    store_ = std::make_unique<SimStore>(options);
    machine_ =
        std::make_unique<Machine>(catalog_, nullptr, [this](object::RegistryOptions& registry) {
          registry.watch_interval = std::chrono::milliseconds(1);
          registry.open_store =
              [this](const catalog::StoreRecord&) -> Outcome<std::unique_ptr<file_store::Store>> {
            return std::make_unique<BorrowedStore>(*store_);
          };
        });
    EXPECT_FALSE(machine_->failure());
  }
  ~SpaceWatchTest() override { machine_.reset(); }

  std::uint64_t used() { return 100 * kMiB - store_->space()->available; }
  /// Fills the disk from its beginning until so much of the store is used.
  void fill_to(object::StorageObject& object, std::uint64_t mib) {
    for (; used() < mib * kMiB; next_ += kMiB)
      ASSERT_EQ(write(object, next_, filled(kMiB, 1)), Error());
  }
  std::vector<std::string> events(const std::string& kind) {
    std::vector<std::string> texts;
    auto latest = machine_->catalog().latest_events(1000);
    for (const auto& event : *latest)
      if (event.kind == kind && event.object == "main") texts.push_back(event.text);
    return texts;
  }
  void wait_for_events(const std::string& kind, std::size_t count) {
    while (events(kind).size() < count) std::this_thread::yield();
  }

  SimStore catalog_;
  std::unique_ptr<SimStore> store_;
  std::unique_ptr<Machine> machine_;
  std::uint64_t next_ = 0;
};

TEST_F(SpaceWatchTest, ALunKnowsItsSpaceFromTheStart) {
  auto object = machine_->make("db", 1024 * kMiB);
  EXPECT_EQ(object->space().capacity, 100 * kMiB);
  EXPECT_LE(object->space().available, 100 * kMiB);
  EXPECT_GT(object->space().used, 0U);
}

TEST_F(SpaceWatchTest, LunsAndTheAdministratorHearOncePerCrossing) {
  auto object = machine_->make("db", 1024 * kMiB);
  auto other = machine_->make("other", 1024 * kMiB);
  Listener one, two;
  object->subscribe(one);
  other->subscribe(two);
  fill_to(*object, 82);
  wait_for_events("store.space_low", 1);
  while (one.heard < 1 || two.heard < 1) std::this_thread::yield();
  EXPECT_THAT(events("store.space_low").front(), HasSubstr("80 % full"));
  fill_to(*object, 96);
  wait_for_events("store.space_low", 2);
  while (one.heard < 2 || two.heard < 2) std::this_thread::yield();
  ASSERT_EQ(simple(*object, block::IoOp::unmap, 0, next_), Error());
  wait_for_events("store.space_back", 2);
  next_ = 0;
  fill_to(*object, 82);
  wait_for_events("store.space_low", 3);
  while (one.heard < 3 || two.heard < 3) std::this_thread::yield();
  object->unsubscribe(one);
  other->unsubscribe(two);
  machine_->registry().stop();
  EXPECT_EQ(events("store.space_low").size(), 3U);
  EXPECT_EQ(one.heard, 3);
  EXPECT_EQ(two.heard, 3);
}

TEST_F(SpaceWatchTest, AThickLunHearsNothing) {
  auto thick = machine_->registry().create({.name = "t", .capacity = kMiB, .thick = true});
  ASSERT_TRUE(thick) << thick.error().message;
  auto thin = machine_->make("db", 1024 * kMiB);
  Listener one, two;
  thick->object->subscribe(one);
  thin->subscribe(two);
  fill_to(*thin, 82);
  while (two.heard < 1) std::this_thread::yield();
  wait_for_events("store.space_low", 1);
  thick->object->unsubscribe(one);
  thin->unsubscribe(two);
  EXPECT_EQ(one.heard, 0);
}

}  // namespace
}  // namespace caisson::tests

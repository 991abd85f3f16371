// SPDX-License-Identifier: Apache-2.0
// The trailer alone under power cuts: updates, grows and shrinks of one
// container, with a row that stands for a catalog that never loses anything.
// CAISSON_SEED and CAISSON_TRAILER_CUTS as in power_cut_test.cpp.
#include <gtest/gtest.h>

#include <cstdlib>

#include "storage_object/object/container.hpp"
#include "tests/support/sim_random.hpp"
#include "tests/support/sim_store.hpp"

namespace caisson::tests {
namespace {

using catalog::LunRecord;
using catalog::ResizeIntent;
using object::Container;

LunRecord example_row(SimRandom& random) {
  LunRecord row;
  row.uuid = Uuid::random();
  row.name = "db";
  row.store = "main";
  row.file = "db.img";
  row.capacity = 512 * (1 + random.below(1000));
  row.naa = "3123456789abcdef";
  row.serial = "01";
  row.target_name = "iqn.2026-11.io.caisson:n:db";
  return row;
}

/// The host's area holds perfect slots of every other capacity, a page apart.
void forge_everywhere(SimStore& disk, const LunRecord& row, SimRandom& random) {
  auto file = disk.open(row.file).value();
  for (std::uint64_t other = 4096; other < row.capacity; other += 4096) {
    format::Slot slot;
    slot.generation = 100000 + random.below(100);
    slot.uuid = row.uuid;
    slot.capacity = other;
    object::fill_message(slot.message, row);
    slot.message.set_name("forged");
    unsigned index = random.chance(50);
    auto bytes = format::encode_slot(slot, index).value();
    auto at = format::slot_position(format::trailer_position(other), index);
    if (at + bytes.size() > row.capacity) continue;
    ASSERT_TRUE(file_store::write_at(*file, at, bytes.span()));
  }
}

class TrailerScenario {
 public:
  explicit TrailerScenario(std::uint64_t seed) : random_(seed), row_(example_row(random_)) {}

  void run() {
    {
      auto made = Container::make(*disk_, row_, {});
      ASSERT_TRUE(made && (*made)->publish(*disk_));
    }
    allowed_ = {"db"};
    for (int generation = 0; generation < 4; ++generation) {
      forge_everywhere(*disk_, row_, random_);
      disk_ = disk_->settled();
      live();
      if (::testing::Test::HasFailure()) return;
      disk_ = disk_->power_cut(random_.next());
      look();
      if (::testing::Test::HasFailure()) return;
    }
  }

 private:
  void live() {
    disk_->cut_at(disk_->operations() + random_.below(40));
    while (!disk_->is_cut()) {
      // A process that was killed leaves its page cache to the next.
      auto container = Container::open(*disk_, row_);
      if (disk_->is_cut()) return;
      ASSERT_TRUE(container) << container.error().message;
      if (row_.resize) finish_resize(**container);
      if (row_.resize) continue;
      do {
        if (random_.chance(10)) disk_->inject({.op = SimOp::sync_all, .error = EIO});
        random_.chance(60) ? update(**container) : resize(**container);
        disk_->clear_faults();
      } while (!disk_->is_cut() && !row_.resize && random_.chance(70));
    }
  }

  void finish_resize(Container& container) {
    if (!container.resize(*row_.resize, false)) return;
    row_.capacity = row_.resize->to;
    row_.resize.reset();
  }

  void update(Container& container) {
    auto name = std::to_string(++updates_);
    // Sometimes long, so that the slot takes several pages.
    auto text = std::string(random_.chance(30) ? 1 + random_.below(20000) : 10, 'x');
    allowed_.insert(name);
    auto done = container.update([&](format::pb::Trailer& message) {
      message.set_name(name);
      message.mutable_location()->set_text(text);
    });
    if (done) allowed_ = {name};
  }

  void resize(Container& container) {
    auto far = random_.chance(50) ? 300 : 40;
    auto by = 512 * (1 + random_.below(far));
    bool grows = random_.chance(50) || by >= row_.capacity;
    row_.resize = ResizeIntent{row_.capacity, grows ? row_.capacity + by : row_.capacity - by};
    finish_resize(container);
  }

  void look() {
    auto container = Container::open(*disk_, row_);
    ASSERT_TRUE(container) << container.error().message;
    if (row_.resize) finish_resize(**container);
    ASSERT_FALSE(row_.resize);
    auto slot = (*container)->slot();
    ASSERT_TRUE(allowed_.contains(slot.message.name())) << slot.message.name();
    ASSERT_EQ(slot.capacity, row_.capacity);
    allowed_ = {slot.message.name()};
    container->reset();
    ASSERT_TRUE(Container::open(*disk_, row_));
    auto content = disk_->content(row_.file);
    ASSERT_EQ(content.size(), format::container_length(row_.capacity));
    for (auto at = row_.capacity; at < format::trailer_position(row_.capacity); ++at)
      ASSERT_EQ(content[at], std::byte{0}) << "padding at " << at;
  }

  SimRandom random_;
  LunRecord row_;
  std::unique_ptr<SimStore> disk_ = std::make_unique<SimStore>();
  std::set<std::string> allowed_;
  int updates_ = 0;
};

TEST(TrailerCut, OneValidSlotStandsWhereLengthAndIntentSay) {
  const char* seed_text = std::getenv("CAISSON_SEED");
  const char* count_text = std::getenv("CAISSON_TRAILER_CUTS");
  std::uint64_t first = seed_text ? std::strtoull(seed_text, nullptr, 10) : 1;
  std::uint64_t count = seed_text                     ? 1
                        : count_text                  ? std::strtoull(count_text, nullptr, 10)
                        : std::getenv("CAISSON_LONG") ? 20000
                                                      : 1000;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    TrailerScenario(seed).run();
    ASSERT_FALSE(HasFailure()) << "repeat with CAISSON_SEED=" << seed;
  }
}

}  // namespace
}  // namespace caisson::tests

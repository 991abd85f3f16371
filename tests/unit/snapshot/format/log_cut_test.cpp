// SPDX-License-Identifier: Apache-2.0
// Maps and segments under power cuts, kills, failed syncs and failed writebacks:
// everything that was flushed is found, in its order, and nothing is invented.
// CAISSON_SEED=S repeats one scenario; CAISSON_LONG runs more.
#include <gtest/gtest.h>

#include <cstdlib>

#include "snapshot/format/names.hpp"
#include "storage_object/base/errc.hpp"
#include "tests/support/power_cuts.hpp"
#include "tests/support/sim_random.hpp"
#include "tests/unit/snapshot/format/files.hpp"

namespace caisson::snapshot {
namespace {

using tests::SimRandom;

/// Records of a map, known by their first unit; some are longer than a sector.
struct MapLog {
  using Writer = MapWriter;
  static Outcome<Writer> create(file_store::File& file) {
    return MapWriter::create(file, kLabel, example_header());
  }
  static Outcome<Writer> open(file_store::File& file) {
    auto contents = read_map(file, kLabel);
    if (!contents) return contents.error();
    return MapWriter::open_at(file, kLabel, *contents);
  }
  static Outcome<> append(Writer& map, std::uint64_t id) {
    std::vector<Run> runs(id % 3 == 0 ? 200 : 1, Run{id, 1});
    return id % 2 == 0 ? map.append(Captured{runs}) : map.append(Moved{1, runs});
  }
  static Outcome<std::vector<std::uint64_t>> read(file_store::File& file) {
    class Ids final : public MapVisitor {
     public:
      Outcome<> on_runs(RecordKind, std::span<const Run> runs) override {
        ids.push_back(runs[0].first);
        return {};
      }
      Outcome<> on_moved(std::uint32_t) override { return {}; }
      std::vector<std::uint64_t> ids;
    } ids;
    auto contents = read_map(file, kLabel, ids);
    if (!contents) return contents.error();
    return ids.ids;
  }
};

/// Entries of a segment, known by their block; their data repeat it.
struct SegmentLog {
  using Writer = PreImageWriter;
  static Uuid snapshot() { return example_header().snapshot; }
  static Outcome<Writer> create(file_store::File& file) {
    return PreImageWriter::create(file, kLabel, snapshot(), 3);
  }
  static Outcome<Writer> open(file_store::File& file) {
    ToldEntries told;
    auto contents = read_pre_images(file, kLabel, snapshot(), 3, told);
    if (!contents) return contents.error();
    return PreImageWriter::open_at(file, kLabel, *contents);
  }
  static Outcome<> append(Writer& segment, std::uint64_t id) {
    const auto data = filled(kPreImageBlock, static_cast<unsigned>(id % 255) + 1);
    std::vector<PreImage> images{{id, {}}};
    if (id % 4 != 0) images[0].data = data;
    return segment.append(images);
  }
  static Outcome<std::vector<std::uint64_t>> read(file_store::File& file) {
    ToldEntries told;
    auto contents = read_pre_images(file, kLabel, snapshot(), 3, told);
    if (!contents) return contents.error();
    std::vector<std::uint64_t> ids;
    for (const auto& entry : told.entries) {
      Bytes data(kPreImageBlock);
      PreImageReader(file, kLabel).read(entry.offset, entry.block, data).value();
      auto value = entry.block % 4 == 0 ? 0 : static_cast<unsigned>(entry.block % 255) + 1;
      EXPECT_EQ(data, filled(kPreImageBlock, value));
      ids.push_back(entry.block);
    }
    return ids;
  }
};

template <class Log>
class LogCutTest : public ::testing::Test {};
using Logs = ::testing::Types<MapLog, SegmentLog>;
TYPED_TEST_SUITE(LogCutTest, Logs);

void expect_prefix(const std::vector<std::uint64_t>& found, const std::vector<std::uint64_t>& all,
                   std::size_t durable) {
  ASSERT_GE(found.size(), durable);
  ASSERT_LE(found.size(), all.size());
  ASSERT_TRUE(std::equal(found.begin(), found.end(), all.begin()))
      << ::testing::PrintToString(found) << " of " << ::testing::PrintToString(all);
}

TYPED_TEST(LogCutTest, AtEveryOperationOfAppendsAndFlushes) {
  SimStore empty;
  std::vector<std::uint64_t> all;
  std::size_t durable = 0;
  bool created = false;
  auto work = [&](SimStore& store) {
    all.clear();
    durable = 0;
    created = false;
    auto raise = [](const auto& outcome) {
      if (!outcome) throw boost::system::system_error(outcome.error().code);
    };
    auto file = new_file(store, "l");
    auto log = TypeParam::create(*file);
    raise(log);
    created = true;
    for (std::uint64_t id = 1; id < 40; ++id) {
      all.push_back(id);
      raise(TypeParam::append(*log, id));
      if (id % 3 != 0) continue;
      raise(log->flush());
      durable = all.size();
    }
  };
  auto check = [&](SimStore& store, bool) {
    auto file = store.open("l");
    if (!created && !file) return;
    ASSERT_TRUE(file);
    auto found = TypeParam::read(**file);
    if (!created && !found) return;
    ASSERT_TRUE(found) << found.error().message;
    expect_prefix(*found, all, durable);
  };
  EXPECT_GT(tests::for_each_power_cut(empty, {.seeds_per_cut = 40}, work, check), 1000U);
}

/// One log through several lives.
template <class Log>
class LogScenario {
 public:
  explicit LogScenario(std::uint64_t seed) : random_(seed) {}

  void run() {
    tests::SimOptions options;
    options.traits.allocate = random_.chance(70);
    disk_ = std::make_unique<SimStore>(options);
    auto created = Log::create(*new_file(*disk_, "l"));
    ASSERT_TRUE(created);
    for (int life = 0; life < 5; ++life) {
      disk_->cut_at(disk_->operations() + random_.below(30));
      live();
      if (::testing::Test::HasFailure()) return;
      // A process that was killed leaves its page cache to the next.
      disk_ = random_.chance(30) ? disk_->killed() : disk_->power_cut(random_.next());
      look();
      if (::testing::Test::HasFailure()) return;
    }
  }

 private:
  void live() {
    auto file = disk_->open("l");
    while (file && !disk_->is_cut()) {
      if (!settle(**file, kLabel)) continue;  // what it lost is not shown any more
      auto log = Log::open(**file);
      if (disk_->is_cut()) return;
      ASSERT_TRUE(log) << log.error().message;
      auto found = Log::read(**file);
      ASSERT_TRUE(found);
      expect_prefix(*found, all_, durable_);
      all_ = *found;
      durable_ = all_.size();
      write(*log);
      disk_->clear_faults();
    }
  }

  /// Until something fails. What follows an item is one of two, so that after a cut the
  /// same bytes are often written again in front of what is left of others.
  void write(typename Log::Writer& log) {
    for (auto steps = random_.below(20); steps != 0; --steps) {
      if (random_.chance(5)) disk_->inject({.op = SimOp::sync, .error = EIO});
      if (random_.chance(3)) disk_->fail_writeback("l", EIO);
      for (auto n = 1 + random_.below(4); n != 0; --n) {
        all_.push_back(10 * (all_.size() + 1) + random_.below(2));
        if (!Log::append(log, all_.back())) return;
      }
      if (!log.flush()) return;
      durable_ = all_.size();
    }
  }

  void look() {
    auto file = disk_->open("l");
    ASSERT_TRUE(file);
    ASSERT_TRUE(settle(**file, kLabel) || settle(**file, kLabel));
    auto found = Log::read(**file);
    ASSERT_TRUE(found) << found.error().message;
    expect_prefix(*found, all_, durable_);
  }

  SimRandom random_;
  std::unique_ptr<SimStore> disk_;
  std::vector<std::uint64_t> all_;
  std::size_t durable_ = 0;
};

TYPED_TEST(LogCutTest, ThroughManyLives) {
  const char* seed_text = std::getenv("CAISSON_SEED");
  std::uint64_t first = seed_text ? std::strtoull(seed_text, nullptr, 10) : 1;
  std::uint64_t count = seed_text ? 1 : std::getenv("CAISSON_LONG") ? 20000 : 1500;
  for (auto seed = first; seed < first + count; ++seed) {
    LogScenario<TypeParam>(seed).run();
    ASSERT_FALSE(this->HasFailure()) << "repeat with CAISSON_SEED=" << seed;
  }
}

}  // namespace
}  // namespace caisson::snapshot

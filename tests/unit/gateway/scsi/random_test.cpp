// SPDX-License-Identifier: Apache-2.0
// Random CDBs and parameter lists: whatever comes, every command ends once,
// with sense or within its plan, and bytes outside its extent stay.
#include <cstdlib>
#include <random>

#include "tests/unit/gateway/scsi/termination.hpp"

namespace caisson::scsi {
namespace {

class RandomTest : public ScsiTest {
 protected:
  std::uint64_t seed() {
    const auto* given = std::getenv("CAISSON_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
  }

  /// A known opcode with few bits set, so that many CDBs get past the checks.
  Bytes random_cdb(std::mt19937_64& random) {
    Bytes cdb(16);
    const auto& row = command_table()[random() % command_table().size()];
    cdb[0] = static_cast<std::byte>(random() % 50 == 0 ? random() : row.opcode);
    if (row.action != kNoAction) cdb[1] = static_cast<std::byte>(row.action);
    for (std::size_t i = 1; i < row.length; ++i)
      if (random() % 2 == 0) cdb[i] |= static_cast<std::byte>(random() & random() & row.usage[i]);
    if (random() % 8 == 0) cdb[random() % 16] = static_cast<std::byte>(random());
    for (std::size_t i = 2; i < 6u + (row.length == 16 ? 2 : 0); ++i)  // mostly inside the disk
      if (random() % 8 != 0 && row.length >= 10) cdb[i] = std::byte{0};
    return cdb;
  }

  static Bytes random_data(std::mt19937_64& random, std::uint64_t length) {
    Bytes data(length);
    auto mask = random() % 2 == 0 ? 0 : random() & random();
    for (auto& b : data) b = static_cast<std::byte>(random() & mask);
    return data;
  }

  void check(const Exchange& x) {
    EXPECT_EQ(x.completions, x.accepted ? 1 : 0);
    EXPECT_EQ(x.status() == Status::check_condition, x.sense().present());
    if (x.sense().present()) {
      EXPECT_EQ(x.task.data_in_length, 0u);
    }
    EXPECT_LE(x.plan.length, kMaxTransfer);
    if (x.plan.direction != Direction::in) {
      EXPECT_EQ(x.task.data_in_length, 0u);
    }
    EXPECT_LE(x.task.data_in_length, x.plan.length);
    EXPECT_LE(x.task.data_in_length, x.task.data_in.size());
    std::array<std::byte, kMaxSense> out;
    EXPECT_LE(encode(x.sense(), false, out), kMaxSense);
    EXPECT_LE(encode(x.sense(), true, out), kMaxSense);
  }
};

TEST_F(RandomTest, EveryCommandEndsOnceAndInBounds) {
  auto seed = this->seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  tests::MemoryObject::Setup setup;
  setup.geometry.capacity = std::uint64_t{2} << 20;
  attach(setup);
  for (int i = 0; i < 5000 && !HasFailure(); ++i) {
    Exchange x;
    if (random() % 4 == 0) x.task.expected_length = random() % 2048;
    auto hold = random() % 4 == 0;
    if (hold) object_->hold();
    auto cdb = random_cdb(random);
    SCOPED_TRACE(i);
    start(*nexus_, x, cdb, random_data(random, random() % 8192), random() % 16 == 0 ? 1u << 31 : 0);
    if (hold) object_->release();
    check(x);
    object_->forget_seen();
  }
}

}  // namespace
}  // namespace caisson::scsi

// SPDX-License-Identifier: Apache-2.0
// Whatever a host does to a disk after a cut, the snapshot stays the image of its cut:
// read back at once, and after kill -9 and a restart.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <map>
#include <thread>

#include "tests/integration/snapshots/disks.hpp"
#include "tests/integration/snapshots/store_kinds.hpp"
#include "tests/support/gateway_process.hpp"

namespace caisson::tests {
namespace {

constexpr std::uint64_t kSize = 3 << 20;
constexpr Sense kGood, kShared{0x5, 0x2c, 0x00}, kMiscompare{0xe, 0x1d, 0x00};

/// A 16-byte CDB; flags and the number of blocks are where most of them have them.
std::vector<std::uint8_t> cdb16(int code, int flags, std::uint64_t lba, std::uint32_t blocks) {
  std::vector<std::uint8_t> cdb(16);
  cdb[0] = static_cast<std::uint8_t>(code);
  cdb[1] = static_cast<std::uint8_t>(flags);
  for (int i = 0; i < 8; ++i) cdb[9 - i] = static_cast<std::uint8_t>(lba >> (8 * i));
  for (int i = 0; i < 4; ++i) cdb[13 - i] = static_cast<std::uint8_t>(blocks >> (8 * i));
  return cdb;
}

class CaptureTest : public testing::TestWithParam<StoreKind> {
 protected:
  void SetUp() override {
    if (auto why = store_.unfit(); !why.empty()) GTEST_SKIP() << why;
    gateway_ = std::make_unique<GatewayProcess>(store_.where());
    gateway_->create_lun("a", kSize);
    log_in();
    refill();
  }
  void log_in() {
    disk_.reset();
    disk_ =
        std::make_unique<ForeignInitiator>(gateway_->portal(), gateway_->show("a").target_name());
    disk_->clear_attentions();
  }
  /// Every byte is another one, and none is zero.
  void refill() {
    model_ = content(model_.size(), ++seed_);
    write_at(*disk_, 0, model_);
  }
  void put(std::uint64_t lba, const Bytes& bytes) {
    std::ranges::copy(bytes, model_.begin() + static_cast<std::ptrdiff_t>(lba * kBlock));
  }
  void zero(std::uint64_t lba, std::uint64_t blocks) { put(lba, Bytes(blocks * kBlock)); }
  Bytes there(std::uint64_t lba, std::uint64_t blocks) const {
    auto begin = model_.begin() + static_cast<std::ptrdiff_t>(lba * kBlock);
    return {begin, begin + static_cast<std::ptrdiff_t>(blocks * kBlock)};
  }
  Sense run(const std::vector<std::uint8_t>& cdb, const Bytes& out = {}) {
    return sense(disk_->command(cdb, out));
  }
  bool shares() const { return GetParam() == StoreKind::shares; }

  void cut(const std::string& name) {
    gateway_->cut({"a"}, name);
    images_[name] = model_;
  }
  void expect_image(const std::string& name) {
    EXPECT_EQ(difference(file_content(gateway_->exported("a", name)), images_.at(name)), "")
        << name;
  }
  /// As the read-only LUN that shows it.
  void expect_view(const std::string& name) {
    auto shown = gateway_->caisson({"snapshot", "expose", "a", name, "--as", "view"});
    ASSERT_EQ(shown.exit, 0) << shown.err;
    ASSERT_EQ(gateway_->caisson({"access", "grant", "view", "*"}).exit, 0);
    {
      ForeignInitiator view(gateway_->portal(), gateway_->show("view").target_name());
      view.clear_attentions();
      EXPECT_EQ(difference(read_all(view, images_.at(name).size()), images_.at(name)), "") << name;
    }
    auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    Said gone;  // once its session is noticed to be
    do gone = gateway_->caisson({"snapshot", "unexpose", "view"});
    while (gone.exit != 0 && std::chrono::steady_clock::now() < until);
    EXPECT_EQ(gone.exit, 0) << gone.err;
  }
  void expect_disk() { EXPECT_EQ(difference(read_all(*disk_, model_.size()), model_), ""); }

 public:
  // What hosts do, and administrators. Twice each, from another place the second time.

  void write(std::uint64_t at);
  void write_same(std::uint64_t at);
  void write_same_unmap(std::uint64_t at);
  void write_same_no_data(std::uint64_t at);
  void unmap(std::uint64_t at);
  void compare_and_write(std::uint64_t at);
  void or_write(std::uint64_t at);
  void write_and_verify(std::uint64_t at);
  void format(std::uint64_t at);
  void sanitize(std::uint64_t at);
  void grow(std::uint64_t at);
  void shrink(std::uint64_t at);

 protected:
  StoreOfKind store_{GetParam()};
  std::unique_ptr<GatewayProcess> gateway_;
  std::unique_ptr<ForeignInitiator> disk_;
  Bytes model_ = Bytes(kSize);
  std::map<std::string, Bytes> images_;
  unsigned seed_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Stores, CaptureTest, testing::Values(StoreKind::copies, StoreKind::shares),
                         name_of);

void CaptureTest::write(std::uint64_t at) {
  auto bytes = content(300 * 1024 + kBlock, ++seed_);
  EXPECT_EQ(run(cdb16(0x8a, 0, at, 601), bytes), kGood);
  put(at, bytes);
}

void CaptureTest::write_same(std::uint64_t at) {
  auto block = content(kBlock, ++seed_);
  EXPECT_EQ(run(cdb16(0x93, 0, at, 2500), block), kGood);
  for (std::uint64_t i = 0; i < 2500; ++i) put(at + i, block);
}

void CaptureTest::write_same_unmap(std::uint64_t at) {
  EXPECT_EQ(run(cdb16(0x93, 0x08, at, 1000), Bytes(kBlock)), kGood);
  zero(at, 1000);
}

void CaptureTest::write_same_no_data(std::uint64_t at) {
  EXPECT_EQ(run(cdb16(0x93, 0x01, at, 100)), kGood);
  EXPECT_EQ(run(cdb16(0x93, 0x09, at + 200, 100)), kGood);
  zero(at, 100);
  zero(at + 200, 100);
}

void CaptureTest::unmap(std::uint64_t at) {
  Bytes list(8 + 2 * 16);
  auto big = [&list](std::size_t where, std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i)
      list[where + bytes - 1 - i] = static_cast<std::byte>(value >> (8 * i));
  };
  big(0, list.size() - 2, 2);
  big(2, list.size() - 8, 2);
  big(8, at + 1000, 8);
  big(16, 300, 4);
  big(24, at, 8);
  big(32, 500, 4);
  EXPECT_EQ(run({0x42, 0, 0, 0, 0, 0, 0, 0, static_cast<std::uint8_t>(list.size()), 0}, list),
            kGood);
  zero(at + 1000, 300);
  zero(at, 500);
}

void CaptureTest::compare_and_write(std::uint64_t at) {
  auto fresh = content(10 * kBlock, ++seed_);
  auto both = there(at, 10);
  both.insert(both.end(), fresh.begin(), fresh.end());
  EXPECT_EQ(run(cdb16(0x89, 0, at, 10), both), kGood);
  EXPECT_EQ(run(cdb16(0x89, 0, at, 10), both), kMiscompare);
  put(at, fresh);
}

void CaptureTest::or_write(std::uint64_t at) {
  auto bits = content(100 * kBlock, ++seed_);
  EXPECT_EQ(run(cdb16(0x8b, 0, at, 100), bits), kGood);
  auto old = there(at, 100);
  for (std::size_t i = 0; i < bits.size(); ++i) old[i] |= bits[i];
  put(at, old);
}

void CaptureTest::write_and_verify(std::uint64_t at) {
  auto bytes = content(50 * kBlock, ++seed_);
  EXPECT_EQ(run(cdb16(0x8e, 0x02, at, 50), bytes), kGood);
  put(at, bytes);
}

void CaptureTest::format(std::uint64_t) {
  EXPECT_EQ(run({0x04, 0, 0, 0, 0, 0}), kGood);
  zero(0, model_.size() / kBlock);
  expect_disk();
  refill();
}

void CaptureTest::sanitize(std::uint64_t at) {
  Bytes overwrite(4 + kBlock);
  overwrite[0] = std::byte{1};
  overwrite[2] = std::byte{kBlock >> 8};
  std::ranges::fill(overwrite.begin() + 4, overwrite.end(), std::byte{0x77});
  bool erase = at > 2000;
  auto done = erase ? run({0x48, 0x02, 0, 0, 0, 0, 0, 0, 0, 0})
                    : run({0x48, 0x01, 0, 0, 0, 0, 0, 0x02, 0x04, 0}, overwrite);
  EXPECT_EQ(done, shares() ? kShared : kGood);
  if (!shares()) std::ranges::fill(model_, erase ? std::byte{0} : std::byte{0x77});
  expect_disk();
  refill();
}

void CaptureTest::grow(std::uint64_t) {
  auto before = model_.size();
  model_.resize(before + (512 << 10) + kBlock);
  gateway_->resize("a", model_.size());
  disk_->clear_attentions();
  auto fresh = content(model_.size() - before + 4 * kBlock, ++seed_);
  write_at(*disk_, before - 4 * kBlock, fresh);
  put(before / kBlock - 4, fresh);
}

void CaptureTest::shrink(std::uint64_t) {
  model_.resize(model_.size() - (1 << 20));
  gateway_->resize("a", model_.size(), true);
  disk_->clear_attentions();
}

TEST_P(CaptureTest, ASnapshotStaysTheImageOfItsCut) {
  using Act = void (CaptureTest::*)(std::uint64_t);
  const std::pair<const char*, Act> acts[] = {
      {"write", &CaptureTest::write},
      {"write-same", &CaptureTest::write_same},
      {"write-same-unmap", &CaptureTest::write_same_unmap},
      {"write-same-no-data", &CaptureTest::write_same_no_data},
      {"unmap", &CaptureTest::unmap},
      {"compare-and-write", &CaptureTest::compare_and_write},
      {"or-write", &CaptureTest::or_write},
      {"write-and-verify", &CaptureTest::write_and_verify},
      {"format", &CaptureTest::format},
      {"sanitize", &CaptureTest::sanitize},
      {"grow", &CaptureTest::grow},
      {"shrink", &CaptureTest::shrink},
  };
  for (const auto& [name, act] : acts) {
    SCOPED_TRACE(name);
    cut(std::string(name) + "-1");
    (this->*act)(1203);  // in the midst of a block, and of a unit
    expect_disk();
    expect_image(std::string(name) + "-1");
    cut(std::string(name) + "-2");
    (this->*act)(2301);
    expect_disk();
  }
  disk_.reset();
  gateway_->kill();
  gateway_->start();
  log_in();
  expect_disk();
  for (const auto& [name, image] : images_) expect_view(name);
  for (const auto& [name, image] : images_) expect_image(name);
}

class SanitizeTest : public CaptureTest {};

INSTANTIATE_TEST_SUITE_P(Stores, SanitizeTest, testing::Values(StoreKind::shares), name_of);

/// What shares blocks would keep them whatever is written over them here.
TEST_P(SanitizeTest, IsRefusedUntilNoImageSharesBlocks) {
  const std::vector<std::uint8_t> erase{0x48, 0x02, 0, 0, 0, 0, 0, 0, 0, 0};
  cut("s");
  EXPECT_EQ(run(erase), kShared);
  expect_image("s");
  EXPECT_EQ(run(erase), kShared) << "a whole image does";
  for (bool kill : {false, true}) {
    disk_.reset();
    kill ? gateway_->kill() : gateway_->stop();
    gateway_->start();
    log_in();
    EXPECT_EQ(run(erase), kShared) << "after a restart";
  }
  expect_disk();
  gateway_->remove("a", "s");
  auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  auto erased = kShared;
  while (erased == kShared && std::chrono::steady_clock::now() < until) erased = run(erase);
  EXPECT_EQ(erased, kGood) << "once it has given its space back";
  std::ranges::fill(model_, std::byte{0});
  expect_disk();
}

}  // namespace
}  // namespace caisson::tests

// SPDX-License-Identifier: Apache-2.0
// A real file system that fills under a thin LUN: hosts are told before, nothing
// acknowledged is lost, and I/O goes on when space returns.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>

#include "tests/support/foreign_initiator.hpp"
#include "tests/support/running_gateway.hpp"
#include "tests/support/temp_dir.hpp"

namespace caisson::tests {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kStore = 64 * kMiB, kDisk = 4 * kStore, kOther = 16 * kMiB;
constexpr std::size_t kChunk = 256 << 10;
constexpr std::uint32_t kChunkBlocks = kChunk / 512;

using Sense = std::tuple<int, int, int>;
constexpr Sense kThreshold{0x6, 0x38, 0x07}, kNoSpace{0x7, 0x27, 0x07};

Sense sense(const ForeignResult& result) { return {result.key, result.asc, result.ascq}; }

bool run(const std::string& command) {
  return std::system((command + " >/dev/null 2>&1").c_str()) == 0;
}

/// A small file system in a mount namespace that goes with the process.
class SmallFileSystem {
 public:
  explicit SmallFileSystem(bool ext4) : ext4_(ext4) {
    std::filesystem::create_directories(where());
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
      return;
    if (ext4 && !(std::ofstream(image()) && ::truncate(image().c_str(), kStore) == 0 &&
                  run("mkfs.ext4 -q -m 0 -F " + image())))
      return;
    mount();
  }
  ~SmallFileSystem() { unmount(); }
  SmallFileSystem(const SmallFileSystem&) = delete;
  SmallFileSystem& operator=(const SmallFileSystem&) = delete;

  bool mounted() const { return mounted_; }
  bool lasts() const { return ext4_; }
  std::string where() const { return directory_.path() / "store"; }
  void mount() {
    mounted_ = run(ext4_ ? "mount -o loop " + image() + " " + where()
                         : "mount -t tmpfs -o size=64m tmpfs " + where());
  }
  void unmount() {
    if (mounted_) mounted_ = !run("umount " + where());
  }

 private:
  std::string image() const { return directory_.path() / "image"; }

  TempDir directory_;
  const bool ext4_;
  bool mounted_ = false;
};

struct Setup {
  const char* name;
  bool ext4;
  const char* cache;
};

class FullStoreTest : public ::testing::TestWithParam<Setup> {
 protected:
  FullStoreTest() : store_(GetParam().ext4) {}
  void SetUp() override {
    if (!store_.mounted())
      GTEST_SKIP() << "mounting a small file system needs root and a loop device";
    gateway_ = std::make_unique<RunningGateway>([this](config::Config& config) {
      config.stores = {{"main", store_.where(), false}};
      config.watch_interval = std::chrono::milliseconds(20);
    });
    std::ofstream(other()) << std::string(kOther, 'o');
    gateway_->create_lun("a", kDisk, GetParam().cache);
    host_ = login();
  }
  /// Something else on the same store.
  std::string other() const { return store_.where() + "/other"; }

  std::unique_ptr<ForeignInitiator> login() {
    auto host =
        std::make_unique<ForeignInitiator>(gateway_->portal(), gateway_->show("a").target_name());
    host->clear_attentions();
    return host;
  }
  static std::vector<std::byte> pattern(std::uint64_t chunk, int version) {
    return std::vector<std::byte>(kChunk, static_cast<std::byte>(chunk * 7 + version * 101 + 1));
  }
  /// What a host does: asks again after a unit attention.
  ForeignResult write(std::uint64_t chunk, int version) {
    for (;;) {
      auto result = host_->write(chunk * kChunkBlocks, pattern(chunk, version));
      if (result.good()) acknowledged_[chunk] = version;
      if (result.key != 0x6) return result;
      thresholds_ += sense(result) == kThreshold;
    }
  }
  std::uint64_t available() const { return std::filesystem::space(store_.where()).available; }
  bool fill_to(std::uint64_t left) {
    while (available() > left)
      if (!write(next_++, 0).good()) return false;
    return true;
  }
  /// Writes on until the store takes no more.
  Sense fill() {
    for (;;)
      if (auto result = write(next_++, 0); !result.good()) return sense(result);
  }
  void wait_for_thresholds(int count) {
    while (thresholds_ < count) thresholds_ += sense(host_->test_unit_ready()) == kThreshold;
  }
  void expect_all(ForeignInitiator& host) {
    for (auto [chunk, version] : acknowledged_) {
      auto result = host.read(chunk * kChunkBlocks, kChunk);
      ASSERT_TRUE(result.good()) << chunk;
      ASSERT_EQ(result.data, pattern(chunk, version)) << chunk;
    }
  }
  void expect_all_in_file() {
    std::ifstream file(store_.where() + "/a.img", std::ios::binary);
    for (auto [chunk, version] : acknowledged_) {
      std::vector<std::byte> data(kChunk);
      file.seekg(static_cast<std::streamoff>(chunk * kChunk));
      file.read(reinterpret_cast<char*>(data.data()), kChunk);
      ASSERT_TRUE(file) << chunk;
      ASSERT_EQ(data, pattern(chunk, version)) << chunk;
    }
  }

  SmallFileSystem store_;
  std::unique_ptr<RunningGateway> gateway_;
  std::unique_ptr<ForeignInitiator> host_;
  std::map<std::uint64_t, int> acknowledged_;  // version by chunk
  std::uint64_t next_ = 0;
  int thresholds_ = 0;
};

INSTANTIATE_TEST_SUITE_P(, FullStoreTest,
                         ::testing::Values(Setup{"tmpfs", false, "writeback"},
                                           Setup{"ext4", true, "writeback"},
                                           Setup{"ext4_direct", true, "none"},
                                           Setup{"ext4_durable", true, "writethrough"}),
                         [](const auto& info) { return info.param.name; });

TEST_P(FullStoreTest, NothingIsLostAndIoGoesOnWhenSpaceReturns) {
  ASSERT_TRUE(fill_to(kStore * 15 / 100));
  wait_for_thresholds(1);
  ASSERT_TRUE(fill_to(kStore * 4 / 100));
  wait_for_thresholds(2);

  EXPECT_EQ(fill(), kNoSpace);
  EXPECT_EQ(thresholds_, 2) << "both were heard before, once each";
  EXPECT_EQ(sense(write(next_++, 0)), kNoSpace) << "and again";
  EXPECT_TRUE(write(0, 1).good()) << "what has its space can be overwritten";
  EXPECT_TRUE(host_->flush().good());
  EXPECT_EQ(gateway_->show("a").state(), "online");
  expect_all(*host_);

  ASSERT_TRUE(std::filesystem::remove(other()));
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(write(next_++, 2).good());
  EXPECT_TRUE(host_->flush().good());
  expect_all(*host_);
  expect_all(*login());
  host_.reset();
  gateway_.reset();
  expect_all_in_file();
  if (!store_.lasts()) return;
  store_.unmount();
  store_.mount();
  expect_all_in_file();
}

}  // namespace
}  // namespace caisson::tests

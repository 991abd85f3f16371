// SPDX-License-Identifier: Apache-2.0
// The catalog is lost; LUNs and snapshots are taken up from what is in the store.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <filesystem>

#include "tests/integration/snapshots/disks.hpp"
#include "tests/integration/snapshots/store_kinds.hpp"
#include "tests/support/gateway_process.hpp"

namespace caisson::tests {
namespace {

namespace json = boost::json;
using testing::ElementsAre;

constexpr std::uint64_t kSize = 4 << 20;

class RebuildTest : public testing::TestWithParam<StoreKind> {
 protected:
  void SetUp() override {
    if (auto why = store_.unfit(); !why.empty()) GTEST_SKIP() << why;
    gateway_ = std::make_unique<GatewayProcess>(store_.where());
    gateway_->create_lun("a", kSize);
    log_in();
  }
  void log_in() {
    disk_ =
        std::make_unique<ForeignInitiator>(gateway_->portal(), gateway_->show("a").target_name());
    disk_->clear_attentions();
  }
  /// A snapshot, and writes that it must not hold.
  Bytes cut_and_write(const std::string& name, unsigned seed) {
    auto before = read_all(*disk_, kSize);
    ask({"snapshot", "create", "a", "--name", name});
    write_at(*disk_, seed * 65536, content(65536, seed));
    return before;
  }
  std::string ask(const std::vector<std::string>& words) {
    auto said = gateway_->caisson(words);
    EXPECT_EQ(said.exit, 0) << said.err;
    return said.out;
  }
  json::object rebuild(bool dry_run) {
    std::vector<std::string> words{"--output", "json", "catalog", "rebuild"};
    if (dry_run) words.push_back("--dry-run");
    return json::parse(ask(words)).as_object();
  }
  void lose_catalog() {
    disk_.reset();
    gateway_->kill();
    for (const auto& entry : std::filesystem::directory_iterator(gateway_->state()))
      if (entry.path().filename().string().starts_with("catalog"))
        std::filesystem::remove_all(entry.path());
    gateway_->start();
  }

  StoreOfKind store_{GetParam()};
  std::unique_ptr<GatewayProcess> gateway_;
  std::unique_ptr<ForeignInitiator> disk_;
};

TEST_P(RebuildTest, FindsSnapshotsHalfCapturedOnesIncluded) {
  write_at(*disk_, 0, content(kSize, 1));
  auto first = cut_and_write("first", 2);
  auto second = cut_and_write("second", 3);
  auto now = read_all(*disk_, kSize);
  lose_catalog();
  EXPECT_THAT(rebuild(true).at("snapshots").as_array(), ElementsAre("a first", "a second"));
  EXPECT_NE(gateway_->caisson({"lun", "show", "a"}).exit, 0) << "nothing has been taken up";
  EXPECT_THAT(rebuild(false).at("snapshots").as_array(), ElementsAre("a first", "a second"));
  ask({"host", "set", "*", "--no-auth"});  // secrets are lost with the catalog
  ask({"access", "grant", "a", "*"});
  log_in();
  EXPECT_EQ(difference(read_all(*disk_, kSize), now), "");
  write_at(*disk_, 0, content(kSize / 2, 9));
  EXPECT_EQ(difference(file_content(gateway_->exported("a", "first")), first), "");
  EXPECT_EQ(difference(file_content(gateway_->exported("a", "second")), second), "");
  ask({"snapshot", "restore", "a", "first", "--force", "--yes"});
  disk_.reset();
  log_in();
  EXPECT_EQ(difference(read_all(*disk_, kSize), first), "");
}

INSTANTIATE_TEST_SUITE_P(Stores, RebuildTest, testing::Values(StoreKind::copies, StoreKind::shares),
                         name_of);

}  // namespace
}  // namespace caisson::tests

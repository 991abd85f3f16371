// SPDX-License-Identifier: Apache-2.0
// A backup program: it reads snapshots and lists of changes, and nothing else, and gives
// back a LUN that holds what was backed up last.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "tests/integration/snapshots/disks.hpp"
#include "tests/integration/snapshots/store_kinds.hpp"
#include "tests/support/gateway_process.hpp"

namespace caisson::tests {
namespace {

namespace json = boost::json;

constexpr std::uint64_t kSize = 8 << 20;

/// Where the program reads a snapshot: at any place, of any length in sectors.
class Source {
 public:
  virtual ~Source() = default;
  virtual Bytes read(std::uint64_t offset, std::size_t length) = 0;
};

class FileSource final : public Source {
 public:
  explicit FileSource(const std::string& path) : image_(file_content(path)) {}
  Bytes read(std::uint64_t offset, std::size_t length) override {
    auto begin = image_.begin() + static_cast<std::ptrdiff_t>(offset);
    return {begin, begin + static_cast<std::ptrdiff_t>(length)};
  }

 private:
  Bytes image_;
};

/// The read-only LUN that shows it.
class LunSource final : public Source {
 public:
  explicit LunSource(std::unique_ptr<ForeignInitiator> disk) : disk_(std::move(disk)) {}
  Bytes read(std::uint64_t offset, std::size_t length) override {
    return read_at(*disk_, offset, length);
  }

 private:
  std::unique_ptr<ForeignInitiator> disk_;
};

enum class Reads { files, luns };

class BackupTest : public testing::TestWithParam<std::tuple<StoreKind, Reads>> {
 protected:
  void SetUp() override {
    if (auto why = store_.unfit(); !why.empty()) GTEST_SKIP() << why;
    gateway_ = std::make_unique<GatewayProcess>(store_.where());
    gateway_->create_lun("a", kSize);
    disk_ = log_in("a");
  }
  std::unique_ptr<ForeignInitiator> log_in(const std::string& lun) {
    auto disk =
        std::make_unique<ForeignInitiator>(gateway_->portal(), gateway_->show(lun).target_name());
    disk->clear_attentions();
    return disk;
  }
  std::unique_ptr<Source> open(const std::string& snapshot);
  void grant(const std::string& lun) {
    auto granted = gateway_->caisson({"access", "grant", lun, "*"});
    EXPECT_EQ(granted.exit, 0) << granted.err;
  }
  json::object list(const std::string& from, const std::string& to) {
    auto said = gateway_->caisson({"--output", "json", "snapshot", "diff", "a", from, to});
    EXPECT_EQ(said.exit, 0) << said.err;
    return json::parse(said.out).as_object();
  }
  /// What changed of it goes into the backup; how many bytes those were.
  std::uint64_t bring_up_to(const std::string& from, const std::string& to, Bytes& backup);
  /// A LUN made of the backup.
  std::unique_ptr<ForeignInitiator> import(const Bytes& backup, const std::string& name);
  void write(std::uint64_t offset, const Bytes& bytes) {
    write_at(*disk_, offset, bytes);
    std::ranges::copy(bytes, model_.begin() + static_cast<std::ptrdiff_t>(offset));
  }

  StoreOfKind store_{std::get<StoreKind>(GetParam())};
  std::unique_ptr<GatewayProcess> gateway_;
  std::unique_ptr<ForeignInitiator> disk_;
  Bytes model_ = Bytes(kSize);
};

std::string name_of_both(const testing::TestParamInfo<BackupTest::ParamType>& info) {
  auto [store, reads] = info.param;
  return std::string(store == StoreKind::copies ? "copies" : "shares") +
         (reads == Reads::files ? "_files" : "_luns");
}

INSTANTIATE_TEST_SUITE_P(Stores, BackupTest,
                         testing::Combine(testing::Values(StoreKind::copies, StoreKind::shares),
                                          testing::Values(Reads::files, Reads::luns)),
                         name_of_both);

std::unique_ptr<Source> BackupTest::open(const std::string& snapshot) {
  if (std::get<Reads>(GetParam()) == Reads::files)
    return std::make_unique<FileSource>(gateway_->exported("a", snapshot));
  auto name = "view-of-" + snapshot;
  auto shown = gateway_->caisson({"snapshot", "expose", "a", snapshot, "--as", name});
  EXPECT_EQ(shown.exit, 0) << shown.err;
  grant(name);
  return std::make_unique<LunSource>(log_in(name));
}

std::uint64_t BackupTest::bring_up_to(const std::string& from, const std::string& to,
                                      Bytes& backup) {
  auto changes = list(from, to);
  auto source = open(to);
  backup.resize(changes.at("capacity").to_number<std::uint64_t>());
  std::uint64_t moved = 0;
  for (const auto& value : changes.at("extents").as_array()) {
    const auto& extent = value.as_object();
    auto offset = extent.at("offset").to_number<std::uint64_t>();
    auto length = extent.at("length").to_number<std::uint64_t>();
    bool hole = extent.at("hole").as_bool();
    auto bytes = hole ? Bytes(length) : source->read(offset, length);
    std::ranges::copy(bytes, backup.begin() + static_cast<std::ptrdiff_t>(offset));
    moved += hole ? 0 : length;
  }
  return moved;
}

std::unique_ptr<ForeignInitiator> BackupTest::import(const Bytes& backup, const std::string& name) {
  auto path = gateway_->images() + "/" + name + ".raw";
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(backup.data()),
             static_cast<std::streamsize>(backup.size()));
  auto imported = gateway_->caisson({"lun", "import", path, "--as", name, "--copy"});
  EXPECT_EQ(imported.exit, 0) << imported.err;
  grant(name);
  return log_in(name);
}

TEST_P(BackupTest, FullyAndIncrementallyAndBackIntoAFreshLun) {
  write(0, content(kSize * 3 / 4, 1));
  gateway_->cut({"a"}, "one");
  auto backup = open("one")->read(0, kSize);
  EXPECT_EQ(difference(backup, model_), "") << "the full one";

  write(1537 * kBlock, content(3 * kBlock, 2));
  write(6 << 20, content(100 * 1024, 3));  // where nothing was before
  ASSERT_TRUE(
      disk_->command({0x41, 0x08, 0, 0, 0x10, 0x00, 0, 0x08, 0x00, 0}, Bytes(kBlock)).good());
  std::fill_n(model_.begin() + (2 << 20), 1 << 20, std::byte{0});
  auto two = model_;
  gateway_->cut({"a"}, "two");
  write(0, content(1 << 20, 4));
  auto moved = bring_up_to("one", "two", backup);
  EXPECT_EQ(difference(backup, two), "") << "the incremental one";
  EXPECT_GE(moved, 3 * kBlock + 100 * 1024);
  // Where blocks are copied, what was overwritten since the second cut counts as well.
  EXPECT_LT(moved, kSize / 2) << "what did not change was not read";

  gateway_->resize("a", kSize + (1 << 20));
  model_.resize(kSize + (1 << 20));
  disk_->clear_attentions();
  write(kSize, content(8 * kBlock, 5));
  gateway_->cut({"a"}, "three");
  auto three = model_;
  moved = bring_up_to("two", "three", backup);
  EXPECT_EQ(difference(backup, three), "") << "the next, of a disk that has grown";
  EXPECT_LT(moved, kSize / 2);

  write(0, content(1 << 20, 6));
  EXPECT_EQ(difference(read_all(*import(backup, "back"), three.size()), three), "");
  EXPECT_EQ(difference(read_all(*disk_, model_.size()), model_), "");
}

}  // namespace
}  // namespace caisson::tests

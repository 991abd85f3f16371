// SPDX-License-Identifier: Apache-2.0
#include "storage_object/posix/posix_store.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "storage_object/posix/posix_file.hpp"
#include "tests/support/temp_dir.hpp"

namespace caisson::posix {
namespace {

namespace fs = std::filesystem;
using caisson::tests::TempDir;
using ::testing::UnorderedElementsAre;

Error system_code(int number) { return {number, boost::system::system_category()}; }

/// Once with O_TMPFILE, once as where that is missing.
class PosixStoreTest : public ::testing::TestWithParam<bool> {
 protected:
  void touch(const std::string& name, const std::string& content = "outside") {
    std::ofstream(root() / name) << content;
  }
  fs::path root() const { return dir_.path() / "store"; }
  std::unique_ptr<PosixStore> reopen() {
    return PosixStore::at(root(), {.use_tmpfile = GetParam()}).value();
  }
  void make(const std::string& name) {
    auto file = store_->create_unnamed({}).value();
    store_->publish(*file, name).value();
  }
  std::vector<std::string> names(const std::string& directory = "") {
    std::vector<std::string> all;
    for (const auto& entry : store_->list(directory).value()) all.push_back(entry.name);
    return all;
  }

  TempDir dir_;
  bool made_ = fs::create_directory(root());
  std::unique_ptr<PosixStore> store_ = reopen();
};

INSTANTIATE_TEST_SUITE_P(, PosixStoreTest, ::testing::Bool(), [](const auto& tmpfile) {
  return tmpfile.param ? "Tmpfile" : "HiddenName";
});

TEST_P(PosixStoreTest, AnUnnamedFileHasNoNameAndVanishes) {
  auto file = store_->create_unnamed({}).value();
  ASSERT_TRUE(file_store::write_at(*file, 0, std::as_bytes(std::span("abc"))));
  EXPECT_THAT(names(), UnorderedElementsAre());
  file.reset();
  EXPECT_TRUE(fs::is_empty(root()));
}

TEST_P(PosixStoreTest, AccessToOurFilesIsNotNoted) {
  auto file = store_->create_unnamed({}).value();
  auto made = ::fcntl(dynamic_cast<PosixFile&>(*file).descriptor(), F_GETFL);
  EXPECT_NE(made & O_NOATIME, 0);
  make("a.img");
  auto opened = store_->open("a.img", {.read_only = true}).value();
  auto flags = ::fcntl(dynamic_cast<PosixFile&>(*opened).descriptor(), F_GETFL);
  EXPECT_EQ(flags & (O_NOATIME | O_ACCMODE), O_NOATIME | O_RDONLY);
}

TEST_P(PosixStoreTest, ALinkedFileIsOpenedForWhoAllowsIt) {
  touch("two");
  fs::create_hard_link(root() / "two", root() / "names");
  fs::create_symlink("two", root() / "symbolic");
  EXPECT_EQ(store_->open("two", {.read_only = true}).error(), system_code(EMLINK));
  EXPECT_TRUE(store_->open("two", {.read_only = true, .linked = true}));
  EXPECT_EQ(store_->open("symbolic", {.read_only = true, .linked = true}).error(),
            system_code(ELOOP));
}

TEST_P(PosixStoreTest, PublishGivesTheNameAndNeverReplaces) {
  auto file = store_->create_unnamed({}).value();
  ASSERT_TRUE(file_store::write_at(*file, 0, std::as_bytes(std::span("abc"))));
  touch("taken");
  EXPECT_EQ(store_->publish(*file, "taken").error(), system_code(EEXIST));
  ASSERT_TRUE(store_->publish(*file, "a.img").has_value());
  EXPECT_EQ(store_->publish(*file, "again").error(), system_code(EINVAL));
  file.reset();
  EXPECT_THAT(names(), UnorderedElementsAre("taken", "a.img"));
  EXPECT_EQ(fs::file_size(root() / "taken"), 7U);
  struct stat status {};
  ASSERT_EQ(::stat((root() / "a.img").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777 & ~0640U, 0U);
  EXPECT_EQ(status.st_nlink, 1U);
  EXPECT_TRUE(store_->open("a.img", {}).has_value());
}

TEST_P(PosixStoreTest, PlantedNamesAreRefused) {
  touch("../secret");
  fs::create_symlink(dir_.path() / "secret", root() / "link");
  fs::create_symlink(dir_.path(), root() / "dirlink");
  fs::create_hard_link(dir_.path() / "secret", root() / "hard");
  ASSERT_EQ(::mkfifo((root() / "fifo").c_str(), 0600), 0);
  fs::create_directory(root() / "dir");
  struct Row {
    const char* name;
    int error;
  };
  constexpr Row kRows[] = {
      {"link", ELOOP},      {"dirlink/secret", ELOOP},
      {"hard", EMLINK},     {"fifo", EINVAL},
      {"dir", EINVAL},      {"../secret", EINVAL},
      {"dir/../x", EINVAL}, {"/etc/passwd", EINVAL},
      {"", EINVAL},         {".", EINVAL},
      {"..", EINVAL},       {"dir//x", EINVAL},
      {"dir/", EINVAL},     {"./x", EINVAL},
      {"missing", ENOENT},
  };
  for (const auto& row : kRows)
    for (auto read_only : {true, false})
      EXPECT_EQ(store_->open(row.name, {.read_only = read_only}).error(), system_code(row.error))
          << row.name;
  EXPECT_EQ(store_->open(std::string_view("a\0b", 3), {}).error(), system_code(EINVAL));
  EXPECT_EQ(store_->open(std::string(5000, 'a'), {}).error(), system_code(ENAMETOOLONG));
}

TEST_P(PosixStoreTest, NothingIsChangedThroughALinkOrOutside) {
  touch("../secret");
  fs::create_directory(dir_.path() / "elsewhere");
  fs::create_symlink(dir_.path() / "elsewhere", root() / "dirlink");
  make("a.img");
  auto file = store_->create_unnamed({}).value();
  EXPECT_EQ(store_->publish(*file, "dirlink/x").error(), system_code(ELOOP));
  EXPECT_EQ(store_->rename("a.img", "dirlink/x").error(), system_code(ELOOP));
  EXPECT_EQ(store_->rename("a.img", "../x").error(), system_code(EINVAL));
  EXPECT_EQ(store_->remove("../secret").error(), system_code(EINVAL));
  EXPECT_EQ(store_->make_directory("dirlink/x").error(), system_code(ELOOP));
  EXPECT_EQ(store_->make_directory("dirlink").error(), system_code(ELOOP));
  EXPECT_EQ(store_->list("dirlink").error(), system_code(ELOOP));
  EXPECT_EQ(store_->sync_names("dirlink").error(), system_code(ELOOP));
  EXPECT_TRUE(fs::is_empty(dir_.path() / "elsewhere"));
  EXPECT_TRUE(fs::exists(dir_.path() / "secret"));
}

TEST_P(PosixStoreTest, OtherMountsAreNotCrossed) {
  auto store = PosixStore::at("/", {.use_tmpfile = GetParam()});
  if (!store) GTEST_SKIP() << store.error().message;
  EXPECT_EQ((*store)->open("proc/version", {.read_only = true}).error(), system_code(EXDEV));
}

TEST_P(PosixStoreTest, RenameNeverReplaces) {
  make("a.img");
  touch("b.img", "b");
  EXPECT_EQ(store_->rename("a.img", "b.img").error(), system_code(EEXIST));
  EXPECT_EQ(store_->rename("missing", "c.img").error(), system_code(ENOENT));
  ASSERT_TRUE(store_->rename("a.img", "c.img").has_value());
  EXPECT_THAT(names(), UnorderedElementsAre("b.img", "c.img"));
  EXPECT_EQ(fs::file_size(root() / "b.img"), 1U);
}

TEST_P(PosixStoreTest, DirectoriesHoldNames) {
  ASSERT_TRUE(store_->make_directory(".snapshots").has_value());
  ASSERT_TRUE(store_->make_directory(".snapshots").has_value());
  ASSERT_TRUE(store_->make_directory(".snapshots/a").has_value());
  EXPECT_EQ(store_->make_directory("no/such").error(), system_code(ENOENT));
  make(".snapshots/a/one.img");
  EXPECT_EQ(store_->make_directory(".snapshots/a/one.img").error(), system_code(ENOTDIR));
  ASSERT_TRUE(store_->sync_names(".snapshots/a").has_value());
  ASSERT_TRUE(store_->sync_names("").has_value());
  auto entries = store_->list(".snapshots").value();
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_FALSE(entries[0].regular);
  EXPECT_TRUE(store_->list(".snapshots/a").value()[0].regular);
  EXPECT_EQ(store_->remove(".snapshots/a").error(), system_code(ENOTEMPTY));
  ASSERT_TRUE(store_->remove(".snapshots/a/one.img").has_value());
  ASSERT_TRUE(store_->remove(".snapshots/a").has_value());
  EXPECT_EQ(store_->remove("missing").error(), system_code(ENOENT));
}

TEST_P(PosixStoreTest, SpaceAndTraitsAreFound) {
  auto space = store_->space().value();
  EXPECT_GT(space.capacity, 0U);
  EXPECT_GE(space.capacity, space.available);
  EXPECT_GE(store_->traits().block, 512U);
  EXPECT_EQ(store_->location(), root().string());
  if (!store_->traits().direct) {
    EXPECT_EQ(store_->create_unnamed({.direct = true}).error(), system_code(EINVAL));
  }
}

TEST_P(PosixStoreTest, AMissingDirectoryIsNamedInTheFailure) {
  auto failed = PosixStore::at(dir_.path() / "nowhere");
  ASSERT_FALSE(failed.has_value());
  EXPECT_THAT(failed.error().message, ::testing::HasSubstr("nowhere"));
  EXPECT_FALSE(failed.error().remedy.empty());
}

TEST_P(PosixStoreTest, OwnerLockExcludesAnotherProcess) {
  make("a.img");
  auto file = store_->open("a.img", {}).value();
  ASSERT_TRUE(file->lock_owner().has_value());
  auto path = (root() / "a.img").string();
  auto child = ::fork();
  if (child == 0) {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_start = static_cast<off_t>(file_store::kOwnerLockOffset);
    lock.l_len = 1;
    auto fd = ::open(path.c_str(), O_RDWR);
    auto refused = ::fcntl(fd, F_OFD_SETLK, &lock) != 0 && errno == EAGAIN;
    ::_exit(refused ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_P(PosixStoreTest, ReadOnlyHandlesCannotWriteOrOwn) {
  make("a.img");
  auto file = store_->open("a.img", {.read_only = true}).value();
  EXPECT_EQ(file_store::write_at(*file, 0, std::as_bytes(std::span("x"))).error(),
            system_code(EBADF));
  EXPECT_EQ(file->lock_owner().error(), system_code(EBADF));
}

TEST(PosixStore, AbandonedHiddenFilesGoAtTheNextStartButHeldOnesStay) {
  TempDir dir;
  auto first = PosixStore::at(dir.path(), {.use_tmpfile = false}).value();
  auto held = first->create_unnamed({}).value();
  auto abandoned = dir.path() / (std::string(kHiddenPrefix) + "left-by-a-crash");
  std::ofstream(abandoned) << "x";
  auto second = PosixStore::at(dir.path(), {.use_tmpfile = false}).value();
  EXPECT_FALSE(fs::exists(abandoned));
  EXPECT_TRUE(second->list("").value().empty());
  ASSERT_TRUE(first->publish(*held, "a.img").has_value());
}

// A crash between link and unlink, where there is no RENAME_NOREPLACE.
TEST(PosixStoreRemains, AHiddenNameBesideThePublicOneIsRemoved) {
  TempDir dir;
  const auto hidden = dir.path() / (std::string(kHiddenPrefix) + "left");
  std::ofstream(hidden) << "content";
  fs::create_hard_link(hidden, dir.path() / "a.img");
  auto looking = PosixStore::look_at(dir.path(), {}).value();
  EXPECT_TRUE(fs::exists(hidden));
  EXPECT_EQ(looking->open("a.img", {}).error(), system_code(EMLINK));
  ASSERT_TRUE(looking->prepare());
  EXPECT_FALSE(fs::exists(hidden));
  EXPECT_TRUE(looking->open("a.img", {}));
}

TEST(PosixStoreRemains, OneWithAnotherLinkThatIsInUseStays) {
  TempDir dir;
  auto store = PosixStore::at(dir.path(), {.use_tmpfile = false}).value();
  auto file = store->create_unnamed({}).value();
  fs::path hidden;
  for (const auto& entry : fs::directory_iterator(dir.path())) hidden = entry.path();
  fs::create_hard_link(hidden, dir.path() / "a.img");
  ASSERT_TRUE(PosixStore::at(dir.path(), {}));
  EXPECT_TRUE(fs::exists(hidden));
}

TEST(OwnerLock, ItsSharedFormKeepsOwnersAway) {
  TempDir dir;
  std::ofstream(dir.path() / "a") << "content";
  auto store = PosixStore::at(dir.path(), {}).value();
  auto reader = store->open("a", {.read_only = true}).value();
  auto second = store->open("a", {.read_only = true}).value();
  auto owner = store->open("a", {}).value();
  ASSERT_TRUE(reader->hold_off_owner());
  ASSERT_TRUE(second->hold_off_owner());
  EXPECT_EQ(owner->lock_owner().error(), system_code(EAGAIN));
  reader.reset(), second.reset();
  ASSERT_TRUE(owner->lock_owner());
  auto late = store->open("a", {.read_only = true}).value();
  EXPECT_EQ(late->hold_off_owner().error(), system_code(EAGAIN));
}

}  // namespace
}  // namespace caisson::posix

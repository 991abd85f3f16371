// SPDX-License-Identifier: Apache-2.0
// A full store, on a small tmpfs of the test's own mount namespace, in a child
// process so that nothing is left mounted.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

#include "storage_object/posix/posix_store.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/storage_object/posix/driven.hpp"

namespace caisson::posix::tests {
namespace {

constexpr int kSkipped = 77;

bool mount_small(const char* where) {
  return ::unshare(CLONE_NEWNS) == 0 &&
         ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("tmpfs", where, "tmpfs", 0, "size=1m") == 0;
}

/// Fills the store, then frees some: 0 when every step went as it must.
int fill_and_free(const std::filesystem::path& where, Way way) {
  auto store = PosixStore::at(where).value();
  auto file = store->create_unnamed({}).value();
  Driver driver(way);
  std::vector<std::byte> mib(1 << 20, std::byte{'x'});
  std::vector<std::byte> block(4096, std::byte{'y'});
  if (driver.run(*file, FileOp::write, 0, std::span(mib).first(512 << 10))) return 2;
  if (driver.run(*file, FileOp::write, 512 << 10, mib) != system_code(ENOSPC)) return 3;
  if (driver.run(*file, FileOp::allocate, 4 << 20, 1 << 20) != system_code(ENOSPC)) return 4;
  if (store->space()->available > 64 << 10) return 5;
  if (driver.run(*file, FileOp::punch, 0, 512 << 10)) return 6;
  if (driver.run(*file, FileOp::write, 0, block)) return 7;
  return 0;
}

class NoSpaceTest : public ::testing::TestWithParam<Way> {};

INSTANTIATE_TEST_SUITE_P(, NoSpaceTest, ::testing::Values(Way::uring, Way::threads, Way::inlined),
                         [](const auto& way) { return name_of(way.param); });

TEST_P(NoSpaceTest, AFullStoreSaysSoAndGoesOnWhenSpaceReturns) {
  caisson::tests::TempDir dir;
  auto child = ::fork();
  if (child == 0) {
    if (!mount_small(dir.path().c_str())) ::_exit(kSkipped);
    ::_exit(fill_and_free(dir.path(), GetParam()));
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kSkipped) GTEST_SKIP() << "mounting a tmpfs needs root";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace caisson::posix::tests

// SPDX-License-Identifier: Apache-2.0
// Initiators of others against the target: libiscsi's tools and qemu-img.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "tests/support/iscsi_client.hpp"
#include "tests/support/iscsi_target.hpp"
#include "tests/support/temp_dir.hpp"

namespace caisson::tests {
namespace {

constexpr const char* kTarget = IscsiTarget::kTarget;

struct Ran {
  int status = -1;
  std::string output;
};

/// Runs a program with a time limit: some of them spin for ever on a surprise.
Ran run(const std::string& command) {
  Ran ran;
  auto* pipe = ::popen(("timeout 20 " + command + " 2>&1").c_str(), "r");
  char line[4096];
  while (std::fgets(line, sizeof line, pipe) != nullptr) ran.output += line;
  auto status = ::pclose(pipe);
  ran.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return ran;
}

bool installed(const char* program) {
  return std::system((std::string("command -v ") + program + " >/dev/null").c_str()) == 0;
}

class IscsiForeign : public ::testing::Test {
 protected:
  std::string portal() const { return "iscsi://127.0.0.1:" + std::to_string(target_.port()); }
  std::string url() const { return portal() + "/" + kTarget + "/0"; }
  IscsiTarget target_;
};

TEST_F(IscsiForeign, LibiscsiDiscoversAndAsks) {
  if (!installed("iscsi-ls")) GTEST_SKIP() << "libiscsi-bin is not installed";
  auto list = run("iscsi-ls -s " + portal());
  EXPECT_EQ(list.status, 0) << list.output;
  EXPECT_NE(list.output.find(kTarget), std::string::npos) << list.output;
  EXPECT_NE(list.output.find("Lun:0"), std::string::npos) << list.output;
  auto inquiry = run("iscsi-inq " + url());
  EXPECT_EQ(inquiry.status, 0) << inquiry.output;
  EXPECT_NE(inquiry.output.find("Peripheral Device Type:DIRECT_ACCESS"), std::string::npos)
      << inquiry.output;
  auto capacity = run("iscsi-readcapacity16 " + url());
  EXPECT_EQ(capacity.status, 0) << capacity.output;
  EXPECT_NE(capacity.output.find("Total size:" + std::to_string(16 << 20)), std::string::npos)
      << capacity.output;
}

TEST_F(IscsiForeign, QemuCopiesAnImageThereAndBack) {
  if (!installed("qemu-img")) GTEST_SKIP() << "qemu-utils is not installed";
  TempDir dir;
  auto image = dir.path() / "image", back = dir.path() / "back";
  auto data = pattern(16u << 20);
  std::ofstream(image, std::ios::binary)
      .write(reinterpret_cast<const char*>(data.data()), static_cast<std::streamsize>(data.size()));
  auto there = run("qemu-img convert -n -f raw -O raw " + image.string() + " " + url());
  ASSERT_EQ(there.status, 0) << there.output;
  EXPECT_TRUE(target_.object->copy() == data);
  auto again = run("qemu-img convert -f raw -O raw " + url() + " " + back.string());
  ASSERT_EQ(again.status, 0) << again.output;
  EXPECT_EQ(run("cmp " + image.string() + " " + back.string()).status, 0);
}

TEST_F(IscsiForeign, LibiscsiProvesItselfAndUs) {
  if (!installed("iscsi-inq")) GTEST_SKIP() << "libiscsi-bin is not installed";
  target_.directory.add_host({.id = 2,
                              .name = "guarded",
                              .chap_user = "alice",
                              .chap_secret = "wonderland-12",
                              .mutual_user = "caisson",
                              .mutual_secret = "looking-glass"},
                             {"*"});
  target_.directory.grant(2, kTarget, {scsi::Verdict::granted, {{0, target_.unit, false}}});
  auto ask = [&](const std::string& credentials, const std::string& more = {}) {
    return run("iscsi-inq 'iscsi://" + credentials + "127.0.0.1:" + std::to_string(target_.port()) +
               "/" + kTarget + "/0" + more + "'");
  };
  EXPECT_NE(ask("").status, 0);
  EXPECT_NE(ask("alice%wrong-secret-1@").status, 0);
  auto one_way = ask("alice%wonderland-12@");
  EXPECT_EQ(one_way.status, 0) << one_way.output;
  auto both = ask("alice%wonderland-12@", "?target_user=caisson&target_password=looking-glass");
  EXPECT_EQ(both.status, 0) << both.output;
}

}  // namespace
}  // namespace caisson::tests

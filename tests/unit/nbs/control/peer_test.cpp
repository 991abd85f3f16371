// SPDX-License-Identifier: Apache-2.0
#include "nbs/control/peer.hpp"

#include <grp.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fstream>

#include "nbs/control/unix_socket.hpp"
#include "storage_object/base/errc.hpp"
#include "tests/unit/nbs/control/fixture.hpp"

namespace caisson::nbs::control {
namespace {

constexpr uid_t kStranger = 64999;  // no user of that number on any of our systems

TEST(ControlPeer, RootAndTheDaemonsOwnUserAreAdmins) {
  EXPECT_EQ(role_of({0, 0, 1}, "no-such-group"), wire::Role::admin);
  EXPECT_EQ(role_of({::geteuid(), 0, 1}, "no-such-group"), wire::Role::admin);
}

TEST(ControlPeer, MembersOfTheGroupAreOperatorsAndOthersNobody) {
  auto* group = ::getgrgid(0);
  ASSERT_NE(group, nullptr);
  EXPECT_EQ(role_of({kStranger, 0, 1}, group->gr_name), wire::Role::operator_);
  EXPECT_EQ(role_of({kStranger, kStranger, 1}, group->gr_name), std::nullopt);
  EXPECT_EQ(role_of({kStranger, 0, 1}, "no-such-group"), std::nullopt);
}

TEST(ControlPeer, ASupplementaryGroupOfTheUserDatabaseCounts) {
  auto* user = ::getpwnam("nobody");
  if (user == nullptr || user->pw_uid == ::geteuid()) GTEST_SKIP() << "no user 'nobody' to ask for";
  auto* group = ::getgrgid(user->pw_gid);
  ASSERT_NE(group, nullptr);
  // The connection came in with another primary group than the database says.
  auto role = role_of({user->pw_uid, kStranger, 1}, group->gr_name);
  bool member = false;
  for (char** name = group->gr_mem; *name != nullptr; ++name)
    member = member || std::string_view(*name) == "nobody";
  EXPECT_EQ(role.has_value(), member);
}

/// What a child that became another user reads from the socket before its end.
std::string read_as(uid_t uid, gid_t gid, const std::string& path) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  auto child = ::fork();
  if (child == 0) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
    char input[4096];
    if (::setgroups(0, nullptr) != 0 || ::setgid(gid) != 0 || ::setuid(uid) != 0 ||
        ::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      ::_exit(1);
    for (ssize_t count; (count = ::recv(socket, input, sizeof input, 0)) > 0;)
      if (::write(ends[1], input, static_cast<std::size_t>(count)) < 0) ::_exit(1);
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string seen;
  char input[4096];
  for (ssize_t count; (count = ::read(ends[0], input, sizeof input)) > 0;)
    seen.append(input, static_cast<std::size_t>(count));
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  return seen;
}

TEST_F(ControlServerTest, AStrangerIsRefusedByTheKernelsWord) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  serve();
  // Even if somebody opened the permissions of the socket.
  ASSERT_EQ(::chmod(options_.path.c_str(), 0666), 0);
  ASSERT_EQ(::chmod(dir_.path().c_str(), 0755), 0);
  auto seen = read_as(kStranger, kStranger, options_.path);
  wire::FrameParser parser(wire::kMaxControlBody);
  parser.feed(std::as_bytes(std::span(seen)));
  auto frame = parser.next();
  ASSERT_TRUE(frame.has_value() && *frame);
  EXPECT_EQ((*frame)->header.flags & wire::kEvent, wire::kEvent);
  EXPECT_EQ(status_of(**frame), wire::Status::permission_denied);
  auto words = wire::decode_failure((*frame)->header.status, (*frame)->body, nullptr);
  EXPECT_EQ(words.message, "uid:64999 may not control this gateway");
  EXPECT_NE(words.remedy.find("group 'caisson'"), std::string::npos);
  EXPECT_EQ(service_.count(), 0U);
}

TEST_F(ControlServerTest, TheSocketIsForItsOwnerAndGroupOnly) {
  serve();
  struct stat found {};
  ASSERT_EQ(::stat(options_.path.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0660U);
}

TEST_F(ControlServerTest, ASocketSomebodyServesIsLeftAlone) {
  serve();
  auto second = UnixListener::open(options_.path, "caisson", 1);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, Errc::in_use);
  EXPECT_TRUE(greeted().connected());
}

TEST_F(ControlServerTest, AStaleSocketIsReplaced) {
  int abandoned = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, options_.path.data(), options_.path.size());
  ASSERT_EQ(::bind(abandoned, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::close(abandoned);
  serve();
  EXPECT_EQ(status_of(peer().hello()), wire::Status::ok);
}

TEST_F(ControlServerTest, WhatIsNoSocketIsNotTouched) {
  { std::ofstream(options_.path) << "precious"; }
  auto opened = UnixListener::open(options_.path, "caisson", 1);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, Errc::in_use);
  EXPECT_EQ(std::filesystem::file_size(options_.path), 8U);
}

TEST_F(ControlServerTest, AnEndingServerLeavesTheNameToItsSuccessor) {
  auto first = UnixListener::open(options_.path, "caisson", 1);
  ASSERT_TRUE(first.has_value());
  std::filesystem::remove(options_.path);
  auto second = UnixListener::open(options_.path, "caisson", 1);
  ASSERT_TRUE(second.has_value());
  { auto ended = std::move(*first); }
  EXPECT_TRUE(std::filesystem::exists(options_.path));
}

TEST(ControlSocket, APathTooLongForASocketIsSaidSo) {
  auto opened = UnixListener::open("/tmp/" + std::string(120, 'x'), "caisson", 1);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, Errc::invalid_argument);
}

}  // namespace
}  // namespace caisson::nbs::control

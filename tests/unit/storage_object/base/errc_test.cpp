// SPDX-License-Identifier: Apache-2.0
#include "storage_object/base/errc.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>

namespace caisson {
namespace {

TEST(Errc, EveryCodeHasAMessageOfItsOwn) {
  std::set<std::string> messages;
  constexpr auto kLast = static_cast<int>(Errc::internal);
  for (int value = 1; value <= kLast; ++value)
    messages.insert(make_error_code(static_cast<Errc>(value)).message());
  EXPECT_EQ(messages.size(), static_cast<std::size_t>(kLast));
  EXPECT_FALSE(messages.contains("unknown error"));
  EXPECT_EQ(errc_category().message(kLast + 1), "unknown error");
  EXPECT_EQ(errc_category().message(0), "unknown error");
}

TEST(Errc, SystemErrorsMapToTheNearest) {
  struct Row {
    int number;
    Errc code;
  };
  constexpr Row kRows[] = {
      {ENOSPC, Errc::no_space},
      {EDQUOT, Errc::no_space},
      {ENOENT, Errc::not_found},
      {EEXIST, Errc::already_exists},
      {EACCES, Errc::permission_denied},
      {EROFS, Errc::permission_denied},
      {EAGAIN, Errc::in_use},
      {EOPNOTSUPP, Errc::unsupported},
      {EINVAL, Errc::invalid_argument},
      {ETIMEDOUT, Errc::timed_out},
      {ECANCELED, Errc::cancelled},
      {EIO, Errc::io_error},
      {EXDEV, Errc::io_error},
  };
  for (const auto& row : kRows) {
    EXPECT_EQ(to_errc(Error(row.number, boost::system::system_category())), row.code);
    EXPECT_EQ(to_errc(Error(row.number, boost::system::generic_category())), row.code);
  }
}

TEST(Errc, OwnCodesStayWhatTheyAre) {
  EXPECT_EQ(to_errc(Errc::stale), Errc::stale);
  EXPECT_EQ(to_errc(Errc::partly_done), Errc::partly_done);
}

TEST(Errc, ValueOfAFailureThrowsItsMessage) {
  Outcome<int> failed = failure(Errc::offline, "LUN x is offline", "bring it online");
  try {
    static_cast<void>(failed.value());
    FAIL();
  } catch (const boost::system::system_error& error) {
    EXPECT_EQ(error.code(), Errc::offline);
    EXPECT_NE(std::string(error.what()).find("LUN x is offline"), std::string::npos);
  }
}

}  // namespace
}  // namespace caisson

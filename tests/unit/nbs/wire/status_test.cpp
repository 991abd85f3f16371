// SPDX-License-Identifier: Apache-2.0
#include "nbs/wire/status.hpp"

#include <gtest/gtest.h>

#include <set>

namespace caisson::nbs::wire {
namespace {

TEST(NbsStatus, EveryErrcTravelsThereAndBack) {
  std::set<Status> seen;
  for (int value = 1; value <= static_cast<int>(Errc::internal); ++value) {
    auto code = static_cast<Errc>(value);
    auto status = to_status(code);
    EXPECT_NE(status, Status::ok);
    EXPECT_EQ(to_errc(status), code);
    EXPECT_TRUE(seen.insert(status).second);
    EXPECT_NE(name_of(code), "unknown");
  }
}

TEST(NbsStatus, SystemErrorsBecomeTheNearest) {
  EXPECT_EQ(to_status(Error(ENOSPC, boost::system::system_category())), Status::no_space);
  EXPECT_EQ(to_status(Error(EXDEV, boost::system::system_category())), Status::io_error);
}

TEST(NbsStatus, NumbersOfALaterVersionAreAProtocolError) {
  EXPECT_EQ(to_errc(static_cast<Status>(0x7777)), Errc::protocol);
}

TEST(NbsStatus, AFailureKeepsItsWordsAndWhatWasDone) {
  auto body = encode_failure(failure(Errc::partly_done, "two of three", "do the third"), "part");
  std::string partial;
  auto failed = decode_failure(0x000f, body, &partial);
  EXPECT_EQ(failed.code, Errc::partly_done);
  EXPECT_EQ(failed.message, "two of three");
  EXPECT_EQ(failed.remedy, "do the third");
  EXPECT_EQ(partial, "part");
}

TEST(NbsStatus, ABodyWithoutWordsStillFails) {
  for (std::string_view body : {std::string_view(""), std::string_view("\xff\xff\xff", 3)}) {
    auto failed = decode_failure(0x0002, body, nullptr);
    EXPECT_EQ(failed.code, Errc::not_found);
    EXPECT_FALSE(failed.message.empty());
  }
}

}  // namespace
}  // namespace caisson::nbs::wire

// SPDX-License-Identifier: Apache-2.0
#include "storage_object/base/iscsi_name.hpp"

#include <gtest/gtest.h>

#include "storage_object/base/errc.hpp"

namespace caisson {
namespace {

TEST(IscsiName, WellFormedOnesComeInNormalForm) {
  struct {
    const char* name;
    const char* normal;
  } constexpr kNames[] = {
      {"iqn.1993-08.org.debian:01:abcdef", "iqn.1993-08.org.debian:01:abcdef"},
      {"IQN.2001-04.com.Example:Storage.Disk2", "iqn.2001-04.com.example:storage.disk2"},
      {"iqn.2001-12.com.example", "iqn.2001-12.com.example"},
      {"iqn.2001-01.org:x", "iqn.2001-01.org:x"},
      {"eui.02004567A425678D", "eui.02004567a425678d"},
      {"naa.52004567BA64678D", "naa.52004567ba64678d"},
      {"naa.62004567BA64678D0123456789ABCDEF", "naa.62004567ba64678d0123456789abcdef"},
  };
  for (const auto& row : kNames) {
    auto checked = checked_iscsi_name(row.name);
    ASSERT_TRUE(checked) << checked.error().message;
    EXPECT_EQ(*checked, row.normal);
  }
  EXPECT_TRUE(checked_iscsi_name("iqn.2001-04.com.example:" + std::string(199, 'a')));
}

TEST(IscsiName, OthersAreRefusedWithTheReason) {
  struct {
    std::string name;
    const char* says;
  } const kNames[] = {
      {"", "begins with none"},
      {"example", "begins with none"},
      {"iqn", "begins with none"},
      {"iqn.", "no year"},
      {"iqn.2001-04", "no year"},
      {"iqn.01-04.com.example", "no year"},
      {"iqn.2001-13.com.example", "month"},
      {"iqn.2001-00.com.example", "month"},
      {"iqn.2001-04.", "no domain"},
      {"iqn.2001-04.:x", "no domain"},
      {"iqn.2001-04.com..example", "no domain"},
      {"iqn.2001-04.com.example.", "no domain"},
      {"iqn.2001-04.-com", "no domain"},
      {"iqn.2001-04.com.example:a b", "only letters"},
      {"iqn.2001-04.com.example:a_b", "only letters"},
      {"iqn.2001-04.com.example:\xc3\xa4", "only letters"},
      {"iqn.2001-04.com.example:" + std::string(200, 'a'), "223"},
      {"eui.02004567a425678", "16 hexadecimal"},
      {"eui.02004567a425678g", "16 hexadecimal"},
      {"naa.52004567ba64678d0", "nor 32"},
      {"naa.", "nor 32"},
  };
  for (const auto& row : kNames) {
    auto checked = checked_iscsi_name(row.name);
    ASSERT_FALSE(checked) << row.name;
    EXPECT_EQ(checked.error().code, Errc::invalid_argument);
    EXPECT_NE(checked.error().message.find(row.says), std::string::npos) << checked.error().message;
  }
}

}  // namespace
}  // namespace caisson

// SPDX-License-Identifier: Apache-2.0
#include "gateway/iscsi/command_window.hpp"

#include <gtest/gtest.h>

#include "gateway/iscsi/command_table.hpp"

namespace caisson::iscsi {
namespace {

TEST(CommandWindow, ClosesByOpenCommandsAndOpensAsTheyEnd) {
  CommandWindow window(0xfffffffe, 4);
  EXPECT_EQ(window.max(), 1u);
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(window.contains(window.expected()));
    window.advance();
    window.opened();
  }
  EXPECT_EQ(window.expected(), 2u);
  EXPECT_EQ(window.promise(0), 1u);
  EXPECT_FALSE(window.contains(2));
  window.closed();
  EXPECT_EQ(window.promise(0), 2u);
  EXPECT_TRUE(window.contains(2));
}

TEST(CommandWindow, NeverTakesAPromiseBack) {
  CommandWindow window(1, 4);
  window.advance();
  EXPECT_EQ(window.promise(0), 5u);
  window.opened();
  EXPECT_EQ(window.promise(0), 5u);
}

TEST(CommandWindow, ClosesWhenAnswersAreNotRead) {
  CommandWindow window(1, 4);
  for (int i = 0; i < 4; ++i) window.advance();
  EXPECT_EQ(window.promise(4), 8u);  // a whole window unsent is no reason
  for (int i = 0; i < 4; ++i) window.advance();
  EXPECT_EQ(window.promise(8), 8u);
  EXPECT_FALSE(window.contains(9));
  EXPECT_EQ(window.promise(1000), 8u);
  EXPECT_EQ(window.promise(6), 10u);
  EXPECT_EQ(window.promise(0), 12u);
}

TEST(CommandWindow, KnowsWhatIsOutside) {
  CommandWindow window(10, 4);
  EXPECT_FALSE(window.contains(9));
  EXPECT_TRUE(window.contains(10));
  EXPECT_TRUE(window.contains(13));
  EXPECT_FALSE(window.contains(14));
}

TEST(CommandTable, FindsByTagAndReusesLowSlots) {
  CommandTable table(3);
  Command commands[3];
  for (std::uint32_t i = 0; i < 3; ++i) {
    commands[i].tag = 100 + i;
    table.insert(commands[i]);
  }
  EXPECT_TRUE(table.full());
  EXPECT_EQ(table.find(101), &commands[1]);
  EXPECT_EQ(table.at(1), &commands[1]);
  EXPECT_EQ(table.at(table.end()), nullptr);
  table.erase(commands[0]);
  EXPECT_EQ(table.find(100), nullptr);
  EXPECT_EQ(table.end(), 3u);
  EXPECT_EQ(table.at(0), nullptr);
  table.insert(commands[0]);
  EXPECT_EQ(commands[0].slot, 0);
}

TEST(CommandList, KeepsOrderWhenOneIsTakenOut) {
  Command a, b, c;
  CommandList list;
  for (auto* command : {&a, &b, &c}) list.push(*command);
  list.remove(c);
  list.push(c);
  list.remove(b);
  EXPECT_EQ(&list.pop(), &a);
  EXPECT_EQ(&list.pop(), &c);
  EXPECT_TRUE(list.empty());
}

}  // namespace
}  // namespace caisson::iscsi

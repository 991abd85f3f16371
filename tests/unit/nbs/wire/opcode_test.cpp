// SPDX-License-Identifier: Apache-2.0
#include "nbs/wire/opcode.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "nbs/wire/messages.hpp"

namespace caisson::nbs::wire {
namespace {

using google::protobuf::FieldDescriptor;

TEST(NbsOpcodes, EveryRowIsFoundByItsNumber) {
  std::set<std::string_view> names;
  for (const auto& row : opcodes()) {
    EXPECT_EQ(find_opcode(row.number), &row);
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
  }
  for (std::uint16_t unknown : {0x0000, 0x0003, 0x0101, 0x1005, 0xffff})
    EXPECT_EQ(find_opcode(unknown), nullptr) << unknown;
}

TEST(NbsOpcodes, EveryRowNamesMessagesThatExist) {
  for (const auto& row : opcodes()) {
    EXPECT_NE(make_message(row.request), nullptr) << row.name << " " << row.request;
    EXPECT_NE(make_message(row.reply), nullptr) << row.name << " " << row.reply;
  }
  EXPECT_EQ(make_message("NoSuchMessage"), nullptr);
}

TEST(NbsOpcodes, MutationsCanBeTriedAndSayWhatTheyChanged) {
  for (const auto& row : opcodes()) {
    const auto* dry = make_message(row.request)->GetDescriptor()->FindFieldByName("dry_run");
    EXPECT_EQ(dry != nullptr, row.mutating) << row.name;
    if (row.mutating) {
      EXPECT_EQ(dry->cpp_type(), FieldDescriptor::CPPTYPE_BOOL) << row.name;
      EXPECT_NE(make_message(row.reply)->GetDescriptor()->FindFieldByName("change"), nullptr)
          << row.name;
    }
  }
}

TEST(NbsOpcodes, OnlyRepliesThatMakeSecretsHaveAFieldForThem) {
  std::set<std::string_view> with_secret;
  for (const auto& row : opcodes()) {
    std::vector<const google::protobuf::Descriptor*> pending{
        make_message(row.reply)->GetDescriptor()};
    for (std::size_t i = 0; i < pending.size(); ++i)
      for (int f = 0; f < pending[i]->field_count(); ++f) {
        const auto* field = pending[i]->field(f);
        if (field->name().find("secret") != std::string::npos) with_secret.insert(row.reply);
        if (const auto* inner = field->message_type()) pending.push_back(inner);
      }
  }
  EXPECT_EQ(with_secret, std::set<std::string_view>{"HostReply"});
}

TEST(NbsOpcodes, NobodyButAnAdminChangesWhatIsNotHisOwn) {
  for (const auto& row : opcodes()) {
    EXPECT_TRUE(row.roles.contains(Role::admin)) << row.name;
    if (!row.mutating) continue;
    // A new snapshot takes nothing from anybody: operators may cut one (decision 10).
    EXPECT_EQ(row.roles.contains(Role::operator_), row.name == "snapshot.create") << row.name;
    EXPECT_FALSE(row.roles.contains(Role::agent)) << row.name;
    if (row.roles.contains(Role::host)) {
      EXPECT_NE(row.right, Right::none) << row.name;
    }
  }
}

TEST(NbsOpcodes, WhatAHostMayDoNeedsTheRightThatItsGrantNames) {
  const std::map<std::string_view, std::string_view> rights = {
      {"lun.resize", "resize"},      {"snapshot.create", "snapshot"},
      {"snapshot.list", "snapshot"}, {"snapshot.show", "snapshot"},
      {"snapshot.diff", "snapshot"}, {"snapshot.restore", "restore"},
  };
  for (const auto& row : opcodes()) {
    auto right = rights.find(row.name);
    EXPECT_EQ(to_string(row.right), right == rights.end() ? "none" : right->second) << row.name;
    EXPECT_EQ(row.roles.contains(Role::host) && row.number >= 0x1000, right != rights.end())
        << row.name;
  }
}

}  // namespace
}  // namespace caisson::nbs::wire

// SPDX-License-Identifier: Apache-2.0
// The tables of commands and columns against control.proto and the opcodes.
#include <gtest/gtest.h>

#include <map>

#include "gateway/cli/columns.hpp"
#include "gateway/cli/command.hpp"
#include "nbs/wire/control.pb.h"
#include "tests/unit/gateway/cli/fixture.hpp"

namespace caisson::cli {
namespace {

using google::protobuf::FieldDescriptor;

const FieldDescriptor* field_of(std::string_view message, std::string_view field) {
  return wire::make_message(message)->GetDescriptor()->FindFieldByName(std::string(field));
}

bool fits(Kind kind, const FieldDescriptor& field) {
  switch (kind) {
    case Kind::flag:
    case Kind::on_off: return field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL;
    case Kind::size:
    case Kind::duration: return field.cpp_type() == FieldDescriptor::CPPTYPE_UINT64;
    case Kind::number:
      return field.cpp_type() == FieldDescriptor::CPPTYPE_UINT64 ||
             field.cpp_type() == FieldDescriptor::CPPTYPE_UINT32;
    case Kind::texts:
    case Kind::words:
      return field.is_repeated() && field.cpp_type() == FieldDescriptor::CPPTYPE_STRING;
    case Kind::text:
    case Kind::path:
    case Kind::secret_file:
      return !field.is_repeated() && field.cpp_type() == FieldDescriptor::CPPTYPE_STRING;
  }
  return false;
}

std::string called(const Command& command) {
  return std::string(command.noun) + " " + std::string(command.verb);
}

TEST(CliTables, EveryOperationHasOneCommand) {
  std::map<std::uint16_t, int> used;
  for (const auto& command : commands())
    if (command.op) ++used[wire::opcode(*command.op).number];
  for (const auto& row : wire::opcodes()) {
    const bool connection = row.name == "hello" || row.name == "keepalive";
    EXPECT_EQ(used[row.number], connection ? 0 : 1) << row.name;
  }
}

TEST(CliTables, EveryArgumentFillsAFieldOfTheRequestThatFitsIt) {
  for (const auto& command : commands()) {
    if (!command.op) continue;
    for (const auto& argument : command.arguments) {
      if (argument.field.empty()) {
        EXPECT_TRUE(command.adjust != nullptr || command.pages != nullptr)
            << called(command) << " does nothing with " << argument.name;
        continue;
      }
      const auto* field = field_of(wire::opcode(*command.op).request, argument.field);
      ASSERT_NE(field, nullptr) << called(command) << " " << argument.name;
      EXPECT_TRUE(fits(argument.kind, *field)) << called(command) << " " << argument.name;
    }
  }
}

TEST(CliTables, EveryFieldOfARequestCanBeTyped) {
  for (const auto& command : commands()) {
    if (!command.op) continue;
    const auto& row = wire::opcode(*command.op);
    const auto* type = wire::make_message(row.request)->GetDescriptor();
    for (int i = 0; i < type->field_count(); ++i) {
      const auto& name = type->field(i)->name();
      bool typed = name == "dry_run" && row.mutating;
      if (command.pages != nullptr) typed = name == "cursor" || name == "limit";
      for (const auto& argument : command.arguments) typed = typed || argument.field == name;
      EXPECT_TRUE(typed) << called(command) << " cannot set " << name;
    }
  }
}

TEST(CliTables, EveryChangeHasItsSentence) {
  for (const auto& command : commands()) {
    const bool changes = command.op && wire::opcode(*command.op).mutating;
    EXPECT_EQ(!command.done.empty(), changes) << called(command);
    EXPECT_EQ(!command.subject.empty(), changes) << called(command);
  }
}

TEST(CliTables, EveryColumnIsAFieldOfItsMessage) {
  const auto* file = wire::HelloRequest::descriptor()->file();
  int shown = 0;
  for (int i = 0; i < file->message_type_count(); ++i)
    for (const auto& column : columns_of(file->message_type(i)->name())) {
      ++shown;
      EXPECT_NE(field_of(file->message_type(i)->name(), column.field), nullptr)
          << file->message_type(i)->name() << " " << column.field;
    }
  EXPECT_GT(shown, 0);
}

TEST(CliTables, WhatIsInAReplyHasColumns) {
  for (const auto& row : wire::opcodes()) {
    const auto* type = wire::make_message(row.reply)->GetDescriptor();
    if (!columns_of(type->name()).empty()) continue;
    for (int i = 0; i < type->field_count(); ++i) {
      const auto* inner = type->field(i)->message_type();
      if (inner == nullptr || inner->name() == "Change") continue;
      EXPECT_FALSE(columns_of(inner->name()).empty()) << row.name << " " << inner->name();
    }
  }
}

}  // namespace
}  // namespace caisson::cli

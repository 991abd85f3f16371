// SPDX-License-Identifier: Apache-2.0
#include "gateway/cli/view.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "gateway/cli/columns.hpp"
#include "gateway/cli/duration.hpp"
#include "nbs/wire/control.pb.h"
#include "storage_object/base/names.hpp"

namespace caisson::cli {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using Row = std::vector<std::string>;

bool right_aligned(Format format) {
  return format == Format::size || format == Format::quota || format == Format::number ||
         format == Format::duration;
}

const FieldDescriptor* field_of(const Message& message, std::string_view name) {
  return message.GetDescriptor()->FindFieldByName(std::string(name));
}

std::string time_text(std::int64_t seconds) {
  if (seconds == 0) return "-";
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

std::string format_number(Format format, std::uint64_t value) {
  switch (format) {
    case Format::size: return format_size(value);
    case Format::quota: return value == 0 ? "none" : format_size(value);
    case Format::time: return time_text(static_cast<std::int64_t>(value));
    case Format::duration: return value == 0 ? "-" : format_duration(value);
    case Format::time_ms: return time_text(static_cast<std::int64_t>(value) / 1000);
    default: return fmt::format("{}", value);
  }
}

std::string cell(const Message& message, const FieldDescriptor* field, Format format) {
  const auto& reflection = *message.GetReflection();
  if (field->is_repeated()) {
    std::string joined;
    for (int i = 0; i < reflection.FieldSize(message, field); ++i)
      joined += (i == 0 ? "" : ", ") + printable(reflection.GetRepeatedString(message, field, i));
    return joined.empty() ? "-" : joined;
  }
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL: return reflection.GetBool(message, field) ? "yes" : "no";
    case FieldDescriptor::CPPTYPE_UINT32:
      return format_number(format, reflection.GetUInt32(message, field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return format_number(format, reflection.GetUInt64(message, field));
    case FieldDescriptor::CPPTYPE_INT64:
      return format_number(format, static_cast<std::uint64_t>(reflection.GetInt64(message, field)));
    default: break;
  }
  auto text = printable(reflection.GetString(message, field));
  return text.empty() ? "-" : text;
}

std::size_t width_of(std::string_view text) {  // printable() left whole characters only
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string padded(const std::string& text, std::size_t width, bool right) {
  std::string blanks(width - std::min(width, width_of(text)), ' ');
  return right ? blanks + text : text + blanks;
}

void write_rows(std::ostream& out, const std::vector<Row>& rows, const std::vector<bool>& right,
                std::string_view indent) {
  std::vector<std::size_t> widths(right.size());
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  for (const auto& row : rows) {
    std::string line(indent);
    for (std::size_t i = 0; i < row.size(); ++i)
      line += (i == 0 ? "" : "  ") + padded(row[i], widths[i], right[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << '\n';
  }
}

std::string upper(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? c - 32 : c; });
  return out;
}

/// A header line and a line per message. All are of the type `type` describes.
void write_table(std::ostream& out, const google::protobuf::Descriptor* type,
                 const std::vector<const Message*>& messages, std::string_view indent) {
  std::vector<Row> rows(1);
  std::vector<bool> right;
  for (const auto& column : columns_of(type->name())) {
    if ((column.where & kList) == 0) continue;
    rows[0].push_back(upper(column.title));
    right.push_back(right_aligned(column.format));
  }
  for (const auto* message : messages) {
    auto& row = rows.emplace_back();
    for (const auto& column : columns_of(type->name()))
      if ((column.where & kList) != 0)
        row.push_back(cell(*message, field_of(*message, column.field), column.format));
  }
  write_rows(out, rows, right, indent);
}

std::vector<const Message*> messages_in(const Message& message, const FieldDescriptor* field) {
  const auto& reflection = *message.GetReflection();
  std::vector<const Message*> all;
  if (!field->is_repeated()) {
    if (reflection.HasField(message, field)) all.push_back(&reflection.GetMessage(message, field));
    return all;
  }
  for (int i = 0; i < reflection.FieldSize(message, field); ++i)
    all.push_back(&reflection.GetRepeatedMessage(message, field, i));
  return all;
}

/// A line per field, then its inner tables. After a change what says nothing is
/// left out.
void write_lines(std::ostream& out, const Message& message, Where where) {
  std::vector<Row> rows;
  for (const auto& column : columns_of(message.GetDescriptor()->name())) {
    if ((column.where & where) == 0 || column.format == Format::table) continue;
    auto text = cell(message, field_of(message, column.field), column.format);
    if (where == kBrief && text == "-") continue;
    rows.push_back({std::string(column.title) + ":", std::move(text)});
  }
  write_rows(out, rows, {false, false}, where == kBrief ? "  " : "");
  for (const auto& column : columns_of(message.GetDescriptor()->name())) {
    if ((column.where & where) == 0 || column.format != Format::table) continue;
    const auto* field = field_of(message, column.field);
    auto inner = messages_in(message, field);
    if (inner.empty()) continue;
    out << column.title << ":\n";
    write_table(out, field->message_type(), inner, "  ");
  }
}

void write_change(std::ostream& out, const Command& command, const Message& request,
                  const Message& reply) {
  const auto& change = dynamic_cast<const nbs::wire::Change&>(
      reply.GetReflection()->GetMessage(reply, field_of(reply, "change")));
  auto subject = fill_in(command.subject, request);
  auto done = fill_in(command.done, request);
  if (!change.changed())
    out << subject << ": nothing to change, it is so already\n";
  else if (change.dry_run())
    out << subject << " would be " << done << " (dry run, nothing was changed)\n";
  else
    out << subject << " " << done << "\n";
  for (const auto& note : change.notes()) out << "  " << printable(note) << "\n";
}

void write_secrets(std::ostream& out, const Message& secrets) {
  out << "  The gateway shows these once; keep them:\n";
  write_lines(out, secrets, kBrief);
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    auto lead = static_cast<unsigned char>(text[at]);
    std::size_t length = lead < 0x80    ? 1
                         : lead >= 0xf0 ? 4
                         : lead >= 0xe0 ? 3
                         : lead >= 0xc2 ? 2
                                        : 0;
    bool whole = length != 0 && at + length <= text.size() && lead >= 0x20 && lead != 0x7f;
    for (std::size_t i = 1; whole && i < length; ++i)
      whole = (static_cast<unsigned char>(text[at + i]) & 0xc0) == 0x80;
    // U+0080 to U+009F steer terminals as well.
    if (whole && lead == 0xc2 && static_cast<unsigned char>(text[at + 1]) < 0xa0) whole = false;
    if (whole) {
      out += text.substr(at, length);
      at += length;
    } else {
      out += fmt::format("\\x{:02x}", lead);
      ++at;
    }
  }
  return out;
}

std::string fill_in(std::string_view pattern, const Message& message) {
  std::string out;
  while (!pattern.empty()) {
    auto open = pattern.find('{');
    out += pattern.substr(0, open);
    if (open == std::string_view::npos) break;
    auto close = pattern.find('}', open);
    const auto* field = field_of(message, pattern.substr(open + 1, close - open - 1));
    out += cell(message, field, Format::text);
    pattern.remove_prefix(close + 1);
  }
  return out;
}

void render(std::ostream& out, const Command& command, const Message& request,
            const Message& reply) {
  const bool change = nbs::wire::opcode(*command.op).mutating;
  if (change) write_change(out, command, request, reply);
  const auto where = change ? kBrief : kShow;
  write_lines(out, reply, where);
  const auto* type = reply.GetDescriptor();
  if (!columns_of(type->name()).empty()) return;
  for (int i = 0; i < type->field_count(); ++i) {
    const auto* field = type->field(i);
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->name() == "change")
      continue;
    auto messages = messages_in(reply, field);
    if (field->is_repeated())
      write_table(out, field->message_type(), messages, "");
    else if (!messages.empty() && field->name() == "generated")
      write_secrets(out, *messages.front());
    else if (!messages.empty())
      write_lines(out, *messages.front(), where);
  }
}

}  // namespace caisson::cli

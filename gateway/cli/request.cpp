// SPDX-License-Identifier: Apache-2.0
#include "gateway/cli/request.hpp"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <limits>
#include <set>

#include "gateway/cli/duration.hpp"
#include "nbs/wire/messages.hpp"
#include "storage_object/base/chap_secret.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/names.hpp"

namespace caisson::cli {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

Failure usage(std::string message, std::string remedy) {
  return failure(Errc::invalid_argument, std::move(message), std::move(remedy));
}

Outcome<std::string> first_line(std::istream& input) {
  std::string line;
  for (char c; line.size() <= kMaxChapSecret + 1 && input.get(c) && c != '\n';) line += c;
  if (line.ends_with('\r')) line.pop_back();
  if (!valid_chap_secret(line))
    return usage(fmt::format("a CHAP secret has {} to {} printable characters and no blanks",
                             kMinChapSecret, kMaxChapSecret),
                 "put the secret alone on the first line, or leave the option out to have one "
                 "generated");
  return line;
}

Outcome<std::string> read_secret(const std::string& file, std::istream& input) {
  if (file == "-") return first_line(input);
  std::ifstream stream(file);
  if (!stream)
    return failure(Errc::io_error, fmt::format("secret file '{}' cannot be read", file),
                   "name a readable file, or '-' for standard input");
  return first_line(stream);
}

Outcome<std::uint64_t> read_number(const Argument& argument, std::string_view text,
                                   std::uint64_t limit) {
  std::uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value <= limit) return value;
  return usage(fmt::format("{}: '{}' is not a number from 0 to {}", argument.name, text, limit),
               "write digits only");
}

/// Sets one field from the words typed for one argument.
class Setter {
 public:
  Setter(Message& request, std::istream& input) : request_(request), input_(input) {}

  Outcome<> set(const Argument& argument, const std::vector<std::string>& words) {
    field_ = request_.GetDescriptor()->FindFieldByName(std::string(argument.field));
    if (argument.kind == Kind::flag) return flag(argument);
    for (const auto& word : words) {
      if (auto fine = one(argument, word); !fine) return fine;
    }
    return {};
  }

 private:
  Outcome<> flag(const Argument& argument) {
    if (!flags_.insert(field_).second)
      return usage(fmt::format("{} contradicts another option", argument.name),
                   "give one of the two");
    reflection().SetBool(&request_, field_, argument.value);
    return {};
  }

  Outcome<> one(const Argument& argument, const std::string& word) {
    switch (argument.kind) {
      case Kind::size: return size(argument, word);
      case Kind::number: return number(argument, word);
      case Kind::duration: return duration(argument, word);
      case Kind::words: return list(word);
      case Kind::on_off: reflection().SetBool(&request_, field_, word == "on"); return {};
      case Kind::texts: reflection().AddString(&request_, field_, word); return {};
      case Kind::path: return text(std::filesystem::absolute(word).lexically_normal().string());
      case Kind::secret_file: {
        auto secret = read_secret(word, input_);
        return secret ? text(*secret) : Outcome<>(secret.error());
      }
      case Kind::text:
      case Kind::flag: return text(word);
    }
    return {};
  }

  Outcome<> text(const std::string& value) {
    reflection().SetString(&request_, field_, value);
    return {};
  }

  Outcome<> size(const Argument& argument, const std::string& word) {
    auto bytes = parse_size(word);
    if (!bytes)
      return usage(fmt::format("{}: {}", argument.name, bytes.error().message),
                   bytes.error().remedy);
    reflection().SetUInt64(&request_, field_, *bytes);
    return {};
  }

  Outcome<> duration(const Argument& argument, const std::string& word) {
    auto seconds = parse_duration(word);
    if (!seconds)
      return usage(fmt::format("{}: {}", argument.name, seconds.error().message),
                   seconds.error().remedy);
    reflection().SetUInt64(&request_, field_, *seconds);
    return {};
  }

  Outcome<> number(const Argument& argument, const std::string& word) {
    const bool small = field_->cpp_type() == FieldDescriptor::CPPTYPE_UINT32;
    auto value = read_number(argument, word,
                             small ? std::numeric_limits<std::uint32_t>::max()
                                   : std::numeric_limits<std::uint64_t>::max());
    if (!value) return value.error();
    if (small)
      reflection().SetUInt32(&request_, field_, static_cast<std::uint32_t>(*value));
    else
      reflection().SetUInt64(&request_, field_, *value);
    return {};
  }

  Outcome<> list(std::string_view words) {
    for (;;) {
      auto comma = words.find(',');
      if (auto word = words.substr(0, comma); !word.empty())
        reflection().AddString(&request_, field_, std::string(word));
      if (comma == std::string_view::npos) return {};
      words.remove_prefix(comma + 1);
    }
  }

  const google::protobuf::Reflection& reflection() const { return *request_.GetReflection(); }

  Message& request_;
  std::istream& input_;
  const FieldDescriptor* field_ = nullptr;
  std::set<const FieldDescriptor*> flags_;
};

}  // namespace

Outcome<std::unique_ptr<Message>> build_request(const Command& command, const Typed& typed,
                                                bool dry_run, std::istream& input) {
  auto request = nbs::wire::make_message(nbs::wire::opcode(*command.op).request);
  Setter setter(*request, input);
  for (const auto& argument : command.arguments) {
    auto words = typed.find(argument.name);
    if (words == typed.end() || argument.field.empty()) continue;
    if (auto fine = setter.set(argument, words->second); !fine) return fine.error();
  }
  if (command.adjust != nullptr)
    if (auto adjusted = command.adjust(typed, *request); !adjusted) return adjusted.error();
  if (dry_run) {
    const auto* field = request->GetDescriptor()->FindFieldByName("dry_run");
    request->GetReflection()->SetBool(request.get(), field, true);
  }
  return request;
}

}  // namespace caisson::cli

// SPDX-License-Identifier: Apache-2.0
// The command line as one table: a row per verb, from which the parser, the
// request, the help and the sentence at the end are made.
#pragma once

#include <google/protobuf/message.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nbs/wire/opcode.hpp"
#include "storage_object/base/result.hpp"

namespace caisson::cli {

/// How a word of the command line becomes a field of the request.
enum class Kind : std::uint8_t {
  text,         ///< as it is
  texts,        ///< may be given several times
  words,        ///< "a,b,c" to a list
  flag,         ///< sets the field to Argument::value
  on_off,       ///< one of those two words, to a bool
  size,         ///< "10G" to bytes
  number,       ///< a whole number
  duration,     ///< "7d" to seconds
  path,         ///< made absolute: the gateway has another working directory
  secret_file,  ///< the field is the first line of that file, "-": of standard input
};

struct Argument {
  std::string_view name;   ///< "--size", or "NAME" for a positional
  std::string_view field;  ///< of the request message; empty: for `adjust`, `pages` or `local`
  Kind kind = Kind::text;
  std::string_view help;
  bool required = false;
  std::string_view choices = {};  ///< "a|b|c": nothing else is taken
  bool value = true;              ///< of a flag

  bool positional() const noexcept { return !name.starts_with('-'); }
};

/// What was typed for each argument of a verb, by Argument::name.
using Typed = std::map<std::string_view, std::vector<std::string>>;

/// What a verb works with whose answer comes in pages.
struct Paging {
  const Typed& typed;
  google::protobuf::Message& request;  ///< the first; changed from page to page
  /// Runs the verb once. Its failure ends the command.
  std::function<Outcome<>(const google::protobuf::Message& request,
                          google::protobuf::Message& reply)>
      ask;
  std::ostream& out;
  std::ostream& err;
  bool json = false;
  bool out_is_terminal = false;
  bool err_is_terminal = false;
};

struct Command {
  std::string_view noun;
  /// Empty: the noun is the whole command. "schedule list" is a verb of a noun below it.
  std::string_view verb;
  std::string_view help;
  std::optional<nbs::wire::Op> op;  ///< nullopt: answered here, by `local`
  std::span<const Argument> arguments;
  std::string_view subject = {};  ///< of the sentence after a change; "{field}" is the request's
  std::string_view done = {};     ///< its participle: "created"
  bool confirm = false;           ///< asks on a terminal, needs --yes elsewhere
  /// Last touch to the request, after every argument; may be nullptr. Errc::invalid_argument.
  Outcome<> (*adjust)(const Typed& typed, google::protobuf::Message& request) = nullptr;
  std::string (*local)(const Typed& typed) = nullptr;
  /// Asks and writes what it is told, instead of the tables; may be nullptr.
  Outcome<> (*pages)(Paging& paging) = nullptr;
  std::string_view confirm_with = {};  ///< asks as with `confirm` where this was typed

  bool may_ask() const noexcept { return confirm || !confirm_with.empty(); }
  bool asks(const Typed& typed) const {
    return confirm || (!confirm_with.empty() && typed.contains(confirm_with));
  }
};

/// Every verb, grouped by noun.
std::span<const Command> commands() noexcept;

/// Words for the help of a noun, or of one below a noun.
std::string_view help_of_noun(std::string_view noun) noexcept;

/// The text of `caisson host help SYSTEM`.
std::string host_help(const Typed& typed);

}  // namespace caisson::cli

// SPDX-License-Identifier: Apache-2.0
#include "gateway/cli/parse.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <memory>

#include "gateway/cli/json.hpp"
#include "gateway/cli/run.hpp"
#include "gateway/cli/version.hpp"
#include "nbs/client/control_client.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::cli {
namespace {

/// Where CLI11 leaves what was typed for one argument of one command.
struct Slot {
  const Argument* argument;
  CLI::Option* option = nullptr;
  std::string word;
  std::vector<std::string> words;
  bool flag = false;
};

struct Entry {
  const Command* command;
  CLI::App* app;
  std::vector<std::unique_ptr<Slot>> slots;
};

std::vector<std::string> split(std::string_view choices) {
  std::vector<std::string> words;
  for (;;) {
    auto bar = choices.find('|');
    words.emplace_back(choices.substr(0, bar));
    if (bar == std::string_view::npos) return words;
    choices.remove_prefix(bar + 1);
  }
}

void add_argument(Entry& entry, const Argument& argument) {
  auto& slot = *entry.slots.emplace_back(std::make_unique<Slot>());
  slot.argument = &argument;
  const std::string name(argument.name);
  if (argument.kind == Kind::flag) {
    slot.option = entry.app->add_flag(name, slot.flag, std::string(argument.help));
  } else if (argument.kind == Kind::texts) {
    slot.option = entry.app->add_option(name, slot.words, std::string(argument.help));
    slot.option->allow_extra_args(false);
  } else {
    slot.option = entry.app->add_option(name, slot.word, std::string(argument.help));
  }
  slot.option->required(argument.required);
  if (!argument.choices.empty()) slot.option->check(CLI::IsMember(split(argument.choices)));
  if (argument.kind == Kind::size)
    slot.option->type_name("SIZE");
  else if (argument.kind == Kind::number)
    slot.option->type_name("NUMBER");
  else if (argument.kind == Kind::duration)
    slot.option->type_name("TIME");
  else if (argument.kind == Kind::secret_file || argument.kind == Kind::path)
    slot.option->type_name("FILE");
}

Typed typed_in(const Entry& entry) {
  Typed typed;
  for (const auto& slot : entry.slots) {
    if (slot->option->count() == 0) continue;
    auto& words = typed[slot->argument->name];
    if (slot->argument->kind == Kind::texts)
      words = slot->words;
    else
      words.push_back(slot->word);
  }
  return typed;
}

class Parser {
 public:
  explicit Parser(Parsed& parsed) : parsed_(parsed) {
    app_.require_subcommand(1);
    app_.fallthrough();  // --server and --output may stand anywhere
    app_.set_help_all_flag("--help-all", "Print the help of every command and exit");
    app_.set_version_flag("--version", std::string(kSoftware));
    app_.add_option("--server", parsed.server,
                    "unix:PATH of the gateway; else CAISSON_SERVER, else " +
                        std::string(nbs::client::kDefaultServer));
    app_.add_option("--output", output_, "table or json")->check(CLI::IsMember({"table", "json"}));
    app_.add_option("--timeout", parsed.timeout, "seconds the gateway may be silent (600)")
        ->check(CLI::Range(1U, 1'000'000U));
    for (const auto& command : commands()) add_command(command);
  }

  /// Throws CLI::Error, also for help.
  void read(std::vector<std::string> words) {
    std::ranges::reverse(words);
    app_.parse(std::move(words));
    parsed_.json = output_ == "json";
    for (const auto& entry : entries_) {
      if (!entry.app->parsed()) continue;
      parsed_.command = entry.command;
      parsed_.typed = typed_in(entry);
    }
  }

  CLI::App& app() { return app_; }

  /// CLI11's own help of everything ends one level down.
  void write_all_help(std::ostream& out) const {
    out << app_.help();
    for (const auto& entry : entries_) out << '\n' << entry.app->help();
  }

 private:
  CLI::App& noun(CLI::App& above, std::string_view name) {
    auto& made = nouns_[{&above, name}];
    if (made != nullptr) return *made;
    made = above.add_subcommand(std::string(name), std::string(help_of_noun(name)));
    made->require_subcommand(1);
    return *made;
  }

  void add_command(const Command& command) {
    auto* parent = &app_;
    auto name = command.noun;
    if (!command.verb.empty()) {
      parent = &noun(app_, command.noun);
      name = command.verb;
      if (auto blank = name.find(' '); blank != std::string_view::npos) {
        parent = &noun(*parent, name.substr(0, blank));
        name.remove_prefix(blank + 1);
      }
    }
    auto& entry = entries_.emplace_back();
    entry.command = &command;
    entry.app = parent->add_subcommand(std::string(name), std::string(command.help));
    for (const auto& argument : command.arguments) add_argument(entry, argument);
    if (command.op && nbs::wire::opcode(*command.op).mutating)
      entry.app->add_flag("-n,--dry-run", parsed_.dry_run, "check everything, change nothing");
    if (command.may_ask()) entry.app->add_flag("-y,--yes", parsed_.yes, "do not ask");
  }

  Parsed& parsed_;
  std::string output_ = "table";
  CLI::App app_{"The command line of Caisson, a block-over-file storage gateway.", "caisson"};
  std::map<std::pair<CLI::App*, std::string_view>, CLI::App*> nouns_;
  std::vector<Entry> entries_;
};

bool wants_json(const std::vector<std::string>& words) {
  if (std::ranges::find(words, "--output=json") != words.end()) return true;
  auto found = std::ranges::find(words, "--output");
  return found != words.end() && found + 1 != words.end() && *(found + 1) == "json";
}

}  // namespace

Parsed parse(const std::vector<std::string>& words, std::ostream& out, std::ostream& err) {
  Parsed parsed;
  Parser parser(parsed);
  try {
    parser.read(words);
  } catch (const CLI::CallForAllHelp&) {
    parser.write_all_help(out);
  } catch (const CLI::Error& error) {
    parsed.command = nullptr;
    const bool asked = error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success);
    parsed.exit = asked ? kDone : kUsage;
    if (!asked && wants_json(words))
      err << to_json(failure(Errc::invalid_argument, error.what(), "see caisson --help")) << '\n';
    else
      parser.app().exit(error, out, err);
  }
  return parsed;
}

}  // namespace caisson::cli

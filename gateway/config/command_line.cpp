// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <map>

#include "gateway/config/keys.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::config {
namespace {

constexpr const char* kSeeHelp = "`caissond --help-all` lists the flags.";

/// What stood on the command line, not yet looked into.
struct Flags {
  std::map<std::string_view, std::vector<std::string>> values;  // by flag
  std::vector<std::string> stores;
  std::string config_file;
  bool help = false;
  bool help_all = false;
  bool version = false;
};

Outcome<Flags> split(int argc, const char* const* argv) {
  Flags flags;
  CLI::App app;
  app.set_help_flag("");
  app.add_flag("--help,-h", flags.help);
  app.add_flag("--help-all", flags.help_all);
  app.add_flag("--version", flags.version);
  app.add_option("--config", flags.config_file);
  app.add_option("--store", flags.stores)->allow_extra_args(false);
  for (const auto& key : keys()) {
    auto* option = app.add_option(std::string(key.flag), flags.values[key.flag]);
    option->allow_extra_args(false);
    if (key.kind != Kind::texts) option->expected(1);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return failure(Errc::invalid_argument, error.what(), kSeeHelp);
  }
  return flags;
}

/// Relative paths are taken from the working directory here, and only here.
std::string from_here(std::string_view placeholder, const std::string& text) {
  const bool path = placeholder == "DIR" || placeholder == "PATH";
  return path && !text.empty() ? std::filesystem::absolute(text).string() : text;
}

Failure at_flag(std::string_view flag, const Failure& cause) {
  return failure(Errc::invalid_argument, fmt::format("{}: {}", flag, cause.message),
                 cause.remedy.empty() ? kSeeHelp : cause.remedy);
}

Outcome<> apply_key(const Key& key, const std::vector<std::string>& values, Config& config) {
  if (values.empty()) return {};
  if (key.kind == Kind::texts) key.clear(config);
  for (const auto& value : values)
    if (auto set = key.set(config, from_here(key.value, value)); !set)
      return at_flag(key.flag, set.error());
  return {};
}

Outcome<> apply_stores(const std::vector<std::string>& stores, Config& config) {
  for (auto store : stores) {
    if (const auto equals = store.find('='); equals != std::string::npos)
      store.replace(equals + 1, std::string::npos, from_here("DIR", store.substr(equals + 1)));
    if (auto added = add_store(config, store); !added) return at_flag("--store", added.error());
  }
  return {};
}

Outcome<> read_file(const std::string& named, const std::string& fallback, Config& config) {
  if (!named.empty()) return apply_file(named, config);
  std::error_code error;
  if (!std::filesystem::exists(fallback, error)) return {};
  return apply_file(fallback, config);
}

/// Directories that follow from others when nobody named them.
void derive_paths(const Flags& flags, const std::string& run_of_file, Config& config) {
  const auto given = [&](const char* flag) { return !flags.values.at(flag).empty(); };
  if (run_of_file.empty() && !given("--run"))
    config.run_directory = given("--state") ? config.state_directory : Config().run_directory;
  if (config.control_socket.empty())
    config.control_socket = (std::filesystem::path(config.run_directory) / "caisson.sock").string();
}

}  // namespace

Outcome<Config> parse_command_line(int argc, const char* const* argv,
                                   const std::string& default_file) {
  auto flags = split(argc, argv);
  if (!flags) return flags.error();
  Config config;
  if (flags->help || flags->help_all) config.answer = help_text(flags->help_all);
  if (flags->version) config.answer = "caissond " CAISSON_VERSION "\n";
  if (!config.answer.empty()) return config;

  config.run_directory.clear();  // empty until somebody names one
  config.control_socket.clear();
  if (auto read = read_file(flags->config_file, default_file, config); !read) return read.error();
  const auto run_of_file = config.run_directory;
  for (const auto& key : keys())
    if (auto set = apply_key(key, flags->values.at(key.flag), config); !set) return set.error();
  if (auto added = apply_stores(flags->stores, config); !added) return added.error();
  derive_paths(*flags, run_of_file, config);
  if (auto checked = check(config); !checked) return checked.error();
  return config;
}

}  // namespace caisson::config

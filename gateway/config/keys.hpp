// SPDX-License-Identifier: Apache-2.0
// The table of configuration keys. It drives the file's parser, caissond's
// flags, `caissond --help-all` and the check of the manual.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "gateway/config/config.hpp"

namespace caisson::config {

enum class Kind {
  text,     ///< TOML string
  number,   ///< TOML integer
  seconds,  ///< TOML integer or float
  boolean,
  texts,  ///< TOML array of strings; the flag may be repeated
};

struct Key {
  std::string_view name;  ///< in the file: "node_name", "iscsi.listen"
  Kind kind;
  std::string_view fallback;  ///< the default, as one would write it; "" for none
  std::string_view flag;      ///< on the command line: "--node-name"
  std::string_view value;     ///< of the flag, in help: "NAME"
  bool common;                ///< shown by --help; the rest by --help-all only
  std::string_view help;      ///< one sentence
  /// Sets it from text; a Kind::texts is added to. The Failure's message is
  /// the cause alone: the caller says where.
  Outcome<> (*set)(Config& config, const std::string& text);
  /// Kind::texts only: forgets what was there, before the first is added.
  void (*clear)(Config& config);
};

std::span<const Key> keys() noexcept;

/// Keys below [stores.NAME].
struct StoreKey {
  std::string_view name;
  Kind kind;
  std::string_view help;
  Outcome<> (*set)(StoreConfig& store, const std::string& text);
};

std::span<const StoreKey> store_keys() noexcept;

/// "NAME=DIRECTORY" as --store has it; replaces the directory of a store of
/// that name.
Outcome<> add_store(Config& config, const std::string& text);

/// Flags that are no keys: --config, --store, --help, …
struct PlainFlag {
  std::string_view flag;
  std::string_view value;
  std::string_view help;
};

std::span<const PlainFlag> plain_flags() noexcept;

/// The answer to --help (`all` false) or --help-all.
std::string help_text(bool all);

}  // namespace caisson::config

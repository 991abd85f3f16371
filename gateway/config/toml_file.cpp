// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "gateway/config/keys.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/names.hpp"

namespace caisson::config {
namespace {

constexpr const char* kManual = "caissond.toml(5) describes the keys.";

class Reader {
 public:
  Reader(std::string source, Config& config) : source_(std::move(source)), config_(config) {}

  Outcome<> read(const toml::table& document) {
    for (auto&& [name, node] : document) {
      auto taken = name.str() == "stores" ? read_stores(node) : read_entry("", name.str(), node);
      if (!taken) return taken.error();
    }
    return {};
  }

  Failure at(const toml::source_region& where, const std::string& message,
             std::string remedy = kManual) const {
    return failure(Errc::invalid_argument,
                   fmt::format("{}:{}: {}", source_, where.begin.line, message), std::move(remedy));
  }

 private:
  Outcome<> read_entry(const std::string& prefix, std::string_view name, const toml::node& node) {
    const auto path = prefix + std::string(name);
    for (const auto& key : keys())
      if (key.name == path) return set(key, node);
    const bool section = std::ranges::any_of(
        keys(), [&](const Key& key) { return key.name.starts_with(path + "."); });
    if (!section) return at(node.source(), fmt::format("unknown key \"{}\"", path));
    const auto* table = node.as_table();
    if (table == nullptr)
      return at(node.source(), fmt::format("\"{}\" is a section, not a key", path));
    for (auto&& [inner, value] : *table)
      if (auto taken = read_entry(path + ".", inner.str(), value); !taken) return taken.error();
    return {};
  }

  Outcome<> set(const Key& key, const toml::node& node) {
    if (key.kind == Kind::texts) return set_list(key, node);
    auto text = scalar(key.kind, key.name, node);
    if (!text) return text.error();
    return placed(key.set(config_, *text), key.name, node);
  }

  Outcome<> set_list(const Key& key, const toml::node& node) {
    const auto* array = node.as_array();
    if (array == nullptr) return wrong_type(key.name, "an array of strings", node);
    key.clear(config_);
    for (const auto& element : *array) {
      auto text = scalar(Kind::text, key.name, element);
      if (!text) return text.error();
      if (auto added = placed(key.set(config_, *text), key.name, element); !added)
        return added.error();
    }
    return {};
  }

  Outcome<> read_stores(const toml::node& node) {
    const auto* stores = node.as_table();
    if (stores == nullptr) return at(node.source(), "\"stores\" is a section, not a key");
    for (auto&& [name, value] : *stores) {
      auto checked = checked_name("store", name.str());
      if (!checked) return placed(checked.error(), "stores", value);
      const auto* table = value.as_table();
      if (table == nullptr)
        return at(value.source(), fmt::format("\"stores.{}\" is a section, not a key", *checked));
      StoreConfig store{.name = *checked};
      for (auto&& [key, setting] : *table)
        if (auto set = set_store(store, key.str(), setting); !set) return set.error();
      config_.stores.push_back(std::move(store));
    }
    return {};
  }

  Outcome<> set_store(StoreConfig& store, std::string_view name, const toml::node& node) {
    const auto path = fmt::format("stores.{}.{}", store.name, name);
    for (const auto& key : store_keys()) {
      if (key.name != name) continue;
      auto text = scalar(key.kind, path, node);
      if (!text) return text.error();
      return placed(key.set(store, *text), path, node);
    }
    return at(node.source(), fmt::format("unknown key \"{}\"", path));
  }

  /// The value as a flag would give it, if its TOML type is the key's.
  Outcome<std::string> scalar(Kind kind, std::string_view name, const toml::node& node) const {
    if (kind == Kind::boolean) {
      const auto* value = node.as_boolean();
      if (value == nullptr) return wrong_type(name, "true or false", node);
      return std::string(value->get() ? "true" : "false");
    }
    if (kind == Kind::number || kind == Kind::seconds) {
      if (const auto* value = node.as_integer()) return std::to_string(value->get());
      const auto* value = node.as_floating_point();
      if (value == nullptr || kind == Kind::number)
        return wrong_type(name, kind == Kind::number ? "a whole number" : "a number", node);
      return fmt::format("{}", value->get());
    }
    const auto* value = node.as_string();
    if (value == nullptr) return wrong_type(name, "a string in quotes", node);
    return value->get();
  }

  Failure wrong_type(std::string_view name, const char* wanted, const toml::node& node) const {
    return at(node.source(), fmt::format("{}: must be {}", name, wanted));
  }

  /// The same result, with the place put before a failure's cause.
  Outcome<> placed(const Outcome<>& result, std::string_view name, const toml::node& node) const {
    if (result) return {};
    const auto& cause = result.error();
    return at(node.source(), fmt::format("{}: {}", name, cause.message),
              cause.remedy.empty() ? kManual : cause.remedy);
  }

  std::string source_;
  Config& config_;
};

}  // namespace

Outcome<> apply_toml(std::string_view text, const std::string& source, Config& config) {
  Reader reader(source, config);
  try {
    return reader.read(toml::parse(text, source));
  } catch (const toml::parse_error& error) {
    return reader.at(error.source(), std::string(error.description()),
                     "The file is left as it is.");
  }
}

Outcome<> apply_file(const std::string& path, Config& config) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    return failure(Errc::invalid_argument, fmt::format("{} is a directory", path),
                   "Name the file in it.");
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file) {
    const Error cause(errno, boost::system::system_category());
    return failure(to_errc(cause), fmt::format("cannot read {}: {}", path, cause.message()),
                   "Check the path and its mode.");
  }
  return apply_toml(text, path, config);
}

}  // namespace caisson::config

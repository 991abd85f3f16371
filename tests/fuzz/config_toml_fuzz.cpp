// SPDX-License-Identifier: Apache-2.0
// Proves of the configuration file: any text is refused with a message or
// applied; applied twice it says the same, and what check() has accepted it
// accepts again unchanged.
//
// Input: the text.
#include "gateway/config/config.hpp"
#include "tests/fuzz/input.hpp"

using caisson::fuzz::require;
namespace config = caisson::config;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto text = caisson::fuzz::as_text(std::as_bytes(std::span(data, size)));
  config::Config once, twice;
  auto applied = config::apply_toml(text, "fuzz.toml", once);
  require(applied || !applied.error().message.empty(), "a refusal says why");
  if (!applied) return 0;
  require(config::apply_toml(text, "fuzz.toml", twice).has_value(), "the same text, the same end");
  require(once == twice, "the same text, the same values");
  auto checked = config::check(once);
  require(checked || !checked.error().message.empty(), "a refusal says why");
  if (!checked) return 0;
  auto again = once;
  require(config::check(again).has_value() && again == once, "check() accepts its own result");
  return 0;
}

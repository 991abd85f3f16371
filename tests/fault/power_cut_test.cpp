// SPDX-License-Identifier: Apache-2.0
// Scenarios of power cuts and kills, by number.
//
//   CAISSON_SEED=N   begin with that scenario, and without CAISSON_CUTS run no other (the
//                    number a failure prints)
//   CAISSON_CUTS=N   so many scenarios (default 1500 of up to six ends each; ten times with
//                    CAISSON_LONG)
#include <gtest/gtest.h>

#include <cstdlib>

#include "storage_object/base/log.hpp"
#include "tests/fault/scenario.hpp"

namespace caisson::tests {
namespace {

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

std::string lines(const std::vector<std::string>& texts) {
  std::string all;
  for (const auto& text : texts) all += "\n  " + text;
  return all;
}

TEST(PowerCut, WhatWasAcknowledgedIsFoundAndNothingElse) {
  log::set_level(log::Level::error);
  auto first = number_from("CAISSON_SEED", 1);
  const std::uint64_t usual = std::getenv("CAISSON_SEED")   ? 1
                              : std::getenv("CAISSON_LONG") ? 15000
                                                            : 1500;
  auto count = number_from("CAISSON_CUTS", usual);
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    Scenario scenario(seed);
    scenario.run();
    ASSERT_FALSE(HasFailure()) << "repeat with CAISSON_SEED=" << seed << lines(scenario.history());
  }
}

}  // namespace
}  // namespace caisson::tests

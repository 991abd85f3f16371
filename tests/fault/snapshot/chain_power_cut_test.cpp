// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdlib>

#include "storage_object/base/log.hpp"
#include "tests/fault/snapshot/chain_scenario.hpp"

namespace caisson::tests {
namespace {

std::uint64_t number(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kScenarios = 200;
#else
constexpr std::uint64_t kScenarios = 1500;
#endif

/// CAISSON_SEED begins with that one, CAISSON_CUTS runs so many, CAISSON_LONG ten times
/// as many.
TEST(ChainPowerCutTest, EverySnapshotIsWhatItWasAtItsCut) {
  auto level = std::getenv("CAISSON_SEED") ? log::Level::info : log::Level(4);
  log::set_level(level);
  auto first = number("CAISSON_SEED", 1);
  auto count = number("CAISSON_CUTS", std::getenv("CAISSON_LONG") ? 10 * kScenarios : kScenarios);
  std::uint64_t steps = 0;
  for (auto seed = first; seed < first + count; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    ChainScenario scenario(seed);
    scenario.run();
    steps += scenario.steps();
    if (!HasFailure()) continue;
    for (const auto& line : scenario.history()) std::printf("  %s\n", line.c_str());
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
    return;
  }
  std::printf("%llu steps\n", static_cast<unsigned long long>(steps));
}

}  // namespace
}  // namespace caisson::tests

// SPDX-License-Identifier: Apache-2.0
// Whole gateways with snapshots against a model, by number.
//
//   CAISSON_SEED=N   begin with that scenario, and without CAISSON_CUTS run no other (the
//                    number a failure prints)
//   CAISSON_CUTS=N   so many scenarios (ten times the usual number with CAISSON_LONG)
#include <gtest/gtest.h>

#include <cstdlib>

#include "storage_object/base/log.hpp"
#include "tests/fault/snapshot/gateway_model_scenario.hpp"
#include "tests/support/loop_mount.hpp"

namespace caisson::tests {
namespace {

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kScenarios = 60, kRealScenarios = 2;
#else
constexpr std::uint64_t kScenarios = 300, kRealScenarios = 3;
#endif

using Run = std::function<std::uint64_t(std::uint64_t seed)>;

void run_all(std::uint64_t usual, std::uint64_t most, const Run& run) {
  const bool one = std::getenv("CAISSON_SEED") != nullptr;
  log::set_level(one ? log::Level::info : log::Level(4));
  const auto first = number_from("CAISSON_SEED", 1);
  if (std::getenv("CAISSON_LONG")) usual *= 10;
  const auto count = std::min(number_from("CAISSON_CUTS", one ? 1 : usual), most);
  std::uint64_t steps = 0;
  for (auto seed = first; seed < first + count && !::testing::Test::HasFailure(); ++seed)
    steps += run(seed);
  std::printf("seeds %llu to %llu: %llu steps\n", static_cast<unsigned long long>(first),
              static_cast<unsigned long long>(first + count - 1),
              static_cast<unsigned long long>(steps));
}

std::uint64_t run_one(std::uint64_t seed, ModelDisks& disks, unsigned steps_of_life) {
  SCOPED_TRACE(::testing::Message() << "repeat with CAISSON_SEED=" << seed);
  TempDir state;
  if (seed % 2 == 0) {
    disks.index_directory = state.path() / "index";
    std::filesystem::create_directories(disks.index_directory);
  }
  GatewayScenario scenario(seed, disks, steps_of_life);
  scenario.run();
  if (::testing::Test::HasFailure()) {
    for (const auto& line : scenario.history()) std::printf("  %s\n", line.c_str());
    std::printf("seed %llu, step %llu\n", static_cast<unsigned long long>(seed),
                static_cast<unsigned long long>(scenario.steps()));
  }
  return scenario.steps();
}

TEST(GatewayModelTest, EverythingAnsweredIsThereAndNothingIsHalf) {
  run_all(kScenarios, ~std::uint64_t{0}, [](std::uint64_t seed) {
    SimDisks disks(seed % 3 != 0, seed % 3 == 1);
    return run_one(seed, disks, 100);
  });
}

class GatewayModelOn : public ::testing::TestWithParam<const char*> {};

TEST_P(GatewayModelOn, ARealFileSystemItIsTheSame) {
  LoopMount mount(GetParam());
  if (!mount.mounted()) GTEST_SKIP() << LoopMount::kWhySkipped << GetParam();
  run_all(kRealScenarios, 10 * kRealScenarios, [&](std::uint64_t seed) {
    auto directory = mount.where() + "/" + std::to_string(seed);
    std::uint64_t steps = 0;
    {
      RealDisks disks(directory);
      steps = run_one(seed, disks, 100);
    }
    std::filesystem::remove_all(directory);
    return steps;
  });
}

INSTANTIATE_TEST_SUITE_P(FileSystems, GatewayModelOn,
                         ::testing::Values("xfs", "btrfs", "ext4", "tmpfs"),
                         [](const auto& kind) { return std::string(kind.param); });

}  // namespace
}  // namespace caisson::tests

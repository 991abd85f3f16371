// SPDX-License-Identifier: Apache-2.0
// A thousand LUNs and a thousand sessions in one process, all of them busy at once.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "tests/support/iscsi_client.hpp"
#include "tests/support/running_gateway.hpp"

namespace caisson::tests {
namespace {

constexpr std::uint32_t kMany = 1000;
constexpr std::uint32_t kOutstanding = 8, kBlocks = 64;  // 32 KiB each
constexpr std::uint64_t kBudget = 1ULL << 30;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMemoryTells = false;  // a sanitizer's shadow is counted with it
#else
constexpr bool kMemoryTells = true;
#endif

std::uint64_t peak_resident_bytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

void allow_descriptors() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

std::string name_of(std::uint32_t number) { return "lun" + std::to_string(number); }

TEST(Scale, AThousandLunsAndSessionsAtOnceStayBelowOneGibibyte) {
  allow_descriptors();
  RunningGateway gateway;
  auto portal = gateway.portal();
  auto port = static_cast<std::uint16_t>(std::stoi(portal.substr(portal.rfind(':') + 1)));
  std::vector<std::string> targets;
  for (std::uint32_t number = 0; number < kMany; ++number) {
    gateway.create_lun(name_of(number), 8 << 20);
    targets.push_back(gateway.show(name_of(number)).target_name());
  }
  std::vector<std::unique_ptr<IscsiClient>> sessions;
  for (std::uint32_t number = 0; number < kMany; ++number) {
    auto& session = sessions.emplace_back(std::make_unique<IscsiClient>(port));
    ASSERT_EQ(session->login(targets[number]).status, 0) << number;
    session->clear_attentions();
    ASSERT_EQ(session->write(0, pattern(kBlocks * 512, number)).status, 0) << number;
  }
  std::vector<std::vector<std::uint32_t>> tags(kMany);
  for (std::uint32_t number = 0; number < kMany; ++number)
    for (std::uint32_t i = 0; i < kOutstanding; ++i)
      tags[number].push_back(sessions[number]->send_command(
          read_16(0, kBlocks), iscsi::kFinalBit | iscsi::kReadBit, kBlocks * 512));
  for (std::uint32_t number = 0; number < kMany; ++number)
    for (auto tag : tags[number])
      ASSERT_EQ(sessions[number]->finish(tag).data, pattern(kBlocks * 512, number)) << number;
  printf("peak of the whole process, initiators included: %lu MiB\n", peak_resident_bytes() >> 20);
  if (kMemoryTells) {
    EXPECT_LT(peak_resident_bytes(), kBudget);
  }
}

}  // namespace
}  // namespace caisson::tests

// SPDX-License-Identifier: Apache-2.0
// Starting with many LUNs. CAISSON_LUNS says how many (200; 10000 with
// CAISSON_LONG); how long it took is recorded as a property of the test.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "storage_object/object/registry.hpp"
#include "storage_object/posix/posix_store.hpp"
#include "tests/support/temp_dir.hpp"

namespace caisson::tests {
namespace {

class Quiet final : public object::RegistryObserver {
 public:
  void on_served(const std::shared_ptr<object::StorageObject>&) override { ++served; }
  void on_withdrawn(const std::shared_ptr<object::StorageObject>&) override {}
  int served = 0;
};

/// As many as were asked for, or as the limit of descriptors allows: two a container.
int allowed(int count) {
  constexpr rlim_t kBeside = 200;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < kBeside) return 0;
  return static_cast<int>(
      std::min<rlim_t>(static_cast<rlim_t>(count), (limit.rlim_cur - kBeside) / 2));
}

int how_many() {
  if (const char* count = std::getenv("CAISSON_LUNS")) return std::atoi(count);
  return std::getenv("CAISSON_LONG") ? 10000 : 200;
}

TEST(ManyLuns, AreAllServedAfterAStart) {
  TempDir dir;
  std::filesystem::create_directory(dir.path() / "store");
  auto store = std::move(posix::PosixStore::at(dir.path() / "store").value());
  auto catalog = std::move(catalog::Catalog::open({.path = dir.path() / "catalog.db"}).value());
  object::RegistryOptions options;
  options.catalog = catalog.get();
  options.node = "node";
  options.open_store =
      [](const catalog::StoreRecord& record) -> Outcome<std::unique_ptr<file_store::Store>> {
    auto opened = posix::PosixStore::at(record.location);
    if (!opened) return opened.error();
    return std::unique_ptr<file_store::Store>(std::move(*opened));
  };
  int count = how_many();
  {
    Quiet observer;
    auto registry = object::ObjectRegistry::make(options);
    ASSERT_TRUE(registry->start(observer));  // which raises the limit as far as it may
    count = allowed(count);
    ASSERT_GE(count, 200);
    ASSERT_TRUE(registry->add_store({.name = "main", .location = dir.path() / "store"}));
    for (int i = 0; i < count; ++i) {
      auto made = registry->create({.name = "lun" + std::to_string(i), .capacity = 1 << 20});
      ASSERT_TRUE(made) << made.error().message;
    }
    ASSERT_TRUE(registry->stop());
  }
  Quiet observer;
  auto registry = object::ObjectRegistry::make(options);
  auto begun = std::chrono::steady_clock::now();
  ASSERT_TRUE(registry->start(observer));
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  EXPECT_EQ(observer.served, count);
  RecordProperty("luns", count);
  RecordProperty("start_seconds", std::to_string(took.count()));
  ASSERT_TRUE(registry->stop());
}

}  // namespace
}  // namespace caisson::tests

// SPDX-License-Identifier: Apache-2.0
// As many LUNs as a gateway may have (DESIGN: 10,000 cataloged).
#include <chrono>
#include <iostream>

#include "catalog_fixture.hpp"

namespace caisson::catalog {
namespace {

class ScaleTest : public CatalogTest {};

TEST_F(ScaleTest, TenThousandLunsComeBackWhole) {
  constexpr int kLuns = 10000;
  open();
  std::vector<LunRecord> written;
  change([&](Transaction& t) {
    ASSERT_TRUE(t.put_store(sample_store()));
    for (int i = 0; i < kLuns; ++i) {
      auto name = "lun-" + std::to_string(100000 + i);
      written.push_back(sample_lun(name));
      ASSERT_TRUE(t.put_lun(written.back()));
    }
  });
  const auto began = std::chrono::steady_clock::now();
  open();
  auto read = catalog_->luns();
  const auto took = std::chrono::steady_clock::now() - began;
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, written);
  std::cout << kLuns << " LUNs opened, checked and read in "
            << std::chrono::duration_cast<std::chrono::milliseconds>(took).count() << " ms\n";
}

}  // namespace
}  // namespace caisson::catalog

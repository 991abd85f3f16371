// SPDX-License-Identifier: Apache-2.0
// How far a long verb is, on one line of a terminal.
#pragma once

#include <cstdint>
#include <ostream>

namespace caisson::cli {

/// Draws nothing unless shown; removes its line when it goes away.
class ProgressBar {
 public:
  ProgressBar(std::ostream& err, bool shown) : err_(err), shown_(shown) {}
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// Bytes; `total` 0: unknown.
  void step(std::uint64_t done, std::uint64_t total);

 private:
  std::ostream& err_;
  bool shown_;
  bool drawn_ = false;
};

}  // namespace caisson::cli

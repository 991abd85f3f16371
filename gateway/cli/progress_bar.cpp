// SPDX-License-Identifier: Apache-2.0
#include "gateway/cli/progress_bar.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "storage_object/base/names.hpp"

namespace caisson::cli {
namespace {
constexpr std::size_t kWidth = 30;
constexpr const char* kClearLine = "\r\x1b[K";
}  // namespace

ProgressBar::~ProgressBar() {
  if (drawn_) err_ << kClearLine << std::flush;
}

void ProgressBar::step(std::uint64_t done, std::uint64_t total) {
  if (!shown_) return;
  drawn_ = true;
  if (total == 0) {
    err_ << kClearLine << format_size(done) << std::flush;
    return;
  }
  const double part = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const auto filled = static_cast<std::size_t>(part * kWidth);
  err_ << kClearLine
       << fmt::format("[{}{}] {:3.0f}%  {} of {}", std::string(filled, '#'),
                      std::string(kWidth - filled, ' '), part * 100, format_size(done),
                      format_size(total))
       << std::flush;
}

}  // namespace caisson::cli

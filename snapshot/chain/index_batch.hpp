// SPDX-License-Identifier: Apache-2.0
// What many maps say, on its way into the index: inside this folder only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "snapshot/chain/member.hpp"
#include "snapshot/index/capture_index.hpp"

namespace caisson::snapshot {

/// Collects, and puts into the index in the order of blocks, which is quickest.
class IndexBatch final : public MapVisitor {
 public:
  explicit IndexBatch(CaptureIndex& index) : index_(index) {}

  /// The visits that come are of this one.
  void begin(std::uint64_t sequence) {
    sequence_ = sequence;
    before_ = rows_.size();
  }
  Outcome<> on_runs(RecordKind, std::span<const Run> runs) override {
    for (const auto& run : runs)
      for (auto block = run.first; block < run.end(); ++block)
        if (rows_.size() == kMost)
          return failure(Errc::no_space, "too much for one batch");
        else
          rows_.emplace_back(block, sequence_);
    return {};
  }
  Outcome<> on_moved(std::uint32_t) override { return {}; }
  /// All of it has been told; or it does not belong here.
  void end(std::shared_ptr<Member> member) {
    if (member && member->folded()) {
      member->set_captured_units(rows_.size() - before_);
      members_.push_back(std::move(member));
    } else {
      rows_.resize(before_);
    }
  }

  bool large() const noexcept { return rows_.size() > kMost / 2; }
  /// They are in the index. A failure: none of them is, and they must be unfolded.
  Outcome<> flush() {
    std::ranges::sort(rows_);
    auto done = index_.begin();
    for (auto at = rows_.begin(); done && at != rows_.end(); ++at)
      done = index_.add(at->second, at->first);
    for (auto at = members_.begin(); done && at != members_.end(); ++at)
      done = index_.set_complete((*at)->uuid(), (*at)->captured_units());
    if (auto ended = index_.commit(); done) done = ended;
    rows_.clear();
    if (done) members_.clear();
    return done;
  }
  /// Those that were given to end() and are not in the index.
  const std::vector<std::shared_ptr<Member>>& members() const noexcept { return members_; }

 private:
  static constexpr std::size_t kMost = std::size_t{1} << 20;  // 16 MiB

  CaptureIndex& index_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> rows_;
  std::vector<std::shared_ptr<Member>> members_;
  std::uint64_t sequence_ = 0;
  std::size_t before_ = 0;
};

}  // namespace caisson::snapshot

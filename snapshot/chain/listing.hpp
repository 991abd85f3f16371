// SPDX-License-Identifier: Apache-2.0
// One call of Chain::changes(): inside this folder only.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "snapshot/chain/chain.hpp"
#include "snapshot/chain/extent_compare.hpp"

namespace caisson::snapshot {

/// Puts what changed into the caller's room, as whole blocks.
class ChangesSink {
 public:
  explicit ChangesSink(std::span<Changed> room) : room_(room) {}
  void limit(std::uint64_t capacity) noexcept { limit_ = capacity; }

  /// Ascending. False: there is no room.
  bool add(std::uint64_t offset, std::uint64_t end) noexcept;
  std::size_t count() const noexcept { return count_; }
  /// Of what it has.
  std::uint64_t end() const noexcept { return count_ == 0 ? 0 : room_[count_ - 1].end(); }

 private:
  std::span<Changed> room_;
  std::size_t count_ = 0;
  std::uint64_t limit_ = 0;
};

/// Judges in batches: a batch is a stretch of the disk whose verdicts are told only once
/// nothing can have made them wrong. Holds every member it looks at, so that no image
/// is given back meanwhile but one that has become invalid, which is found afterwards.
class Chain::Listing {
 public:
  struct Asked {
    Uuid from;
    std::optional<Uuid> to;
    ChangesOptions options;
  };
  Listing(const Chain& chain, Asked asked, std::span<Changed> room)
      : chain_(chain), asked_(asked), sink_(room) {}

  Outcome<ChangesPage> run(std::uint64_t offset);

 private:
  struct Stretch {
    std::uint64_t offset = 0, end = 0;
    bool grown = false;      ///< behind the older side's end
    bool unchanged = false;  ///< `to` is not known then
    Holder from, to;
  };
  struct JudgedRun {
    std::uint64_t offset, end;
    Verdict verdict;
    bool by_address;
    bool moved = false;
  };
  struct Relied {
    MapView* view = nullptr;
    std::uint64_t begin = 0, end = 0;
  };

  Outcome<std::uint64_t> look();
  Outcome<> check_valid() const;
  Outcome<> judge_batch(std::uint64_t offset);
  Outcome<> judge_runs(std::uint64_t offset);
  Outcome<Stretch> next_run(std::uint64_t offset) const;
  Outcome<bool> judge_run(const Stretch& run);
  bool shares(const Stretch& run) const;
  static bool is_image(const Holder& holder);
  Outcome<bool> still_holds(const Holder& holder, std::uint64_t end) const;
  Outcome<MapView*> view_of(const Holder& holder);
  void rely_on(MapView& view, std::uint64_t end);
  bool put(const Judged& judged);
  Outcome<> confirm();

  // listing_contents.cpp
  Outcome<std::uint64_t> tell(std::uint64_t offset);
  bool needs_contents(const JudgedRun& run) const;
  Outcome<std::uint64_t> compare(std::uint64_t offset, std::uint64_t end);
  Outcome<> read_side(const std::optional<Uuid>& snapshot, std::uint64_t capacity,
                      std::uint64_t offset, std::span<std::byte> into) const;

  const Chain& chain_;
  const Asked asked_;
  ChangesSink sink_;
  std::uint64_t end_ = 0;  ///< of the disk, as `to` has it
  std::shared_ptr<const Members> all_;
  std::size_t from_ = 0, to_ = 0;  ///< in all_; its size: the container
  std::map<std::shared_ptr<Member>, MapView> views_;

  std::vector<JudgedRun> runs_;  ///< of the batch; equal ones between may be left out
  std::uint64_t judged_ = 0;
  Relied relied_on_;
  std::uint64_t compared_ = 0;  ///< bytes read by this call
  Buffer old_, new_;
};

}  // namespace caisson::snapshot

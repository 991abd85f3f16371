// SPDX-License-Identifier: Apache-2.0
// The container becomes what a snapshot holds without a byte being copied.
#include "snapshot/chain/lane.hpp"
#include "snapshot/chain/share.hpp"

namespace caisson::snapshot {

Outcome<bool> Chain::share_back(const Uuid& snapshot, std::uint64_t offset, std::uint64_t length) {
  const auto& traits = parts_.source->traits();
  if (!traits.clone || offset % traits.block != 0 || length % traits.block != 0) return false;
  auto image = whole_image(snapshot);
  if (!image) return false;
  auto alone = hold_cuts();  // which waits for requests under way, and this is none
  if (auto kept = capture(offset, length); !kept) return kept.error();
  Result<> shared;
  auto done = on_lane([&]() -> Outcome<> {
    shared = parts_.source->innermost().clone_range(image->innermost(), offset, length, offset);
    return {};
  });
  if (!done) return done.error();
  if (shared) return true;
  if (says_never(shared.error())) return false;
  return failure(to_errc(shared.error()),
                 "cannot share blocks with the image of a snapshot: " + shared.error().message(),
                 "look after the file system of the store");
}

}  // namespace caisson::snapshot

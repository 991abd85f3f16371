// SPDX-License-Identifier: Apache-2.0
#include "tests/support/sim_core.hpp"

#include <cerrno>

namespace caisson::tests {

using file_store::FileOp;
using file_store::FileRequest;

namespace {

bool numbered(SimOp op) { return op <= SimOp::sync_names; }

std::uint64_t pages_below(const SimNode& node) {
  auto sum = node.data.live().pages();
  for (const auto& [leaf, child] : node.children) sum += pages_below(*child);
  return sum;
}

void read_into(const SimData& data, FileRequest& request) {
  auto at = request.offset;
  for (const auto& v : request.buffers) {
    data.live().read(at, {static_cast<std::byte*>(v.iov_base), v.iov_len});
    at += v.iov_len;
  }
}

}  // namespace

SimCore::SimCore(SimOptions given, SimNames tree)
    : options(given), names(std::move(tree)), pages_(pages_below(*names.root())) {}

SimVerdict SimCore::enter(SimOp op, const SimNode* node, std::uint64_t offset, std::uint64_t length,
                          bool durable) {
  if (cut) return {.error = SimStore::power_lost()};
  if (numbered(op)) {
    trace.push_back({op, node == nullptr ? 0 : node->id, offset, length});
    if (operations++ == cut_at) {
      cut = true;
      return {.error = SimStore::power_lost(),
              .dying = under_way != SimUnderWay::not_begun,
              .partly = under_way == SimUnderWay::partly};
    }
  }
  SimVerdict verdict;
  for (auto& [fault, wanted, seen] : faults) {
    if (wanted != 0 && (node == nullptr || node->id != wanted)) continue;
    if (fault.op ? *fault.op != op : !numbered(op)) continue;
    if (fault.in_sync && !durable) continue;
    auto index = seen++;
    if (index < fault.skip || index - fault.skip >= fault.times) continue;
    verdict.hang |= fault.hang;
    verdict.in_sync |= fault.in_sync;
    if (fault.error != 0) verdict.error = sim_error(fault.error), ++hits;
  }
  return verdict;
}

SimVerdict SimCore::enter_blocking(Lock& lock, SimOp op, const SimNode* node, std::uint64_t offset,
                                   std::uint64_t length) {
  auto verdict = enter(op, node, offset, length);
  if (!verdict.hang) return verdict;
  ++blocked;
  released.wait(lock, [this, before = releases] { return releases != before; });
  --blocked;
  verdict.hang = false;
  if (cut) verdict.error = SimStore::power_lost();
  return verdict;
}

bool SimCore::has_room(std::uint64_t pages) const {
  return (pages_ + pages) * SimBytes::kPage <= options.capacity;
}

void SimCore::dropped(SimNode& node) {
  if (node.links == 0 && node.handles == 0) pages_ -= node.data.live().pages();
}

Error SimCore::resize(SimNode& node, std::uint64_t size, const SimVerdict& verdict) {
  if (!verdict.error || verdict.dying) change(node, [&](SimData& data) { data.resize(size); });
  return verdict.error;
}

Error SimCore::sync(SimNode& node, bool all, const SimVerdict& verdict) {
  if (verdict.dying || cut) return verdict.error;
  if (verdict.error)
    node.data.lose_data();
  else
    all ? node.data.sync_all() : node.data.sync_data();
  return verdict.error;
}

Error SimCore::clone(SimNode& source, std::uint64_t from, std::uint64_t length, SimNode& target,
                     std::uint64_t to, const SimVerdict& verdict) {
  if (verdict.error && !verdict.dying) return verdict.error;
  if (auto pages = length / SimBytes::kPage; verdict.partly && pages > 0)
    length = (operations % pages + 1) * SimBytes::kPage;
  auto pages = source.data.share(from, length);
  const auto& live = target.data.live();
  auto replaced = (length + SimBytes::kPage - 1) / SimBytes::kPage - live.missing(to, length);
  if (pages->pages() > replaced && !has_room(pages->pages() - replaced)) return sim_error(ENOSPC);
  change(target, [&](SimData& data) { data.clone(std::move(pages), from, length, to); });
  return verdict.error;
}

file_store::MapPage SimCore::map(const SimNode& node, std::uint64_t offset, std::uint64_t length,
                                 std::span<file_store::MapExtent> room) {
  auto page = node.data.live().map(offset, length, room);
  if (options.untrusted_percent == 0) return page;
  for (auto& extent : room.first(page.count))
    if (!extent.zeros() && distrust_.chance(options.untrusted_percent))
      extent = {.offset = extent.offset,
                .length = extent.length,
                .state = file_store::MapState::untrusted};
  return page;
}

Error SimCore::write(SimNode& node, FileRequest& request, const SimVerdict& verdict) {
  if (verdict.error && !verdict.dying && !verdict.in_sync) return verdict.error;
  if (!has_room(node.data.live().missing(request.offset, request.length))) return sim_error(ENOSPC);
  std::vector<std::byte> bytes(request.length);
  gather(bytes, request.buffers, 0);
  if (auto pages = bytes.size() / SimBytes::kPage; verdict.partly && pages > 0)
    bytes.resize((operations % pages + 1) * SimBytes::kPage);
  change(node, [&](SimData& data) {
    data.write(request.offset, bytes);
    if (verdict.in_sync) return data.lose_data();
    if (request.durable && !verdict.dying) data.sync_last_write();
  });
  return verdict.error;
}

Error SimCore::execute(SimNode& node, FileRequest& request, const SimVerdict& verdict) {
  const auto op = request.op;
  const auto offset = request.offset, length = request.length;
  if (op == FileOp::sync) return sync(node, false, verdict);
  if (op == FileOp::write) return write(node, request, verdict);
  if (verdict.error && !verdict.dying) return verdict.error;
  auto& live = node.data.live();
  if (op == FileOp::read) {
    if (offset + length > node.data.size()) return sim_error(EIO);
    read_into(node.data, request);
  } else if (op == FileOp::extents) {
    request.extent_count = live.extents(offset, length, node.data.size(), request.extents);
  } else if (op == FileOp::punch) {
    change(node, [&](SimData& data) { data.punch(offset, length); });
  } else {
    if (!has_room(live.missing(offset, length))) return sim_error(ENOSPC);
    change(node, [&](SimData& data) {
      op == FileOp::zero ? data.zero(offset, length) : data.allocate(offset, length);
    });
  }
  return verdict.error;
}

}  // namespace caisson::tests

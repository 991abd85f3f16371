// SPDX-License-Identifier: Apache-2.0
#include "tests/support/sim_store.hpp"

#include <fmt/format.h>

#include <array>
#include <cerrno>

#include "tests/support/sim_core.hpp"
#include "tests/support/sim_file.hpp"

namespace caisson::tests {

using file_store::DirectoryEntry;
using file_store::File;
using file_store::OpenOptions;
using file_store::Space;

namespace {

constexpr std::array kOpNames = {
    "write",   "punch",  "zero",     "allocate",       "clone",
    "sync",    "resize", "set_mode", "sync_all",       "create",
    "publish", "rename", "remove",   "make_directory", "sync_names",
};

/// From "only what is durable" to "nearly everything", torn or not.
CutPolicy policy_of(std::uint64_t seed, std::uint64_t tear_size) {
  constexpr unsigned kKeep[] = {0, 10, 50, 90, 100};
  constexpr unsigned kTear[] = {0, 20, 60};
  SimRandom random(seed);
  CutPolicy policy{.tear_size = tear_size};
  policy.keep_percent = kKeep[random.below(std::size(kKeep))];
  policy.tear_percent = kTear[random.below(std::size(kTear))];
  return policy;
}

Result<> as_result(const Error& error) {
  if (error) return error;
  return {};
}

}  // namespace

SimStore::SimStore(SimOptions options) : core_(std::make_shared<SimCore>(options, SimNames())) {}
SimStore::SimStore(std::shared_ptr<SimCore> core) : core_(std::move(core)) {}
SimStore::~SimStore() = default;

std::unique_ptr<SimStore> SimStore::power_cut(std::uint64_t seed) const {
  auto lock = core_->lock();
  const auto& options = core_->options;
  auto tree =
      core_->names.after_cut(seed, policy_of(seed, options.tear_size), options.torn_renames);
  return std::unique_ptr<SimStore>(
      new SimStore(std::make_shared<SimCore>(options, std::move(tree))));
}

std::unique_ptr<SimStore> SimStore::settled() const {
  auto lock = core_->lock();
  auto tree = core_->names.after_cut(0, {.keep_percent = 100, .tear_percent = 0}, false);
  return std::unique_ptr<SimStore>(
      new SimStore(std::make_shared<SimCore>(core_->options, std::move(tree))));
}

std::unique_ptr<SimStore> SimStore::killed() const {
  auto lock = core_->lock();
  return std::unique_ptr<SimStore>(
      new SimStore(std::make_shared<SimCore>(core_->options, core_->names.copy())));
}

void SimStore::cut_at(std::uint64_t number, SimUnderWay under_way) {
  auto lock = core_->lock();
  core_->cut_at = number;
  core_->under_way = under_way;
}

void SimStore::cut_now() {
  auto lock = core_->lock();
  core_->cut = true;
}

bool SimStore::is_cut() const {
  auto lock = core_->lock();
  return core_->cut;
}

void SimStore::share_power(SimStore& other) {
  auto power = [&] {
    auto lock = core_->lock();
    return core_->cut;
  }();
  auto lock = other.core_->lock();
  other.core_->cut = power;
}

Error SimStore::power_lost() noexcept { return sim_error(ESHUTDOWN); }

std::uint64_t SimStore::operations() const {
  auto lock = core_->lock();
  return core_->operations;
}

std::vector<std::string> SimStore::trace() const {
  auto lock = core_->lock();
  std::vector<std::string> lines;
  for (const auto& [op, node, offset, length] : core_->trace)
    lines.push_back(fmt::format("{} {} {} {}+{}", lines.size(),
                                kOpNames[static_cast<std::size_t>(op)], node, offset, length));
  return lines;
}

void SimStore::inject(const SimFault& fault) {
  auto lock = core_->lock();
  auto node = fault.file.empty() ? 0 : core_->names.find(fault.file).value()->id;
  core_->faults.push_back({fault, node});
}

void SimStore::clear_faults() {
  auto lock = core_->lock();
  core_->faults.clear();
}

std::uint64_t SimStore::hits() const {
  auto lock = core_->lock();
  return core_->hits;
}

void SimStore::fail_writeback(std::string_view name, int error) {
  auto lock = core_->lock();
  auto& node = *core_->names.find(name).value();
  node.data.lose_data();
  node.writeback = {node.writeback.failures + 1, error, false};
}

std::size_t SimStore::hanging() const {
  auto lock = core_->lock();
  return core_->hung.size() + core_->blocked;
}

void SimStore::release() {
  auto lock = core_->lock();
  auto hung = std::exchange(core_->hung, {});
  ++core_->releases;
  core_->released.notify_all();
  lock.unlock();
  for (auto& one : hung)
    if (one.executor != nullptr)
      one.executor->post([core = core_, one] { SimFile::resume(*core, one); });
    else
      SimFile::resume(*core_, one);
}

void SimStore::plant(std::string_view name, SimKind kind) {
  auto lock = core_->lock();
  auto node = std::make_shared<SimNode>();
  node->id = core_->names.next_id();
  node->kind = kind;
  core_->names.add(name, node).value();
}

void SimStore::plant_hard_link(std::string_view existing, std::string_view name) {
  auto lock = core_->lock();
  core_->names.add(name, core_->names.find(existing).value()).value();
}

std::vector<std::byte> SimStore::content(std::string_view name) const {
  auto lock = core_->lock();
  auto node = core_->names.find(name);
  if (!node) return {};
  std::vector<std::byte> bytes((*node)->data.size());
  (*node)->data.live().read(0, bytes);
  return bytes;
}

Result<std::unique_ptr<File>> SimStore::open(std::string_view name, OpenOptions options) {
  auto lock = core_->lock();
  if (auto verdict = core_->enter_blocking(lock, SimOp::open); verdict.error) return verdict.error;
  auto node = core_->names.find_file(name, options.linked);
  if (!node) return node.error();
  if (options.direct && !core_->options.traits.direct) return sim_error(EINVAL);
  if ((*node)->data.read_only() && !options.read_only) return sim_error(EACCES);
  return std::make_unique<SimFile>(core_, *node, options);
}

Result<file_store::FileAttributes> SimStore::look_up(std::string_view name) {
  auto lock = core_->lock();
  if (auto verdict = core_->enter_blocking(lock, SimOp::look_up); verdict.error)
    return verdict.error;
  auto node = core_->names.find(name);
  if (!node) return node.error();
  if ((*node)->kind == SimKind::symbolic_link) return sim_error(ELOOP);
  if ((*node)->kind != SimKind::file) return sim_error(EINVAL);
  return attributes_of(**node);
}

Result<std::unique_ptr<File>> SimStore::create_unnamed(OpenOptions options) {
  auto lock = core_->lock();
  if (auto verdict = core_->enter_blocking(lock, SimOp::create); verdict.error)
    return verdict.error;
  if (options.direct && !core_->options.traits.direct) return sim_error(EINVAL);
  auto node = std::make_shared<SimNode>();
  node->id = core_->names.next_id();
  node->linkable = true;
  options.read_only = false;
  return std::make_unique<SimFile>(core_, std::move(node), options);
}

Result<> SimStore::publish(File& file, std::string_view name) {
  auto* own = dynamic_cast<SimFile*>(&file);
  if (own == nullptr || own->core() != core_) return sim_error(EINVAL);
  auto lock = core_->lock();
  const auto& node = own->node();
  auto verdict = core_->enter_blocking(lock, SimOp::publish, node.get());
  if (verdict.error && !verdict.dying) return verdict.error;
  if (node->links != 0) return sim_error(EINVAL);
  if (!node->linkable) return sim_error(ENOENT);
  if (auto added = core_->names.add(name, node); !added) return added.error();
  node->linkable = false;
  return as_result(verdict.error);
}

Result<> SimStore::rename(std::string_view from, std::string_view to) {
  auto lock = core_->lock();
  auto verdict = core_->enter_blocking(lock, SimOp::rename);
  if (verdict.error && !verdict.dying) return verdict.error;
  if (auto renamed = core_->names.rename(from, to); !renamed) return renamed;
  return as_result(verdict.error);
}

Result<> SimStore::remove(std::string_view name) {
  auto lock = core_->lock();
  auto verdict = core_->enter_blocking(lock, SimOp::remove);
  if (verdict.error && !verdict.dying) return verdict.error;
  auto removed = core_->names.remove(name);
  if (!removed) return removed.error();
  core_->dropped(**removed);
  return as_result(verdict.error);
}

Result<> SimStore::make_directory(std::string_view name) {
  auto lock = core_->lock();
  auto verdict = core_->enter_blocking(lock, SimOp::make_directory);
  if (verdict.error && !verdict.dying) return verdict.error;
  if (name.empty()) return sim_error(EINVAL);
  if (auto present = core_->names.find(name); present) {
    if ((*present)->kind == SimKind::directory) return as_result(verdict.error);
    return sim_error((*present)->kind == SimKind::symbolic_link ? ELOOP : ENOTDIR);
  }
  auto node = std::make_shared<SimNode>();
  node->id = core_->names.next_id();
  node->kind = SimKind::directory;
  if (auto added = core_->names.add(name, node); !added) return added;
  return as_result(verdict.error);
}

Result<> SimStore::sync_names(std::string_view directory) {
  auto lock = core_->lock();
  auto verdict = core_->enter_blocking(lock, SimOp::sync_names);
  if (verdict.error) return verdict.error;
  return core_->names.sync(directory);
}

Result<std::vector<DirectoryEntry>> SimStore::list(std::string_view directory) {
  auto lock = core_->lock();
  if (auto verdict = core_->enter_blocking(lock, SimOp::list); verdict.error) return verdict.error;
  auto node = core_->names.find(directory);
  if (!node) return node.error();
  if ((*node)->kind == SimKind::symbolic_link) return sim_error(ELOOP);
  if ((*node)->kind != SimKind::directory) return sim_error(ENOTDIR);
  std::vector<DirectoryEntry> entries;
  for (const auto& [leaf, child] : (*node)->children)
    entries.push_back({leaf, child->kind == SimKind::file});
  return entries;
}

Result<Space> SimStore::space() {
  auto lock = core_->lock();
  if (auto verdict = core_->enter_blocking(lock, SimOp::space); verdict.error) return verdict.error;
  auto capacity = core_->options.capacity;
  return Space{.capacity = capacity, .available = capacity - std::min(capacity, core_->used())};
}

const file_store::FileTraits& SimStore::traits() const noexcept { return core_->options.traits; }

}  // namespace caisson::tests

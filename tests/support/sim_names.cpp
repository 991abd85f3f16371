// SPDX-License-Identifier: Apache-2.0
#include "tests/support/sim_names.hpp"

#include <algorithm>
#include <cerrno>
#include <map>

namespace caisson::tests {
namespace {

Error system_error(int number) { return {number, boost::system::system_category()}; }

using Children = std::map<std::string, SimNodePtr, std::less<>>;

/// Copies what a cut left of a tree, each node once.
class Copier {
 public:
  Copier(std::map<const SimNode*, Children> changed, std::uint64_t seed, const CutPolicy& policy)
      : changed_(std::move(changed)), seed_(seed), policy_(policy) {}

  SimNodePtr copy(const SimNode& from) {
    auto& made = copies_[from.id];
    if (made != nullptr) return made;
    made = std::make_shared<SimNode>();
    made->id = from.id;
    made->kind = from.kind;
    SimRandom random(seed_ ^ (from.id * 0x9e3779b97f4a7c15));
    made->data = from.data.after_cut(random, policy_);
    auto found = changed_.find(&from);
    for (const auto& [leaf, child] :
         found == changed_.end() ? from.durable_children : found->second) {
      made->children[leaf] = copy(*child);
      ++made->children[leaf]->links;
    }
    made->durable_children = made->children;
    return made;
  }

 private:
  std::map<const SimNode*, Children> changed_;
  std::uint64_t seed_;
  CutPolicy policy_;
  std::map<std::uint64_t, SimNodePtr> copies_;
};

/// Copies a tree as it is, each node once.
class Twins {
 public:
  SimNodePtr of(const SimNodePtr& from) {
    if (from == nullptr) return nullptr;
    auto& made = twins_[from.get()];
    if (made != nullptr) return made;
    made = std::make_shared<SimNode>();
    auto twin = made;
    twin->id = from->id;
    twin->kind = from->kind;
    twin->data = from->data;
    twin->links = from->links;
    twin->writeback = from->writeback;
    for (const auto& [leaf, child] : from->children) twin->children[leaf] = of(child);
    for (const auto& [leaf, child] : from->durable_children)
      twin->durable_children[leaf] = of(child);
    return twin;
  }

 private:
  std::map<const SimNode*, SimNodePtr> twins_;
};

void put(Children& children, const std::string& leaf, const SimNodePtr& value) {
  if (value == nullptr)
    children.erase(leaf);
  else
    children[leaf] = value;
}

Error check_part(std::string_view part) {
  if (part.empty() || part == "." || part == ".." || part.find('\0') != std::string_view::npos)
    return system_error(EINVAL);
  return part.size() > 255 ? system_error(ENAMETOOLONG) : Error();
}

}  // namespace

SimNames::SimNames() : root_(std::make_shared<SimNode>()) {
  root_->kind = SimKind::directory;
  root_->id = next_id();
}

Result<SimNodePtr> SimNames::find(std::string_view name) const {
  if (name.empty()) return root_;
  auto place = locate(name);
  if (!place) return place.error();
  auto found = place->directory->children.find(place->leaf);
  if (found == place->directory->children.end()) return system_error(ENOENT);
  return found->second;
}

Result<SimNodePtr> SimNames::find_file(std::string_view name, bool linked) const {
  if (name.empty()) return system_error(EINVAL);
  auto node = find(name);
  if (!node) return node;
  if ((*node)->kind == SimKind::symbolic_link) return system_error(ELOOP);
  if ((*node)->kind != SimKind::file) return system_error(EINVAL);
  if ((*node)->links != 1 && !linked) return system_error(EMLINK);
  return node;
}

Result<SimNames::Place> SimNames::locate(std::string_view name) const {
  Place place{root_, {}};
  for (;;) {
    auto part = name.substr(0, name.find('/'));
    if (auto bad = check_part(part); bad) return bad;
    if (part.size() == name.size()) {
      place.leaf = part;
      return place;
    }
    auto found = place.directory->children.find(part);
    if (found == place.directory->children.end()) return system_error(ENOENT);
    if (found->second->kind == SimKind::symbolic_link) return system_error(ELOOP);
    if (found->second->kind != SimKind::directory) return system_error(ENOTDIR);
    place.directory = found->second;
    name.remove_prefix(part.size() + 1);
  }
}

void SimNames::change(Change change) {
  for (const auto& entry : change.entries) put(entry.directory->children, entry.leaf, entry.value);
  changes_.push_back(std::move(change));
}

Result<> SimNames::add(std::string_view name, const SimNodePtr& node) {
  auto place = locate(name);
  if (!place) return place.error();
  if (place->directory->children.contains(place->leaf)) return system_error(EEXIST);
  ++node->links;
  change({node, {{place->directory, place->leaf, node}}});
  return {};
}

Result<> SimNames::rename(std::string_view from, std::string_view to) {
  auto source = locate(from);
  if (!source) return source.error();
  auto target = locate(to);
  if (!target) return target.error();
  auto found = source->directory->children.find(source->leaf);
  if (found == source->directory->children.end()) return system_error(ENOENT);
  if (target->directory->children.contains(target->leaf)) return system_error(EEXIST);
  auto node = found->second;
  if (to.starts_with(std::string(from) + "/")) return system_error(EINVAL);
  change({node,
          {{source->directory, source->leaf, nullptr}, {target->directory, target->leaf, node}}});
  return {};
}

Result<SimNodePtr> SimNames::remove(std::string_view name) {
  auto place = locate(name);
  if (!place) return place.error();
  auto found = place->directory->children.find(place->leaf);
  if (found == place->directory->children.end()) return system_error(ENOENT);
  auto node = found->second;
  if (!node->children.empty()) return system_error(ENOTEMPTY);
  --node->links;
  change({node, {{place->directory, place->leaf, nullptr}}});
  return node;
}

/// Changes of one file, and of one name, reach the disk in order.
bool SimNames::depends(const Change& later, const Change& earlier) noexcept {
  if (later.subject == earlier.subject) return true;
  for (const auto& a : later.entries)
    for (const auto& b : earlier.entries)
      if (a.directory == b.directory && a.leaf == b.leaf) return true;
  return false;
}

Result<> SimNames::sync(std::string_view directory) {
  auto node = find(directory);
  if (!node) return node.error();
  if ((*node)->kind == SimKind::symbolic_link) return system_error(ELOOP);
  if ((*node)->kind != SimKind::directory) return system_error(ENOTDIR);
  std::vector<bool> covered(changes_.size());
  for (auto i = changes_.size(); i-- > 0;) {
    covered[i] = std::ranges::any_of(changes_[i].entries,
                                     [&](const Entry& entry) { return entry.directory == *node; });
    for (auto later = i + 1; later < changes_.size() && !covered[i]; ++later)
      covered[i] = covered[later] && depends(changes_[later], changes_[i]);
  }
  std::vector<Change> left;
  for (std::size_t i = 0; i < changes_.size(); ++i) {
    if (!covered[i]) {
      left.push_back(std::move(changes_[i]));
      continue;
    }
    for (const auto& entry : changes_[i].entries)
      put(entry.directory->durable_children, entry.leaf, entry.value);
  }
  changes_ = std::move(left);
  return {};
}

std::vector<SimNames::Change> SimNames::survivors(SimRandom& random, const CutPolicy& policy,
                                                  bool torn_renames) const {
  std::vector<Change> kept;
  std::vector<const Change*> lost;
  for (const auto& change : changes_) {
    auto blocked =
        std::ranges::any_of(lost, [&](const Change* earlier) { return depends(change, *earlier); });
    if (blocked || !random.chance(policy.keep_percent)) {
      lost.push_back(&change);
      continue;
    }
    kept.push_back(change);
    if (torn_renames && change.entries.size() == 2 && random.chance(30)) {
      kept.back().entries.erase(kept.back().entries.begin());
      lost.push_back(&change);
    }
  }
  return kept;
}

SimNames SimNames::after_cut(std::uint64_t seed, const CutPolicy& policy, bool torn_renames) const {
  SimRandom random(seed);
  std::map<const SimNode*, Children> changed;
  for (const auto& change : survivors(random, policy, torn_renames))
    for (const auto& entry : change.entries) {
      auto& children = changed.try_emplace(entry.directory.get(), entry.directory->durable_children)
                           .first->second;
      put(children, entry.leaf, entry.value);
    }
  SimNames left;
  left.root_ = Copier(std::move(changed), random.next(), policy).copy(*root_);
  left.last_id_ = last_id_;
  return left;
}

SimNames SimNames::copy() const {
  Twins twins;
  SimNames made;
  made.root_ = twins.of(root_);
  made.last_id_ = last_id_;
  for (const auto& change : changes_) {
    Change twin{twins.of(change.subject), {}};
    for (const auto& [directory, leaf, value] : change.entries)
      twin.entries.push_back({twins.of(directory), leaf, twins.of(value)});
    made.changes_.push_back(std::move(twin));
  }
  return made;
}

}  // namespace caisson::tests

// SPDX-License-Identifier: Apache-2.0
#include "gateway/cli/snapshot_commands.hpp"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>

#include "gateway/cli/diff.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::cli {
namespace {

using nbs::wire::Op;

// clang-format off
constexpr Argument kCreate[] = {
    {"LUNS", "luns", Kind::words, "the LUN, or several with commas between them: cut at one instant", true},
    {"--name", "name", Kind::text, "its name; else made from the time"},
    {"--quiesce", "quiesce", Kind::text, "host whose agent brings its applications to rest first"},
    {"--allow-unreserved", "allow_unreserved", Kind::flag, "of thick LUNs: although overwrites may then find no room"},
};
constexpr Argument kList[] = {
    {"LUN", "lun", Kind::text, "only those of this LUN"},
};
constexpr Argument kOne[] = {
    {"LUN", "lun", Kind::text, "the LUN", true},
    {"SNAPSHOT", "snapshot", Kind::text, "the snapshot", true},
};
constexpr Argument kRename[] = {
    {"LUN", "lun", Kind::text, "the LUN", true},
    {"SNAPSHOT", "snapshot", Kind::text, "the snapshot", true},
    {"NEW", "to", Kind::text, "its new name", true},
};
constexpr Argument kLock[] = {
    {"LUN", "lun", Kind::text, "the LUN", true},
    {"SNAPSHOT", "snapshot", Kind::text, "the snapshot", true},
    {"--for", "seconds", Kind::duration, "how long caissond runs meanwhile, such as 7d", true},
};
constexpr Argument kRestore[] = {
    {"LUN", "lun", Kind::text, "the LUN", true},
    {"SNAPSHOT", "snapshot", Kind::text, "what it will hold", true},
    {"--force", "force", Kind::flag, "although hosts use the LUN or reserve it"},
    {"--no-keep", "keep_state", Kind::flag, "keep no snapshot of the state before", false, {}, false},
};
constexpr Argument kClone[] = {
    {"LUN", "lun", Kind::text, "the LUN", true},
    {"SNAPSHOT", "snapshot", Kind::text, "the snapshot", true},
    {"NEW", "name", Kind::text, "name of the new LUN", true},
    {"--store", "store", Kind::text, "store that holds its container; else the LUN's"},
    {"--location", "location", Kind::text, "free text: where the disk is"},
};
constexpr Argument kDiff[] = {
    {"LUN", "lun", Kind::text, "the LUN", true},
    {"A", "from", Kind::text, "the older snapshot", true},
    {"B", "to", Kind::text, "the newer one; else what the LUN holds now"},
    {"--format", "", Kind::text, "form of the list", false, "table|json|bitmap"},
    {"--granularity", "", Kind::size, "bytes a bit stands for (4K)"},
    {"--to", "", Kind::path, "file to write the list to, here; else standard output"},
};
constexpr Argument kExpose[] = {
    {"LUN", "lun", Kind::text, "the LUN", true},
    {"SNAPSHOT", "snapshot", Kind::text, "the snapshot", true},
    {"--as", "name", Kind::text, "name of the read-only LUN", true},
};
constexpr Argument kUnexpose[] = {
    {"NAME", "name", Kind::text, "the LUN that shows a snapshot", true},
};
constexpr Argument kName[] = {
    {"NAME", "name", Kind::text, "its name", true},
};
constexpr Argument kScheduleCreate[] = {
    {"NAME", "name", Kind::text, "name of the new schedule", true},
    {"--luns", "luns", Kind::words, "LUNs with commas between them: cut at one instant", true},
    {"--every", "spec", Kind::text, "a snapshot each 5m, 1h, 1d, ..."},
    {"--at", "spec", Kind::text, "a snapshot at this time of each day, such as 02:30"},
    {"--on", "", Kind::text, "with --at, on these days only, such as mon,thu"},
    {"--zone", "", Kind::text, "time zone of --at, such as Europe/Berlin; else UTC"},
    {"--keep", "retention", Kind::text, "what is kept, such as '24x1h | 14x1d', or all", true},
    {"--quiesce", "quiesce", Kind::text, "host whose agent brings its applications to rest first"},
    {"--allow-unreserved", "allow_unreserved", Kind::flag, "of thick LUNs: although overwrites may then find no room"},
};
constexpr Argument kScheduleSet[] = {
    {"NAME", "name", Kind::text, "the schedule", true},
    {"--luns", "luns", Kind::words, "these LUNs instead"},
    {"--every", "spec", Kind::text, "a snapshot each 5m, 1h, 1d, ..."},
    {"--at", "spec", Kind::text, "a snapshot at this time of each day, such as 02:30"},
    {"--on", "", Kind::text, "with --at, on these days only, such as mon,thu"},
    {"--zone", "", Kind::text, "time zone of --at, such as Europe/Berlin; else UTC"},
    {"--keep", "retention", Kind::text, "what is kept, such as '24x1h | 14x1d', or all"},
    {"--quiesce", "quiesce", Kind::text, "host whose agent is asked; '': none"},
    {"--allow-unreserved", "allow_unreserved", Kind::flag, "of thick LUNs: although overwrites may then find no room"},
    {"--reserve", "allow_unreserved", Kind::flag, "of thick LUNs: only with the room that overwrites may need", false, {}, false},
    {"--enable", "enabled", Kind::flag, "go on"},
    {"--disable", "enabled", Kind::flag, "cut and delete nothing until it is enabled", false, {}, false},
};
constexpr Argument kPolicySet[] = {
    {"--full-store", "full_store", Kind::text, "what goes when a store is full: hosts-first gives snapshots up, snapshots-first refuses writes", false, "hosts-first|snapshots-first"},
    {"--pace", "pace", Kind::number, "how far background work gives way to hosts, 0 (not at all) to 100"},
    {"--reset", "reset", Kind::flag, "what is not given here is as caissond.toml says"},
};

Outcome<> spell_schedule(const Typed& typed, google::protobuf::Message& request);

constexpr Command kCommands[] = {
    {"snapshot", "create", "cut a snapshot", Op::snapshot_create, kCreate, "snapshot of LUN '{luns}'", "created"},
    {"snapshot", "list", "show all snapshots", Op::snapshot_list, kList},
    {"snapshot", "show", "show one snapshot", Op::snapshot_show, kOne},
    {"snapshot", "rename", "give it another name", Op::snapshot_rename, kRename, "snapshot '{snapshot}' of LUN '{lun}'", "renamed to '{to}'"},
    {"snapshot", "lock", "keep it from being deleted for a while", Op::snapshot_lock, kLock, "snapshot '{snapshot}' of LUN '{lun}'", "locked"},
    {"snapshot", "unlock", "forget a lock that has ended", Op::snapshot_unlock, kOne, "snapshot '{snapshot}' of LUN '{lun}'", "unlocked"},
    {"snapshot", "delete", "remove a snapshot for good", Op::snapshot_delete, kOne, "snapshot '{snapshot}' of LUN '{lun}'", "deleted", true},
    {"snapshot", "restore", "make the LUN what it was", Op::snapshot_restore, kRestore, "LUN '{lun}'", "restored from snapshot '{snapshot}'", false, nullptr, nullptr, nullptr, "--no-keep"},
    {"snapshot", "clone", "make a writable LUN of it", Op::snapshot_clone, kClone, "LUN '{name}'", "cloned from snapshot '{snapshot}' of LUN '{lun}'"},
    {"snapshot", "diff", "list what changed between two snapshots, or until now", Op::snapshot_diff, kDiff, {}, {}, false, check_diff, nullptr, write_diff},
    {"snapshot", "export", "make it a whole file in the store's .snapshots", Op::snapshot_export, kOne, "snapshot '{snapshot}' of LUN '{lun}'", "exported"},
    {"snapshot", "expose", "show it to hosts as a read-only LUN", Op::snapshot_expose, kExpose, "LUN '{name}'", "created, which shows snapshot '{snapshot}' of LUN '{lun}'"},
    {"snapshot", "unexpose", "remove the LUN that shows a snapshot", Op::snapshot_unexpose, kUnexpose, "LUN '{name}'", "removed; its snapshot stays"},
    {"snapshot", "schedule create", "cut snapshots by the clock", Op::schedule_create, kScheduleCreate, "schedule '{name}'", "created", false, spell_schedule},
    {"snapshot", "schedule list", "show all schedules", Op::schedule_list, {}},
    {"snapshot", "schedule show", "show one schedule", Op::schedule_show, kName},
    {"snapshot", "schedule set", "change a schedule", Op::schedule_set, kScheduleSet, "schedule '{name}'", "changed", false, spell_schedule},
    {"snapshot", "schedule delete", "remove a schedule; its snapshots stay", Op::schedule_delete, kName, "schedule '{name}'", "deleted", true},
    {"snapshot", "policy show", "show how far snapshots may come in hosts' way", Op::snapshot_policy_show, {}},
    {"snapshot", "policy set", "say how far snapshots may come in hosts' way", Op::snapshot_policy_set, kPolicySet, "policy of snapshots", "changed"},
};
// clang-format on

Failure usage(std::string message, std::string remedy) {
  return failure(Errc::invalid_argument, std::move(message), std::move(remedy));
}

/// The options about time as the one text that the gateway takes.
Outcome<> spell_schedule(const Typed& typed, google::protobuf::Message& request) {
  const auto* field = request.GetDescriptor()->FindFieldByName("spec");
  const bool every = typed.contains("--every"), at = typed.contains("--at");
  if (every && at) return usage("--every and --at exclude each other", "give one of the two");
  if (!at && (typed.contains("--on") || typed.contains("--zone")))
    return usage("--on and --zone say more about --at", "give --at as well");
  if (!every && !at && !field->has_presence())  // that of `set` has: it may stay as it is
    return usage("the schedule has no times", "give --every 1h, or --at 02:30");
  if (!every && !at) return {};
  std::string spec;
  if (every)
    spec = "every " + typed.at("--every").front();
  else if (typed.contains("--on"))
    spec = fmt::format("weekly on {} at {}", typed.at("--on").front(), typed.at("--at").front());
  else
    spec = "daily at " + typed.at("--at").front();
  if (typed.contains("--zone")) spec += " in " + typed.at("--zone").front();
  request.GetReflection()->SetString(&request, field, spec);
  return {};
}

}  // namespace

std::span<const Command> snapshot_commands() noexcept { return kCommands; }

}  // namespace caisson::cli

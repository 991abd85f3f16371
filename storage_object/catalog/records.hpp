// SPDX-License-Identifier: Apache-2.0
// What the catalog remembers, row by row. Identity, capacity and geometry of a
// LUN are ruled by its trailer and repeated here; hosts, grants, quotas,
// snapshots, schedules and events are ruled here (decision 1).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "storage_object/base/uuid.hpp"

namespace caisson::catalog {

struct StoreRecord {
  std::string name;
  std::string location;         ///< a directory's absolute path
  bool import_allowed = false;  ///< `lun import` may read raw images from below it
  std::optional<Uuid> mark;     ///< what its marker file says; absent: not marked yet

  bool operator==(const StoreRecord&) const = default;
};

enum class CacheMode : std::uint8_t { writeback, none, writethrough };

/// Why a LUN is not served, or that it is.
enum class LunState : std::uint8_t {
  online,    ///< served
  offline,   ///< an administrator took it offline
  failed,    ///< a flush or writeback failed; `lun online --accept-loss` ends it
  creating,  ///< the container is not known to be published yet
  deleting,  ///< the container is not known to be removed yet
};

/// A change of capacity under way. Written before the container changes, taken
/// back after: names the two places where a trailer may stand meanwhile.
struct ResizeIntent {
  std::uint64_t from = 0;  ///< bytes
  std::uint64_t to = 0;

  bool operator==(const ResizeIntent&) const = default;
};

/// A raw image that is being made a container where it lies: which file that was
/// when the import began.
struct RawImage {
  std::string file;          ///< its name inside the store
  std::uint64_t length = 0;  ///< bytes
  std::uint64_t inode = 0;   ///< 0: not known, equals no file's
  std::int64_t born = 0;     ///< when the file came into being, ns since the epoch; 0: not told

  bool operator==(const RawImage&) const = default;
};

/// What a LUN reads from.
enum class LunKind : std::uint8_t {
  disk,   ///< its container alone
  clone,  ///< its container, and its origin where that is not filled yet
  view,   ///< a snapshot, read-only; there is no container
};

struct LunRecord {
  Uuid uuid;
  std::string name;
  std::string store;
  std::string file;            ///< name of the container inside the store
  std::uint64_t capacity = 0;  ///< bytes
  std::uint32_t logical_block = 512;
  std::uint32_t physical_block = 4096;
  CacheMode cache = CacheMode::writeback;
  bool thick = false;
  bool removable = false;
  std::string naa;               ///< 16 or 32 hex digits
  std::string serial;            ///< VPD page 80
  std::string target_name;       ///< made once, never derived again
  std::uint64_t target_lun = 0;  ///< LUN number below that target
  std::string vendor_location;   ///< where the disk says it is (decision "location")
  LunState state = LunState::creating;
  std::string reason;  ///< of a state that is not online
  std::optional<ResizeIntent> resize;
  std::optional<RawImage> import;  ///< while it is being imported in place
  std::string rename_to;           ///< the name it is being given; empty: none
  std::uint64_t config_id = 1;     ///< decision 7: raised by every change of size, members, owner
  std::uint64_t owner_epoch = 1;
  std::int64_t created_at = 0;
  LunKind kind = LunKind::disk;
  std::optional<Uuid> origin;     ///< the snapshot it was born from, or shows
  std::optional<Uuid> restoring;  ///< of which a restore is under way that a start must finish

  bool operator==(const LunRecord&) const = default;
};

enum class SnapshotState : std::uint8_t {
  creating,  ///< not reported yet: a start takes it away
  present,   ///< the image of its cut
  ghost,     ///< deleted; what an older one still needs of it is there
  invalid,   ///< it is no image of anything any more
};

/// A snapshot. Put and removed by itself: a LunRecord that somebody keeps knows
/// nothing of it.
struct SnapshotRecord {
  Uuid uuid;
  Uuid lun;
  std::string name;             ///< one of its LUN's, ghosts and unreported ones aside
  std::uint64_t sequence = 0;   ///< from 1, ascending with the cuts of its LUN, never used again
  std::int64_t created_ms = 0;  ///< wall clock of the cut, since the epoch
  std::uint64_t capacity = 0;   ///< bytes, at the cut
  SnapshotState state = SnapshotState::creating;
  bool complete = false;           ///< its image is a whole public file
  std::string reason;              ///< why it is invalid or damaged
  std::optional<Uuid> group;       ///< shared by those that were cut at the same instant
  std::string made_by = "admin";   ///< "admin", "schedule:NAME", "restore", "host:NAME"
  std::uint64_t locked_until = 0;  ///< seconds of the run-time counter; 0: not locked
  std::string grade = "crash";     ///< what it is consistent for
  std::string details;             ///< JSON, kept verbatim

  bool operator==(const SnapshotRecord&) const = default;
};

/// When snapshots are cut and how long they are kept. The catalog reads none of
/// the texts.
struct ScheduleRecord {
  std::string name;
  std::vector<Uuid> luns;  ///< in the administrator's order, none twice; erased LUNs drop out
  std::string spec;
  std::string zone;
  std::string retention;
  std::string quiesce;
  bool enabled = true;
  std::string state;              ///< what its runner remembers
  bool allow_unreserved = false;  ///< of thick LUNs: without the room that overwrites may need

  bool operator==(const ScheduleRecord&) const = default;
};

struct HostRecord {
  std::uint64_t id = 0;
  std::string name;  ///< or "*": any initiator
  std::vector<std::string> iqns;
  bool no_auth = false;
  std::string chap_user;
  std::string chap_secret;  ///< 12 to 16 characters; never logged, never in a container
  std::string mutual_user;  ///< what the target proves in return; empty: one-way
  std::string mutual_secret;
  std::uint64_t quota = 0;  ///< bytes it may ALLOCATE; 0: none
  std::int64_t created_at = 0;

  bool operator==(const HostRecord&) const = default;
};

struct GrantRecord {
  Uuid lun;
  std::uint64_t host = 0;
  bool read_only = false;
  std::uint64_t quota = 0;  ///< bytes; stored and shown, enforced later; 0: none
  std::uint64_t lun_number = 0;
  std::string allowed_verbs;  ///< comma separated: snapshot,restore,resize,trim
  std::uint64_t config_id = 1;
  bool proposed = false;    ///< from a trailer's copy: not in force until confirmed
  std::string redirect_to;  ///< ADDR:PORT that logins are sent to; empty: none
  bool redirect_permanent = false;

  bool operator==(const GrantRecord&) const = default;
};

struct EventRecord {
  std::uint64_t sequence = 0;  ///< ascending, never reused
  std::int64_t time_ms = 0;    ///< since the epoch
  std::string kind;            ///< "lun.created", "audit", "session.login", …
  std::string object;          ///< name of what it is about
  std::string actor;           ///< who caused it: "uid:0", a host's name, "caissond"
  std::string text;            ///< one sentence

  bool operator==(const EventRecord&) const = default;
};

}  // namespace caisson::catalog

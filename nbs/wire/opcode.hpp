// SPDX-License-Identifier: Apache-2.0
// Every NBS operation, one row each. The row drives the role check, the choice
// of messages, logs, audits and the documentation.
//
// Numbers: 0x00xx connection, 0x01xx block data (READ, WRITE, FLUSH, TRIM and
// their like, when they come), 0x10xx stores, 0x11xx LUNs, 0x12xx hosts,
// 0x13xx access, 0x14xx sessions, 0x15xx snapshots and schedules, 0x16xx replicas, 0x17xx the
// catalog, 0x18xx the gateway itself. A number is never used twice.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

namespace caisson::nbs::wire {

/// Who a connection speaks for (decision 10).
enum class Role : std::uint8_t { admin, operator_, host, agent };
std::string_view to_string(Role role) noexcept;

/// The roles that may use a verb.
class Roles {
 public:
  constexpr Roles(std::initializer_list<Role> roles) {
    for (auto role : roles) bits_ |= bit(role);
  }
  constexpr bool contains(Role role) const noexcept { return (bits_ & bit(role)) != 0; }

 private:
  static constexpr std::uint8_t bit(Role role) noexcept {
    return static_cast<std::uint8_t>(1U << static_cast<unsigned>(role));
  }
  std::uint8_t bits_ = 0;
};

/// What a caller of Role::host must have on the object beside the role: its
/// grant there must allow it. Other roles need none. The role is checked before
/// the request reaches a service, the right by the service: it knows the grants.
enum class Right : std::uint8_t { none, resize, snapshot, restore };
/// As grants name it.
std::string_view to_string(Right right) noexcept;

struct Opcode {
  std::uint16_t number;
  std::string_view name;  ///< "lun.create": in logs, audits and errors
  Roles roles;
  Right right;
  bool mutating;             ///< audited; its request has `dry_run`
  std::string_view request;  ///< message of control.proto, without package
  std::string_view reply;
};

/// Numbers by name, for code that sends or dispatches.
enum class Op : std::uint16_t {
  hello = 0x0001,
  keepalive = 0x0002,
  store_add = 0x1001,
  store_list = 0x1002,
  store_show = 0x1003,
  store_remove = 0x1004,
  lun_create = 0x1101,
  lun_list = 0x1102,
  lun_show = 0x1103,
  lun_set = 0x1104,
  lun_resize = 0x1105,
  lun_rename = 0x1106,
  lun_import = 0x1107,
  lun_adopt = 0x1108,
  lun_online = 0x1109,
  lun_offline = 0x110a,
  lun_delete = 0x110b,
  host_create = 0x1201,
  host_list = 0x1202,
  host_show = 0x1203,
  host_set = 0x1204,
  host_delete = 0x1205,
  access_grant = 0x1301,
  access_list = 0x1302,
  access_revoke = 0x1303,
  access_redirect = 0x1304,
  session_list = 0x1401,
  session_drop = 0x1402,
  snapshot_create = 0x1501,
  snapshot_list = 0x1502,
  snapshot_show = 0x1503,
  snapshot_rename = 0x1504,
  snapshot_lock = 0x1505,
  snapshot_unlock = 0x1506,
  snapshot_delete = 0x1507,
  snapshot_restore = 0x1508,
  snapshot_clone = 0x1509,
  snapshot_diff = 0x150a,
  snapshot_export = 0x150b,
  snapshot_expose = 0x150c,
  snapshot_unexpose = 0x150d,
  schedule_create = 0x1510,
  schedule_list = 0x1511,
  schedule_show = 0x1512,
  schedule_set = 0x1513,
  schedule_delete = 0x1514,
  snapshot_policy_show = 0x1520,
  snapshot_policy_set = 0x1521,
  catalog_rebuild = 0x1701,
  catalog_backup = 0x1702,
  catalog_restore = 0x1703,
  status = 0x1801,
  events = 0x1802,
};

/// The table, ascending by number.
std::span<const Opcode> opcodes() noexcept;

/// The row of a number; nullptr: unknown. The row lives as long as the program.
const Opcode* find_opcode(std::uint16_t number) noexcept;

/// The row of an operation.
const Opcode& opcode(Op op) noexcept;

}  // namespace caisson::nbs::wire

// SPDX-License-Identifier: Apache-2.0
// What to type on a host. Placeholders stand where nothing was given.
#include <fmt/format.h>

#include "gateway/cli/command.hpp"

namespace caisson::cli {
namespace {

struct System {
  std::string_view name;
  std::string_view text;  ///< {portal}, {address}, {port}, {target}, {user} are filled in
};

constexpr System kSystems[] = {
    {"linux", R"(On Linux with open-iscsi, as root:

  apt install open-iscsi             # or: dnf install iscsi-initiator-utils
  cat /etc/iscsi/initiatorname.iscsi # the IQN for `caisson host create --iqn`

  iscsiadm -m discoverydb -t sendtargets -p {portal} -o new
  # with CHAP; nothing is discovered without it:
  iscsiadm -m discoverydb -t sendtargets -p {portal} -o update \
    -n discovery.sendtargets.auth.authmethod -v CHAP \
    -n discovery.sendtargets.auth.username -v {user} \
    -n discovery.sendtargets.auth.password -v SECRET
  iscsiadm -m discoverydb -t sendtargets -p {portal} --discover

  # with CHAP:
  iscsiadm -m node -T {target} -p {portal} -o update \
    -n node.session.auth.authmethod -v CHAP \
    -n node.session.auth.username -v {user} \
    -n node.session.auth.password -v SECRET
  iscsiadm -m node -T {target} -p {portal} --login
  # at every boot:
  iscsiadm -m node -T {target} -p {portal} -o update -n node.startup -v automatic

  lsblk --scsi                       # the new disk: vendor, model, serial

To let it go: unmount it, then
  iscsiadm -m node -T {target} -p {portal} --logout
After `caisson lun resize`: iscsiadm -m session --rescan
Mutual CHAP: set also ...auth.username_in and ...auth.password_in in both places.
)"},
    {"windows", R"(On Windows, in PowerShell as administrator:

  Set-Service MSiSCSI -StartupType Automatic; Start-Service MSiSCSI
  (Get-InitiatorPort).NodeAddress    # the IQN for `caisson host create --iqn`

  # without CHAP:
  New-IscsiTargetPortal -TargetPortalAddress {address} -TargetPortalPortNumber {port}
  Connect-IscsiTarget -NodeAddress "{target}" -IsPersistent $true
  # with CHAP:
  New-IscsiTargetPortal -TargetPortalAddress {address} -TargetPortalPortNumber {port} `
    -AuthenticationType ONEWAYCHAP -ChapUsername {user} -ChapSecret SECRET
  Connect-IscsiTarget -NodeAddress "{target}" -IsPersistent $true `
    -AuthenticationType ONEWAYCHAP -ChapUsername {user} -ChapSecret SECRET

  Get-Disk | Where-Object BusType -eq iSCSI
  # a new disk: Initialize-Disk N; New-Partition -DiskNumber N -UseMaximumSize -AssignDriveLetter | Format-Volume

To let it go: Disconnect-IscsiTarget -NodeAddress "{target}"
After `caisson lun resize`: Update-HostStorageCache
Mutual CHAP: Set-IscsiChapSecret -ChapSecret TARGETSECRET, and MUTUALCHAP instead of ONEWAYCHAP.
)"},
    {"esxi", R"(On ESXi, in its shell:

  esxcli iscsi software set --enabled=true
  esxcli iscsi adapter list          # the adapter, such as vmhba64
  esxcli iscsi adapter get -A vmhba64  # its name: the IQN for `caisson host create --iqn`

  # with CHAP:
  esxcli iscsi adapter auth chap set -A vmhba64 --direction=uni --level=required \
    --authname={user} --secret=SECRET
  esxcli iscsi adapter discovery sendtarget add -A vmhba64 -a {portal}
  esxcli storage core adapter rescan -A vmhba64

  esxcli iscsi session list          # must show {target}
  esxcli storage core device list    # the new disk, by its NAA name

To let it go: detach the disk and its datastore, then
  esxcli iscsi adapter discovery sendtarget remove -A vmhba64 -a {portal}
After `caisson lun resize`: esxcli storage core adapter rescan -A vmhba64
Mutual CHAP: chap set with --direction=mutual and the target's name and secret.
)"},
};

std::string given(const Typed& typed, std::string_view name, std::string_view placeholder) {
  auto found = typed.find(name);
  return found != typed.end() ? found->second.front() : std::string(placeholder);
}

}  // namespace

std::string host_help(const Typed& typed) {
  auto portal = given(typed, "--portal", "ADDR:PORT");
  auto colon = portal.rfind(':');
  auto address = portal.substr(0, colon);
  if (address.starts_with('[') && address.ends_with(']'))
    address = address.substr(1, address.size() - 2);
  auto port = colon == std::string::npos ? "3260" : portal.substr(colon + 1);
  for (const auto& system : kSystems) {
    if (system.name != given(typed, "SYSTEM", "")) continue;
    return fmt::format(fmt::runtime(system.text), fmt::arg("portal", portal),
                       fmt::arg("address", address), fmt::arg("port", port),
                       fmt::arg("target", given(typed, "--target", "TARGET")),
                       fmt::arg("user", given(typed, "--chap-user", "USER")));
  }
  return {};
}

}  // namespace caisson::cli

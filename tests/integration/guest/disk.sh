#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# In the guest: what a Linux administrator does first with a new disk.
# Asks the host side to look at the container by files in /job.
set -euo pipefail
read -r disk _ <<<"$DISKS"

ask() { # NAME: has the host side do something, and waits for it
  sync; touch "/job/$1.asked"
  until [ -e "/job/$1.done" ]; do sleep 0.1; done
}

echo "== identity"
sg_inq "$disk"
for page in sv sn di ei bl bdc lbpv; do sg_vpd --page=$page "$disk"; done
sg_vpd --page=lbpv "$disk" | grep -q 'LBPU.*1'
sg_readcap --long "$disk" | tee /tmp/readcap
grep -q 'lbpme=1' /tmp/readcap
long=$(sed -n 's/.*Last LBA=\([0-9]*\).*/\1/p' /tmp/readcap)
short=$(sg_readcap "$disk" | sed -n 's/.*Last LBA=\([0-9]*\).*/\1/p')
[ "$long" = "$short" ]
sg_vpd --page=sn "$disk" >/job/serial
sg_vpd --page=di "$disk" >/job/identity

echo "== a file system, checksums over a remount"
mkfs.ext4 -q "$disk"
mount "$disk" /mnt
for i in 1 2 3 4; do dd if=/dev/urandom of="/mnt/file$i" bs=1M count=12 status=none; done
(cd /mnt && sha256sum file*) >/tmp/sums
umount /mnt
mount "$disk" /mnt
(cd /mnt && sha256sum --check --quiet /tmp/sums)

echo "== a grown disk under the mounted file system"
before=$(blockdev --getsize64 "$disk")
ask grow
iscsiadm -m session --rescan >/dev/null
for ((i = 0; i < 100; i++)); do
  [ "$(blockdev --getsize64 "$disk")" = "$before" ] || break
  sleep 0.1
done
[ "$(blockdev --getsize64 "$disk")" = $((before * 2)) ]
resize2fs "$disk" 2>/dev/null
(cd /mnt && sha256sum --check --quiet /tmp/sums)

echo "== fstrim gives space back"
ask full
rm /mnt/file2 /mnt/file3 /mnt/file4
sync
fstrim -v /mnt
ask trimmed
(cd /mnt && sha256sum file1 | grep -qF "$(head -1 /tmp/sums)")
umount /mnt
e2fsck -fn "$disk"

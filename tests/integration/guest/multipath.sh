#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# In the guest: one LUN over two portals under dm-multipath. A path is cut and comes
# back, then the gateway is killed and restarted, while files are written and compared.
# The script is the path checker itself: multipathd wants udev, which the guest lacks.
set -euo pipefail
read -r first second _ <<<"$DISKS"
SECOND_PORTAL=127.0.0.2

ask() { # NAME: has the host side do something, and waits for it
  touch "/job/$1.asked"
  until [ -e "/job/$1.done" ]; do sleep 0.1; done
}

number() { lsblk -dno MAJ:MIN "$1" | tr -d ' '; }
failed_paths() { dmsetup status mp | grep -oE '[0-9]+:[0-9]+ F ' | wc -l; }
check_paths() { # for ever: a path that answers again is used again
  local disk
  while sleep 0.3; do
    for disk in "$first" "$second"; do
      if [ "$(failed_paths)" != 0 ] && timeout 5 sg_turs "$disk" >/dev/null 2>&1; then
        dmsetup message mp 0 "reinstate_path $(number "$disk")"
      fi
    done
  done
}
wait_for_failed() { # COUNT
  local i
  for ((i = 0; i < 300; i++)); do
    [ "$(failed_paths)" != "$1" ] || return 0
    sleep 0.1
  done
  echo "paths: $(dmsetup status mp)"
  return 1
}

write_and_compare() { # for ever: files of 4 MiB, all of them read back from the disk each time
  local round file
  for ((round = 0; ; round++)); do
    file=/mnt/file$((round % 6))
    head -c 4M /dev/urandom >/tmp/data
    sha256sum </tmp/data | sed "s,-,$file," >"/tmp/sum$((round % 6))"
    cp /tmp/data "$file"
    sync -f "$file"
    echo 3 >/proc/sys/vm/drop_caches
    cat /tmp/sum* | sha256sum --check --quiet
    echo "$round" >/tmp/round
    [ ! -e /tmp/enough ] || return 0
  done
}
wait_for_rounds() { # COUNT more
  local until=$(($(cat /tmp/round) + $1)) i
  for ((i = 0; i < 600; i++)); do
    [ "$(cat /tmp/round)" -lt "$until" ] || return 0
    sleep 0.1
  done
  echo "no $1 rounds in a minute"
  return 1
}
storm() { # EVENT...: while files are written and compared
  local writer event
  rm -f /tmp/enough /tmp/sum*
  echo 0 >/tmp/round
  write_and_compare & writer=$!
  for event; do "$event"; kill -0 "$writer"; done
  touch /tmp/enough
  wait "$writer"
}
cut_a_path() {
  wait_for_rounds 1
  ip route add blackhole "$SECOND_PORTAL/32"
  wait_for_failed 1
  wait_for_rounds 2
  ip route del blackhole "$SECOND_PORTAL/32"
  wait_for_failed 0
}
kill_the_gateway() { ask "$1"; wait_for_failed 0; }
first_kill() { kill_the_gateway kill1; }
second_kill() { kill_the_gateway kill2; }

echo "== two paths, one disk"
for disk in "$first" "$second"; do sg_vpd --page=di "$disk" | grep -A3 'Addressed logical unit' >"/tmp/id${disk##*/}"; done
cmp "/tmp/id${first##*/}" "/tmp/id${second##*/}"
modprobe -a dm-multipath dm-round-robin xfs
dmsetup create --noudevsync mp --table "0 $(blockdev --getsz "$first") multipath 1 queue_if_no_path \
  0 1 1 round-robin 0 2 1 $(number "$first") 1 $(number "$second") 1"
dmsetup mknodes
check_paths &

echo "== xfs: a path is cut, the gateway is killed"
mkfs.xfs -q -f /dev/mapper/mp
mount /dev/mapper/mp /mnt
storm cut_a_path first_kill
umount /mnt
xfs_repair -n /dev/mapper/mp 2>/dev/null

echo "== ext4: the gateway is killed, a path is cut"
mkfs.ext4 -q -F /dev/mapper/mp
mount /dev/mapper/mp /mnt
storm second_kill cut_a_path
umount /mnt
e2fsck -fn /dev/mapper/mp

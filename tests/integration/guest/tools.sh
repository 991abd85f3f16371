#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# In the guest: what cluster software and administrators ask of a disk, by sg3-utils,
# over two sessions of two initiator ports.
set -euo pipefail
read -r disk other _ <<<"$DISKS"
KEY=0xabc123 OTHER_KEY=0xdef456

fails() { # STATUS COMMAND...: must end with just that
  local expected=$1 status=0
  shift
  "$@" >/tmp/out 2>&1 || status=$?
  [ "$status" = "$expected" ] || { echo "$*: ended with $status, not $expected"; cat /tmp/out; return 1; }
}
CONFLICT=24 MISCOMPARE=14

echo "== persistent reservations"
sg_persist --no-inquiry --out --register --param-sark=$KEY "$disk"
sg_persist --no-inquiry --out --register --param-sark=$OTHER_KEY "$other"
sg_persist --no-inquiry --in --read-keys "$disk" | tee /tmp/keys
grep -qi "$KEY" /tmp/keys && grep -qi "$OTHER_KEY" /tmp/keys
sg_persist --no-inquiry --out --reserve --param-rk=$KEY --prout-type=5 "$disk"
sg_persist --no-inquiry --in --read-reservation "$other" | grep -q 'Write Exclusive, registrants only'
sg_persist --no-inquiry --in --report-capabilities "$disk"
sg_persist --no-inquiry --in --read-full-status "$disk" | grep -qi 'iqn\.'
fails $CONFLICT sg_persist --no-inquiry --out --release --param-rk=$OTHER_KEY --prout-type=1 "$disk"
sg_persist --no-inquiry --out --preempt --param-rk=$OTHER_KEY --param-sark=$KEY --prout-type=5 "$other"
sg_turs "$disk" || sg_turs "$disk" # the first tells of the preemption
sg_persist --no-inquiry --in --read-keys "$other" | tee /tmp/keys
fails 1 grep -i "$KEY" /tmp/keys
fails $CONFLICT sg_write_same --lba=0 --num=8 --in=/dev/zero --xferlen=512 "$disk"
sg_persist --no-inquiry --out --clear --param-rk=$OTHER_KEY "$other"
sg_turs "$disk" || sg_turs "$disk"

echo "== discard, write same, compare and write"
dd if=/dev/urandom of=/tmp/data bs=1M count=4 status=none
dd if=/tmp/data of="$disk" bs=1M oflag=direct status=none
blkdiscard -o 1048576 -l 1048576 "$disk"
dd if="$disk" bs=1M skip=1 count=1 iflag=direct status=none | cmp - <(head -c 1048576 /dev/zero)
dd if="$disk" bs=1M skip=2 count=1 iflag=direct status=none | cmp - <(tail -c +2097153 /tmp/data | head -c 1048576)
blkdiscard -z -o 0 -l 4096 "$disk"
printf '%0512d' 7 >/tmp/sector
sg_write_same --lba=64 --num=16 --in=/tmp/sector --xferlen=512 "$disk"
for lba in 64 79; do dd if="$disk" bs=512 skip=$lba count=1 iflag=direct status=none | cmp - /tmp/sector; done
sg_write_same --unmap --lba=64 --num=16 --in=/dev/zero --xferlen=512 "$disk"
sg_write_same --16 --ndob --lba=2048 --num=8 "$disk"
sg_get_lba_status --lba=64 "$disk"
dd if=/dev/zero of=/tmp/zero bs=512 count=1 status=none
cat /tmp/zero /tmp/sector >/tmp/swap
sg_compare_and_write --lba=64 --in=/tmp/swap --num=1 --xferlen=1024 "$disk"
fails $MISCOMPARE sg_compare_and_write --lba=64 --in=/tmp/swap --num=1 --xferlen=1024 "$disk"
sg_verify --lba=0 --count=64 "$disk"
fails $MISCOMPARE sg_verify --lba=64 --count=1 --ndo=512 --in=/tmp/zero "$disk"
sg_sync "$disk"

echo "== port groups, logs, modes"
sg_rtpg --decode "$disk" | tee /tmp/groups
grep -q 'active/optimized' /tmp/groups
sg_inq "$disk" | grep -q 'TPGS=1'
sg_logs --list "$disk" >/dev/null
sg_logs --page=0x19 "$disk" >/dev/null
sg_timestamp "$disk"
sg_modes --page=8 --hex "$disk" >/dev/null
sg_start --start "$disk"
sg_prevent --prevent=0 "$disk"
write_protect() { # 8 or 0: SWP of the control mode page, saved
  sg_wr_mode --page=a --save --contents=a,a,0,0,"$1",0,0,0,0,0,0,0 --mask=0,0,0,0,8,0,0,0,0,0,0,0 "$disk"
}
write_protect 8
sg_turs "$other" || sg_turs "$other" # the first tells of the changed mode
fails 7 sg_write_same --lba=0 --num=8 --in=/dev/zero --xferlen=512 "$other"
write_protect 0
sg_turs "$other" || sg_turs "$other"

echo "== sanitize and format"
dd if=/tmp/data of="$disk" bs=1M count=4 oflag=direct status=none
sg_sanitize --overwrite --zero --wait --quick "$disk"
dd if="$disk" bs=1M count=4 iflag=direct status=none | cmp - <(head -c 4194304 /dev/zero)
dd if=/tmp/data of="$disk" bs=1M count=4 oflag=direct status=none
sg_sanitize --block --wait --quick "$disk"
dd if="$disk" bs=1M count=4 iflag=direct status=none | cmp - <(head -c 4194304 /dev/zero)
dd if=/tmp/data of="$disk" bs=1M count=4 oflag=direct status=none
sg_format --format --wait --quick "$disk" >/dev/null
dd if="$disk" bs=1M count=4 iflag=direct status=none | cmp - <(head -c 4194304 /dev/zero)

echo "== what the unit says of itself"
sg_opcodes "$disk" | tail -3
sg_modes --all "$disk" >/tmp/modes
sg_luns "$disk"
sg_requests "$disk"
sg_inq "$disk"

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# In the guest: the initiator logs in by itself, is sent on and back, and finds its
# disk again after everything that can happen to a gateway. Arguments: the target,
# a target that was never granted, two portals. Asks the host side by files in /job.
set -euo pipefail
iqn=$1 stranger=$2 here=$3 there=$4

ask() { # NAME: has the host side do something, and waits for it
  touch "/job/$1.asked"
  until [ -e "/job/$1.done" ]; do sleep 0.1; done
}
eventually() { # COMMAND...: until it succeeds
  for ((i = 0; i < 600; i++)); do "$@" && return; sleep 0.1; done
  echo "in vain: $*"; iscsiadm -m session -P 1 || true; dmesg | tail -30; return 1
}
at() { # PORTAL: the session is logged in there
  iscsiadm -m session -P 1 2>/dev/null | tee /tmp/session | grep -qF "Current Portal: $1," &&
    grep -q 'iSCSI Session State: LOGGED_IN' /tmp/session
}
node() { iscsiadm -m node -T "$iqn" -p "$here" "$@"; }
readable() { # the same bytes as ever; I/O that began before the gateway came back counts
  [ "$(dd if="$disk" bs=1M count=8 iflag=direct status=none | sha256sum)" = "$sum" ]
}

echo "== discovery tells both portals with their groups"
iscsiadm -m discovery -t sendtargets -p "$here" | tee /tmp/found
[ "$(cat /tmp/found)" = "$here,1 $iqn
$there,7 $iqn" ]
iscsiadm -m node -T "$iqn" -p "$there" -o delete
node -o update -n node.session.initial_login_retry_max -v 1

echo "== a name that was never granted is not found, one that is not served is to be tried again"
iscsiadm -m node -T "$stranger" -p "$here" -o new >/dev/null
iscsiadm -m node -T "$stranger" -p "$here" -o update -n node.session.initial_login_retry_max -v 1
iscsiadm -m node -T "$stranger" -p "$here" --login 2>&1 | tee /tmp/refused && exit 1
ask offline
node --login 2>&1 | tee /tmp/unavailable && exit 1
ask online

echo "== boot order: the initiator is there before the gateway"
ask stop
node -o update -n node.session.initial_login_retry_max -v 30
node --login & login=$!
ask redirected
wait $login

echo "== a temporary redirect is followed"
eventually at "$there"
found() {
  disk=$(echo /sys/class/iscsi_session/*/device/target*/*/block/*)
  disk=/dev/${disk##*/}
  [ -b "$disk" ]
}
eventually found
dd if=/dev/urandom of="$disk" bs=1M count=8 oflag=direct status=none
sum=$(dd if="$disk" bs=1M count=8 iflag=direct status=none | sha256sum)

echo "== a session is asked to log out and finds its disk where that is now"
ask back
eventually at "$here"
readable

echo "== kill and restart"
ask killed
readable & reading=$!
ask started
wait $reading
eventually at "$here"

echo "== graceful stop and restart"
ask stopped
readable & reading=$!
ask again
wait $reading
eventually at "$here"

echo "== offline and online again"
ask away
readable & reading=$!
ask served
wait $reading
eventually at "$here"
node --logout

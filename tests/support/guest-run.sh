#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# guest-run.sh - run a script as root inside a real Linux kernel (Debian's
# User Mode Linux) whose in-kernel iSCSI initiator is logged in to a target
# listening on this machine's loopback.  No KVM, no external network.
#
# usage: guest-run.sh [options] SCRIPT [ARG...]
#   -t IQN        target to log in to; without it nothing is logged in
#   -p ADDR:PORT  portal on 127.0.0.0/8; repeat for one session per portal
#   -u USER -w PW CHAP credentials
#   -o NAME=VALUE open-iscsi node setting (node.session.timeo..., digests); repeat
#   -f ADDR:PORT  another loopback TCP port the guest may reach (NFS, SMB, NBD); repeat
#   -j DIR        share DIR with the guest as /job (default: a temporary one)
# environment: GUEST_CACHE (required: where kernel and root file system live),
#   GUEST_MEM=512M  GUEST_TIMEOUT=300 (seconds)  GUEST_PKGS="extra Debian packages"
#   GUEST_INITIATOR=IQN (default: one of its own for every run)
#   GUEST_PRELOAD=FILE (libuml_xstate.so: needed where the processor has AMX)
# SCRIPT sees the target's disks in $DISKS, its arguments, and 127.0.0.1 of this
# machine as 127.0.0.1.  Its output goes to stdout, its exit status is returned;
# 124 = timeout, 125 = the guest failed before SCRIPT, 126 = iSCSI login failed.
# needs: root, amd64, /dev/net/tun, apt-get (with lists), dpkg, util-linux.

# shellcheck disable=SC2015,SC2317 # "a && b || fail" is meant; relay and guest run in the child
set -euo pipefail
usage() { sed -n '3,/^$/s/^# \{0,1\}//p' "$0" >&2; exit 2; }

IQN='' CHAP_USER='' CHAP_PW='' PORTALS=() FWD=() JOB=''
OPTS=(node.session.initial_login_retry_max=1) # default 8 tries of 15 s
INITIATOR=${GUEST_INITIATOR:-iqn.1993-08.org.debian:guest-$$}
while getopts t:p:u:w:o:f:j: o; do
  case $o in
    t) IQN=$OPTARG ;; p) PORTALS+=("$OPTARG") ;; u) CHAP_USER=$OPTARG ;;
    w) CHAP_PW=$OPTARG ;; o) OPTS+=("$OPTARG") ;; f) FWD+=("$OPTARG") ;;
    j) JOB=$OPTARG ;; *) usage ;;
  esac
done
shift $((OPTIND - 1))
[ $# -ge 1 ] && [ -r "$1" ] && [ -n "${GUEST_CACHE:-}" ] || usage
[ -z "$IQN" ] || [ ${#PORTALS[@]} -gt 0 ] || usage

mkdir -p "$GUEST_CACHE"
CACHE=$(realpath "$GUEST_CACHE") ROOT=$(realpath "$GUEST_CACHE")/root
LIB=$ROOT/lib/x86_64-linux-gnu
PKGS="user-mode-linux socat busybox-static bash coreutils debianutils grep sed mawk findutils diffutils
  gzip tar hostname util-linux mount kmod iproute2 procps e2fsprogs xfsprogs open-iscsi
  sg3-utils multipath-tools dmsetup nbd-client nfs-common cifs-utils ${GUEST_PKGS:-}"

prepare() { # unpack the packages and all they depend on; nothing is installed here
  local deb; rm -rf "$CACHE/deb" "$ROOT"; mkdir -p "$CACHE/deb/partial" "$ROOT"
  : >"$CACHE/status"
  # shellcheck disable=SC2086
  apt-get -qq -o Dir::State::status="$CACHE/status" -o Dir::Cache::archives="$CACHE/deb" \
    -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o Debug::NoLocking=1 \
    -o APT::Sandbox::User=root -dy --no-install-recommends install $PKGS
  for deb in "$CACHE"/deb/*.deb; do dpkg -x "$deb" "$ROOT"; done
  ln -s ../usr/lib/uml/modules "$ROOT/lib/modules"
  mkdir -p "$ROOT"/{proc,sys,dev,run,tmp,mnt,job,old}
  printf 'root:x:0:0:root:/root:/bin/bash\n' >"$ROOT/etc/passwd"
  printf 'root:x:0:\ndisk:x:6:\n' >"$ROOT/etc/group"
  printf '127.0.0.1 localhost\n' >"$ROOT/etc/hosts"
  cat >"$ROOT/guest-init" <<'INIT'
#!/bin/bash
# first program in the guest: a writable overlay over the shared read-only root
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t tmpfs tmpfs /run && mkdir /run/{up,work,new} && modprobe overlay &&
  mount -t overlay overlay -o lowerdir=/,upperdir=/run/up,workdir=/run/work /run/new &&
  cd /run/new && pivot_root . old && mount --move /old/dev /dev &&
  mount -t hostfs none /job -o "$job" && exec chroot . /bin/bash /job/.init
busybox poweroff -f
INIT
  chmod +x "$ROOT/guest-init"; rm -rf "$CACHE/deb"; echo "$PKGS" >"$CACHE/ready"
}
( flock 9; [ "$(cat "$CACHE/ready" 2>/dev/null)" = "$PKGS" ] || prepare ) 9>"$CACHE/lock" >&2

TMP=$(mktemp -d) PIDS=()
cleanup() { { kill -9 ${PIDS[@]+"${PIDS[@]}"}; wait ${PIDS[@]+"${PIDS[@]}"}; } 2>/dev/null || true; rm -rf "$TMP"; rm -f "${JOB:-$TMP}/.init"; }
trap cleanup EXIT # -9: unshare ignores TERM, and its death takes the guest along
trap 'exit 143' TERM INT HUP
JOB=$(realpath "${JOB:-$TMP}")
cp "$1" "$JOB/cmd"; chmod +x "$JOB/cmd"; shift; rm -f "$JOB/rc"; : >"$JOB/out"
ARGS=("$@")

rm -f "$JOB/.init"; (umask 077; : >"$JOB/.init")
{ declare -p INITIATOR IQN CHAP_USER CHAP_PW PORTALS OPTS ARGS; cat <<'GUEST'; } >"$JOB/.init"
fail() { echo "guest: $2" >>/job/out; echo "$1" >/job/rc; busybox poweroff -f; }
mount -t proc proc /proc; mount -t sysfs sys /sys; mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts; mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /tmp; mkdir -p /run/lock/iscsi /run/rpc_pipefs
ln -sf /proc/self/mounts /etc/mtab; ln -sfn /proc/self/fd /dev/fd; hostname guest
# 127.0.0.0/8 is the machine that runs the guest
ip link set lo up; ip addr del 127.0.0.1/8 dev lo; ip link set vec0 up
ip addr add 10.213.0.2/30 dev vec0; ip route add default via 10.213.0.1
ip route add 127.0.0.0/8 via 10.213.0.1; echo 1 >/proc/sys/net/ipv4/conf/vec0/route_localnet
modprobe -a iscsi_tcp sd_mod sg || fail 125 'no iSCSI modules'
echo "InitiatorName=$INITIATOR" >/etc/iscsi/initiatorname.iscsi
iscsid || fail 125 'iscsid did not start'
if [ -n "$IQN" ]; then
  [ -z "$CHAP_USER" ] || OPTS=(node.session.auth.{authmethod=CHAP,username="$CHAP_USER",password="$CHAP_PW"} "${OPTS[@]}")
  for p in "${PORTALS[@]}"; do
    node="iscsiadm -m node -T $IQN -p $p"
    $node -o new >/dev/null || fail 126 "bad portal $p"
    for o in "${OPTS[@]}"; do $node -o update -n "${o%%=*}" -v "${o#*=}" || fail 126 "bad option ${o%%=*}"; done
    $node --login >/run/login 2>&1 || fail 126 "login to $IQN at $p: $(cat /run/login)"
  done
  for ((i = 0; i < 100; i++)); do # a disk in every session, and no new one for 0.2 s
    n=0; for s in /sys/class/iscsi_session/*; do ls -d "$s"/device/target*/*/block/* >/dev/null 2>&1 || n=1; done
    DISKS=$(ls -d /sys/class/iscsi_session/*/device/target*/*/block/* 2>/dev/null | sed 's,.*/,/dev/,' | tr '\n' ' ')
    [ $n = 0 ] && [ "$DISKS" = "${last:-}" ] && break; last=$DISKS; sleep 0.2
  done
fi
export DISKS HOME=/root TERM=dumb; cd /root
touch /job/started; /job/cmd "${ARGS[@]}" </dev/null >>/job/out 2>&1; echo $? >/job/rc
sync; busybox poweroff -f
GUEST

LD=("$LIB/ld-linux-x86-64.so.2" --library-path "$LIB:$ROOT/usr/lib/x86_64-linux-gnu")
IP=("${LD[@]}" "$ROOT/bin/ip") SOCAT=("${LD[@]}" "$ROOT/usr/bin/socat" -b262144)
relay() { # ADDR:PORT; open only while something listens there, so that the guest is refused
  # when nothing does (a session whose peer accepted and then closed did not come back, Linux 6.1)
  local a b c d port hex pid='' state
  IFS=.: read -r a b c d port <<<"$1"
  hex=$(printf '(%02X%02X%02X%02X|0{8}|0{32}):%04X 0+:0000 0A' "$d" "$c" "$b" "$a" "$port")
  while sleep 0.2; do
    state=down; ! grep -qE "$hex" "/proc/$MAIN/net/tcp" "/proc/$MAIN/net/tcp6" || state=up
    if [ "$state$pid" = up ]; then
      "${SOCAT[@]}" "TCP-LISTEN:$port,bind=${1%:*},fork,reuseaddr,nodelay" \
        "UNIX-CONNECT:$TMP/${1/:/-}" 2>>"$TMP/relay" & pid=$!
    elif [ "$state" = down ] && [ -n "$pid" ]; then
      kill "$pid"; pid=''
    fi
  done
}
guest() { # in a network and process name space of its own; everything in it dies with it
  "${IP[@]}" link set lo up; "${IP[@]}" tuntap add tap0 mode tap
  "${IP[@]}" addr add 10.213.0.1/30 dev tap0; "${IP[@]}" link set tap0 up
  echo 1 >/proc/sys/net/ipv4/conf/tap0/route_localnet
  for p in $RELAY; do relay "$p" & done
  timeout -k 5 "${GUEST_TIMEOUT:-300}" env ${GUEST_PRELOAD:+"LD_PRELOAD=$GUEST_PRELOAD"} "$ROOT/usr/bin/linux.uml" "mem=${GUEST_MEM:-512M}" uml_dir="$TMP/" \
    root=/dev/root rootfstype=hostfs rootflags="$ROOT" ro init=/guest-init job="$JOB" quiet \
    con=null con0=null,fd:1 ssl=null vec0:transport=tap,ifname=tap0,depth=128,gro=1 </dev/null >"$TMP/console" 2>&1
}
RELAY=$(printf '%s\n' ${PORTALS[@]+"${PORTALS[@]}"} ${FWD[@]+"${FWD[@]}"} | sort -u)
for p in $RELAY; do
  "${SOCAT[@]}" "UNIX-LISTEN:$TMP/${p/:/-},fork,mode=600" "TCP:$p,nodelay" 2>>"$TMP/relay" & PIDS+=($!)
done
export ROOT TMP JOB RELAY MAIN=$$
unshare -n -p --fork --kill-child bash -c "$(declare -p IP SOCAT; declare -f relay guest); guest; exit \$?" & PIDS+=($!)
tail -s 0.1 -n +1 -f --pid=$! "$JOB/out" & TAIL=$!
rc=0; wait "${PIDS[-1]}" || rc=$?; wait $TAIL || true
[ ! -s "$JOB/rc" ] || exit "$(cat "$JOB/rc")"
[ "$rc" = 124 ] || [ "$rc" = 137 ] && { echo "guest-run: timed out" >&2; exit 124; }
cat "$TMP/console" >&2; exit 125

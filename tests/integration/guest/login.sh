#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# In the guest: it has logged in, so the credentials were right; the disk answers.
set -euo pipefail
read -r disk _ <<<"$DISKS"
dd if="$disk" of=/dev/null bs=1M count=4 iflag=direct status=none
iscsiadm -m session -P 1 | grep -E 'CHAP|State'

# SPDX-License-Identifier: Apache-2.0
"""caissond over the file system that is measured, its state on the same one."""

import json
import os
import select

from snapshot_lab import gateway

SETTLE_SECONDS = 0.5


class Served:
    """For one `with` block; LUNs are open to every initiator."""

    PATIENCE = 120  # seconds until the space of a small snapshot is back

    def __init__(self, options, where, name="caisson", flags=()):
        self.options = options
        self.gateway = gateway.Gateway(options.bin, where / name, flags=[*options.flag, *flags])

    def __enter__(self):
        self.gateway.start()
        self.gateway.caisson("host", "create", "*", "--no-auth")
        return self

    def __exit__(self, *why):
        self.gateway.__exit__(*why)

    def create(self, lun, size):
        self.gateway.create_lun(lun, str(size))
        self.gateway.caisson("access", "grant", lun, "*")

    def remove(self, lun):
        self.gateway.caisson("access", "revoke", lun, "*")
        self.gateway.caisson("lun", "delete", lun, "--yes")

    def cut(self, lun, name):
        self.gateway.caisson("snapshot", "create", lun, "--name", name)

    def delete(self, lun, name):
        """Returns when the caller is answered; its space comes back later."""
        self.gateway.caisson("snapshot", "delete", lun, name, "--yes")

    def forget(self, lun, name):
        """Returns when its files have gone, too."""
        self.delete(lun, name)
        self.until_gone(lun)

    def until_gone(self, lun):
        folder = self.gateway.store / ".snapshots" / lun
        gateway.wait_until(lambda: not folder.exists() or not os.listdir(folder), self.PATIENCE,
                           f"the files of {lun}'s snapshots to go")

    def list(self, lun):
        listed = json.loads(self.gateway.caisson("--output", "json", "snapshot", "list", lun))
        return listed["snapshots"] if isinstance(listed, dict) else listed

    def until_whole(self, lun, name):
        """Where blocks are shared a snapshot becomes a whole file by itself."""
        self.gateway.caisson("snapshot", "export", lun, name)

    @staticmethod
    def quiet():
        """Nothing of one run burdens the next: dirty pages, and space that a file system frees
        behind the unlink's back."""
        os.sync()
        select.select([], [], [], SETTLE_SECONDS)

# SPDX-License-Identifier: Apache-2.0
"""The list of 100,000 changed blocks among as many unchanged ones of a sparse disk, through
the command line, beside the reading of the extent maps alone where images are whole.
`bench_snapshot_changes DIRECTORY` measures the engine without its callers."""

import json
import time

from snapshot_lab import BLOCK, SHARES, gateway, load, row
from snapshot_served import Served

LUN, BOUND_MS = "disk", 2000
PATIENCE = 60  # seconds for 100,000 writes


def write(options, server, seed):
    """As many scattered blocks as there are changes to be found; the same seed, the same blocks."""
    found = load(options, server.gateway.url(LUN), PATIENCE, requests=options.changes, seed=seed, warm_up=0)
    if found["requests"] < options.changes:
        raise gateway.ServerError(f"only {found['requests']} of {options.changes} blocks were written in {PATIENCE} s")


def timed(action):
    began = time.monotonic()
    action()
    return (time.monotonic() - began) * 1e3


def maps_alone(server, names):
    """Milliseconds for filefrag to go through the maps of both images."""
    folder = server.gateway.store / ".snapshots" / LUN
    return timed(lambda: [gateway.run(["filefrag", "-s", folder / f"{name}.img"]) for name in names])


def changed_bytes(listed):
    extents = listed.get("extents", listed.get("changes", [])) if isinstance(listed, dict) else listed
    return sum(int(one["length"]) for one in extents)


def measure(options, fs, where):
    options.changes = options.extents // 2
    with Served(options, where, flags=["--snapshot-pace", "0"]) as server:
        server.create(LUN, options.sparse)
        write(options, server, 1)
        write(options, server, 2)
        server.cut(LUN, "a")
        write(options, server, 1)
        server.cut(LUN, "b")
        for name in ("b", "a") if fs in SHARES else ():
            server.until_whole(LUN, name)
        out, found = where / "list.json", {"ours": [], "maps alone": []}
        for _ in range(options.rounds):
            out.unlink(missing_ok=True)
            found["ours"].append(timed(lambda: server.gateway.caisson(
                "snapshot", "diff", LUN, "a", "b", "--format", "json", "--to", out)))
            if fs in SHARES:
                found["maps alone"].append(maps_alone(server, ("a", "b")))
        blocks = changed_bytes(json.loads(out.read_text())) // BLOCK
        if blocks < 0.99 * options.changes:  # two writes seldom hit the same block of so many
            raise gateway.ServerError(f"the list has {blocks} blocks of the {options.changes} that were written")
        peer = "maps alone" if fs in SHARES else None
        yield row(f"list of {blocks} changed blocks", fs, found, peer, bound=BOUND_MS, judged="value")

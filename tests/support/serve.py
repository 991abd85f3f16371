#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`./dev serve`: caissond in the foreground on loopback, with a first LUN on first
use, and the lines to type in the initiator. Further flags go to caissond."""

import argparse
import os
import pathlib
import signal
import sys

import gateway


def serve_luns(server):
    """Names of every LUN of the gateway; makes one, open to every initiator, when there is none."""
    server.caisson("host", "create", "*", "--no-auth")
    if not server.luns():
        server.create_lun("first", "1G")
        server.caisson("access", "grant", "first", "*")
    return server.luns()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--state", required=True, type=pathlib.Path)
    parser.add_argument("--iscsi", default="127.0.0.1:3260", help="portal (default %(default)s)")
    options, flags = parser.parse_known_args()
    server = gateway.Gateway(options.bin, options.state, flags=flags)
    server.start([options.iscsi])
    for number in (signal.SIGTERM, signal.SIGINT):  # it stops in order, then wait() below returns
        signal.signal(number, lambda number, _: os.kill(server.process.pid, number))
    try:
        for lun in serve_luns(server):
            print(f"{server.container(lun)} is LUN {lun}; in an initiator on this machine type one of")
            print(f"  iscsiadm -m node -T {server.target(lun)} -p {server.iscsi} -o new && "
                  f"iscsiadm -m node -T {server.target(lun)} -p {server.iscsi} --login")
            print(f"  iscsi-inq {server.url(lun)}")
        print(f"the command line: {server.bin}/caisson --server unix:{server.state}/caisson.sock lun list")
        print(f"log: {server.log}; Ctrl-C stops")
        print(f"ready iscsi={server.iscsi}", flush=True)
        return server.process.child.wait()
    except gateway.ServerError:
        server.process.stop()
        raise


if __name__ == "__main__":
    try:
        sys.exit(main())
    except gateway.ServerError as error:
        sys.exit(f"serve: {error}")

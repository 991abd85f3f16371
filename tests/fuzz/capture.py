#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Captures what real initiators say to caissond as inputs of the harnesses:

    tests/fuzz/capture.py --bin build/release/bin

runs libiscsi's tools and some tests of its suite through a recording relay and writes each
connection to corpus/iscsi_session/captured-* and corpus/login_text/captured-*."""

import argparse
import pathlib
import socket
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import gateway as servers  # noqa: E402

LARGEST = 3000  # bytes of one input
PAYLOAD = 600  # bytes kept of one data segment
TESTS = """ALL.CompareAndWrite.Simple ALL.GetLBAStatus.Simple ALL.Inquiry.BlockLimits ALL.Inquiry.SupportedVPD
ALL.ModeSense6.AllPages ALL.ReadOnly.ReadOnlySBC ALL.ReportSupportedOpcodes.RCTD ALL.Unmap.VPD
ALL.Verify10.Mismatch ALL.Write16.WriteProtect ALL.WriteSame10.Unmap ALL.WriteSame16.Check
ALL.iSCSIcmdsn.iSCSICmdSnTooHigh ALL.iSCSIdatasn.iSCSIDataSnInvalid ALL.iSCSITMF.AbortTaskSimpleAsync
ALL.iSCSIResiduals.Write10Residuals ALL.NoMedia.NoMediaSBC ALL.PreferredWriteProtect""".split()


class Relay:
    """Passes one connection after the other on and keeps what the client said."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.target = (host, int(port))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.streams = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(self.target)
            kept = bytearray()
            self.streams.append(kept)
            for pair in ((client, server, kept), (server, client, None)):
                threading.Thread(target=self.copy, args=pair, daemon=True).start()

    @staticmethod
    def copy(source, to, kept):
        try:
            while data := source.recv(65536):
                if kept is not None:
                    kept += data
                to.sendall(data)
        except OSError:
            pass
        for end, how in ((source, socket.SHUT_RD), (to, socket.SHUT_WR)):
            try:
                end.shutdown(how)
            except OSError:
                pass


def pdus(stream):
    """(BHS, AHS, data) of a stream without digests."""
    at = 0
    while at + 48 <= len(stream):
        header = bytes(stream[at:at + 48])
        ahs, data = header[4] * 4, int.from_bytes(header[5:8], "big")
        body = at + 48 + ahs
        yield header, bytes(stream[at + 48:body]), bytes(stream[body:body + data])
        at = body + (data + 3) // 4 * 4


def login_input(stream):
    records = [bytes([header[1], 0]) + data for header, _, data in pdus(stream) if header[0] & 0x3F == 3]
    return b"\0" + b"\x1e".join(records)


def session_input(stream):
    """Records whose numbers are those of the capture, until the input is long enough."""
    way, out = 0, b""
    for header, ahs, data in pdus(stream):
        if header[0] & 0x3F == 3:
            if b"SessionType=Discovery" in data:
                way |= 32
            if b"InitialR2T=No" in data:
                way |= 8
            continue
        how = 4 if ahs else 0
        data = data[:PAYLOAD]
        record = bytes([how]) + header + len(data).to_bytes(2, "big") + data + ahs
        if len(out) + len(record) > LARGEST:
            break
        out += record
    return bytes([way]) + out


def save(name, streams):
    for number, stream in enumerate(streams):
        for harness, made in (("iscsi_session", session_input(stream)), ("login_text", login_input(stream))):
            path = HERE / "corpus" / harness / f"captured-{name}-{number}"
            if len(made) > 1 and made not in {p.read_bytes() for p in path.parent.iterdir()}:
                path.write_bytes(made)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True)
    options = parser.parse_args()
    with servers.scratch() as scratch, servers.Gateway(options.bin, scratch) as gateway:
        gateway.create_lun("disk", "64M")
        gateway.open_to_all("disk")
        relay = Relay(gateway.iscsi)
        portal = f"iscsi://127.0.0.1:{relay.port}"
        url = f"{portal}/{gateway.target('disk')}/0"
        commands = [(test.split(".", 1)[1].lower(), ["iscsi-test-cu", "-d", "-t", test, url]) for test in TESTS]
        commands += [("inq", ["iscsi-inq", url]), ("readcapacity", ["iscsi-readcapacity16", url]),
                     ("ls", ["iscsi-ls", portal])]
        for name, command in commands:
            before = len(relay.streams)
            subprocess.run(command, capture_output=True, timeout=60, check=False)
            save(name, relay.streams[before:before + 2])


if __name__ == "__main__":
    main()

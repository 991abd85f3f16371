#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the made part of the seed corpora (corpus/<harness>/seed-*): one input per
behaviour worth starting from, in the forms that the heads of the harnesses describe.
Inputs under other names were found or captured and are left alone."""

import pathlib
import re
import struct

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"
SOURCES = CORPUS.parents[2]


def write(harness, name, data):
    path = CORPUS / harness / f"seed-{name}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def clear():
    for old in CORPUS.glob("*/seed-*"):
        old.unlink()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


# --- login_text ---------------------------------------------------------------

TARGET = "iqn.2026-11.io.caisson:node:disk"
NAMES = ["InitiatorName=iqn.1993-08.org.debian:01:abc", f"TargetName={TARGET}"]
DISCOVERY = [NAMES[0], "SessionType=Discovery"]
OPERATIONAL = """HeaderDigest=CRC32C,None DataDigest=None InitialR2T=No ImmediateData=Yes
MaxBurstLength=262144 FirstBurstLength=65536 MaxRecvDataSegmentLength=262144 MaxConnections=1
MaxOutstandingR2T=1 DefaultTime2Wait=2 DefaultTime2Retain=0 ErrorRecoveryLevel=0
DataPDUInOrder=Yes DataSequenceInOrder=Yes IFMarker=No OFMarker=No
iSCSIProtocolLevel=1 TaskReporting=RFC3720""".split()
OPEN, CHAP, MUTUAL, EITHER, UNKNOWN = range(5)
UNAVAILABLE, SMALL = 0x40, 0x80


def request(csg, nsg, keys=(), odd=0, more=False):
    flags = csg << 2 | nsg | (0x80 if nsg else 0) | (0x40 if more else 0)
    return bytes([flags, odd]) + b"".join(key.encode("latin-1") + b"\0" for key in keys)


def login(name, side, *requests):
    write("login_text", name, bytes([side]) + b"\x1e".join(requests))


def login_text():
    method = ["AuthMethod=CHAP,None"]
    proof = ["CHAP_N=user", "CHAP_R=\x01"]
    both = proof + ["CHAP_I=9", "CHAP_C=0x0102030405060708090a0b0c0d0e0f10"]
    login("straight", OPEN, request(1, 3, NAMES + OPERATIONAL))
    login("both-stages", OPEN, request(0, 1, NAMES + method), request(1, 0, OPERATIONAL), request(1, 3))
    login("security-to-end", OPEN, request(0, 3, NAMES))
    login("discovery", OPEN, request(1, 3, DISCOVERY + ["MaxRecvDataSegmentLength=65536"]))
    for side, algorithm in ((CHAP, "7"), (CHAP, "5"), (EITHER, "6,5"), (CHAP, "8,7")):
        login(f"chap-{side}-{algorithm[0]}", side, request(0, 1, NAMES + method),
              request(0, 1, [f"CHAP_A={algorithm}"]), request(0, 1, proof), request(1, 3, OPERATIONAL))
    login("mutual", MUTUAL, request(0, 1, NAMES + method), request(0, 1, ["CHAP_A=7"]),
          request(0, 1, both), request(1, 3, OPERATIONAL))
    login("reflected", MUTUAL, request(0, 1, NAMES + method), request(0, 1, ["CHAP_A=7"]),
          request(0, 1, proof + ["CHAP_I=\x03", "CHAP_C=\x02"]))
    login("wrong-proof", CHAP, request(0, 1, NAMES + method), request(0, 1, ["CHAP_A=7"]),
          request(0, 1, ["CHAP_N=user", "CHAP_R=0x" + "00" * 32]), request(1, 3))
    login("base64", CHAP, request(0, 1, NAMES + method), request(0, 1, ["CHAP_A=5"]),
          request(0, 1, ["CHAP_N=user", "CHAP_R=0bAAAAAAAAAAAAAAAAAAAAAA=="]))
    login("skipped", CHAP, request(1, 3, NAMES))
    login("skipped-stage", CHAP, request(0, 1, NAMES + method), request(1, 3, OPERATIONAL))
    login("none-refused", CHAP, request(0, 1, NAMES + ["AuthMethod=None"]))
    login("unknown", UNKNOWN, request(1, 3, NAMES))
    login("unavailable", OPEN | UNAVAILABLE, request(1, 3, NAMES))
    login("continued", OPEN, request(1, 0, NAMES[:1], more=True), request(1, 3, NAMES[1:]))
    login("cut-value", OPEN, request(1, 0, [NAMES[0] + "\x04"], more=True), request(1, 3, NAMES))
    login("too-long", SMALL, request(1, 0, ["X=\x04"], more=True), request(1, 3, NAMES))
    login("many-keys", OPEN, request(1, 3, NAMES + [f"X-key-{i}=1" for i in range(70)]))
    login("strange", OPEN, request(1, 3, NAMES + ["X-unknown=1", "X#a=Reject", "MaxBurstLength=0x200",
                                                "FirstBurstLength=99999999999", "DataDigest=Foo,CRC32C"]))
    login("twice", OPEN, request(1, 0, NAMES + ["InitialR2T=No"]), request(1, 3, ["InitialR2T=Yes"]))
    for bit in range(5):
        login(f"odd-{bit}", OPEN, request(0, 1, NAMES), request(1, 3, [], 1 << bit))


# --- commands, shared by scsi_command and iscsi_session --------------------------

def table_cdbs():
    """A CDB per row of the termination's own table: its code and service action."""
    text = (SOURCES / "gateway/scsi/command_table.cpp").read_text()
    for opcode, action, length, name in re.findall(
            r"\{(0x\w\w), (\w+), +(\d+), D::.*\"([^\"]+)\", *k\w+\}", text):
        cdb = bytearray(16)
        cdb[0] = int(opcode, 16)
        cdb[1] = 0 if action == "kNone" else int(action, 16)
        small = {6: (4,), 10: (8,), 12: (9,), 16: (13,)}[int(length)]  # a length of one
        for at in small:
            cdb[at] = 1
        yield re.sub(r"\W+", "-", name.lower()).strip("-"), bytes(cdb)


def cdb16(opcode, lba, blocks, flags=0):
    return struct.pack(">BBQIBB", opcode, flags, lba, blocks, 0, 0)


def cdb10(opcode, lba, blocks, flags=0):
    return struct.pack(">BBIBHB", opcode, flags, lba, 0, blocks, 0) + bytes(6)


def cdb6(opcode, *rest):
    return (bytes([opcode, *rest]) + bytes(16))[:16]


READ, WRITE, SAME, UNMAP, VERIFY, COMPARE, OR = 0x88, 0x8A, 0x93, 0x42, 0x8F, 0x89, 0x8B
TEST = cdb6(0x00)
SELECT_DSENSE = bytes([0, 0, 0, 0, 0x0A, 0x0A, 0x04, 0, 0, 0, 0, 0, 0, 0, 0, 0])
SELECT_SWP = bytes([0, 0, 0, 0, 0x0A, 0x0A, 0x00, 0, 0x08, 0, 0, 0, 0, 0, 0, 0])


def unmap_list(*ranges):
    return struct.pack(">HHI", 6 + 16 * len(ranges), 16 * len(ranges), 0) + b"".join(
        struct.pack(">QII", lba, blocks, 0) for lba, blocks in ranges)


def scsi(name, setup, *commands):
    """commands: (circumstances, CDB, data)"""
    body = b"".join(bytes([how]) + cdb + bytes([len(data)]) + data for how, cdb, data in commands)
    write("scsi_command", name, bytes([setup]) + body)


ATTENTION = (0, TEST, b"")


def scsi_command():
    for name, cdb in table_cdbs():
        scsi(f"row-{name}", 0, ATTENTION, (0, cdb, b"data"))
    for block in (0, 1):
        scsi(f"write-read-{block}", block, ATTENTION, (0, cdb16(WRITE, 1, 4), b"abc"),
             (0, cdb16(READ, 0, 8), b""), (0, cdb16(VERIFY, 1, 4, 2), b"abc"),
             (0, cdb16(VERIFY, 1, 4, 6), b"abd"))
        scsi(f"compare-{block}", block, ATTENTION, (0, cdb16(COMPARE, 1, 1), b"\0"),
             (0, cdb16(COMPARE, 1, 1), b"\0\1"), (0, cdb16(OR, 1, 2), b"\x05"), (0, cdb16(OR, 1, 1), b"\x0a"),
             (0, cdb16(COMPARE, 1, 1), b"\x0f"), (0, cdb16(READ, 0, 4), b""))
        scsi(f"same-{block}", block, ATTENTION, (0, cdb16(SAME, 2, 5), b"xyz"),
             (0, cdb16(SAME, 3, 1, 8), b""), (0, cdb16(SAME, 0, 0, 9), b""), (0, cdb16(READ, 0, 9), b""))
        lists = unmap_list((0, 8), (9, 1))
        scsi(f"unmap-{block}", block, ATTENTION, (0, cdb16(WRITE, 0, 16), b"q"),
             (0, cdb10(UNMAP, 0, len(lists)), lists), (0, cdb16(READ, 0, 16), b""),
             (0, struct.pack(">BBQIBB", 0x9E, 0x12, 0, 256, 0, 0), b""))
    for action, how in ((1, b"\x82\0\0\1\xf0"), (1, b"\x01\0\0\2ab"), (2, b"")):
        scsi(f"sanitize-{action}-{len(how)}", 0, ATTENTION, (0, cdb16(WRITE, 0, 4), b"s"),
             (0, cdb10(0x48, 0, len(how), action), how), (0, cdb16(READ, 0, 4), b""))
    scsi("format", 0, ATTENTION, (0, cdb16(WRITE, 0, 4), b"s"), (0, cdb6(0x04, 0x10), b"\0\2\0\0"),
         (0, cdb16(READ, 0, 4), b""))
    scsi("select", 0, ATTENTION, (0, cdb6(0x15, 0x10, 0, 0, 16), SELECT_DSENSE),
         (0, cdb16(READ, 1 << 40, 1), b""), (1, TEST, b""), (1, TEST, b""),
         (0, cdb6(0x15, 0x10, 0, 0, 16), SELECT_SWP), (0, cdb16(WRITE, 0, 1), b"w"))
    scsi("held", 0, ATTENTION, (2, cdb16(WRITE, 0, 4), b"1"), (3, TEST, b""),
         (2, cdb16(SAME, 0, 8), b"2"), (0, cdb16(READ, 0, 8), b""))
    for fault in range(6):
        scsi(f"fault-{fault}", 0, ATTENTION, (16, cdb16(WRITE, 0, 2), bytes([fault + 6])),
             (0, cdb16(READ, 0, 2), b""), (0, cdb10(0x35, 0, 0), b""))
    for change in range(7):
        scsi(f"between-{change}", 0, ATTENTION, (32, cdb16(WRITE, 100, 2), bytes([change])),
             (0, cdb16(READ, 100, 2), b""), (1, TEST, b""))
    scsi("read-only", 4, ATTENTION, (0, cdb16(WRITE, 0, 1), b"a"), (0, cdb6(0x1A, 0, 0x3F, 0, 255), b""))
    scsi("short", 0, ATTENTION, (4, cdb16(WRITE, 0, 2), b"h"), (4, cdb16(WRITE, 0, 1), b"h"),
         (12, cdb16(SAME, 0, 1), b"h"))
    for action in range(8):
        how = struct.pack(">QQIBBH", 0, 9, 0, 0, 0, 0)
        later = struct.pack(">QQIBBH", 9, 8, 0, 1, 0, 0)
        out = [cdb6(0x5F, code, 5) for code in (0, 1, action)]
        out = [cdb[:5] + struct.pack(">I", 24) + cdb[9:] for cdb in out]
        scsi(f"reserve-{action}", 0, ATTENTION, (0, out[0], how), (0, out[1], later), (1, TEST, b""),
             (1, cdb16(WRITE, 0, 1), b"w"), (1, out[0], how), (1, out[2], later), (0, TEST, b""),
             *[(0, cdb6(0x5E, code, 0, 0, 0, 0, 0, 1, 0), b"") for code in range(4)])
    for page in (0x00, 0x80, 0x83, 0x86, 0xB0, 0xB1, 0xB2):
        scsi(f"vpd-{page:02x}", 0, (0, cdb6(0x12, 1, page, 0, 255), b""))
    scsi("no-lun", 0, (64, cdb6(0x12, 0, 0, 0, 96), b""), (64, TEST, b""), (64, cdb6(3, 0, 0, 0, 252), b""))


# --- iSCSI PDUs -----------------------------------------------------------------

def bhs(opcode, flags=0x80, tag=1, specific=b"\0\0", lun=0, rest=b"", ahs=0, length=0):
    return (bytes([opcode, flags]) + specific + bytes([ahs]) + length.to_bytes(3, "big")
            + struct.pack(">QI", lun, tag) + rest + bytes(48))[:48]


def command(cdb, tag, expected=0, flags=0x80, immediate=False):
    return bhs(0x41 if immediate else 0x01, flags, tag, rest=struct.pack(">III", expected, 0, 0) + cdb)


def data_out(tag, transfer, data_sn, offset, final=True):
    rest = struct.pack(">IIIIII", transfer, 0, 0, 0, data_sn, offset)
    return bhs(0x05, 0x80 if final else 0, tag, rest=rest)


def management(function, tag, referenced=0xFFFFFFFF, ref_cmd_sn=0, immediate=True):
    rest = struct.pack(">IIII", referenced, 0, 0, ref_cmd_sn)
    return bhs(0x42 if immediate else 0x02, 0x80 | function, tag, rest=rest)


NOP = bhs(0x40, 0x80, 7, rest=b"\xff" * 4)
LOGOUT = bhs(0x06, 0x80, 9)
TEXT = bhs(0x04, 0x80, 8, rest=b"\xff" * 4)
R, W = 0xC0, 0xA0


def pdu(header, data=b"", how=0, ahs=b""):
    return bytes([how]) + header + struct.pack(">H", len(data)) + data + ahs


def session(name, way, *pdus):
    write("iscsi_session", name, bytes([way]) + b"".join(pdus))


def iscsi_session():
    start = pdu(command(TEST, 1))
    block = bytes(range(256)) * 2
    session("read-write", 0, start, pdu(command(cdb16(WRITE, 0, 1), 2, 512, W), block),
            pdu(command(cdb16(READ, 0, 1), 3, 512, R)), pdu(LOGOUT))
    session("big-read", 0, start, pdu(command(cdb16(READ, 0, 64), 2, 32768, R)))
    session("r2t", 4, start, pdu(command(cdb16(WRITE, 0, 2), 2, 1024, W)),
            pdu(data_out(2, 0, 0, 0), block * 2), pdu(LOGOUT))
    session("r2ts-small", 4 | 16, start, pdu(command(cdb16(WRITE, 0, 6), 2, 3072, W)),
            pdu(data_out(2, 0, 0, 0), block * 2), pdu(data_out(2, 1 << 16, 0, 1024), block * 2),
            pdu(data_out(2, 2 << 16, 0, 2048, False), block), pdu(data_out(2, 2 << 16, 1, 2560), block))
    session("unsolicited", 8, start, pdu(command(cdb16(WRITE, 0, 4), 2, 2048, 0x20), block),
            pdu(data_out(2, 0xFFFFFFFF, 0, 512, False), block),
            pdu(data_out(2, 0xFFFFFFFF, 1, 1024), block * 2))
    session("data-wrong", 8, start, pdu(command(cdb16(WRITE, 0, 4), 2, 2048, 0x20), block),
            pdu(data_out(2, 0xFFFFFFFF, 1, 512), block), pdu(data_out(2, 0, 0, 0), block),
            pdu(data_out(99, 5, 0, 0), block))
    session("digests", 3, start, pdu(command(cdb16(WRITE, 0, 1), 2, 512, W), block),
            pdu(command(cdb16(WRITE, 0, 1), 3, 512, W), block, 8), pdu(NOP, b"ping"))
    session("bad-header-digest", 1, start, pdu(NOP, b"", 8))
    session("nop", 0, pdu(NOP, b"hello"), pdu(bhs(0x00, 0x80, 7, rest=b"\xff" * 4)),
            pdu(bhs(0x40, 0x80, 0xFFFFFFFF, rest=b"\0" * 4)))
    session("text", 32, pdu(TEXT, b"SendTargets=All\0"), pdu(TEXT, b"MaxRecvDataSegmentLength=512\0"),
            pdu(bhs(0x04, 0x40, 8, rest=b"\xff" * 4), b"SendTar"), pdu(TEXT, b"gets=\0"), pdu(LOGOUT))
    session("text-normal", 0, pdu(TEXT, b"SendTargets=\0"), pdu(TEXT, b"X-a=b\0"), pdu(TEXT, b"HeaderDigest=None\0"))
    for function in range(1, 9):
        session(f"task-{function}", 4, start, pdu(command(cdb16(WRITE, 0, 2), 2, 1024, W)),
                pdu(management(function, 3, 2, 2)), pdu(data_out(2, 0, 0, 0), block * 2),
                pdu(command(TEST, 4)))
    session("abort-unknown", 0, start, pdu(management(1, 3, 77, 2)), pdu(management(1, 4, 77, 9, False)))
    session("out-of-order", 0, start, pdu(command(TEST, 2).replace(b"\0\0\0\0", b"\0\0\0\0"), b"", 0),
            pdu(bhs(0x01, 0x80, 3, rest=struct.pack(">III", 0, 5, 0) + TEST), b"", 1),
            pdu(bhs(0x01, 0x80, 4, rest=struct.pack(">III", 0, 4, 0) + TEST), b"", 1),
            pdu(bhs(0x01, 0x80, 5, rest=struct.pack(">III", 0, 3, 0) + TEST), b"", 1))
    session("duplicates", 0, start, *[pdu(command(TEST, 2))] * 3, *[pdu(command(TEST, 6, 0, 0x80, True))] * 3)
    session("beyond-window", 0, pdu(bhs(0x01, 0x80, 3, rest=struct.pack(">III", 0, 5000, 0) + TEST), b"", 1))
    ahs = struct.pack(">HBB", 17, 1, 0) + bytes(16)
    session("ahs", 0, start, pdu(bhs(0x01, 0x80, 2, ahs=5, rest=struct.pack(">III", 0, 0, 0) + TEST), b"", 4, ahs))
    session("bidirectional", 0, start, pdu(command(cdb16(READ, 0, 1), 2, 512, 0xE0)))
    session("residuals", 0, start, pdu(command(cdb16(READ, 0, 2), 2, 512, R)),
            pdu(command(cdb6(0x12, 0, 0, 0, 255), 3, 4096, R)), pdu(command(cdb16(READ, 0, 1), 4, 512, 0x80)))
    session("snack", 0, start, pdu(bhs(0x10, 0x80, 2)), pdu(bhs(0x1C, 0x80, 2)))
    session("login-again", 0, start, pdu(bhs(0x43, 0x87, 0), b"InitiatorName=iqn.x\0"))
    session("too-long", 0, bytes([2]) + bhs(0x40, 0x80, 7, length=0xFFFFFF) + b"\0\0")
    session("unmap", 0, start, pdu(command(cdb10(UNMAP, 0, 24), 2, 24, W), unmap_list((0, 8))))
    session("reset", 128, start, pdu(command(cdb16(READ, 0, 64), 2, 32768, R)))
    session("raw", 64, command(TEST, 1) + NOP)


def pdu_stream():
    block = b"x" * 20
    for flags in range(16):
        stream = b"".join((NOP[:5] + b"\0\0\x14" + NOP[8:], block, command(TEST, 1),
                           LOGOUT[:4] + b"\x01" + LOGOUT[5:], b"\0" * 4, TEXT[:5] + b"\0\0\x03" + TEXT[8:], b"a=b"))
        write("pdu_stream", f"flags-{flags}", bytes([flags, flags * 7]) + stream)
    raw = command(TEST, 1) + NOP[:5] + b"\0\0\x05" + NOP[8:] + b"hello\0\0\0" + LOGOUT
    write("pdu_stream", "raw", bytes([0, 3]) + raw)
    digest = struct.pack("<I", crc32c(LOGOUT))
    write("pdu_stream", "raw-digest", bytes([1, 3]) + LOGOUT + digest + LOGOUT + digest)
    write("pdu_stream", "too-long", bytes([0, 1]) + NOP[:5] + b"\0\x20\x01" + NOP[8:])
    write("pdu_stream", "bad-opcode", bytes([0, 1]) + bhs(0x3F))


# --- NBS --------------------------------------------------------------------------

def nbs_header(opcode, flags=0, request=1, body=b"", version=1, magic=0x434E4253):
    head = struct.pack(">IBBHHHIQQQQQQQ", magic, version, 0, opcode, flags | 0x10, 0, len(body), request,
                       0, 0, 0, 0, 0, 0) + struct.pack(">I", crc32c(body))
    return head + struct.pack(">I", crc32c(head)) + body


def field(number, value):
    if isinstance(value, int):
        return bytes([number << 3]) + varint(value)
    return bytes([number << 3 | 2]) + varint(len(value)) + value


def varint(value):
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def nbs_frame():
    text = (SOURCES / "nbs/wire/opcode.hpp").read_text()
    numbers = [(name, int(value, 16)) for name, value in re.findall(r"^  (\w+) = (0x\w{4}),", text, re.M)]
    body = field(1, b"disk") + field(2, b"main") + field(3, 1 << 30) + field(4, 1)
    for name, number in numbers:
        record = struct.pack(">HHBH", number, 0, 1, len(body)) + body
        reply = struct.pack(">HHBH", number, 1, 1, len(body) + 2) + field(1, body)
        write("nbs_frame", f"op-{name.replace('_', '-')}", bytes([1, number & 0xFF]) + record + reply)
    write("nbs_frame", "raw", bytes([0, 1]) + nbs_header(1, body=body) + nbs_header(2, request=2))
    write("nbs_frame", "version", bytes([0, 1]) + nbs_header(1, version=2))
    write("nbs_frame", "magic", bytes([0, 1]) + nbs_header(1, magic=1))
    write("nbs_frame", "long", bytes([0, 1]) + nbs_header(1, body=b"x" * 20000)[:200])
    write("nbs_frame", "half", bytes([0, 9]) + nbs_header(0x1101, body=body)[:-3])
    write("nbs_frame", "empty", bytes([1, 0]) + struct.pack(">HHBH", 0x1801, 0, 1, 0))


# --- trailers ----------------------------------------------------------------------

MAGIC = b"\xca\x15\x50\x4eTR\x00\xff"
UUID = bytes([7] * 16)


def message(capacity):
    identity = field(1, UUID) + field(2, b"3000000000000001") + field(3, b"0000000000000001") + field(
        4, TARGET.encode())
    reservations = field(1, 3) + field(2, b"\x09" + bytes(8) + field(2, b"\5\0\0\x14") + field(4, 1)) + field(3, 5)
    return (field(1, identity) + field(2, capacity) + field(3, 512) + field(4, 4096) + field(8, field(2, b"a"))
            + field(12, reservations) + field(13, field(1, b"host") + field(2, 1)) + field(14, field(1, b"why"))
            + field(15, field(1, capacity) + field(2, 2 * capacity)) + bytes([0x82, 0x01]) + b"\x04disk"
            + bytes([0xA2, 0x06, 0x03]) + b"new")  # field 100: unknown here


def slot(capacity, position, generation=1, version=1, features=(0, 0, 0), payload=None):
    payload = message(capacity) if payload is None else payload
    head = MAGIC + struct.pack("<HHIQ", version, 128, len(payload), generation) + UUID + struct.pack(
        "<QQQQQ", capacity, position, *features) + bytes(44)
    return head + struct.pack("<I", crc32c(head + bytes(4) + payload)) + payload


def trailer_slot():
    capacity = 1 << 20
    raw = {"slot-0": slot(capacity, capacity), "features": slot(capacity, capacity, features=(1, 2, 4)),
           "later": slot(capacity, capacity, version=2), "elsewhere": slot(capacity, capacity + 4096),
           "zero": bytes(256), "torn": slot(capacity, capacity)[:150] + bytes(50),
           "odd-capacity": slot(capacity - 512, capacity), "wrong-capacity": slot(capacity * 2, capacity),
           "no-message": slot(capacity, capacity, payload=b""), "generation": slot(capacity, capacity, 0)}
    for name, data in raw.items():
        write("trailer_slot", f"raw-{name}", bytes([0]) + struct.pack(">Q", capacity) + data)
    write("trailer_slot", "raw-slot-1", bytes([4]) + struct.pack(">Q", capacity + 65536)
          + slot(capacity, capacity + 65536))
    for flags in (1, 3, 5, 7):
        for shift in (0, 1):
            fields = struct.pack(">QQ", capacity - 512, 5) + bytes([0, 1, 0, 0, shift])
            write("trailer_slot", f"made-{flags}-{shift}", bytes([flags]) + fields + message(capacity - 512))
    fields = struct.pack(">QQ", 1 << 60, 1 << 63) + bytes([0, 0, 255, 255, 0])
    write("trailer_slot", "made-largest", bytes([3]) + fields + message(1 << 60))


# --- capture maps and pre-image segments ----------------------------------------------

def snapshot_block(magic, payload=b"", version=1, features=(0, 0, 0), number=0):
    head = b"\xca\x15\x50\x4e" + magic + b"\x00\xff" + struct.pack("<HHI", version, 128, len(payload)) + UUID
    head += struct.pack("<QQQI", *features, number) + bytes(64)
    return (head + struct.pack("<I", crc32c(head + bytes(4) + payload)) + payload).ljust(4096, b"\0")


def snapshot_message():
    return (field(1, UUID) + field(2, bytes([8] * 16)) + field(3, b"db") + field(4, b"noon") + field(5, 1)
            + field(6, 1 << 30) + field(7, 512) + field(8, 4096) + field(9, 1) + field(10, 65536)
            + field(11, 1764500000000) + bytes([0xA2, 0x06, 0x03]) + b"new")  # field 100: unknown here


def map_records(chain, *records):
    out = b""
    for kind, payload in records:
        head = struct.pack("<IHH", len(payload), kind, 0)
        chain = crc32c(struct.pack("<I", chain) + head + bytes(4) + payload)
        out += head + struct.pack("<I", chain) + payload
    return out


def snapshot_map():
    runs = struct.pack("<QQ", 3 | 2 << 40, 100 | 1 << 40)
    records = [(1, struct.pack("<Q", 5)), (2, runs), (3, runs), (4, struct.pack("<I", 9) + runs), (5, b"later"),
               (6, UUID), (0x8055, b"?"), (7, b""), (8, b"full"), (9, b"")]
    block = snapshot_block(b"MP", snapshot_message())
    whole = block + map_records(struct.unpack_from("<I", block, 124)[0], *records)
    raw = {"map": whole, "torn": whole[:-40] + bytes(40), "behind": whole + bytes(100) + b"x", "header": block,
           "short": block[:200], "version": snapshot_block(b"MP", snapshot_message(), version=2),
           "features": snapshot_block(b"MP", snapshot_message(), features=(1, 2, 0)),
           "no-message": snapshot_block(b"MP"), "segment-as-map": snapshot_block(b"PI")}
    for name, data in raw.items():
        write("snapshot_map", f"raw-{name}", bytes([0]) + data)
    gap = map_records(struct.unpack_from("<I", block, 124)[0], records[0])
    later = block + gap + bytes(4096 - len(gap)) + map_records(struct.unpack_from("<I", gap, 8)[0], (8, b"full"))
    write("snapshot_map", "raw-next-block", bytes([0]) + later)
    for name, head in {"plain": [21, 4, 0, 0, 0], "copy": [21, 0, 1, 0, 0], "read-only": [21, 4, 0, 0, 1],
                       "incompatible": [21, 4, 0, 1, 0], "largest": [51, 18, 0, 0, 0], "small": [0, 0, 0, 0, 0]}.items():
        body = b"".join(struct.pack(">HH", kind, len(payload)) + payload for kind, payload in records)
        write("snapshot_map", f"made-{name}", bytes([2] + head) + body)
    for kind, payload in ((2, runs[:7]), (4, b"12"), (5, b"../x"), (6, b"short"), (7, b"x"), (10, b""), (2, b"\xff" * 8)):
        write("snapshot_map", f"odd-{kind}-{len(payload)}",
              bytes([2, 21, 4, 0, 0, 0]) + struct.pack(">HH", kind, len(payload)) + payload)
    entries = b"".join(struct.pack(">HBB", block, flags, 5) if flags & 1 else struct.pack(">HBB", block, flags, 0)
                       for block, flags in ((5, 1), (6, 0), (5, 1), (7, 0), (8, 0x81), (9, 1)))
    write("snapshot_map", "segment", bytes([3]) + entries)
    write("snapshot_map", "segment-empty", bytes([1]) + snapshot_block(b"PI"))
    write("snapshot_map", "segment-other", bytes([1]) + snapshot_block(b"PI", number=1))
    write("snapshot_map", "segment-zero", bytes([1]) + bytes(4200))


# --- configuration -------------------------------------------------------------------

def config_toml():
    page = SOURCES / "gateway/config/keys.cpp"
    names = re.findall(r'\{"([a-z_.]+)",? *Kind::(\w+)', page.read_text())
    values = {"text": '"x"', "texts": '["/a", "127.0.0.1:0"]', "number": "3", "seconds": "1.5", "boolean": "true"}
    for name, kind in names:
        write("config_toml", f"key-{name.replace('.', '-')}", f"{name} = {values.get(kind, '1')}\n".encode())
    whole = ('node_name = "node"\n[state]\ndirectory = "/s"\n[iscsi]\nlisten = ["[::1]:3260"]\n'
             '[stores.main]\ndirectory = "/srv"\nimport = true\n')
    write("config_toml", "whole", whole.encode())
    for name, text in {"unknown": "nothing = 1\n", "broken": '[a\n"', "type": "iscsi = 3\n",
                       "store-name": '[stores."../x"]\ndirectory = "/"\n', "nan": "[iscsi]\nlogin_timeout = nan\n",
                       "huge": "[iscsi]\nlogin_timeout = 1e300\nmax_connections = 99999999999\n"}.items():
        write("config_toml", name, text.encode())


# --- dictionaries --------------------------------------------------------------------

def dictionary(harness, words):
    escaped = ("".join(c if c.isalnum() or c in " =,._-:" else f"\\x{ord(c):02x}" for c in word) for word in words)
    lines = "".join(f'"{word}"\n' for word in escaped)
    (CORPUS.parent / f"{harness}.dict").write_text(f"# Made by make_corpus.py\n{lines}")


def dictionaries():
    keys = re.findall(r'^  \{"(\w+)", +K::', (SOURCES / "gateway/iscsi/parameters.cpp").read_text(), re.M)
    values = ["Yes", "No", "None", "CHAP", "CRC32C", "Discovery", "Normal", "0x", "0b", "=", ",", "\0", "\x1e",
              "\x01", "\x02", "\x03", "\x04", TARGET, "Reject", "NotUnderstood", "Irrelevant", "16777215"]
    dictionary("login_text", [f"{key}=" for key in keys] + values)
    names = re.findall(r'\{"([a-z_.]+)",? *Kind::', (SOURCES / "gateway/config/keys.cpp").read_text())
    dictionary("config_toml", [part for name in names for part in name.split(".")]
               + ["stores", "main", " = ", "[", "]", '"', "true", "false", "nan", "inf", "1e308", "0x7fffffffffffffff"])


if __name__ == "__main__":
    clear()
    dictionaries()
    for make in (login_text, scsi_command, iscsi_session, pdu_stream, nbs_frame, trailer_slot, snapshot_map, config_toml):
        make()

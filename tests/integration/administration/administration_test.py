#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The life of LUNs, hosts and grants as an administrator sees it: the real
caissond and caisson, over kills and restarts, with the files in the store as
witness."""

import argparse
import contextlib
import json
import os
import pathlib
import stat
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import gateway as support  # noqa: E402

BIN = None
MIB = 1 << 20
TRAILER = 128 * 1024


class Administration(unittest.TestCase):
    def setUp(self):
        scratch = support.scratch()
        self.directory = scratch.__enter__()
        self.addCleanup(scratch.__exit__, None, None, None)
        self.images = self.directory / "images"
        self.images.mkdir()
        config = self.directory / "caissond.toml"
        config.write_text(f'import_directories = ["{self.images}"]\n[stores.main]\nimport_allowed = true\n')
        self.gateway = support.Gateway(BIN, self.directory, flags=["--config", str(config)])
        self.gateway.__enter__()
        self.addCleanup(self.gateway.__exit__, None, None, None)

    def caisson(self, *words, code=0):
        """Runs the command line; returns what it said as JSON (errors too)."""
        done = subprocess.run(
            [self.gateway.bin / "caisson", "--server", f"unix:{self.gateway.state}/caisson.sock",
             "--output", "json", *map(str, words)],
            text=True, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, code, f"{words}: {done.stdout}{done.stderr}")
        text = done.stdout if code == 0 else done.stderr
        return json.loads(text) if text.strip().startswith("{") else {"text": text}

    def lun(self, name):
        return self.caisson("lun", "show", name)["lun"]

    def create(self, name="a", size="64M", *flags):
        return self.caisson("lun", "create", name, "--size", size, *flags)

    def names_in_store(self):
        return sorted(p.name for p in self.gateway.store.iterdir() if not p.name.startswith("."))

    def picture(self):
        """Everything a mutation could have changed; not what the machine does beside us."""
        luns = self.caisson("lun", "list")["luns"]
        for lun in luns:
            del lun["free"]
        return self.names_in_store(), luns, self.caisson("host", "list"), self.caisson("store", "list")["stores"][0]["luns"]

    def write(self, lun, pattern, offset=0, length=MIB):
        self.io(lun, f"write -P {pattern} {offset} {length}", "flush")

    def read(self, lun, pattern, offset=0, length=MIB):
        self.io(lun, f"read -P {pattern} {offset} {length}")

    def io(self, lun, *commands):
        words = [w for c in commands for w in ("-c", c)]
        done = subprocess.run(["qemu-io", "-f", "raw", *words, self.gateway.url(lun)], text=True,
                              capture_output=True, timeout=60)
        said = done.stdout + done.stderr
        self.assertEqual(done.returncode, 0, said)
        self.assertNotIn("failed", said)

    def open_to_all(self, *luns):
        self.caisson("host", "create", "*", "--no-auth")
        for lun in luns:
            self.caisson("access", "grant", lun, "*")

    @contextlib.contextmanager
    def logged_in(self, lun):
        """A foreign initiator with a session to the LUN, and that session as shown."""
        with subprocess.Popen(["qemu-io", "-f", "raw", self.gateway.url(lun)], text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as disk:
            try:
                support.wait_until(lambda: self.caisson("session", "list").get("sessions"), 20, "a session")
                yield disk, self.caisson("session", "list")["sessions"][0]
            finally:
                disk.kill()

#-- -- LUNs -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -

    def test_every_attribute_is_shown(self):
        self.create("a", "64M", "--location", "rack 7", "--block-size", "4096", "--cache", "none")
        self.caisson("host", "create", "db", "--iqn", "iqn.2001-04.com.example:db", "--quota", "10G")
        self.caisson("access", "grant", "a", "db", "--read-only", "--quota", "1G", "--allow", "resize")
        lun = self.lun("a")
        self.assertEqual((lun["capacity"], lun["logical_block"], lun["cache"], lun["location"]),
                         (64 * MIB, 4096, "none", "rack 7"))
        self.assertEqual(lun["organization"], "single container")
        self.assertGreater(lun["free"], 0)
        self.assertLess(lun["used"], MIB)
        self.assertEqual(lun["path"], str(self.gateway.container("a")))
        user, = lun["users"]
        self.assertEqual((user["host"], user["permission"], user["quota"], user["allow"], user["auth"]),
                         ("db", "read-only", 1 << 30, ["resize"], "chap"))

    def test_capacity_is_where_the_trailer_begins(self):
        self.create("a", "1000000K")
        self.assertEqual(self.gateway.container("a").stat().st_size, 1024000000 + TRAILER)

    def test_identical_create_succeeds_and_a_different_one_does_not(self):
        first = self.create()
        again = self.create()
        self.assertTrue(first["change"]["changed"])
        self.assertFalse(again["change"]["changed"])
        self.assertEqual(first["lun"]["uuid"], again["lun"]["uuid"])
        self.caisson("lun", "create", "a", "--size", "65M", code=1)

    def test_target_and_lun_number_are_checked(self):
        target = "iqn.2026-11.io.caisson:shared"
        for flags in (["--target", "shared"], ["--target", "iqn.2026-11.io.caisson:a b"],
                      ["--target", "iqn." + 220 * "a"], ["--target", target, "--target-lun", "16384"]):
            self.caisson("lun", "create", "a", "--size", "1M", *flags, "--dry-run", code=2)
            self.caisson("lun", "create", "a", "--size", "1M", *flags, code=2)
        self.create("a", "1M", "--target", target.upper(), "--target-lun", "16383")
        self.assertEqual((self.lun("a")["target_name"], self.lun("a")["target_lun"]), (target, 16383))
        self.caisson("lun", "create", "b", "--size", "1M", "--target", target, "--target-lun", "16383", code=1)
        self.create("b", "1M", "--target", target, "--target-lun", "1")

    def test_dry_runs_change_nothing(self):
        self.create()
        before = self.picture()
        for words in (["lun", "create", "b", "--size", "1G"], ["lun", "resize", "a", "128M"],
                      ["lun", "rename", "a", "c"], ["lun", "set", "a", "--cache", "none"],
                      ["lun", "offline", "a"], ["lun", "delete", "a", "--yes"],
                      ["host", "create", "db"], ["catalog", "backup", "/tmp/never-made"]):
            self.caisson(*words, "--dry-run")
        self.assertEqual(before, self.picture())

    def test_a_dry_run_says_no_where_the_act_does(self):
        self.create()
        (self.gateway.store / "occupied.img").write_text("somebody's")
        for words in (["lun", "adopt", "nosuch.img"], ["lun", "create", "occupied", "--size", "1G"],
                      ["lun", "create", "b", "--size", "100000T"], ["lun", "resize", "a", "100000T"],
                      ["lun", "rename", "a", "occupied"], ["store", "add", "s", "/nonexistent"]):
            before = self.picture()
            self.caisson(*words, "--dry-run", code=1)
            self.caisson(*words, code=1)
            self.assertEqual(before, self.picture(), words)

    def test_thick_occupies_its_space_and_thin_does_not(self):
        self.create("thin", "32M")
        self.create("thick", "32M", "--thick")
        self.assertLess(self.lun("thin")["used"], MIB)
        self.assertGreaterEqual(self.lun("thick")["used"], 32 * MIB)

    def test_thick_beyond_the_store_is_refused_and_leaves_nothing(self):
        self.caisson("lun", "create", "huge", "--size", "900T", "--thick", code=1)
        self.assertEqual(self.names_in_store(), [])

    def test_grow_keeps_data_and_shrink_needs_to_be_allowed(self):
        self.create()
        self.open_to_all("a")
        self.write("a", 0x5A)
        self.caisson("lun", "resize", "a", "128M")
        self.read("a", 0x5A)
        self.read("a", 0, 64 * MIB, MIB)  # where the trailer stood
        self.assertEqual(self.gateway.container("a").stat().st_size, 128 * MIB + TRAILER)
        self.caisson("lun", "resize", "a", "32M", code=2)
        self.caisson("lun", "resize", "a", "32M", "--allow-shrink")
        self.read("a", 0x5A)
        self.assertEqual(self.gateway.container("a").stat().st_size, 32 * MIB + TRAILER)

    def test_rename_keeps_identity_and_moves_the_container(self):
        self.create()
        self.open_to_all("a")
        self.write("a", 0x11)
        before = self.lun("a")
        self.caisson("lun", "rename", "a", "b")
        after = self.lun("b")
        for key in ("uuid", "naa", "serial", "target_name"):
            self.assertEqual(before[key], after[key], key)
        self.assertEqual(self.names_in_store(), ["b.img"])
        self.read("b", 0x11)

    def test_delete_needs_yes_and_an_idle_lun(self):
        self.create()
        self.caisson("lun", "delete", "a", code=2)
        self.caisson("lun", "delete", "a", "--yes")
        self.assertEqual(self.names_in_store(), [])
        self.caisson("lun", "show", "a", code=1)

    def test_cache_mode_changes_while_served(self):
        self.create()
        self.open_to_all("a")
        for mode, pattern in (("none", 1), ("writethrough", 2), ("writeback", 3)):
            self.caisson("lun", "set", "a", "--cache", mode)
            self.assertEqual(self.lun("a")["cache"], mode)
            self.write("a", pattern)
            self.read("a", pattern)

    def test_offline_and_online(self):
        self.create()
        self.open_to_all("a")
        self.write("a", 7)
        self.caisson("lun", "offline", "a")
        self.assertEqual(self.lun("a")["state"], "offline")
        self.gateway.kill()
        self.gateway.restart()
        self.assertEqual(self.lun("a")["state"], "offline")
        self.caisson("lun", "online", "a")
        self.read("a", 7)

#-- -- stores -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -

    def test_a_store_shares_no_directory_with_anything_else(self):
        (self.directory / "link").symlink_to(self.gateway.state)
        (self.gateway.store / "inside").mkdir()
        (self.directory / "other").mkdir()
        for place in (self.gateway.state, self.gateway.state / "copies", self.directory, self.directory / "link",
                      self.gateway.store, self.gateway.store / "inside"):
            said = self.caisson("store", "add", "other", place, code=2)
            self.assertIn("lie in one another", json.dumps(said))
        self.caisson("store", "add", "other", self.directory / "other")

#-- -- import, adopt, damage -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- --

    def image(self, directory, name, pattern):
        path = directory / name
        path.write_bytes(bytes([pattern]) * (3 * MIB + 100))
        return path

    def test_import_by_copy_leaves_the_original(self):
        path = self.image(self.images, "disk.raw", 9)
        self.caisson("lun", "import", path, "--as", "a", "--copy")
        self.open_to_all("a")
        self.read("a", 9, 0, 3 * MIB)
        self.assertEqual(path.stat().st_size, 3 * MIB + 100)
        self.assertEqual(self.lun("a")["capacity"], 3 * MIB + 512)

    def test_import_in_place_takes_the_file_over(self):
        self.image(self.gateway.store, "disk.raw", 9)
        self.caisson("lun", "import", "disk.raw", "--as", "a", "--in-place")
        self.open_to_all("a")
        self.read("a", 9, 0, 3 * MIB)
        self.assertEqual(self.names_in_store(), ["a.img"])

    def test_import_from_elsewhere_is_refused(self):
        path = self.image(self.directory, "outside.raw", 9)
        self.caisson("lun", "import", path, "--as", "a", "--copy", code=1)
        (self.directory / "closed").mkdir()
        self.caisson("store", "add", "closed", self.directory / "closed")
        inside = self.image(self.directory / "closed", "inside.raw", 9)
        for how in ("--copy", "--in-place"):
            said = self.caisson("lun", "import", inside, "--as", "a", how, "--store", "closed", code=1)
            self.assertIn("import_allowed", json.dumps(said))
        os.symlink(path, self.images / "link.raw")
        self.caisson("lun", "import", self.images / "link.raw", "--as", "b", "--copy", code=1)
        self.assertEqual(self.names_in_store(), [])

    def test_one_damaged_container_is_offline_alone(self):
        for name in ("a", "b", "c"):
            self.create(name)
        self.open_to_all("a", "b", "c")
        self.write("b", 5)
        self.gateway.kill()
        with open(self.gateway.container("a"), "r+b") as container:
            container.seek(64 * MIB)
            container.write(b"\xff" * TRAILER)
        os.unlink(self.gateway.container("c"))
        (self.gateway.store / "notes.txt").write_text("somebody's")
        self.gateway.restart()
        self.assertEqual(self.lun("a")["state"], "offline")
        self.assertEqual(self.lun("c")["state"], "offline")
        self.assertNotEqual(self.lun("a")["reason"], "")
        self.assertNotEqual(self.lun("c")["reason"], "")
        self.read("b", 5)
        self.assertTrue((self.gateway.store / "notes.txt").exists())

    def test_adopt_takes_up_a_foreign_container(self):
        self.create()
        self.open_to_all("a")
        self.write("a", 4)
        uuid = self.lun("a")["uuid"]
        self.gateway.__exit__(None, None, None)
        os.rename(self.gateway.state / "catalog.db", self.gateway.state / "lost.db")
        for leftover in self.gateway.state.glob("catalog.db-*"):
            leftover.unlink()
        self.gateway.restart()
        self.caisson("lun", "show", "a", code=1)
        self.caisson("lun", "adopt", "a.img")
        self.assertEqual(self.lun("a")["uuid"], uuid)

#-- -- hosts and access -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -

    def test_nothing_is_seen_until_granted(self):
        self.create()
        listed = subprocess.run(["iscsi-ls", f"iscsi://{self.gateway.iscsi}"], text=True,
                                capture_output=True, timeout=30)
        self.assertNotIn("iqn.", listed.stdout)
        self.caisson("host", "create", "*", "--no-auth")
        listed = support.run(["iscsi-ls", f"iscsi://{self.gateway.iscsi}"])
        self.assertNotIn("iqn.", listed)
        self.caisson("access", "grant", "a", "*")
        listed = support.run(["iscsi-ls", f"iscsi://{self.gateway.iscsi}"])
        self.assertIn(self.gateway.target("a"), listed)

    def test_secrets_are_told_once_and_never_again(self):
        made = self.caisson("host", "create", "db", "--iqn", "iqn.2001-04.com.example:db")
        secret = made["generated"]["chap_secret"]
        self.assertTrue(12 <= len(secret) <= 16)
        for words in (["host", "show", "db"], ["host", "list"], ["events"], ["status"]):
            self.assertNotIn(secret, json.dumps(self.caisson(*words)))
        self.assertNotIn(secret, self.gateway.log.read_text())

    def test_host_with_access_is_not_deleted(self):
        self.create()
        self.open_to_all("a")
        self.caisson("host", "delete", "*", "--yes", code=1)
        self.caisson("access", "revoke", "a", "*")
        self.caisson("host", "delete", "*", "--yes")

#-- -- the catalog -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- --

    def test_catalog_is_private(self):
        mode = stat.S_IMODE((self.gateway.state / "catalog.db").stat().st_mode)
        self.assertEqual(mode, 0o600)

    def test_backup_and_restore(self):
        self.create()
        self.open_to_all("a")
        backup = self.directory / "backup.db"
        self.caisson("catalog", "backup", backup)
        self.assertEqual(stat.S_IMODE(backup.stat().st_mode), 0o600)
        self.caisson("access", "revoke", "a", "*")
        answer = self.caisson("catalog", "restore", backup, "--yes")
        self.assertTrue(answer["restart_required"])
        self.gateway.__exit__(None, None, None)
        self.gateway.restart()
        self.assertEqual(len(self.lun("a")["users"]), 1)

    def test_rebuild_restores_luns_and_proposes_grants(self):
        self.create()
        self.open_to_all("a")
        self.write("a", 6)
        before = self.lun("a")
        self.gateway.__exit__(None, None, None)
        for file in self.gateway.state.glob("catalog.db*"):
            file.unlink()
        self.gateway.restart()
        report = self.caisson("catalog", "rebuild")
        self.assertEqual(len(report["restored"]), 1)
        after = self.lun("a")
        for key in ("uuid", "naa", "serial", "target_name", "capacity"):
            self.assertEqual(before[key], after[key], key)
        self.assertEqual(after["state"], "online")
        self.assertEqual([u["proposed"] for u in after["users"]], [True])
        shut = subprocess.run(["iscsi-ls", f"iscsi://{self.gateway.iscsi}"], capture_output=True, timeout=30)
        self.assertNotIn(b"iqn.", shut.stdout)
        self.caisson("host", "set", "*", "--no-auth")
        self.caisson("access", "grant", "a", "*")
        self.read("a", 6)

#-- -- sessions and events -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- --

    def test_changes_are_audited_in_order(self):
        self.create()
        self.caisson("lun", "delete", "missing", "--yes", code=1)
        events = self.caisson("events")["events"]
        sequence = [e["sequence"] for e in events]
        self.assertEqual(sequence, sorted(set(sequence)))
        audits = [e for e in events if e["kind"] == "audit"]
        self.assertIn("lun.create: done", [e["text"] for e in audits])
        self.assertTrue(any(e["object"].startswith("missing") for e in audits))
        self.assertEqual({e["actor"] for e in audits}, {f"uid:{os.getuid()}"})

    def test_grow_is_pending_for_a_session_that_is_logged_in(self):
        self.create()
        self.open_to_all("a")
        with self.logged_in("a") as (disk, session):
            self.assertEqual(session["luns"], ["a"])
            self.caisson("lun", "delete", "a", "--yes", code=1)
            self.caisson("lun", "resize", "a", "128M")
            said, _ = disk.communicate("truncate 0\nlength\nquit\n", timeout=60)
        self.assertEqual(self.lun("a")["capacity"], 128 * MIB, said)

    def test_dropped_session_is_gone(self):
        self.create()
        self.open_to_all("a")
        with self.logged_in("a") as (disk, session):
            self.caisson("access", "revoke", "a", "*")
            support.wait_until(lambda: not self.caisson("session", "list").get("sessions"), 20,
                               f"session {session['id']} to end")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    options, rest = parser.parse_known_args()
    BIN = options.bin
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)

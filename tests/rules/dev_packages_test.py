#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`./dev` installs what a clean machine lacks: run in a copy, with stand-ins for the
package tools, where some packages are installed and some were never heard of."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

DEV = pathlib.Path(sys.argv.pop(1) if len(sys.argv) > 1 else "dev").resolve()

# Debian's own way: 1 and a message as soon as one name is unknown.
DPKG_QUERY = """#!/bin/sh
code=0
for name; do
  case $name in
    -*) ;;
    git | cmake) echo "ii $name" ;;
    ninja-build) echo "rc $name" ;;
    *) echo "dpkg-query: no packages found matching $name" >&2; code=1 ;;
  esac
done
exit $code
"""
# What was asked of it; "fails" as long as it says so.
APT_GET = '#!/bin/sh\necho "$*" >>"$0.log"\n[ ! -e "$0.fails" ] || { rm "$0.fails"; exit 100; }\n'


class CleanMachine(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.scratch.name)
        (self.root / "dev").write_text(DEV.read_text())
        (self.root / "dev").chmod(0o755)
        self.bin = self.root / "stand-ins"
        self.bin.mkdir()
        for name, text in {"dpkg-query": DPKG_QUERY, "apt-get": APT_GET, "cmake": "#!/bin/sh\n",
                           "sudo": '#!/bin/sh\nexec "$@"\n'}.items():
            (self.bin / name).write_text(text)
            (self.bin / name).chmod(0o755)

    def tearDown(self):
        self.scratch.cleanup()

    def build(self, **environment):
        path = f"{self.bin}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, **environment}
        return subprocess.run([self.root / "dev", "build"], env=environment, text=True,
                              capture_output=True, timeout=60)

    def asked(self):
        log = self.bin / "apt-get.log"
        return log.read_text().splitlines() if log.exists() else []

    def test_what_is_missing_is_installed(self):
        done = self.build()
        self.assertEqual(done.returncode, 0, done.stderr)
        words = self.asked()[0].split()
        self.assertIn("install", words)
        self.assertIn("libboost1.81-dev", words)
        self.assertIn("ninja-build", words)  # removed, its settings left behind
        self.assertNotIn("cmake", words)

    def test_old_lists_are_renewed(self):
        (self.bin / "apt-get.fails").touch()
        self.assertEqual(self.build().returncode, 0)
        self.assertEqual([line.split()[-1] for line in self.asked()][1:2], ["update"])
        self.assertEqual(len(self.asked()), 3)

    def test_who_wants_nothing_installed_hears_what_is_missing(self):
        done = self.build(CAISSON_NO_INSTALL="1")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("libboost1.81-dev", done.stderr)
        self.assertEqual(self.asked(), [])


if __name__ == "__main__":
    unittest.main()

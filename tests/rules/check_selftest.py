#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The checker itself: each rule catches a small tree that breaks it."""

import pathlib
import tempfile
import unittest

import check
from functions import functions_of

TABLE = """storage_object/base:
storage_object/block: storage_object/base
gateway/scsi: storage_object/block storage_object/base
gateway/daemon: *
"""


class RulesTest(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.root = pathlib.Path(holder.name)
        self.write("tests/rules/dependencies.txt", TABLE)

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def breaches(self, rule, *arguments):
        tree = check.Tree(self.root)
        rule(tree, *arguments)
        return tree.breaches

    def test_allowed_include_passes(self):
        self.write("gateway/scsi/a.cpp", '#include "storage_object/block/b.hpp"\n')
        self.assertEqual(self.breaches(check.check_includes), [])

    def test_include_against_the_direction_is_caught(self):
        self.write("storage_object/block/a.cpp", '// why\n#include "gateway/scsi/sense.hpp"\n')
        self.assertEqual(self.breaches(check.check_includes),
                         ["storage_object/block/a.cpp:2: include: storage_object/block must not include gateway/scsi"])

    def test_include_of_a_test_from_the_code_is_caught(self):
        self.write("gateway/daemon/a.cpp", '#include "tests/support/fake.hpp"\n')
        self.assertEqual(len(self.breaches(check.check_includes)), 1)

    def test_folder_that_the_table_does_not_know_is_caught(self):
        self.write("snapshot/chain/a.cpp", "int a;\n")
        self.assertIn("snapshot/chain is not in", self.breaches(check.check_includes)[0])

    def test_daemon_may_include_everything(self):
        self.write("gateway/daemon/a.cpp", '#include "gateway/scsi/sense.hpp"\n')
        self.assertEqual(self.breaches(check.check_includes), [])

    def test_link_that_the_table_forbids_is_caught(self):
        libraries = {"storage_object_base": set(), "storage_object_block": {"gateway_scsi"}, "gateway_scsi": set()}
        self.assertIn("must not link gateway_scsi", self.breaches(check.check_links, libraries)[0])

    def test_include_without_link_is_caught(self):
        self.write("gateway/scsi/a.cpp", '#include "storage_object/block/b.hpp"\n')
        libraries = {"storage_object_block": set(), "gateway_scsi": set()}
        self.assertIn("do not name", self.breaches(check.check_links, libraries)[0])

    def test_unregistered_test_is_caught(self):
        self.write("tests/unit/a_test.cpp", "")
        self.write("tests/unit/b_test.cpp", "")
        found = self.breaches(check.check_registered, [str(self.root / "tests/unit/a_test.cpp")])
        self.assertEqual(len(found), 1)
        self.assertIn("b_test.cpp", found[0])

    def test_long_file_is_caught_and_excused(self):
        self.write("gateway/scsi/a.cpp", "int a;\n" * 501)
        self.assertIn("501 lines", self.breaches(check.check_sizes)[0])
        self.write("tests/rules/exceptions.txt", "file-size gateway/scsi/a.cpp one table\n")
        self.assertEqual(self.breaches(check.check_sizes), [])

    def test_exception_without_reason_is_caught(self):
        self.write("tests/rules/exceptions.txt", "file-size gateway/scsi/a.cpp\n")
        self.assertIn("no reason", check.Tree(self.root).breaches[0])

    def test_exception_that_nothing_needs_is_caught(self):
        self.write("tests/rules/exceptions.txt", "file-size gateway/scsi/a.cpp one table\n")
        self.assertIn("not needed any more", self.breaches(check.check_exceptions)[0])

    def test_long_function_is_caught(self):
        self.write("gateway/scsi/a.cpp", "int f(int a) {\n" + "  a++;\n" * 60 + "}\n")
        self.assertIn("f has 62 lines", self.breaches(check.check_sizes)[0])

    def test_long_table_is_not_a_function(self):
        self.write("gateway/scsi/a.cpp", "const Row kRows[] = {\n" + "  {1, f(2)},\n" * 100 + "};\n")
        self.assertEqual(self.breaches(check.check_sizes), [])

    def test_marks_and_sleeps_are_caught(self):
        self.write("gateway/scsi/a.cpp", "// TO" + "DO later\n")
        self.write("tests/unit/a_test.cpp", "std::this_thread::sleep_for(1s);\n")
        self.write("tests/b.sh", "while true; do sleep 1; done\n")
        self.assertEqual(len(self.breaches(check.check_marks)), 3)

    def test_missing_head_is_caught(self):
        self.write("gateway/scsi/a.hpp", "int a;\n")
        self.assertEqual(len(self.breaches(check.check_heads)), 2)

    def test_flag_that_no_manual_names_is_caught(self):
        self.write("docs/man/caissond.8", ".B \\-\\-state\nand --iscsi-extra\n")
        self.write("program", "#!/bin/sh\necho '--state DIR --iscsi ADDR'\n")
        (self.root / "program").chmod(0o755)
        found = self.breaches(check.check_manual, [str(self.root / "program")], ["store.path"])
        self.assertEqual(len(found), 2)
        self.assertIn("--iscsi,", found[0])
        self.assertIn("store.path", found[1])


class FunctionsTest(unittest.TestCase):
    def names(self, text):
        return [name for name, _, _ in functions_of(text)]

    def test_finds_functions_in_namespaces_and_classes(self):
        text = "namespace a {\nclass B : public C {\n  int d() const { return 1; }\n};\nvoid B::e(int f) {\n  if (f) {\n  }\n}\n}\n"
        self.assertEqual(self.names(text), ["d", "B::e"])

    def test_counts_from_the_head_to_the_closing_brace(self):
        self.assertEqual(list(functions_of("\nint f(int a,\n      int b) {\n  return a;\n}\n")), [("f", 2, 5)])

    def test_braces_in_comments_and_literals_do_not_count(self):
        self.assertEqual(self.names('void f() {\n  g("}", \'{\', R"x(})x");  // }\n}\nvoid h() {}\n'), ["f", "h"])

    def test_digit_separators_are_not_literals(self):
        self.assertEqual(self.names("const int a = 1'000;\nvoid f() {}\nconst int b = 2'000;\n"), ["f"])

    def test_default_arguments_and_operators_are_functions(self):
        self.assertEqual(self.names("bool operator==(A a, A b) {\n}\nvoid f(int a = 1) {\n}\n"), ["operator==", "f"])


if __name__ == "__main__":
    unittest.main()

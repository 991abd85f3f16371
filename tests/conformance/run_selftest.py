#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The conformance runner's own reading and judging."""

import unittest

import run

SUMMARY = "Suite: X\n  Test: Y ...{}    [SKIPPED] while it cleans up\nRun Summary:\n   asserts  5  5  {}  {}  n/a\n"


class JudgeTest(unittest.TestCase):
    def test_pass(self):
        self.assertEqual(run.judge(0, SUMMARY.format("passed", 5, 0)).result, "pass")

    def test_failed_assertion(self):
        self.assertEqual(run.judge(0, SUMMARY.format("FAILED", 4, 1)).result, "fail")

    def test_exit_code(self):
        self.assertEqual(run.judge(1, SUMMARY.format("passed", 5, 0)).result, "fail")

    def test_skip_that_cunit_counts_as_passed(self):
        outcome = run.judge(0, SUMMARY.format("    [SKIPPED] no such thing.\npassed", 5, 0))
        self.assertEqual(outcome, ("skip", "[SKIPPED] no such thing."))

    def test_skip_before_the_suite_does_not_count(self):
        self.assertEqual(run.judge(0, "[SKIPPED] probing\n" + SUMMARY.format("passed", 5, 0)).result, "pass")

    def test_death_without_summary(self):
        self.assertEqual(run.judge(-11, "Failed to connect\n").result, "fail")


class TableTest(unittest.TestCase):
    def test_reads_results_and_reasons(self):
        table = run.parse_expected("# head\nA.B pass\nC.D skip it is not removable\n")
        self.assertEqual(table["C.D"], ("skip", "it is not removable"))
        self.assertEqual(table["A.B"].result, "pass")

    def test_refuses_a_failure_without_a_reason(self):
        for text in ("A.B fail\n", "A.B maybe x\n", "A.B\n", "A.B pass\nA.B pass\n"):
            with self.assertRaises(ValueError):
                run.parse_expected(text)


class KindTest(unittest.TestCase):
    def test_the_kind_stands_behind_the_name(self):
        self.assertEqual(run.split_name("A.B"), ("A.B", "thin"))
        self.assertEqual(run.split_name("A.B@removable"), ("A.B", "removable"))

    def test_a_pass_on_any_kind_counts(self):
        table = run.parse_expected("A.A skip r\nA.A@thick pass\nB.B fail r\nC.C pass\nB.B@small skip r\n")
        self.assertEqual(run.passed_nowhere(table), ["B.B"])

    def test_the_table_names_only_kinds_there_are(self):
        table = run.parse_expected((run.HERE / "expected.txt").read_text())
        self.assertLessEqual({run.split_name(entry)[1] for entry in table}, set(run.KINDS))


class CompareTest(unittest.TestCase):
    TABLE = run.parse_expected("A.A pass\nB.B skip r\nC.C fail r\n")

    def compare(self, **results):
        found = {name.replace("_", "."): run.Outcome(result, "") for name, result in results.items()}
        return [len(lines) for lines in run.compare(found, self.TABLE)]

    def test_as_expected(self):
        self.assertEqual(self.compare(A_A="pass", B_B="skip", C_C="fail"), [0, 0])

    def test_each_step_down_is_worse(self):
        self.assertEqual(self.compare(A_A="skip", B_B="fail", C_C="hang"), [3, 0])

    def test_a_step_up_is_better(self):
        self.assertEqual(self.compare(B_B="pass", C_C="skip"), [0, 2])

    def test_a_test_that_the_table_does_not_know_is_worse(self):
        self.assertEqual(self.compare(D_D="pass"), [1, 0])


if __name__ == "__main__":
    unittest.main()

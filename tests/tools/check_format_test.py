#!/usr/bin/env python3
"""tools/check_format.py on small repositories."""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

CHECKER = Path(__file__).resolve().parents[2] / "tools" / "check_format.py"
NOT_FOUND = 77


def check(source, style="# Checked with clang-format 14.\nBasedOnStyle: Google\n", fix=False):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, ".clang-format").write_text(style)
        Path(folder, "src").mkdir()
        Path(folder, "src", "a.cpp").write_text(source)
        command = [sys.executable, CHECKER, folder]
        if fix:
            subprocess.run([*command, "--fix"], capture_output=True)
        run = subprocess.run(command, capture_output=True, text=True)
        return run.returncode, run.stdout + run.stderr


class CheckFormatTest(unittest.TestCase):
    def check(self, *arguments):
        status, output = check(*arguments)
        if status == NOT_FOUND:
            self.skipTest(output.strip())
        return status, output

    def test_accepts_the_style(self):
        self.assertEqual(self.check("int a = 1;\n"), (0, "1 files checked with clang-format 14\n"))

    def test_finds_a_file_of_another_style(self):
        status, output = self.check("int  a=1;\n")
        self.assertEqual(status, 1)
        self.assertIn("src/a.cpp:1:", output)
        self.assertIn("--fix", output)

    def test_gives_a_file_the_style(self):
        self.assertEqual(check("int  a=1;\n", fix=True)[0], self.check("int a = 1;\n")[0])

    def test_another_version_does_not_decide(self):
        status, output = check("int  a=1;\n", "# Checked with clang-format 3.\n")
        self.assertEqual(status, NOT_FOUND)
        self.assertEqual(output, "clang-format 3 is not installed\n")

    def test_a_style_must_name_its_version(self):
        status, output = check("int a = 1;\n", "BasedOnStyle: Google\n")
        self.assertEqual(status, 1)
        self.assertIn(".clang-format:1:", output)


if __name__ == "__main__":
    unittest.main()

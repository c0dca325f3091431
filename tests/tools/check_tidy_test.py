#!/usr/bin/env python3
"""tools/check_tidy.py on small repositories."""
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

CHECKER = Path(__file__).resolve().parents[2] / "tools" / "check_tidy.py"
NOT_FOUND = 77
GOOD = "int* Nothing() { return nullptr; }\n"
BAD = "int* Nothing() { return 0; }\n"


class CheckTidyTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        (self.root / ".clang-tidy").write_text("Checks: '-*,modernize-use-nullptr'\n")
        (self.root / ".gitignore").write_text("compile_commands.json\n")
        for name in ("old.cpp", "new.cpp"):
            (self.root / name).write_text(BAD)
        flags = ["-Winvalid-pch", "-include", "x/cmake_pch.hxx", "-fpch-preprocess"]
        (self.root / "compile_commands.json").write_text(json.dumps([
            {"directory": str(self.root), "file": name,
             "command": " ".join(["ccache c++", *flags, "-c", name])}
            for name in ("old.cpp", "new.cpp")]))
        self.git("init", "-q")
        self.git("add", "-A")
        self.git("-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "All")

    def git(self, *words):
        subprocess.run(["git", "-C", self.root, *words], check=True, capture_output=True)

    def check(self, *words):
        run = subprocess.run([sys.executable, CHECKER, f"--repository={self.root}",
                              f"--build={self.root}", *words], capture_output=True, text=True)
        if run.returncode == NOT_FOUND:
            self.skipTest(run.stdout.strip())
        return run.returncode, run.stdout + run.stderr

    def test_looks_at_what_was_changed_alone(self):
        self.assertEqual(self.check(), (0, "no source file of the build has changed\n"))
        (self.root / "new.cpp").write_text(BAD + "int more;\n")
        status, output = self.check()
        self.assertEqual(status, 1)
        self.assertIn("new.cpp:1:", output)
        self.assertNotIn("old.cpp", output)

    def test_accepts_what_is_good(self):
        (self.root / "new.cpp").write_text(GOOD)
        status, output = self.check("--since=HEAD")
        self.assertEqual(status, 0, output)
        self.assertIn("1 files checked", output)

    def test_takes_files(self):
        status, output = self.check("old.cpp")
        self.assertEqual(status, 1)
        self.assertIn("modernize-use-nullptr", output)

    def test_needs_a_build(self):
        status, output = self.check("--build=/nowhere", "old.cpp")
        self.assertEqual(status, 1)
        self.assertIn("configure a build first", output)


if __name__ == "__main__":
    unittest.main()

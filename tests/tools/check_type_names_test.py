#!/usr/bin/env python3
"""What tools/check_type_names.py finds, and what it leaves alone."""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

CHECKER = Path(__file__).resolve().parents[2] / "tools" / "check_type_names.py"


def check(first, second):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {"include/a.h": first, "src/b.cpp": second}.items():
            file = Path(folder, name)
            file.parent.mkdir(parents=True)
            file.write_text(text)
        run = subprocess.run([sys.executable, CHECKER, folder], capture_output=True, text=True)
        return run.returncode, run.stdout + run.stderr


class CheckTypeNamesTest(unittest.TestCase):
    def test_finds_a_name_that_stands_twice(self):
        status, output = check("namespace n {\nstruct Options { int a; };\n}\n",
                               "namespace n { class Options final : public Base { }; }\n")
        self.assertEqual(status, 1, output)
        self.assertIn("n::Options is defined in include/a.h and in src/b.cpp", output)

    def test_leaves_others_alone(self):
        for second in ("namespace m { struct Options {}; }",
                       "namespace n { namespace { struct Options {}; } }",
                       "namespace n { struct Other { struct Options {}; }; }",
                       "namespace n { struct Options; // struct Options {\n }",
                       "namespace n { struct Other::Options {}; }"):
            status, output = check("namespace n { struct Options {}; }", second)
            self.assertEqual(status, 0, second + ": " + output)


if __name__ == "__main__":
    unittest.main()

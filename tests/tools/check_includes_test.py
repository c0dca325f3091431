#!/usr/bin/env python3
"""Breaks each rule of tools/check_includes.py once, in a small repository of its own."""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

CHECKER = Path(__file__).resolve().parents[2] / "tools" / "check_includes.py"
PAGE = """
```includes
base:
math:               base
data:               base
layers:             base math
layers/data.cpp:    data
```
```headers
base: error.h
```
```places
include *.pb.h  in *.cpp
text    <<<     in src/math/*
```
"""
GOOD = {
    "docs/architecture.md": PAGE,
    "include/crema/error.h": "#include <string>\n",
    "src/base/error.cpp": '#include "crema/error.h"\n',
    "src/math/gemm.h": '#include "crema/error.h"\n',
    "src/data/source.h": "",
    "src/layers/data.cpp": '#include "data/source.h"\n#include "x.pb.h"\n',
    "src/layers/relu.cpp": '#include "math/gemm.h"\n#include "target/for_each.h"\n',
}


def check(changes):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {**GOOD, **changes}.items():
            file = Path(folder, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        run = subprocess.run([sys.executable, CHECKER, folder], capture_output=True, text=True)
        return run.returncode, run.stdout + run.stderr


class CheckIncludesTest(unittest.TestCase):
    def expect(self, file, text, *parts):
        status, output = check({file: text})
        self.assertEqual(status, 1, output)
        for part in parts:
            self.assertIn(part, output)

    def test_accepts_what_the_tables_allow(self):
        status, output = check({})
        self.assertEqual(status, 0, output)

    def test_finds_an_arrow_against_the_direction(self):
        self.expect("src/base/error.cpp", '\n#include "math/gemm.h"\n',
                    "src/base/error.cpp:2:", "'base' may not include 'math'")

    def test_finds_a_sibling(self):
        self.expect("src/data/source.h", '#include "layers/relu.h"', "src/data/source.h:1:")
        self.expect("src/layers/relu.cpp", '#include "data/source.h"',
                    "'layers' may not include 'data'")

    def test_finds_a_public_header_with_a_third_party_one(self):
        self.expect("include/crema/error.h", "#include <lmdb.h>", "public header")

    def test_finds_a_public_header_that_is_in_no_table(self):
        self.expect("include/crema/new.h", "#include \"crema/error.h\"", "has no line in")

    def test_finds_things_out_of_place(self):
        self.expect("src/math/gemm.h", '#include "x.pb.h"', "belongs in *.cpp only")
        self.expect("src/layers/relu.cpp", "kernel<<<1, 1>>>();", "belongs in src/math/* only")

    def test_finds_an_unknown_folder_and_an_unknown_file(self):
        self.expect("src/extra/a.cpp", '#include "crema/error.h"', "has no line in")
        self.expect("src/base/error.cpp", '#include "glog/logging.h"', "is not a file of crema")

    def test_refuses_a_table_that_allows_a_cycle(self):
        self.expect("docs/architecture.md", PAGE.replace("base:", "base: math"),
                    "may include each other")


if __name__ == "__main__":
    unittest.main()

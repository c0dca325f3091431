#!/usr/bin/env python3
"""The installed headers: each compiles alone and without a warning from the installed folder, and
includes only crema's own and the standard library."""
import os
import re
import unittest
from concurrent.futures import ThreadPoolExecutor

from tree import COMPILER, PREFIX, TreeTest, run

INCLUDE = PREFIX / "include"
TARGET = INCLUDE / "crema" / "targets" / "cpu"
# Who writes kernels compiles with OpenMP; nobody else has to.
KERNELS = {"dev/for_each.h", "dev/reduce.h",
           "targets/cpu/target/for_each.h", "targets/cpu/target/reduce.h"}
STRANGERS = re.compile(r"/(google|glog|gflags|opencv4?|opencv2|hdf5|lmdb\.h|leveldb|oneapi)\b")


def headers():
    """Those for the CPU; nvcc's need its compiler. The schema's is for plug-ins, and is protobuf's."""
    found = sorted((INCLUDE / "crema").rglob("*.h"))
    others = {INCLUDE / "crema" / "targets" / "cuda", INCLUDE / "crema" / "schema"}
    return [file for file in found if others.isdisjoint(file.parents)]


def includes(text):
    return re.findall(r'^\s*#\s*include\s*([<"])([^>"]+)', text, re.MULTILINE)


class HeadersTest(TreeTest):
    def test_all_are_below_one_folder(self):
        self.assertEqual([entry.name for entry in INCLUDE.iterdir()], ["crema"])
        self.assertGreater(len(headers()), 20)

    def test_they_depend_on_no_option_of_the_build(self):
        for header in headers():
            for line in header.read_text().splitlines():
                self.assertIsNone(re.match(r"\s*#\s*(if|ifdef|ifndef|elif)\b", line),
                                  f"{header}: {line}")

    def test_they_include_only_what_is_installed(self):
        for header in headers():
            for mark, name in includes(header.read_text()):
                if mark == '"':
                    self.assertTrue((INCLUDE / name).is_file() or (TARGET / name).is_file(),
                                    f"{header}: {name}")

    def compile(self, header):
        name = header.relative_to(INCLUDE / "crema").as_posix()
        listing = self.folder / name.replace("/", "_")
        run([COMPILER, "-std=c++17", "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
             *(["-fopenmp"] if name in KERNELS else []), "-I", INCLUDE, "-I", TARGET,
             "-MD", "-MF", listing, "-include", header, "-x", "c++", os.devnull])
        return name, STRANGERS.search(listing.read_text())

    def test_each_compiles_alone_and_brings_no_other_library(self):
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for name, stranger in pool.map(self.compile, headers()):
                self.assertIsNone(stranger, name)


if __name__ == "__main__":
    unittest.main()

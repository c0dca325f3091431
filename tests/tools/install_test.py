#!/usr/bin/env python3
"""usage: install_test.py CMAKE BUILD_FOLDER COMPILER

Installs the build into a folder of its own and uses it there: the program starts without help from
the environment, finds its parts, and each public header compiles by itself.
"""
import os
import subprocess
import sys
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CMAKE, BUILD, COMPILER = sys.argv[1:4]
PIXELS = bytes(range(12))


class InstallTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR"))
        cls.prefix = Path(cls.folder.name) / "prefix"
        cls.run_it([CMAKE, "--install", BUILD, "--prefix", str(cls.prefix)])

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @staticmethod
    def run_it(command, **options):
        result = subprocess.run(command, text=True, capture_output=True, **options)
        if result.returncode != 0:
            raise AssertionError(f"{' '.join(command)}\n{result.stdout}{result.stderr}")
        return result.stdout

    def crema(self, *arguments):
        clean = {k: v for k, v in os.environ.items() if k not in ("LD_LIBRARY_PATH", "LD_PRELOAD")}
        return self.run_it([str(self.prefix / "bin" / "crema"), *arguments],
                           env=clean, cwd=self.folder.name)

    def test_the_program_starts(self):
        self.assertIn("Convolution", self.crema("help"))

    def test_the_program_starts_where_the_prefix_is_moved(self):
        moved = self.prefix.with_name("moved")
        self.prefix.rename(moved)
        try:
            self.run_it([str(moved / "bin" / "crema"), "help"])
        finally:
            moved.rename(self.prefix)

    def test_image_files_are_read(self):
        images = Path(self.folder.name) / "images"
        (images / "class").mkdir(parents=True)
        (images / "class" / "a.ppm").write_bytes(b"P6 2 2 255\n" + PIXELS)
        self.crema("convert", "folder", "images", "images_lmdb")

    def test_each_header_compiles_by_itself(self):
        include = self.prefix / "include"
        headers = sorted((include / "crema").rglob("*.h"))
        self.assertGreater(len(headers), 20)
        targets = include / "crema" / "targets"
        headers = [h for h in headers if targets / "cuda" not in h.parents]
        command = [COMPILER, "-std=c++17", "-fsyntax-only", "-I", str(include),
                   "-I", str(targets / "cpu"), "-include"]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda h: self.run_it([*command, str(h), "-x", "c++", os.devnull]),
                          headers))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[4:])

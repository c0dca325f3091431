#!/usr/bin/env python3
"""A program of somebody else's finds the installed library by CMake and by pkg-config."""
import subprocess
import unittest
from pathlib import Path

from tree import (CLEAN, CMAKE, COMPILER, CXX_FLAGS, GENERATOR, LIBDIR, PREFIX, TreeTest, crema,
                  link_tree, needs, run)

CONSUMER = Path(__file__).parent / "consumer"


class ConsumerTest(TreeTest):
    def configure(self, prefix, version):
        return [CMAKE, "-G", GENERATOR, "-S", CONSUMER, "-B", self.folder / "build",
                f"-DCMAKE_PREFIX_PATH={prefix}", f"-DWANTED_VERSION={version}",
                f"-DCMAKE_CXX_COMPILER={COMPILER}", f"-DCMAKE_CXX_FLAGS={' '.join(CXX_FLAGS)}"]

    def version(self):
        return crema("--version").split()[1]

    def build_and_run(self, prefix):
        run(self.configure(prefix, self.version()))
        run([CMAKE, "--build", self.folder / "build"])
        self.assertIn("Convolution\n", run([self.folder / "build" / "consumer"]))

    def test_finds_it_by_cmake(self):
        self.build_and_run(PREFIX)

    def test_finds_it_by_cmake_where_the_tree_is_moved(self):
        moved = link_tree(self.folder / "moved")
        self.build_and_run(moved)
        self.assertIn(str(moved), run(["ldd", self.folder / "build" / "consumer"]))

    def test_another_version_is_refused(self):
        command = [str(word) for word in self.configure(PREFIX, "99.0")]
        result = subprocess.run(command, env=CLEAN, text=True, capture_output=True)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn(f"version: {self.version()}", result.stderr)

    def test_the_configuration_needs_no_other_library(self):
        for file in (PREFIX / LIBDIR / "cmake" / "crema").iterdir():
            if file.name == "cremaPlugin.cmake":  # which looks for them when a plug-in is made
                continue
            text = file.read_text()
            for word in ("/usr/", "find_dependency", "OpenMP::"):
                self.assertNotIn(word, text, file)

    @needs("pkg-config")
    def test_finds_it_by_pkg_config(self):
        libraries = PREFIX / LIBDIR
        environment = {**CLEAN, "PKG_CONFIG_PATH": str(libraries / "pkgconfig")}

        def ask(option):
            return run(["pkg-config", option, "crema"], env=environment).split()

        self.assertEqual(ask("--modversion"), [self.version()])
        program = self.folder / "consumer"
        run([COMPILER, "-std=c++17", *CXX_FLAGS, *ask("--cflags"), CONSUMER / "consumer.cpp",
             "-o", program, *ask("--libs")])
        output = run([program], env={**CLEAN, "LD_LIBRARY_PATH": str(libraries)})
        self.assertIn("Convolution\n", output)


if __name__ == "__main__":
    unittest.main()

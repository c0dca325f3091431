#!/usr/bin/env python3
"""cpack makes a .tar.gz and a .deb: complete, with dependencies, and the program runs from both."""
import subprocess
import tarfile
import unittest
from pathlib import Path

from tree import BUILD, CLEAN, CMAKE, HAS_V3, PREFIX, TreeTest, crema, needs, run

CPACK = Path(CMAKE).with_name("cpack")
CONFIG = BUILD / "CPackConfig.cmake"


def names_below(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


class PackageTest(TreeTest):
    def pack(self, kind, *options):
        """The folder for packages is that of the test; so is the one for intermediate files."""
        return [str(word) for word in (CPACK, "-G", kind, "--config", CONFIG, "-B", self.folder,
                                       *options)]

    def expect_all(self, root):
        packed = names_below(root)
        self.assertEqual(names_below(PREFIX) - packed, set())
        self.assertEqual(packed - names_below(PREFIX), set())
        self.assertIn("Convolution", crema("help", prefix=root))
        if HAS_V3:
            self.assertTrue(any("glibc-hwcaps/x86-64-v3/libcrema.so" in name for name in packed))

    def test_tar(self):
        run(self.pack("TGZ"))
        archive, = self.folder.glob("*.tar.gz")
        with tarfile.open(archive) as tar:
            tar.extractall(self.folder / "here")
        root, = (self.folder / "here").iterdir()
        self.assertEqual(root.name, archive.name[:-len(".tar.gz")])
        self.expect_all(root)

    @needs("dpkg-shlibdeps")
    @needs("file")
    def test_deb(self):
        run(self.pack("DEB"))
        package, = self.folder.glob("*.deb")
        run(["dpkg-deb", "--extract", package, self.folder / "here"])
        self.expect_all(self.folder / "here" / "usr")
        control = run(["dpkg-deb", "--field", package])
        fields = dict(line.split(": ", 1) for line in control.splitlines() if line[:1].strip())
        self.assertEqual(fields["Package"], "crema")
        self.assertEqual(fields["Section"], "science")
        self.assertRegex(fields["Maintainer"], r"^.+ <.+@.+>$")
        depends = fields["Depends"]
        for library in ("libc6", "libopenblas0", "libprotobuf", "libopencv-imgcodecs", "libhdf5"):
            self.assertIn(library, depends)
        self.assertNotIn("crema", depends)

    def test_a_deb_without_the_tool_that_finds_dependencies_is_refused(self):
        hidden = ["-D", f"CMAKE_FIND_ROOT_PATH={self.folder}",
                  "-D", "CMAKE_FIND_ROOT_PATH_MODE_PROGRAM=ONLY"]
        result = subprocess.run(self.pack("DEB", *hidden), env=CLEAN, text=True,
                                capture_output=True)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("dpkg-shlibdeps was not found", result.stdout + result.stderr)
        self.assertEqual(list(self.folder.glob("*.deb")), [])


if __name__ == "__main__":
    unittest.main()

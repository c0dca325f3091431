#!/usr/bin/env python3
"""The installed program starts without help from the environment, wherever the tree lies, finds its
parts, and nothing in the tree remembers where it was built."""
import os
import re
import subprocess
import unittest

from tree import BUILD, HAS_V3, LIBDIR, PREFIX, SOURCE, TreeTest, crema, link_tree, needs, run

PIXELS = bytes(range(12))


def is_elf(file):
    with file.open("rb") as opened:
        return opened.read(4) == b"\x7fELF"


def files():
    return [file for file in sorted(PREFIX.rglob("*")) if file.is_file() and not file.is_symlink()]


class ProgramTest(TreeTest):
    def test_the_program_starts(self):
        self.assertIn("Convolution", crema("help"))

    def test_the_program_starts_where_the_tree_is_moved(self):
        moved = link_tree(self.folder / "moved")
        self.assertIn("Convolution", crema("help", prefix=moved))

    def test_the_program_starts_through_a_link(self):
        (self.folder / "crema").symlink_to(PREFIX / "bin" / "crema")
        self.assertIn("Convolution", run([self.folder / "crema", "help"]))

    def test_image_files_are_read(self):
        images = self.folder / "images"
        (images / "class").mkdir(parents=True)
        (images / "class" / "a.ppm").write_bytes(b"P6 2 2 255\n" + PIXELS)
        crema("convert", "folder", "images", "images_lmdb", cwd=self.folder)

    def test_the_version_is_that_of_the_project(self):
        project = (SOURCE / "CMakeLists.txt").read_text()
        version = re.search(r"project\(crema\s+VERSION\s+([0-9.]+)", project).group(1)
        self.assertEqual(crema("--version").splitlines()[0], f"crema {version}")

    def test_a_net_of_the_tree_compiles(self):
        # Its data set is not there, so that its layers get random data.
        net = PREFIX / "share" / "crema" / "models" / "lenet" / "train_val.prototxt"
        self.assertIn("ip2", crema("show", f"--model={net}", "--dummy-data=4x1x28x28"))

    def test_the_scripts_that_make_data_sets_can_run(self):
        # They fail here, without what they convert, but name it.
        script = PREFIX / "share" / "crema" / "data" / "mnist" / "create_mnist.sh"
        result = subprocess.run([script, self.folder / "out"], capture_output=True, text=True,
                                env={**os.environ, "CREMA": str(PREFIX / "bin" / "crema")},
                                check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("get_mnist.sh", result.stderr)

    @needs("readelf")
    def test_libraries_are_not_looked_for_in_the_build_or_in_folders_of_the_system(self):
        programs = [file for file in files() if is_elf(file)]
        self.assertGreaterEqual(len(programs), 3)
        for program in programs:
            paths = re.search(r"(?:RUNPATH|RPATH).*\[(.*)\]", run(["readelf", "-d", program]))
            for path in paths.group(1).split(":") if paths else []:
                self.assertFalse(path.startswith((str(BUILD), "/usr/lib", "/lib")),
                                 f"{program}: {path}")

    def test_texts_name_no_folder_of_the_build(self):
        for file in files():
            if is_elf(file):
                continue
            for folder in (BUILD, SOURCE):
                # Not as the end of another path.
                pattern = rb"(?<![\w.})/])" + re.escape(bytes(folder))
                self.assertIsNone(re.search(pattern, file.read_bytes()), f"{file}: {folder}")

    @unittest.skipUnless(HAS_V3, "this build has no library for x86-64-v3")
    def test_the_library_for_newer_processors_lies_where_the_loader_looks(self):
        folder = PREFIX / LIBDIR / "glibc-hwcaps" / "x86-64-v3"
        self.assertEqual([file.name for file in folder.iterdir()],
                         [(PREFIX / LIBDIR / "libcrema.so").resolve().name])


if __name__ == "__main__":
    unittest.main()

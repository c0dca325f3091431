#!/usr/bin/env python3
"""docs/examples/plugin, built as a user builds it: its layers train, are explained, fuse, and have
right gradients. What is no plug-in for this crema is refused in one sentence."""
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from tree import BUILD, CLEAN, CMAKE, COMPILER, CXX_FLAGS, GENERATOR, LIBDIR, PREFIX, SOURCE, run

CREMA = PREFIX / "bin" / "crema"
REFUSED = Path(__file__).parent / "plugins"


def build(source, to, flags):
    run([CMAKE, "-G", GENERATOR, "-S", source, "-B", to, f"-DCMAKE_PREFIX_PATH={PREFIX}",
         f"-DCMAKE_CXX_COMPILER={COMPILER}", f"-DCMAKE_CXX_FLAGS={' '.join([*flags, *CXX_FLAGS])}"])
    run([CMAKE, "--build", to])


class PluginTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for program in (CMAKE, COMPILER):
            if shutil.which(program) is None:
                raise unittest.SkipTest(f"{program} is not there")
        folder = tempfile.TemporaryDirectory(dir=BUILD, prefix="install_test_")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        # A copy: the example must not depend on where it lies.
        source = shutil.copytree(SOURCE / "docs" / "examples" / "plugin", cls.folder / "example")
        build(source, cls.folder / "built", ["-Wall", "-Wextra", "-Werror"])
        build(REFUSED, cls.folder / "refused", [])
        cls.example = cls.folder / "built" / "example.so"

    def crema(self, *words, **variables):
        return subprocess.run([CREMA, *words], cwd=self.folder / "example", text=True,
                              env={**CLEAN, **variables}, capture_output=True)

    def succeeds(self, *words, **variables):
        result = self.crema(*words, **variables)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def refusal(self, *plugins):
        """The sentence by which `show` refuses to load the last plug-in, without its path."""
        words = [f"--plugins={','.join(str(plugin) for plugin in plugins)}"]
        result = self.crema("show", "--model=net.prototxt", "--minloglevel=1", *words)
        self.assertEqual((result.returncode, result.stdout), (1, ""), result.stderr)
        sentence = result.stderr.strip()
        self.assertEqual(len(sentence.splitlines()), 1, sentence)
        self.assertIn(f"{plugins[-1]}: ", sentence)
        return sentence.split(f"{plugins[-1]}: ", 1)[1]

    def test_a_net_of_its_layers_learns_goes_on_and_is_tested(self):
        plugins = f"--plugins={self.example}"
        log = self.succeeds("train", "--solver=solver.prototxt", plugins).stderr
        losses = [float(loss) for loss in re.findall(r"Iteration \d+.*, loss = ([0-9.e+-]+)", log)]
        self.assertGreater(len(losses), 4, log)
        self.assertLess(losses[-1], losses[0] / 2)
        for name in ("example_iter_100.caffemodel", "example_iter_100.solverstate"):
            self.assertTrue((self.folder / "example" / name).is_file(), name)
        self.succeeds("train", "--solver=solver.prototxt", "--snapshot=example_iter_50.solverstate",
                      plugins)
        # The variable does the same as the flag.
        tested = self.succeeds("test", "--model=net.prototxt", "--iterations=2",
                               "--weights=example_iter_100.caffemodel",
                               CREMA_PLUGINS=str(self.example))
        self.assertRegex(tested.stdout, r"loss = [0-9.]+")
        self.succeeds("time", "--model=net.prototxt", "--iterations=1", plugins)

    def test_help_explains_them(self):
        plugins = f"--plugins={self.example}"
        layers = self.succeeds("help", plugins).stdout
        for line in (r"  Shrink +y = x - lambda", r"  Rectifier +y = max\(x, 0\)", r"  Huber +\w+"):
            self.assertRegex(layers, line)
        page = self.succeeds("help", "Shrink", plugins).stdout
        for part in ("y = x - lambda where x > lambda", "shrink_param", "lambda  (float)",
                     "Default: 0.5", "1 bottom", "May run in place"):
            self.assertIn(part, page)
        self.assertIn("Shrink", self.succeeds("help", "lambda", plugins).stdout)
        self.assertIn("Huber", self.succeeds("help", "layers", plugins).stdout)
        self.assertEqual(self.crema("help", "Shrink").returncode, 1)

    def test_a_layer_that_says_what_it_computes_fuses(self):
        shown = self.succeeds("show", "--model=net.prototxt", "--engines",
                              f"--plugins={self.example}").stdout
        self.assertIn("does 'rectifier' too", shown)
        self.assertIn("done by 'norm'", shown)

    def test_gradients_are_right(self):
        output = run([self.folder / "built" / "check_gradients", self.example])
        self.assertEqual(output, "The gradients are right.\n")

    def test_texts_may_name_the_package_of_an_option(self):
        net = (self.folder / "example" / "net.prototxt").read_text()
        brackets = self.folder / "example" / "brackets.prototxt"
        brackets.write_text(net.replace("shrink_param", "[example.shrink_param]"))
        wrong = self.folder / "example" / "wrong.prototxt"
        wrong.write_text(net.replace("lambda: 0.25", "lamda: 0.25"))
        plugins = f"--plugins={self.example}"
        self.succeeds("show", f"--model={brackets}", plugins)
        line = net[:net.index("lambda: 0.25")].count("\n") + 1
        error = self.crema("show", f"--model={wrong}", plugins).stderr
        self.assertIn(f"wrong.prototxt:{line}: layer \"shrink\": shrink_param has no field "
                      "\"lamda\"; did you mean \"lambda\"?", error)
        wrong.write_text(net.replace("lambda: 0.25", "lambda: -1"))
        error = self.crema("show", f"--model={wrong}", plugins).stderr
        self.assertIn("layer 'shrink' (Shrink): lambda is -1, but must not be negative", error)
        self.assertIn("has no field \"shrink_param\"",
                      self.crema("show", "--model=net.prototxt").stderr)

    def test_one_that_is_loaded_already_is_left_out(self):
        link = self.folder / "link.so"
        link.symlink_to(self.example)
        self.succeeds("show", "--model=net.prototxt", f"--plugins={self.example},{link}",
                      CREMA_PLUGINS=str(self.example))
        copy = self.folder / "copy.so"
        shutil.copy(self.example, copy)
        self.assertIn("the plug-in 'example' has been loaded already",
                      self.refusal(self.example, copy))

    def test_what_is_no_plugin_is_refused(self):
        self.assertIn("cannot be opened: No such file", self.refusal("absent.so"))
        self.assertIn("is not a shared library", self.refusal("net.prototxt"))
        library = next((PREFIX / LIBDIR).glob("libcrema.so*"))
        self.assertIn("but not a plug-in of crema", self.refusal(library))
        self.assertIn("undefined symbol: function_that_nobody_has",
                      self.refusal(self.folder / "refused" / "lacks_symbol.so"))
        self.assertIn("has no layers", self.refusal(self.folder / "refused" / "empty.so"))

    def test_what_is_built_in_a_wrong_way_is_told(self):
        source = self.folder / "misplaced"
        source.mkdir()
        (source / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.22)\nproject(misplaced CXX)\n"
            "find_package(crema REQUIRED)\ncrema_add_plugin(mine mine.cpp mine.proto)\n")
        result = subprocess.run(
            [CMAKE, "-G", GENERATOR, "-S", source, "-B", source / "built",
             f"-DCMAKE_PREFIX_PATH={PREFIX}", f"-DCMAKE_CXX_COMPILER={COMPILER}"],
            text=True, env=CLEAN, capture_output=True)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("crema_add_plugin(mine): mine.proto is among the sources; put it behind "
                      "PROTOS", " ".join(result.stderr.split()))
        by_hand = subprocess.run(
            [COMPILER, "-std=c++17", "-fsyntax-only", "-I", PREFIX / "include",
             '-DPLUGIN_NAME="by_hand"', REFUSED / "empty.cpp"],
            text=True, env=CLEAN, capture_output=True)
        self.assertNotEqual(by_hand.returncode, 0)
        self.assertIn("build this file with crema_add_plugin", by_hand.stderr)

    def test_a_damaged_one_is_refused(self):
        bytes_ = self.example.read_bytes()
        damaged = self.folder / "damaged.so"
        damaged.write_bytes(bytes_[:64] + bytes(56) + bytes_[120:])  # without its first segment
        self.assertIn("is damaged or incomplete (", self.refusal(damaged))
        damaged.write_bytes(bytes_[:len(bytes_) * 3 // 4])
        self.assertIn("is damaged or incomplete (", self.refusal(damaged))
        damaged.write_bytes(bytes_[:18] + b"\xf3\0" + bytes_[20:])
        self.assertIn("is for another kind of processor (RISC-V)", self.refusal(damaged))

    def test_another_version_is_refused(self):
        package = PREFIX / LIBDIR / "cmake" / "crema" / "cremaPluginInterface.cmake"
        interface = re.search(r"crema_PLUGIN_INTERFACE (\S+)\)", package.read_text())[1].encode()
        bytes_ = self.example.read_bytes()
        self.assertIn(interface, bytes_)
        other = b"9.9" + interface[3:]
        old = self.folder / "old.so"
        old.write_bytes(bytes_.replace(interface, other))
        self.assertEqual(self.refusal(old), f"is a plug-in for crema {other.decode()}, but this is "
                         f"crema {interface.decode()}; build it again with this crema")

    def test_what_exists_already_is_refused(self):
        exists = self.folder / "refused" / "type_exists.so"
        self.assertIn("the layer type 'ReLU' is registered twice for the ", self.refusal(exists))
        taken = self.folder / "refused" / "number_taken.so"
        self.assertEqual(self.refusal(self.example, taken),
                         "its field other_param has the number 50001, which example.shrink_param of "
                         "example.proto has, too; choose another number")


if __name__ == "__main__":
    unittest.main()

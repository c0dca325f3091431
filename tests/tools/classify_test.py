#!/usr/bin/env python3
"""usage: classify_test.py CMAKE BUILD_FOLDER COMPILER [COMPILER_FLAG]...

Builds docs/examples/classify as a user does, against an installed tree, and classifies a picture by
a net whose answer is known. CREMA_PREFIX, if set, is a tree that is installed already.
"""
import math
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "attack"))
from wire import field, varint  # noqa: E402

CMAKE, BUILD, COMPILER, *FLAGS = sys.argv[1:]

NET = """
name: "colours"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 10 dim: 3 dim: 2 dim: 2 } } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 6 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""
# Weights for the mean of a channel (blue, green, red), and a bias.
CLASSES = {
    "blue": ((0.01, 0, 0), 0), "green": ((0, 0.01, 0), 0), "red": ((0, 0, 0.01), 0),
    "dark": ((-0.01, -0.01, -0.01), 0), "bright": ((0.01, 0.01, 0.01), 0), "grey": ((0, 0, 0), 0.1),
}
MEAN = (104, 117, 123)  # that of the program


def blob(dims, values):
    shape = field(1, b"".join(varint(dim) for dim in dims))
    return field(7, shape) + field(5, struct.pack(f"<{len(values)}f", *values))


def caffemodel():
    weights = [factor / 4 for factors, _ in CLASSES.values() for factor in factors
               for _ in range(4)]
    biases = [bias for _, bias in CLASSES.values()]
    layer = (field(1, "fc") + field(2, "InnerProduct") + field(7, blob([6, 12], weights)) +
             field(7, blob([6], biases)))
    return field(1, "colours") + field(100, layer)


def probabilities(red, green, blue):
    pixel = [value - mean for value, mean in zip((blue, green, red), MEAN)]
    scores = {name: sum(f * p for f, p in zip(factors, pixel)) + bias
              for name, (factors, bias) in CLASSES.items()}
    total = sum(math.exp(score) for score in scores.values())
    return {name: math.exp(score) / total for name, score in scores.items()}


def run(command, **options):
    command = [str(word) for word in command]
    clean = {k: v for k, v in os.environ.items() if k not in ("LD_LIBRARY_PATH", "LD_PRELOAD")}
    return subprocess.run(command, text=True, capture_output=True, env=clean, **options)


def check(result):
    if result.returncode != 0:
        raise AssertionError(f"{' '.join(result.args)}\n{result.stdout}{result.stderr}")
    return result.stdout


class ClassifyTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for program in (CMAKE, COMPILER):
            if shutil.which(program) is None:
                raise unittest.SkipTest(f"{program} is missing")
        cls.temporary = tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR"))
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.folder = Path(cls.temporary.name)
        prefix = Path(os.environ.get("CREMA_PREFIX", cls.folder / "prefix"))
        if "CREMA_PREFIX" not in os.environ:
            check(run([CMAKE, "--install", BUILD, "--prefix", prefix]))
        if not list(prefix.rglob("cremaConfig.cmake")):
            raise unittest.SkipTest(f"{prefix} holds no cremaConfig.cmake for find_package")
        cls.build(prefix)
        (cls.folder / "deploy.prototxt").write_text(NET)
        (cls.folder / "net.caffemodel").write_bytes(caffemodel())
        (cls.folder / "labels.txt").write_text("".join(f"{name}\n" for name in CLASSES))

    @classmethod
    def build(cls, prefix):
        # A copy: the example must not depend on where it lies.
        source = shutil.copytree(ROOT / "docs" / "examples" / "classify", cls.folder / "classify")
        check(run([CMAKE, "-S", source, "-B", cls.folder / "build", f"-DCMAKE_PREFIX_PATH={prefix}",
                   f"-DCMAKE_CXX_COMPILER={COMPILER}",
                   f"-DCMAKE_CXX_FLAGS={' '.join(['-Wall -Wextra -Werror', *FLAGS])}"]))
        check(run([CMAKE, "--build", cls.folder / "build"]))

    def classify(self, *files):
        return run([self.folder / "build" / "classify", *files], cwd=self.folder)

    def picture(self, red, green, blue):
        pixels = bytes((red, green, blue)) * 24
        (self.folder / "picture.ppm").write_bytes(b"P6 6 4 255\n" + pixels)
        return "picture.ppm"

    def test_the_five_best_labels_are_printed_in_order(self):
        for colour in ((255, 0, 0), (0, 40, 255), (90, 255, 0), (250, 250, 250)):
            result = self.classify("deploy.prototxt", "net.caffemodel", "labels.txt",
                                   self.picture(*colour))
            printed = [line.split("  ") for line in check(result).splitlines()]
            expected = sorted(probabilities(*colour).items(), key=lambda item: -item[1])[:5]
            self.assertEqual([label for _, label in printed], [label for label, _ in expected])
            for (number, label), (_, value) in zip(printed, expected):
                self.assertAlmostEqual(float(number), value, delta=1.1e-4, msg=label)
            self.assertEqual(result.stderr, "")

    def test_an_error_is_one_line(self):
        result = self.classify("deploy.prototxt", "none.caffemodel", "labels.txt",
                               self.picture(1, 2, 3))
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertIn("none.caffemodel", result.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])

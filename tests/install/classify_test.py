#!/usr/bin/env python3
"""docs/examples/classify, built as a user builds it: it classifies pictures by a net whose answer is
known."""
import math
import shutil
import struct
import subprocess
import sys
import unittest

from tree import CLEAN, CMAKE, COMPILER, CXX_FLAGS, GENERATOR, PREFIX, SOURCE, TreeTest, run

sys.path.insert(0, str(SOURCE / "tests" / "attack"))
from wire import field, varint  # noqa: E402

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


class ClassifyTest(TreeTest):
    def setUp(self):
        super().setUp()
        for program in (CMAKE, COMPILER):
            if shutil.which(program) is None:
                self.skipTest(f"{program} is not there")
        # A copy: the example must not depend on where it lies.
        source = shutil.copytree(SOURCE / "docs" / "examples" / "classify", self.folder / "classify")
        flags = " ".join(["-Wall -Wextra -Werror", *CXX_FLAGS])
        run([CMAKE, "-G", GENERATOR, "-S", source, "-B", self.folder / "build",
             f"-DCMAKE_PREFIX_PATH={PREFIX}", f"-DCMAKE_CXX_COMPILER={COMPILER}",
             f"-DCMAKE_CXX_FLAGS={flags}"])
        run([CMAKE, "--build", self.folder / "build"])
        (self.folder / "deploy.prototxt").write_text(NET)
        (self.folder / "net.caffemodel").write_bytes(caffemodel())
        (self.folder / "labels.txt").write_text("".join(f"{name}\n" for name in CLASSES))

    def classify(self, *files):
        return subprocess.run([self.folder / "build" / "classify", *files], cwd=self.folder,
                              env=CLEAN, text=True, capture_output=True)

    def picture(self, red, green, blue):
        pixels = bytes((red, green, blue)) * 24
        (self.folder / "picture.ppm").write_bytes(b"P6 6 4 255\n" + pixels)
        return "picture.ppm"

    def check_answer(self, colour):
        result = self.classify("deploy.prototxt", "net.caffemodel", "labels.txt",
                               self.picture(*colour))
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        printed = [line.split("  ") for line in result.stdout.splitlines()]
        expected = sorted(probabilities(*colour).items(), key=lambda item: -item[1])[:5]
        self.assertEqual([label for _, label in printed], [label for label, _ in expected])
        for (number, label), (_, value) in zip(printed, expected):
            self.assertAlmostEqual(float(number), value, delta=1.1e-4, msg=label)

    def test_it_prints_the_five_best_labels_or_an_error(self):
        for colour in ((255, 0, 0), (0, 40, 255), (90, 255, 0), (250, 250, 250)):
            with self.subTest(colour=colour):
                self.check_answer(colour)
        # An error is one line.
        result = self.classify("deploy.prototxt", "none.caffemodel", "labels.txt", "picture.ppm")
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertIn("none.caffemodel", result.stderr)
        # So is a list of labels that is not the net's, or is not there.
        (self.folder / "few.txt").write_text(f"{next(iter(CLASSES))}\n")
        for labels, problem in (("few.txt", f"has 1 labels for {len(CLASSES)}"),
                                ("none.txt", "has no labels")):
            result = self.classify("deploy.prototxt", "net.caffemodel", labels, "picture.ppm")
            self.assertEqual((result.returncode, result.stdout), (1, ""))
            self.assertIn(f"{labels}: {problem}", result.stderr)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""usage: docs_test.py CREMA SOURCE_FOLDER

Reads the documentation as its readers do: links lead somewhere, commands and their flags exist, the
README leads to each page, and pages that say that they can be pasted into a terminal can.
"""
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib
from functools import lru_cache
from pathlib import Path

CREMA, SOURCE = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
PAGES = sorted([*SOURCE.glob("*.md"),
                *(page for folder in ("docs", "models", "data", "tools", "tests")
                  for page in (SOURCE / folder).rglob("*.md"))])
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


def run_crema(*words):
    return subprocess.run([CREMA, *words], text=True, capture_output=True)


# --- links ---------------------------------------------------------------------------------------


def without_code(text):
    return re.sub(r"`[^`\n]*`", "", BLOCK.sub("", text))


def links(page):
    """The files and headings that a page leads to, as written."""
    found = re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text()))
    return [link for link in found if not re.match(r"[a-z]+:", link)]


@lru_cache(None)
def anchors(page):
    """The names of a page's headings in links to them, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", BLOCK.sub("", page.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


class LinksTest(unittest.TestCase):
    def test_links_lead_to_files_and_headings(self):
        for page in PAGES:
            for link in links(page):
                with self.subTest(page=str(page.relative_to(SOURCE)), link=link):
                    name, _, anchor = link.partition("#")
                    target = (page.parent / name).resolve() if name else page
                    self.assertTrue(target.exists(), "leads to nothing")
                    if anchor:
                        self.assertIn(anchor, anchors(target))

    def test_the_readme_leads_to_each_page(self):
        readme = SOURCE / "README.md"
        linked = {(SOURCE / link.partition("#")[0]).resolve() for link in links(readme)}
        missing = [page.name for page in (SOURCE / "docs").glob("*.md") if page not in linked]
        self.assertEqual(missing, [])

    def test_the_readme_names_each_solver(self):
        solvers = (SOURCE / "docs/solvers.md").read_text()
        rules = re.findall(r"^\| `(\w+)` \| [^|]*w = w", solvers, re.M)
        self.assertGreater(len(rules), 6)
        line = re.search(r"\*\*Solvers\*\*.*", (SOURCE / "README.md").read_text()).group()
        self.assertEqual([rule for rule in rules if rule not in re.findall(r"\w+", line)], [])


# --- commands ------------------------------------------------------------------------------------


def commands(page):
    """The words behind "crema" in blocks for the shell and in code between backticks."""
    text = page.read_text()
    blocks = [body for language, body in BLOCK.findall(text) if language == "sh"]
    spans = re.findall(r"`([^`\n]+)`", BLOCK.sub("", text))
    for code in [*blocks, *spans]:
        code = code.replace("\\\n", " ").replace("\\|", "|")
        for line in code.split("\n"):
            for command in re.findall(r"(?:^|[\s/(])crema +([a-z][^|#;&)]*)", line):
                yield command.split()


@lru_cache(None)
def help_text(*names):
    """What `crema help NAMES` prints; None if it cannot explain them."""
    result = run_crema("help", *names)
    return result.stdout if result.returncode == 0 else None


class CommandsTest(unittest.TestCase):
    # Flags of glog and gflags, which every command takes.
    COMMON = {"help", "minloglevel", "log_dir", "flagfile", "fromenv", "undefok"}

    def check(self, words):
        command, rest = words[0], words[1:]
        if command == "help":
            names = [name for name in rest if name != "NAME" and not name.startswith("--")]
            self.assertTrue(not names or help_text(*names), f"there is no help on {names}")
            return
        text = help_text(command)
        self.assertIsNotNone(text, f"there is no command '{command}'")
        known = self.COMMON | set(re.findall(r"^  --(\w+)", text, re.M))
        for word in rest:
            flag = re.match(r"--?([a-z][\w-]*)", word)
            if flag and text.startswith("usage: "):
                self.assertIn(flag[1].replace("-", "_"), known, f"crema {command} has no such flag")

    def test_commands_and_flags_exist(self):
        checked = 0
        for page in PAGES:
            for words in commands(page):
                checked += 1
                with self.subTest(page=str(page.relative_to(SOURCE)), command=" ".join(words)):
                    self.check(words)
        self.assertGreater(checked, 60)


# --- pages that can be pasted --------------------------------------------------------------------

# Numbers of iterations and sizes of batches, for which a test has no time.
FEWER = {r"(?<!\d)800(?!\d)": "40", r"(?<!\d)400(?!\d)": "20", r"(?<!\d)300(?!\d)": "2",
         "batch_size: 16": "batch_size: 2"}

# Weights of the shapes that the published ones have.
PUBLISHED = r"""
sed -e 's#examples/imagenet/ilsvrc12_[a-z]*_lmdb#train256_lmdb#' \
    -e 's/batch_size: [0-9]*/batch_size: 1/' \
    "$CREMA/models/squeezenet_v1.1/train_val.prototxt" > published.prototxt
cat > published_solver.prototxt <<'END'
net: "published.prototxt" base_lr: 0 lr_policy: "fixed" max_iter: 1 snapshot_prefix: "published"
END
crema train --solver=published_solver.prototxt
mv published_iter_1.caffemodel squeezenet_v1.1.caffemodel
"""


def script(page):
    """The page's files and commands, as a reader would paste them."""
    lines = []
    for language, body in BLOCK.findall(page.read_text()):
        for pattern, fewer in FEWER.items():
            body = re.sub(pattern, fewer, body)
        name = re.match(r"# ([\w.]+\.prototxt)\n", body)
        if language == "" and name:
            lines.append(f"cat > {name[1]} <<'END_OF_FILE'\n{body}END_OF_FILE\n")
        if language != "sh" or (body.startswith("h5dump") and not shutil.which("h5dump")):
            continue
        if "--weights=squeezenet" in body:
            lines.append(PUBLISHED)
        lines.append(body)
    return lines


def write_png(path, size, colour, noise):
    """A square of one colour, more or less."""
    rows = b"".join(b"\0" + bytes(min(255, max(0, c + noise.randint(-40, 40)))
                                  for _ in range(size) for c in colour) for _ in range(size))

    def chunk(kind, data):
        return (struct.pack(">I", len(data)) + kind + data +
                struct.pack(">I", zlib.crc32(kind + data)))

    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) +
                     chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b""))


class PastedPagesTest(unittest.TestCase):
    COLOURS = {"cat": (170, 90, 60), "dog": (60, 90, 170)}

    @classmethod
    def setUpClass(cls):
        cls.made = tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR"))
        cls.folder = Path(cls.made.name)
        noise = random.Random(1)
        for kind, colour in cls.COLOURS.items():
            (cls.folder / "pictures" / kind).mkdir(parents=True)
            for i in range(20):
                write_png(cls.folder / "pictures" / kind / f"{i}.png", 20 + i, colour, noise)
        (cls.folder / "new").mkdir()
        for name, kind in (("a cat.png", "cat"), ("dog.png", "dog"), ("other.png", "dog")):
            write_png(cls.folder / "new" / name, 30, cls.COLOURS[kind], noise)

    @classmethod
    def tearDownClass(cls):
        cls.made.cleanup()

    def read(self, name):
        return (self.folder / name).read_text()

    def run_script(self, pieces):
        text = "\n".join(["set -exuo pipefail", *pieces])
        result = subprocess.run(["bash", "-c", text], cwd=self.folder, text=True,
                                capture_output=True)
        self.assertEqual(result.returncode, 0, result.stderr[-5000:] + result.stdout[-2000:])
        return result.stdout

    def test_own_data_and_several_test_nets(self):
        paths, *rest = script(SOURCE / "docs" / "your_own_data.md")
        # The program under test, not one that has been built elsewhere.
        begin = [f"cd {SOURCE}", paths, f"export PATH={CREMA.parent}:$PATH", f"cd {self.folder}"]
        printed = self.run_script(begin + rest)
        self.assertRegex(printed, r"(?m)^accuracy = ")
        self.assertEqual(len(self.read("test.txt").splitlines()), 8)
        answers = self.read("answers.txt").splitlines()
        self.assertEqual(len(answers), 3)
        for answer, name in zip(answers, ("a cat", "dog", "other")):
            picture, *probabilities = answer.rsplit(" ", 2)
            self.assertEqual(picture, f"new/{name}.png")
            self.assertAlmostEqual(sum(map(float, probabilities)), 1, places=4)
        self.assertTrue((self.folder / "features.h5").exists())
        self.assertNotIn('"conv10"', self.read("tuned.prototxt"))
        self.assertRegex(self.read("tuned.log"), r"not in file +conv10_pets")
        self.assertRegex(self.read("tuned.log"), r"not in net +conv10:")
        self.check_test_nets(begin)

    def check_test_nets(self, begin):
        self.run_script(begin + [block for block in script(SOURCE / "docs" / "training.md")
                                 if "two_" in block])
        for number in (0, 1):
            self.assertIn(f"Testing net (#{number})", self.read("two_tests.log"))
        self.assertTrue((self.folder / "two_tests.png").exists())
        self.assertTrue((self.folder / "two_files_iter_200.caffemodel").exists())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])

#!/usr/bin/env python3
"""The installed man pages: one a command, with its flags, which groff and mandoc read without a
warning."""
import re
import subprocess
import unittest

from tree import CLEAN, PREFIX, TreeTest, crema, needs, run

MAN = PREFIX / "share" / "man" / "man1"


def pages():
    return sorted(MAN.glob("*.1"))


def commands():
    return re.findall(r"^  (\w+) ", crema("--help"), re.MULTILINE)


def warnings(command):
    result = subprocess.run(command, env=CLEAN, text=True, capture_output=True)
    return (result.stdout + result.stderr).splitlines()


class ManualTest(TreeTest):
    def test_each_command_has_a_page(self):
        expected = ["crema"] + [f"crema-{name}" for name in commands() if name != "help"]
        self.assertEqual(sorted(page.stem for page in pages()), sorted(expected))

    def test_pages_are_plain_and_the_same_every_time(self):
        crema("help", f"--man={self.folder}")
        for page in pages():
            text = page.read_bytes()
            self.assertTrue(text.isascii(), page)
            self.assertEqual((self.folder / page.name).read_bytes(), text)
            self.assertIsNone(re.search(rb"\b20\d\d\b", text), f"{page}: a date")

    @needs("groff")
    def test_groff_has_no_warnings(self):
        for page in pages():
            self.assertEqual(warnings(["groff", "-man", "-ww", "-z", str(page)]), [], page)

    @needs("mandoc")
    def test_mandoc_has_no_warnings(self):
        for page in pages():
            for line in warnings(["mandoc", "-T", "lint", "-W", "warning", str(page)]):
                self.assertIn("missing date", line)  # equal programs have equal pages

    @needs("groff")
    def test_pages_show_what_help_says(self):
        for name in commands():
            if name == "help":
                continue
            page = MAN / f"crema-{name}.1"
            shown = run(["groff", "-man", "-rHY=0", "-Tascii", "-P-c", page])
            shown = " ".join(re.sub(".\b", "", shown).split())
            told = crema(name, "--help")
            for flag in re.findall(r"^  --(\w+)", told, re.MULTILINE):
                self.assertRegex(shown, rf" --{flag}[ =]")
            told = told.replace("\noptions:\n", "\n")
            for part in re.split(r"\n+  --\w+|\n\n", told.split("\n\n", 1)[1]):
                self.assertIn(" ".join(part.split()), shown, name)


if __name__ == "__main__":
    unittest.main()

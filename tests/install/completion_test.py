#!/usr/bin/env python3
"""The installed completion offers commands, flags and values in bash, and has all of them for zsh."""
import re
import unittest

from tree import PREFIX, TreeTest, crema, needs, run

BASH_SCRIPT = PREFIX / "share" / "bash-completion" / "completions" / "crema"
ZSH_SCRIPT = PREFIX / "share" / "zsh" / "site-functions" / "_crema"
# The words of a line, of which the last one is to be completed, as bash hands them over.
ASK = r"""
source "$0"
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
"$(complete -p crema | sed 's/.* -F \([^ ]*\) .*/\1/')"
for reply in "${COMPREPLY[@]}"; do echo "$reply"; done
"""


def commands():
    """{name: flags of its help}"""
    names = re.findall(r"^  (\w+) ", crema("--help"), re.MULTILINE)
    return {name: re.findall(r"^  --(\w+)", crema(name, "--help"), re.MULTILINE)
            for name in names if name != "help"}


@needs("bash")
class BashTest(TreeTest):
    def complete(self, *words):
        command = ["bash", "--norc", "-c", ASK, BASH_SCRIPT, "crema", *words]
        return run(command, cwd=self.folder).splitlines()

    def test_commands(self):
        offered = self.complete("")
        for name in [*commands(), "help", "--version"]:
            self.assertIn(name, offered)
        self.assertEqual(self.complete("tr"), ["train"])

    def test_the_flags_of_each_command(self):
        for name, flags in commands().items():
            offered = [word.rstrip("=") for word in self.complete(name, "-")]
            self.assertEqual(offered, [f"--{flag}" for flag in flags] + ["--help"], name)

    def test_flags_that_take_a_value_end_in_an_equals_sign(self):
        self.assertEqual(self.complete("train", "--sol"), ["--solver="])
        self.assertEqual(self.complete("train", "--no_f"), ["--no_fuse"])

    def test_words_that_a_flag_takes(self):
        self.assertEqual(self.complete("time", "--phase", "=", ""), ["TRAIN", "TEST"])
        self.assertEqual(self.complete("time", "--phase", "="), ["TRAIN", "TEST"])
        self.assertEqual(self.complete("time", "--phase", "=", "TE"), ["TEST"])
        self.assertEqual(self.complete("time", "--phase", "TE"), ["TEST"])
        self.assertIn("CAFFE", self.complete("test", "--engine", "=", ""))

    def test_a_flag_in_one_word_if_the_equals_sign_parts_none(self):
        self.assertEqual(self.complete("time", "--phase=TE"), ["--phase=TEST"])

    def test_files_that_a_flag_takes(self):
        for name in ("a net.prototxt", "b.caffemodel", "c.h5", "d.txt"):
            (self.folder / name).touch()
        (self.folder / "nets").mkdir()
        self.assertEqual(self.complete("test", "--model", "=", ""), ["nets", "a net.prototxt"])
        self.assertEqual(self.complete("test", "--weights", "=", ""),
                         ["nets", "b.caffemodel", "c.h5"])
        self.assertEqual(self.complete("train", "--tensorboard", "=", ""), ["nets"])

    def test_other_words(self):
        self.assertEqual(self.complete("help", "Conv"), ["Convolution"])
        self.assertIn("train", self.complete("help", ""))
        self.assertEqual(self.complete("convert", "cifa"), ["cifar10"])
        self.assertEqual(self.complete("convert", "cifar10", ""), [])  # bash offers files
        self.assertIn("--solver=", self.complete("train", ""))


class ZshTest(TreeTest):
    def test_has_all_commands_and_flags(self):
        script = ZSH_SCRIPT.read_text()
        self.assertTrue(script.startswith("#compdef crema\n"))
        for name, flags in commands().items():
            case = re.search(rf"^ +{name}\) _arguments(.*?);;$", script, re.MULTILINE | re.DOTALL)
            self.assertIsNotNone(case, name)
            self.assertEqual(re.findall(r"'--(\w+)", case.group(1)), flags + ["help"], name)

    def patterns(self):
        found = set(re.findall(r'-g "(.*?)"', ZSH_SCRIPT.read_text()))
        self.assertTrue(found)
        return found

    def test_patterns_of_files_end_in_a_condition(self):
        # Without one, zsh takes the brackets around a single ending for it.
        for pattern in self.patterns():
            self.assertRegex(pattern, r"^\*\.\([\w|]+\)\(-\.\)$")

    @needs("zsh")
    def test_zsh_can_read_it_and_finds_the_files(self):
        run(["zsh", "-n", ZSH_SCRIPT])
        for pattern in self.patterns():
            endings = re.match(r"\*\.\((.*?)\)", pattern).group(1).split("|")
            expected = sorted(f"a.{ending}" for ending in endings)
            for name in expected:
                (self.folder / name).touch()
            found = run(["zsh", "-f", "-c", f"print -l {pattern}"], cwd=self.folder)
            self.assertEqual(sorted(found.split()), expected)


if __name__ == "__main__":
    unittest.main()

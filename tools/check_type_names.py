#!/usr/bin/env python3
"""Checks that no two types of one namespace have one name.

Usage: check_type_names.py [REPOSITORY]

Two such types in two files compile, and the linker then takes the functions of either for both.
Types in anonymous namespaces and within other types do not count. Prints one line for each name;
exits with status 1 if there is any.
"""
import collections
import re
import sys
from pathlib import Path

FOLDERS = ("include", "src", "tools", "tests")
SUFFIXES = (".h", ".cpp", ".cu", ".cuh")
COMMENTS_AND_TEXTS = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', re.S)
TOKEN = re.compile(r"""
    \bnamespace\s+(?P<namespace>[\w:]*)\s*\{
  | \b(?:struct|class|enum\s+class|enum)\s+(?:alignas\([^)]*\)\s*)?(?P<type>\w+)(?:\s+final)?
    \s*(?::(?!:)[^;{()]*)?\{
  | (?P<open>\{) | (?P<close>\})""", re.X)


def types_in(text):
    """The full names of the types that the text defines in named namespaces."""
    scopes = []  # the name of a namespace; '' of an anonymous one; None of any other block
    for token in TOKEN.finditer(COMMENTS_AND_TEXTS.sub(" ", text)):
        if token["close"]:
            if scopes:
                scopes.pop()
            continue
        if token["type"] and all(scopes):
            yield "::".join([*scopes, token["type"]])
        scopes.append(token["namespace"] if token["namespace"] is not None else None)


def main():
    repository = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parents[1])
    places = collections.defaultdict(set)
    files = [path for folder in FOLDERS for path in sorted((repository / folder).rglob("*"))
             if path.suffix in SUFFIXES]
    for path in files:
        for name in types_in(path.read_text(encoding="utf-8")):
            places[name].add(str(path.relative_to(repository)))
    twice = {name: where for name, where in sorted(places.items()) if len(where) > 1}
    for name, where in twice.items():
        print(f"{name} is defined in {' and in '.join(sorted(where))}; rename one of them, or move "
              "it into an anonymous namespace")
    print(f"{len(files)} files checked, {len(twice)} names stand twice")
    return 1 if twice else 0


if __name__ == "__main__":
    sys.exit(main())

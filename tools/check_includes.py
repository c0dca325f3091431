#!/usr/bin/env python3
"""Checks the direction of the includes against the three tables in docs/architecture.md.

Usage: check_includes.py [REPOSITORY]

Prints FILE:LINE and a sentence for everything that the tables do not allow; exits with status 1
where there is any.
"""
import fnmatch
import re
import sys
from pathlib import Path

PAGE = "docs/architecture.md"
INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')
SOURCES = (".h", ".cpp", ".cu", ".cuh")


def read_block(page, name):
    match = re.search(rf"^```{name}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    if match is None:
        sys.exit(f"{PAGE}: there is no block that begins with ```{name}")
    return [line for line in match.group(1).splitlines() if line.strip()]


def read_arrows(page):
    """{folder or file: what it may include besides itself}"""
    arrows = {}
    for line in read_block(page, "includes"):
        folder, allowed = line.split(":")
        arrows[folder.strip()] = set(allowed.split())
    for folder, allowed in arrows.items():
        for other in allowed:
            if other not in arrows:
                sys.exit(f"{PAGE}: '{folder}' may include '{other}', which has no line of its own")
            if folder in arrows[other]:
                sys.exit(f"{PAGE}: '{folder}' and '{other}' may include each other")
    return arrows


def read_headers(page, arrows):
    """{public header, from include/crema/ on: its folder in the rules}"""
    headers = {}
    for line in read_block(page, "headers"):
        folder, names = line.split(":")
        if folder.strip() not in arrows:
            sys.exit(f"{PAGE}: public headers are in '{folder}', which has no line of its own")
        for name in names.split():
            headers[name] = folder.strip()
    return headers


def read_places(page):
    """[(kind, pattern, patterns of files)]"""
    places = []
    for line in read_block(page, "places"):
        match = re.fullmatch(r"(include|text)\s+(.+?)\s+in\s+(.+)", line)
        if match is None:
            sys.exit(f"{PAGE}: this is not 'include|text WHAT in WHERE...': {line}")
        places.append((match.group(1), match.group(2), match.group(3).split()))
    return places


def folder_of(path, headers):
    """'src/net/net.cpp', 'include/crema/net.h' -> 'net'; 'tools/crema.cpp' -> 'tools'"""
    parts = path.split("/")
    if parts[0] == "include":
        return headers.get("/".join(parts[2:]), path)  # nowhere is the path itself allowed
    return parts[1] if parts[0] == "src" else parts[0]


def folder_of_include(name, own_folder, headers, repository, file):
    """The folder that a quoted include comes from; None where no such file is found."""
    if name.endswith(".pb.h"):
        return own_folder  # generated; the second table says where it may stand
    if name.startswith("target/"):
        return "math"
    for root in ("include", "src"):
        if (repository / root / name).is_file():
            return folder_of(f"{root}/{name}", headers)
    for root in (repository / own_folder, file.parent):
        if (root / name).is_file():
            return own_folder
    return None


def matches_any(path, patterns):
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def check_include(path, quote, name, arrows, headers, repository):
    own = folder_of(path, headers)
    if own not in arrows:
        return f"folder '{own}' has no line in {PAGE}"
    if path.startswith("include/") and quote == "<" and re.search(r"[./]", name):
        return f"a public header may include only crema's own and the standard library, not <{name}>"
    if quote == "<":
        return None
    folder = folder_of_include(name, own, headers, repository, repository / path)
    if folder is None:
        return f'"{name}" is not a file of crema (write <{name}> for one of another library)'
    exception = arrows.get(path.split("/", 1)[1], set())
    if folder == own or folder in arrows[own] or folder in exception:
        return None
    return f"'{own}' may not include '{folder}' (\"{name}\")"


def check_file(path, arrows, headers, places, repository):
    problems = []
    text = (repository / path).read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        include = INCLUDE.match(line)
        if include:
            problem = check_include(path, *include.groups(), arrows, headers, repository)
            if problem:
                problems.append((number, problem))
        code = line.split("//")[0]
        for kind, what, where in places:
            if kind == "include":
                found = include and fnmatch.fnmatchcase(include.group(2), what)
            else:
                found = what in code
            if found and not matches_any(path, where):
                problems.append((number, f"{kind} '{what}' belongs in {' '.join(where)} only"))
    return problems


def main():
    repository = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
    page = (repository / PAGE).read_text(encoding="utf-8")
    arrows, places = read_arrows(page), read_places(page)
    headers = read_headers(page, arrows)
    files = sorted(
        file.relative_to(repository).as_posix()
        for root in ("include/crema", "src", "tools")
        for file in (repository / root).rglob("*")
        if file.suffix in SOURCES)
    if not files:
        sys.exit(f"{repository}: no source files were found")
    count = 0
    for path in files:
        for number, problem in check_file(path, arrows, headers, places, repository):
            print(f"{path}:{number}: {problem}")
            count += 1
    print(f"{len(files)} files checked, {count} problems")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())

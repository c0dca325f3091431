#!/usr/bin/env python3
"""Runs clang-tidy, with the checks of .clang-tidy, on the source files that you change.

Usage: check_tidy.py [--build=FOLDER] [--since=COMMIT] [FILE...]

Without files: those that differ from COMMIT, or without that from what was committed last. For a
header, the source file of the same name is looked at. FOLDER (build/release) is a build, whose
compile commands are used; it must have been configured, and the schema's headers in it built.
Prints what clang-tidy finds, and exits with status 1 if that is anything; exits with status 77 if
there is no clang-tidy.
"""
import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
NEWEST, OLDEST = 18, 14
NOT_FOUND = 77
# What g++ is told of its precompiled headers, which clang cannot read.
OF_PRECOMPILED = ("-Winvalid-pch", "-fpch-preprocess")


def find_program():
    names = ["clang-tidy"] + [f"clang-tidy-{v}" for v in range(NEWEST, OLDEST - 1, -1)]
    return next((found for found in map(shutil.which, names) if found), None)


def changed_files(repository, commit):
    def git(*words):
        run = subprocess.run(["git", "-C", repository, *words], capture_output=True, text=True)
        if run.returncode != 0:
            sys.exit(run.stderr.strip())
        return run.stdout.splitlines()
    return (git("diff", "--name-only", "--diff-filter=d", commit, "--")
            + git("ls-files", "--others", "--exclude-standard"))


def source_of(repository, name):
    """The source file in which the file is compiled; None if there is none of its name."""
    path = (repository / name).resolve()
    if path.suffix != ".h":
        return path
    stem = path.with_suffix(".cpp")
    if "include/crema" in path.as_posix():
        stem = Path(stem.as_posix().replace("include/crema", "src"))
    return stem if stem.exists() else None


def without_precompiled(command):
    words, rest = [], iter(command)
    for word in rest:
        if word == "-include":
            header = next(rest, "")
            if "cmake_pch" not in header:
                words += [word, header]
        elif word not in OF_PRECOMPILED and Path(word).name != "ccache":
            words.append(word)
    return words


def commands_of(build):
    """How each file is compiled: the first way, if there are several."""
    path = build / "compile_commands.json"
    if not path.exists():
        sys.exit(f"{path}: there is no such file; configure a build first, as in "
                 "cmake --preset release")
    commands = {}
    for entry in json.loads(path.read_text(encoding="utf-8")):
        command = entry.get("arguments") or shlex.split(entry["command"])
        file = (Path(entry["directory"]) / entry["file"]).resolve()
        commands.setdefault(file, {"directory": entry["directory"], "file": str(file),
                                   "arguments": without_precompiled(command)})
    return commands


def run_on(program, database, file):
    run = subprocess.run([program, "--quiet", "-p", database, "--extra-arg=-Wno-everything",
                          str(file)], capture_output=True, text=True)
    failed = run.returncode != 0 or "warning: " in run.stdout
    return failed, run.stdout + (run.stderr if run.returncode != 0 else "")


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--build", default=str(REPOSITORY / "build" / "release"), type=str)
    parser.add_argument("--since", default="HEAD")
    parser.add_argument("--repository", default=str(REPOSITORY))  # for tests
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()
    program = find_program()
    if program is None:
        print("clang-tidy is not installed")
        return NOT_FOUND
    repository = Path(options.repository)
    names = options.files or changed_files(repository, options.since)
    commands = commands_of(Path(options.build))
    sources = {source_of(repository, name) for name in names}
    wanted = sorted(file for file in sources if file in commands)
    if not wanted:
        print("no source file of the build has changed")
        return 0
    failed = False
    with tempfile.TemporaryDirectory() as database:
        Path(database, "compile_commands.json").write_text(
            json.dumps([commands[file] for file in wanted]), encoding="utf-8")
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for found, output in pool.map(lambda file: run_on(program, database, file), wanted):
                failed = failed or found
                print(output, end="")
    print(f"{len(wanted)} files checked with {Path(program).name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

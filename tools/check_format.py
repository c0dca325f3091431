#!/usr/bin/env python3
"""Checks that the source files have the form that .clang-format describes, or gives it to them.

Usage: check_format.py [--fix] [REPOSITORY]

The first line of .clang-format names the version of clang-format that decides, since others break
lines elsewhere. Prints what clang-format says and exits with status 1 where a file differs; exits
with status 77 if that version is not installed.
"""
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FOLDERS = ("include", "src", "tools", "data", "tests", "docs")
SUFFIXES = (".h", ".cpp", ".cu", ".cuh")
NOT_FOUND = 77
FILES_AT_ONCE = 16


def wanted_version(repository):
    with (repository / ".clang-format").open(encoding="utf-8") as file:
        line = file.readline()
    match = re.search(r"clang-format (\d+)", line)
    if match is None:
        sys.exit(f".clang-format:1: this names no version, as in 'clang-format 14': {line}")
    return match.group(1)


def find_program(version):
    """clang-format-14, or a clang-format of that version; None where neither is installed."""
    for name in (f"clang-format-{version}", "clang-format"):
        program = shutil.which(name)
        if program is None:
            continue
        output = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
        if re.search(rf"version {version}\.", output):
            return program
    return None


def run_on(program, files, mode):
    run = subprocess.run([program, *mode, *files], capture_output=True, text=True)
    return run.returncode, run.stdout + run.stderr


def main():
    words = sys.argv[1:]
    mode = ["-i"] if "--fix" in words else ["--dry-run", "--Werror"]
    folders = [word for word in words if word != "--fix"] or [Path(__file__).parent.parent]
    repository = Path(folders[0]).resolve()
    version = wanted_version(repository)
    program = find_program(version)
    if program is None:
        print(f"clang-format {version} is not installed")
        return NOT_FOUND
    files = sorted(file for folder in FOLDERS for file in (repository / folder).rglob("*")
                   if file.suffix in SUFFIXES)
    if not files:
        sys.exit(f"{repository}: no source files were found")
    parts = [files[i:i + FILES_AT_ONCE] for i in range(0, len(files), FILES_AT_ONCE)]
    failed = False
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for status, output in pool.map(lambda part: run_on(program, part, mode), parts):
            failed = failed or status != 0
            print(output, end="")
    print("" if not failed else "tools/check_format.py --fix gives them that form\n",
          f"{len(files)} files checked with clang-format {version}", sep="")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

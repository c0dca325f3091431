#!/usr/bin/env python3
"""Counts the tests of JUnit files, ctest's and GoogleTest's, and says which failed and why some
were skipped.

Usage: summarize_tests.py RESULTS/SUITE...   (reads SUITE.xml and SUITE.partN.xml)

The last line counts all suites together.
"""
import re
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

# GoogleTest prints "FILE:LINE: Skipped", or in its own files "FILE:LINE", then the reason.
REASON = re.compile(r":\d+(?:: Skipped)?\n(.*)")


def was_run(case):
    """ctest and GoogleTest both mark tests that are disabled or not found."""
    return case.get("status") == "run" and case.find("failure") is None


def name_of(case):
    """ctest repeats the name as the class."""
    classname = case.get("classname")
    return case.get("name") if classname in (None, case.get("name")) else \
        f"{classname}.{case.get('name')}"


def reason_of(case, skipped):
    match = REASON.search((case.findtext("system-out") or "") + (skipped.get("message") or ""))
    return match.group(1).strip() if match else "no reason given"


def summarize(paths):
    """Of files: counts (passed, failed, skipped), a Counter of reasons, and who failed."""
    passed = skipped = 0
    reasons = Counter()
    failed = []
    for path in paths:
        for case in ElementTree.parse(path).getroot().iter("testcase"):
            mark = case.find("skipped")
            if mark is not None:
                skipped += 1
                reasons[reason_of(case, mark)] += 1
            elif was_run(case):
                passed += 1
            else:
                failed.append(name_of(case))
    return (passed, len(failed), skipped), reasons, failed


def files_of(suite):
    """A suite's files, and the parts that ended without one."""
    parts = sorted(suite.parent.glob(suite.name + ".part*.log"))
    files = [part.with_suffix(".xml") for part in parts] + [suite.parent / (suite.name + ".xml")]
    return [file for file in files if file.is_file()], [f.stem for f in files if not f.is_file()]


def line(counts):
    return "{} passed, {} failed, {} skipped".format(*counts)


def main():
    total = [0, 0, 0]
    for name in sys.argv[1:]:
        suite = Path(name)
        files, missing = files_of(suite)
        if not files:
            print(f"{suite.name}: did not come to its tests")
            continue
        counts, reasons, failed = summarize(files)
        total = [a + b for a, b in zip(total, counts)]
        print(f"{suite.name}: {line(counts)}")
        for part in missing:
            print(f"    {part} did not come to its end")
        for reason, count in reasons.most_common():
            print(f"    {count} skipped: {reason}")
        for test in failed:
            print(f"    failed: {test}")
    print(line(total))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Counts the tests of ctest's JUnit files and says which failed and why some were skipped.

Usage: summarize_tests.py RESULTS/SUITE...   (reads SUITE.xml)

The last line counts all suites together.
"""
import re
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

# GoogleTest prints "FILE:LINE: Skipped", then the reason.
REASON = re.compile(r":\d+: Skipped\n(.*)")


def summarize(path):
    """Of a file: counts (passed, failed, skipped), a Counter of reasons, and who failed."""
    passed = skipped = 0
    reasons = Counter()
    failed = []
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        if case.find("skipped") is not None:
            skipped += 1
            match = REASON.search(case.findtext("system-out") or "")
            reasons[match.group(1).strip() if match else "no reason given"] += 1
        elif case.get("status") == "run" and case.find("failure") is None:
            passed += 1
        else:
            failed.append(case.get("name"))
    return (passed, len(failed), skipped), reasons, failed


def line(counts):
    return "{} passed, {} failed, {} skipped".format(*counts)


def main():
    total = [0, 0, 0]
    for name in sys.argv[1:]:
        path = Path(name + ".xml")
        if not path.is_file():
            print(f"{path.stem}: did not come to its tests")
            continue
        counts, reasons, failed = summarize(path)
        total = [a + b for a, b in zip(total, counts)]
        print(f"{path.stem}: {line(counts)}")
        for reason, count in reasons.most_common():
            print(f"    {count} skipped: {reason}")
        for test in failed:
            print(f"    failed: {test}")
    print(line(total))


if __name__ == "__main__":
    main()

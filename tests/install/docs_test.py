#!/usr/bin/env python3
"""The installed documentation: each link leads to something that is installed, and to a heading that
is there."""
import re
import unittest

from tree import PREFIX, TreeTest

DOCS = PREFIX / "share" / "doc" / "crema"
CODE = re.compile(r"^```\w*\n.*?^```$", re.M | re.S)


def links(page):
    text = re.sub(r"`[^`\n]*`", "", CODE.sub("", page.read_text()))
    found = re.findall(r"\]\(([^)\s]+)\)", text)
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def anchors(page):
    """The names of a page's headings in links to them."""
    headings = re.findall(r"^#+ (.*)$", CODE.sub("", page.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


class DocsTest(TreeTest):
    def test_links_lead_to_what_is_installed(self):
        pages = [*DOCS.rglob("*.md"), *(PREFIX / "share" / "crema").rglob("*.md")]
        self.assertGreater(len(pages), 50)
        outside = set()
        for page in pages:
            for link in links(page):
                with self.subTest(page=str(page.relative_to(PREFIX)), link=link):
                    name, _, anchor = link.partition("#")
                    target = (page.parent / name).resolve() if name else page
                    self.assertTrue(target.exists(), "leads to nothing")
                    self.assertIn(PREFIX.resolve(), target.parents)
                    if anchor and target.suffix == ".md":
                        self.assertIn(anchor, anchors(target))
                    if DOCS.resolve() not in target.parents:
                        outside.add(target.name)
        # Those of the documentation that lead elsewhere were rewritten.
        self.assertLessEqual({"models", "data", "image.h", "crema.proto"}, outside)


if __name__ == "__main__":
    unittest.main()

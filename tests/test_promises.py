"""Each promise of the documentation names a test that there is."""

import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "reliability.md"


def test_promises_name_tests_that_there_are():
    of_table = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if header := re.search(r"\| test(?: \(`(.*)`\))? \|$", line):
            of_table = header[1] or ""
        file = of_table
        for text in re.findall("`([^`]*)`", line):
            match = re.fullmatch(r"([\w/]+\.py)?(?:::(\w+…?)(?:\[.*\])?)?", text)
            if match and any(match.groups()):
                file = match[1] or file
                tests = (TESTS / file).read_text(encoding="utf-8")
                name = (match[2] or "test…").replace("…", r"\w*")
                assert re.search(rf"^def {name}\(", tests, re.MULTILINE), (file, text)

"""The examples of the documentation run as they stand."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("page", ["calls.md"])
def test_examples_of(page, monkeypatch, capsys):
    text = (DOCS / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert len(blocks) > 5
    names = {"__name__": page}
    try:
        for block in blocks:
            exec(compile(block, page, "exec"), names)
    finally:
        for name in ("client", "running", "manager"):
            thing = names.get(name)
            if thing is not None:
                thing.disconnect() if name == "client" else thing.stop()
    assert "OutOfRangeError 1000 V is more than 100 V" in capsys.readouterr().out

"""The tutorial notebook without a browser: it is run, and what each cell did is printed.

`python -m msl_network.examples.demo NOTEBOOK`
"""

import argparse
import os
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from typing import Any

__all__ = ["main"]

CELL_TIMEOUT = 120
"""Seconds for one cell: making a key on a Raspberry Pi takes some."""


def main() -> int:
    """Run a notebook; 0 if every cell ran without an error."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("notebook", type=Path, help="the notebook to run")
    notebook = parser.parse_args().notebook

    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    nb = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="msl-network-demo-") as home:
        # nothing of the person's own is read or changed
        os.environ["MSL_NETWORK_HOME"] = home
        client = NotebookClient(
            nb,
            timeout=CELL_TIMEOUT,
            kernel_name="python3",
            extra_arguments=["--log-level=ERROR"],
            resources={"metadata": {"path": str(notebook.parent)}},
            on_cell_execute=lambda cell, cell_index: _print_before(nb, cell_index),
            on_cell_executed=lambda cell, cell_index, execute_reply: _print_after(cell),
        )
        try:
            client.execute()
        except CellExecutionError as error:
            print(f"\nA cell failed:\n\n{error}", file=sys.stderr)
            return 1
    cells = sum(cell.cell_type == "code" for cell in nb.cells)
    took = time.monotonic() - start
    print(f"\n{cells} cells ran in {took:.0f} seconds. Nothing is left running.")
    return 0


def _print_before(nb: Any, index: int) -> None:
    """Print a cell, and the heading that stands before it."""
    before = nb.cells[index - 1]
    if before.cell_type == "markdown":
        for line in before.source.splitlines():
            if line.startswith("#"):
                heading = line.lstrip("# ")
                print(f"\n{heading}\n{'-' * len(heading)}")
    print(textwrap.indent(nb.cells[index].source, ">>> ", lambda _: True), flush=True)


def _print_after(cell: Any) -> None:
    """Print what a cell showed."""
    for output in cell.outputs:
        text = output.get("text") or output.get("data", {}).get("text/plain", "")
        if output.output_type == "error":
            text = f"{output.ename}: {output.evalue}"
        if text and not text.startswith(("WidgetSteps", "VBox(", "HTML(")):
            print(textwrap.indent(text.rstrip(), "    "), flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""A real JupyterLab on loopback, and Chromium to work in it."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Error, Page, expect, sync_playwright

from ..laboratory import missing

CHROMIUM = (
    os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
)
START = 60.0  # seconds for a server to start on a busy machine

SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
    # every cell has its place in the page, also one that is out of sight
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
}

KERNEL_IS_IDLE = """() => {
    const panel = window.jupyterapp && window.jupyterapp.shell.currentWidget;
    const session = panel && panel.sessionContext && panel.sessionContext.session;
    return session && session.kernel && session.kernel.status === 'idle';
}"""

CELLS_HAVE_RUN = """() => {
    const panel = window.jupyterapp.shell.currentWidget;
    return panel.sessionContext.session.kernel.status === 'idle'
        && panel.content.widgets.every(cell => cell.model.type !== 'code'
            || cell.model.sharedModel.getSource() === ''
            || (cell.model.executionCount !== null && cell.model.executionState !== 'running'));
}"""

RUN_CELL = """index => {
    const notebook = window.jupyterapp.shell.currentWidget.content;
    notebook.activeCellIndex = index;
    notebook.deselectAll();
    window.jupyterapp.commands.execute('notebook:run-cell');
}"""


@dataclass
class Lab:
    """A JupyterLab server."""

    url: str
    root: Path
    home: Path


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    base = tmp_path_factory.mktemp("lab")
    root, home, settings = base / "root", base / "home", base / "settings"
    for folder in (root, home, settings):
        folder.mkdir()
    (settings / "overrides.json").write_text(json.dumps(SETTINGS))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(base / "config"),
        "JUPYTER_RUNTIME_DIR": str(base / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(base / "user-settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(base / "workspaces"),
        "IPYTHONDIR": str(base / "ipython"),
        "MSL_NETWORK_HOME": str(home),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"]
    command += ["--ServerApp.port_retries=0", f"--ServerApp.root_dir={root}"]
    command += ["--IdentityProvider.token=", "--ServerApp.password="]
    command += ["--ServerApp.disable_check_xsrf=True", "--LabApp.expose_app_in_browser=True"]
    command += [f"--LabApp.app_settings_dir={settings}", "--LabApp.extension_manager=readonly"]
    log_file = base / "lab.log"
    with log_file.open("w") as log:
        server = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + START
        while not _answers(url):
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"JupyterLab did not start:\n{log_file.read_text()}")
        yield Lab(url, root, home)
    finally:
        server.terminate()
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _answers(url):
    try:
        urllib.request.urlopen(f"{url}/api/status", timeout=1).close()
    except OSError:
        time.sleep(0.1)  # between two looks
        return False
    return True


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        missing("Chromium is not installed")
    args = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    args += ["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        args.append("--no-sandbox")  # Chromium's does not work for root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=args)
        yield browser
        browser.close()


class Notebook:
    """A notebook that is open in the browser.

    Attributes:
        page: The page.
    """

    def __init__(self, page: Page) -> None:
        self.page = page

    def run(self, index: int) -> None:
        """Start a cell, without waiting for it."""
        self.page.evaluate(RUN_CELL, index)

    def run_all(self, timeout: float = 60) -> None:
        """Run all cells, and wait for them (seconds)."""
        self.command("notebook:run-all-cells")
        self.wait_until_idle(timeout)

    def command(self, name: str, **args: object) -> None:
        """Execute a command of JupyterLab."""
        self.page.evaluate(
            "([name, args]) => { window.jupyterapp.commands.execute(name, args); }", [name, args]
        )

    def wait_until_idle(self, timeout: float = 60) -> None:
        """Wait until all cells have run and the kernel has nothing to do (seconds)."""
        self.page.wait_for_function(CELLS_HAVE_RUN, timeout=timeout * 1000)

    def cell(self, index: int):
        """A cell of the notebook, as it is on the page."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)


@pytest.fixture
def notebook(lab, browser):
    """Open a notebook: `notebook([source, ...])`. Its kernel is ready, no cell has been run."""
    opened = []

    def open_notebook(cells, *, width=1280, height=1000, path=None):
        name = f"{uuid.uuid4().hex}.ipynb"
        if path is not None:
            shutil.copy(path, lab.root / name)
        else:
            made = nbformat.v4.new_notebook(
                cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
                metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
            )
            nbformat.write(made, lab.root / name)
        context = browser.new_context(viewport={"width": width, "height": height})
        page = context.new_page()
        opened.append((context, page))
        page.set_default_timeout(30_000)
        page.goto(f"{lab.url}/doc/workspaces/{uuid.uuid4().hex}/tree/{name}?reset")
        page.wait_for_function(KERNEL_IS_IDLE, timeout=START * 1000)
        return Notebook(page)

    expect.set_options(timeout=15_000)
    yield open_notebook
    for context, page in opened:
        with suppress(Error):
            page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
        context.close()

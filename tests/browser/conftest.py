"""Notebooks that are open in a real browser."""

import os
import shutil

import nbformat
import pytest
from playwright.sync_api import expect, sync_playwright

from .. import oldest
from ..laboratory import missing
from .pages import Dashboard, Notebook, any_name
from .servers import Servers

CHROMIUM = (
    os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
)


@pytest.fixture(scope="session")
def servers(tmp_path_factory):
    kernels = {"oldest": oldest.PYTHON} if oldest.PYTHON.exists() else {}
    servers = Servers(tmp_path_factory.mktemp("jupyter"), kernels)
    yield servers
    servers.stop()


@pytest.fixture(autouse=True)
def no_certificates(servers):
    yield
    for file in servers.home.rglob("*.crt"):
        file.unlink()


@pytest.fixture(scope="package")
def browser():
    if CHROMIUM is None:
        missing("Chromium is not installed")
    args = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    args += ["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]
    # nothing is fetched from anywhere else, as Voila's pages would
    args.append("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        args.append("--no-sandbox")  # Chromium's does not work for root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=args)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def kept():
    """Pages with JupyterLab, which takes seconds to load: the next notebook is opened there."""
    return []


@pytest.fixture
def notebook(request, servers, browser, kept):
    """Open a notebook: `notebook([source, ...])`.

    In JupyterLab and Notebook 7 its kernel is ready and no cell has been run, in Voila all have.
    A test that changes the page itself has one of its own: `keep=False`.
    """
    opened = []
    failed = request.session.testsfailed

    def open_notebook(
        cells,
        *,
        app="lab",
        kernel="python3",
        theme="light",
        width=1280,
        height=1000,
        path=None,
        keep=True,
    ):
        if kernel == "oldest":
            oldest.oldest_python()
        name = f"{any_name()}.ipynb"
        if path is not None:
            shutil.copy(path, servers.root / name)
        else:
            made = nbformat.v4.new_notebook(
                cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
                metadata={"kernelspec": {"name": kernel, "display_name": kernel}},
            )
            nbformat.write(made, servers.root / name)
        server = servers[app]
        keep = keep and app == "lab"
        page = kept.pop() if keep and kept else browser.new_context().new_page()
        page.set_viewport_size({"width": width, "height": height})
        page.set_default_timeout(30_000)
        one = (Dashboard if app == "voila" else Notebook)(page)
        opened.append((one, keep))
        one.open(app, server.url, name, theme)
        return one

    expect.set_options(timeout=15_000)
    yield open_notebook
    for one, keep in opened:
        if one.close() and keep and request.session.testsfailed == failed:
            kept.append(one.page)
        else:
            one.page.context.close()

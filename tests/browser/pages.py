"""What a person does on the page of a notebook."""

import random
import string

from playwright.sync_api import Error, Page

from .servers import START

KERNEL_IS_IDLE = """name => {
    const panel = window.jupyterapp && window.jupyterapp.shell.currentWidget;
    const session = panel && panel.sessionContext && panel.sessionContext.session;
    return session && session.path === name && session.kernel
        && session.kernel.status === 'idle';
}"""

OPEN = "path => { window.jupyterapp.commands.execute('docmanager:open', {path}); }"

CLOSE = """async () => {
    const panel = window.jupyterapp.shell.currentWidget;
    await panel.sessionContext.shutdown();
    panel.dispose();
    return document.querySelector('.jp-Dialog') === null;
}"""

THEME = "() => document.body.dataset.jpThemeLight === 'false' ? 'dark' : 'light'"

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


def any_name() -> str:
    """A name that nothing else has. It has no digits, for which a test may look on the page."""
    return "".join(random.choices(string.ascii_lowercase, k=20))


class Notebook:
    """A notebook that is open in the browser, in JupyterLab or in Notebook 7.

    Attributes:
        page: The page.
    """

    def __init__(self, page: Page) -> None:
        self.page = page

    def open(self, app: str, url: str, name: str, theme: str) -> None:
        """Open it, and wait until its kernel is there."""
        if self.page.url != "about:blank":
            self.page.evaluate(OPEN, name)
        elif app == "lab":
            self.page.goto(f"{url}/doc/workspaces/{any_name()}/tree/{name}?reset")
        else:
            self.page.goto(f"{url}/notebooks/{name}")
        self.page.wait_for_function(KERNEL_IS_IDLE, arg=name, timeout=START * 1000)
        if theme != self.page.evaluate(THEME):
            self.set_theme(theme)

    def close(self) -> bool:
        """End its kernel, and close it; whether the page is as it was before."""
        try:
            return self.page.evaluate(CLOSE)
        except Error:
            return False

    def set_theme(self, theme: str) -> None:
        """Show everything in another theme: `"light"` or `"dark"`."""
        self.command("apputils:change-theme", theme=f"JupyterLab {theme.capitalize()}")
        self.page.wait_for_selector(
            f"body[data-jp-theme-light={'false' if theme == 'dark' else 'true'}]",
            state="attached",
        )
        # it lies over everything until the theme is there
        self.page.wait_for_selector("#jupyterlab-splash", state="detached")

    def run(self, index: int) -> None:
        """Start a cell, without waiting for it."""
        self.page.evaluate(RUN_CELL, index)

    def run_all(self, timeout: float = 60) -> None:
        """Run all cells, and wait for them (seconds)."""
        self.command("notebook:run-all-cells")
        self.wait_until_idle(timeout)

    def command(self, name: str, **args: object) -> None:
        """Execute a command of the application."""
        self.page.evaluate(
            "([name, args]) => { window.jupyterapp.commands.execute(name, args); }", [name, args]
        )

    def wait_until_idle(self, timeout: float = 60) -> None:
        """Wait until all cells have run and the kernel has nothing to do (seconds)."""
        self.page.wait_for_function(CELLS_HAVE_RUN, timeout=timeout * 1000)

    def cell(self, index: int):
        """A cell of the notebook, as it is on the page."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)


class Dashboard:
    """A notebook that Voila shows: its cells have run, and nobody sees them.

    Attributes:
        page: The page.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self._end = ""

    def open(self, app: str, url: str, name: str, theme: str) -> None:
        """Open it, and wait until its cells have run."""
        with self.page.expect_websocket() as socket:
            self.page.goto(f"{url}/voila/render/{name}?theme={theme}")
        self.page.wait_for_selector(".jupyter-widgets", timeout=START * 1000)
        kernel = socket.value.url.partition("/api/kernels/")[2].partition("/")[0]
        self._end = f"{url}/voila/api/shutdown/{kernel}"
        self.page.context.add_cookies([{"name": "_xsrf", "value": "any", "url": url}])

    def close(self) -> bool:
        """End its kernel, which its page should do when it is left, but may not."""
        if self._end:
            self.page.request.post(self._end, form={"_xsrf": "any"})
        return False

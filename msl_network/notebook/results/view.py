"""A result on the page."""

import asyncio
import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import ipywidgets

from ... import loop_thread
from ...escaping import escaped
from .errors import error_html
from .items import Items, latest_html
from .page import Page, page_of
from .series import Series
from .unit import unit_of

if TYPE_CHECKING:
    from ..plot import Plot

__all__ = ["ResultView"]

INTERVAL: Final = 0.1
"""Seconds between two updates of what is told of a stream's items: a person reads no faster."""


class ResultView(ipywidgets.VBox):  # type: ignore[misc]
    """Shows what a call returned: a number, a text, a table, a plot, a picture; or its error.

    All methods but `close` are for the loop of the network.

    Example:
        >>> view = ResultView()
        >>> view  # in a notebook
        >>> loop_thread.submit(view.show(pi.temperature(), attribute="temperature"))

    Attributes:
        pause: Fewest seconds between two updates of what is told of a stream's items. Can be set.
    """

    def __init__(self) -> None:
        # not at the top: the panels need this one
        from ..panels.base import close_all
        from ..panels.style import STYLE

        self._close_all = close_all
        self._above = ipywidgets.HTML()
        self._below = ipywidgets.HTML()
        self._plot: Plot | None = None
        self._items: Items | None = None
        self.pause = 0.0
        self._turn = 0
        self._redrawing: asyncio.Task[None] | None = None
        self._is_drawn = True
        self._closed = False
        self._style = ipywidgets.HTML(STYLE, layout=ipywidgets.Layout(display="none"))
        super().__init__([self._style, self._above, self._below])
        self._put("", "")

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    async def show(self, value: Any, *, attribute: str = "", doc: str = "") -> None:
        """Show a value instead of what is shown, which stays until this one is ready.

        Args:
            value: The value.
            attribute: The name of the method that returned it.
            doc: The docstring of that method, which may tell the unit.
        """
        self._turn += 1
        turn = self._turn

        def make() -> Page:
            page = page_of(value, attribute=attribute, doc=doc)
            if page.plot is not None:
                _import_plot()
            return page

        # a large value takes its time, which the loop does not have
        page = await loop_thread.in_thread(make)
        if turn == self._turn and not self._closed:
            self._end_stream()
            self._put(page.above, page.below)
            self._draw(page.plot, attribute, page.unit)

    def show_error(self, error: BaseException) -> None:
        """Show an error instead of what is shown.

        Args:
            error: The error.
        """
        self.clear()
        self._put(f'<div role="alert">{error_html(error)}</div>', "", failed=True)

    async def extend(
        self, items: Sequence[Any], *, attribute: str = "", doc: str = "", before: int = 0
    ) -> None:
        """Add items of a stream, one batch after the other: numbers to a plot, others to a list.

        Args:
            items: The items.
            attribute: The name of the method that yields them.
            doc: The docstring of that method, which may tell the unit.
            before: How many items there were before the first batch, and are not shown.
        """
        turn = self._turn
        await loop_thread.in_thread(_import_plot)
        if turn != self._turn or self._closed:
            return
        if self._items is None:
            self.clear()
            self._items = Items(before)
        points = self._items.add(items)
        unit = unit_of(attribute, doc)
        self._draw(points, attribute, unit if self._items.is_single else "", grows=True)
        self._is_drawn = False
        if self._redrawing is None:
            self._redrawing = asyncio.create_task(self._redraw(self._items, unit))

    def clear(self) -> None:
        """Show nothing."""
        self._turn += 1
        self._end_stream()
        self._draw(None)
        self._put("", "")

    def close(self) -> None:
        """Take it off the page, from any thread."""
        # a process that ends can't start the network for that
        if self.__dict__.get("_closed", True) or sys.is_finalizing():
            return
        self._closed = True
        loop_thread.get_loop().call_soon_threadsafe(self._end_stream)
        parts = [*self.children, self._plot, self.layout]
        super().close()
        self._close_all(part for part in parts if part is not None)

    # --- what is on the page, on the loop of the network -----------------------------------

    def _put(self, above: str, below: str, *, failed: bool = False) -> None:
        self._above.value, self._below.value = above, below
        shown = ("msl-result",) if above or below else ()
        self._dom_classes = ("msl-result-view", *shown, *(("msl-failed",) if failed else ()))

    def _draw(
        self, points: Series | None, attribute: str = "", unit: str = "", *, grows: bool = False
    ) -> None:
        """Plot numbers; None for no plot."""
        if points is None:
            self._arrange(self._above, self._below)
            return
        from ..plot import Plot

        if self._plot is None:
            self._plot = Plot()
        plot = self._plot
        label = escaped(attribute)
        plot.y_label = f"{label} ({unit})".strip() if unit else label
        plot.x_label = escaped(points.x_label)
        # a series without a name is that of the method
        named = {escaped(name or attribute or "value"): y for name, y in points.named.items()}
        if grows and self._plot in self.children:
            plot.extend(named, points.x)
        else:
            plot.replace(named, points.x)
            self._arrange(self._above, plot, self._below)

    def _arrange(self, *parts: Any) -> None:
        self.children = (self._style, *parts)

    def _end_stream(self) -> None:
        self._items = None
        if self._redrawing is not None:
            self._redrawing.cancel()
            self._redrawing = None

    async def _redraw(self, items: Items, unit: str) -> None:
        """Tell of the items of a stream, until there are no more for a while."""
        loop, drawn = asyncio.get_running_loop(), -math.inf
        while not self._is_drawn or loop.time() - drawn < self.pause:
            if not self._is_drawn and loop.time() - drawn >= self.pause:
                self._is_drawn, drawn = True, loop.time()
                if items.is_plotted:
                    self._put(items.statistics_html(unit), "")
                else:
                    listed = await loop_thread.in_thread(latest_html, items.latest(), items.count)
                    self._put("", listed)
            await asyncio.sleep(INTERVAL)
        self._redrawing = None


def _import_plot() -> None:
    """Load what plots: it takes a while, and is seldom needed."""
    from .. import plot  # noqa: F401

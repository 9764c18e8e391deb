"""A value that came over the network, shown: of a bounded size, none of its text as markup."""

from typing import TYPE_CHECKING, Any

from .page import to_html
from .text import source, summary

if TYPE_CHECKING:
    from .view import ResultView

__all__ = ["ResultView", "source", "summary", "to_html"]


def __getattr__(name: str) -> Any:
    # ipywidgets is only loaded for those who use a widget
    if name == "ResultView":
        from .view import ResultView

        return ResultView
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

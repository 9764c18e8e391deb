"""Panels in a notebook: thin faces on the Client, for the mouse and the keyboard."""

from .call import CallPanel
from .connect import ConnectPanel
from .services import ServicesPanel

__all__ = ["CallPanel", "ConnectPanel", "ServicesPanel"]

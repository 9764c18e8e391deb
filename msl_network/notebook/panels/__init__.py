"""Panels in a notebook: thin faces on the Client, for the mouse and the keyboard."""

from .call import CallPanel
from .connect import ConnectPanel
from .dashboard import Dashboard
from .launch import LaunchPanel
from .log import LogPanel
from .notifications import NotificationsPanel
from .service import ServicePanel
from .services import ServicesPanel

__all__ = [
    "CallPanel",
    "ConnectPanel",
    "Dashboard",
    "LaunchPanel",
    "LogPanel",
    "NotificationsPanel",
    "ServicePanel",
    "ServicesPanel",
]

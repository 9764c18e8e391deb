"""The asynchronous Client: `async with msl_network.aio.connect(...) as client`."""

from .client.aio import AsyncClient, AsyncLink, connect

__all__ = ["AsyncClient", "AsyncLink", "connect"]

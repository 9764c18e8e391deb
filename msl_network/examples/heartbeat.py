"""A Service that emits notifications."""

import asyncio

from msl_network import Service

__all__ = ["Heartbeat"]


class Heartbeat(Service):
    """Emits how often its heart has beaten."""

    def __init__(self) -> None:
        super().__init__()
        self._period = 1.0
        self._beats = 0
        self._alive = True
        self.add_tasks(self._beat())

    def kill(self) -> None:
        """Stop the heart."""
        self._alive = False

    def reset(self) -> None:
        """Begin to count at zero."""
        self._beats = 0

    def set_heart_rate(self, beats_per_second: float) -> None:
        """Change how fast the heart beats, in hertz."""
        self._period = 1.0 / float(beats_per_second)

    def shutdown_handler(self) -> None:
        """Stop the heart when the connection has ended."""
        self._alive = False

    async def _beat(self) -> None:
        while self._alive:
            self.emit_notification(self._beats)
            self._beats += 1
            await asyncio.sleep(self._period)


if __name__ == "__main__":
    Heartbeat().start()

"""A Service for a Raspberry Pi, and the console script that starts it with a Manager there."""

import math
import time

from msl_network import Service, run_services, ssh

__all__ = ["RPiService", "start_service_on_rpi"]


class RPiService(Service):
    """Adds, raises to a power, reads a thermometer, and can be shut down by a Client."""

    def shutdown_service(self) -> None:
        """Let a Client shut this Service down, and with it the Manager that runs it."""

    def add_numbers(self, a: float, b: float, c: float, d: float) -> float:
        """Add four numbers."""
        return a + b + c + d

    def power(self, a: float, n: float = 2) -> float:
        """Raise `a` to the power of `n`."""
        return a**n  # type: ignore[no-any-return]

    def read_voltage(self, channel: int) -> float:
        """Read an analogue input, in volts.

        Args:
            channel: The number of the input, 0 to 3.

        Raises:
            ValueError: There is no such input.
        """
        if channel not in range(4):
            raise ValueError(f"There is no channel {channel}; it must be 0, 1, 2 or 3")
        return 0.5 * (channel + 1)

    def watch_temperature(self, readings: int = 5, interval: float = 0.2) -> int:
        """Read the thermometer several times; each reading is a notification.

        Args:
            readings: How many readings to take.
            interval: Seconds between two readings.

        Returns:
            The number of readings that were taken.
        """
        for number in range(readings):
            if number:
                time.sleep(interval)
            celsius = round(20 + 0.5 * math.sin(number), 3)
            self.emit_notification_threadsafe(number, temperature=celsius)
        return readings


def start_service_on_rpi() -> None:
    """Start a Manager and `RPiService`; what the console script on the Pi calls.

    Raises:
        ValueError: The Manager wants a login and the Service does not know one.
    """
    kwargs = ssh.parse_console_script_kwargs()
    if kwargs.get("auth_login") and not {"username", "password"} <= kwargs.keys():
        raise ValueError(
            "The Manager is using a login for authentication but RPiService "
            "does not know the username and password to use to connect to the Manager"
        )
    run_services(RPiService(), **kwargs)

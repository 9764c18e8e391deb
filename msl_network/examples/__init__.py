"""Services to try things with, and a "Pi" on this computer to start them on."""

from .basic_math import BasicMath
from .echo import Echo
from .heartbeat import Heartbeat
from .my_array import MyArray
from .voltmeter import Voltmeter

__all__ = ["BasicMath", "Echo", "Heartbeat", "MyArray", "Voltmeter"]

"""What a person sees of a panel, and does to it, without a browser."""

import time

WAIT = 20.0


def wait_for(condition, what):
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.01)  # between two looks


def status(panel):
    return panel._status.value


def says(panel, text):
    wait_for(lambda: text in status(panel), f"{text!r}")


def shown(widget):
    """All the text in a widget."""
    texts = [str(getattr(widget, "value", ""))]
    return "\n".join(texts + [shown(child) for child in getattr(widget, "children", ())])


def shows(widget, text):
    wait_for(lambda: text in shown(widget), f"{text!r}")


def enter(field):
    """Press Enter in a field."""
    field._handle_custom_msg({"event": "submit"}, [])

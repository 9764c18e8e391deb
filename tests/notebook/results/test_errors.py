"""What a call has failed with."""

from concurrent.futures import Future

import pytest

from msl_network import LocalManager, Service, connect
from msl_network.client.errors import ReplyTimeoutError
from msl_network.notebook.results.errors import error_html


class Meter(Service):
    def voltage(self):
        raise ValueError("<b>3 V</b> \x1b[31mis too\nmuch")


def test_one_of_a_service():
    with (
        LocalManager() as manager,
        Meter().start_in_background(**manager.kwargs),
        connect(**manager.kwargs) as client,
        pytest.raises(ValueError) as raised,
    ):
        client.link("Meter").voltage()
    shown = error_html(raised.value)
    assert "<b>ValueError</b>" in shown
    assert "&lt;b&gt;3 V&lt;/b&gt; \\x1b[31mis too\nmuch" in shown
    assert "raised by the Service Meter, in voltage" in shown
    assert "<summary>Traceback of the Service Meter</summary><pre>" in shown
    assert "raise ValueError" in shown


def test_what_to_do():
    cancellation = Future()
    late = ReplyTimeoutError("No reply within 1 s", cancellation)
    assert "<b>TimeoutError</b>" in error_html(late)
    assert "so it may go on. Allow it more time" in error_html(late)
    cancellation.set_result("stopped")
    assert "Given up and stopped." in error_html(late)
    lost = error_html(ConnectionAbortedError("lost"))
    assert "Nobody knows whether the method has been executed" in lost
    assert "Nothing has been sent" in error_html(ConnectionError("not connected"))
    assert "&lt;x&gt;" in error_html(KeyError("<x>"))


def test_a_service_that_is_away():
    with LocalManager() as manager, connect(**manager.kwargs) as client:
        with Meter().start_in_background(**manager.kwargs):
            link = client.link("Meter")
        with pytest.raises(KeyError) as raised:
            link.voltage()
    shown = error_html(raised.value)
    assert "raised by the Manager" in shown
    assert "nothing has been executed" in shown


def test_its_size_is_bounded():
    assert len(error_html(ValueError("x" * 10**7))) < 10_000

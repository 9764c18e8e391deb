"""A device's end of a connection."""

from msl_network import Service, connect


class Echo(Service):
    def echo(self, value):
        return value


class Interrupted:
    """An event loop; one who wakes it up is interrupted, as by Ctrl+C."""

    def __init__(self, loop):
        self._loop = loop

    def __getattr__(self, name):
        return getattr(self._loop, name)

    def call_soon_threadsafe(self, *args):
        raise KeyboardInterrupt


def test_interrupt_while_sending_holds_nothing_up(manager, monkeypatch):
    with Echo().start_in_background(**manager.kwargs), connect(**manager.kwargs) as client:
        link = client.link("Echo")
        connection = client._session._connection
        with monkeypatch.context() as patch:
            patch.setattr(connection, "_loop", Interrupted(connection._loop))
            try:
                link.echo("x" * 100_000)
            except KeyboardInterrupt:
                pass
            else:
                raise AssertionError("it has not been interrupted")
        assert link.echo("y", timeout=20) == "y"
        assert not client._session._replies

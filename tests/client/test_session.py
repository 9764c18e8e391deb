"""A Client beside a Manager that a test plays line by line."""

import json
import socket
import threading

from msl_network import connect

ENTRY = {"attributes": {"step": "() -> int"}, "language": "", "os": "", "max_clients": -1}


class Played:
    """One connection of a Manager."""

    def __init__(self, server):
        self._socket, _ = server.accept()
        self._lines = self._socket.makefile("rb")
        self._send(attribute="identity", args=[], kwargs={}, requester="Manager[here:1]", uid="")
        self.hear()
        self.answer(self.hear(), {})

    def hear(self):
        """The next line of the Client."""
        return json.loads(self._lines.readline())

    def link(self):
        """Answer a request for a link."""
        request = self.hear()
        assert request["attribute"] == "link"
        self.answer(request, ENTRY)

    def answer(self, request, result):
        """Answer a request of it."""
        self._send(result=result, requester="", uid=request["uid"])

    def _send(self, **fields):
        self._socket.sendall(json.dumps({"error": False, **fields}).encode() + b"\r\n")

    def close(self):
        """Close the connection, right behind what was said last."""
        self._lines.close()
        self._socket.close()


def test_connection_that_is_lost_right_behind_the_link_loses_no_request():
    """What is safe to repeat waits for the next connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def play():
            first = Played(server)
            first.link()
            assert first.hear()["attribute"] == "step"
            first.close()
            second = Played(server)
            second.link()
            second.close()
            third = Played(server)
            third.link()
            third.answer(third.hear(), 7)
            assert third.hear()["attribute"] == "__disconnect__"
            third.close()

        playing = threading.Thread(target=play)
        playing.start()
        port = server.getsockname()[1]
        with connect("127.0.0.1", port=port, disable_tls=True) as client:
            link = client.link("Motor")
            assert link.step(safe_to_repeat=True, timeout=20) == 7
        playing.join()

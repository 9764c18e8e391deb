"""What a Client says that it can, where the Manager is of 1.x and passes on whatever that is."""

from msl_network import Service, connect

from ..raw import RawPeer


class Scanner(Service):
    def scan(self, points):
        for i in range(points):
            self.progress(i, points)
            yield i


def test_service_takes_no_client_at_its_word(open_network):
    kwargs = open_network("1.x", alone=True, disable_tls=True).kwargs
    claims = {"features": ["progress", "stream", "exceptions"], "stream": True}
    request = {"service": "Scanner", "attribute": "scan", "error": False, "kwargs": {}}
    with Scanner().start_in_background(**kwargs), RawPeer(kwargs["port"], tls=False) as raw:
        raw.client()
        # such a Manager closes the connection of who sends it items or progress
        for uid in ("1", "2"):
            answer = raw.ask({**request, **claims, "args": [3], "uid": uid})
            assert (answer["uid"], answer["result"]) == (uid, [0, 1, 2])
        with connect(**kwargs) as client:
            assert client.link("Scanner").scan(3) == [0, 1, 2]

"""A peer that sends what it likes, as a person on `openssl s_client` or a broken program does."""

import json
import socket
import ssl


class RawPeer:
    """A connection to a Manager, not yet identified."""

    def __init__(self, port, *, tls=True, timeout=20, source=None, host="localhost"):
        address = ("127.0.0.1" if source else host, port)
        sock = socket.create_connection(address, timeout, (source, 0) if source else None)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            sock = context.wrap_socket(sock, server_hostname="localhost")
        self.socket = sock
        self.port = sock.getsockname()[1]
        self._file = sock.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()
        self.socket.close()

    def send(self, data):
        """Send bytes, or an object as a message."""
        if not isinstance(data, bytes):
            data = json.dumps(data).encode() + b"\r\n"
        self.socket.sendall(data)

    def type(self, line):
        self.send(line.encode() + b"\n")

    def read(self):
        """The next message; None at the end of the connection."""
        line = self.read_line()
        return json.loads(line) if line else None

    def read_line(self):
        """The next line as it came; empty at the end of the connection."""
        try:
            return self._file.readline()
        except ConnectionError:
            return b""

    def ask(self, line):
        """Send a line and read the answer."""
        self.send(line if not isinstance(line, str) else line.encode() + b"\n")
        return self.read()

    def client(self, name="Raw"):
        """Identify as a Client."""
        assert self.read()["attribute"] == "identity"
        self.send({"result": {"type": "client", "name": name}})
        return self

    def service(self, name="RawService", **more):
        """Identify as a Service; returns when it has been registered."""
        assert self.read()["attribute"] == "identity"
        identity = {"type": "service", "name": name, "attributes": {}, **more}
        self.send({"result": identity})
        assert name in self.ask("identity")["result"]["services"]
        return self

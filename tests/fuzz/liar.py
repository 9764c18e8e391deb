"""A Manager that lies: it sends mutated lines to whoever connects."""

import contextlib
import json
import socket
import ssl
import threading

from msl_network.constants import DISCONNECT_REQUEST, GOODBYE

from .mutate import Mutator
from .seeds import CLIENT_LINES, IDENTITY_LINES, MANAGER_LINES, SERVICE_LINES

HANDSHAKE = (*IDENTITY_LINES[:3], *SERVICE_LINES)
UID = b'"uid":"1"'

ENTRY = {"attributes": {"echo": "(x)"}, "address": "h:1", "language": "", "os": ""}


class Liar:
    """Listens, and lies to one peer after the other.

    Args:
        honest: Whether connecting goes as it should, and the lies begin with the session.
        lies: How many lines a peer is sent; then it is disconnected.
        seed: Of the mutations.
        tls: The certificate and the key; None for no TLS.
        heartbeat: What it says of its heartbeats.
        stays: Whether it never says goodbye, after which nobody comes back.
        clings: Whether it keeps a connection that it was asked to close.
    """

    def __init__(
        self, *, honest, lies, seed, tls=None, heartbeat=b"10.0", clings=False, stays=False
    ):
        self._honest = honest
        self._heartbeat = heartbeat
        self._clings = clings
        self._ended = threading.Event()
        self._lies = lies
        self._handshakes = Mutator(HANDSHAKE, seed)
        lines = (*SERVICE_LINES, *MANAGER_LINES, *CLIENT_LINES, *HANDSHAKE)
        if stays:
            lines = [line for line in lines if GOODBYE.encode() not in line]
        self._sessions = Mutator(lines, seed + 1)
        self._context = None
        if tls is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*tls)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.sent = 0
        self.received = 0
        self._thread = threading.Thread(target=self._run, name="liar")
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join(30)
        self._server.close()

    def _run(self):
        while True:
            try:
                sock, _ = self._server.accept()
            except OSError:
                return
            sock.settimeout(20)
            # the peer closes the connection when it has heard enough
            with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
                stack.callback(sock.close)
                if self._context is not None:
                    sock = self._context.wrap_socket(sock, server_side=True)
                    stack.callback(sock.close)
                with sock.makefile("rb") as file:
                    self._lie(sock, file)

    def _lie(self, sock, file):
        if not self._honest:
            self._send(sock, *(next(self._handshakes) for _ in range(self._lies)))
            sock.shutdown(socket.SHUT_WR)
            while file.readline():
                pass
            return
        self._send(sock, IDENTITY_LINES[0].replace(b"10.0", self._heartbeat))
        file.readline()
        if not (line := file.readline()):
            return
        self._reply(sock, json.loads(line), {})  # the proof that it has been registered
        # a Client links; what is sent to a Service in the meantime is as good as anything
        lies = self._lies
        while lies > 0 and (line := file.readline()):
            self.received += 1
            message = json.loads(line)
            if message.get("attribute") == DISCONNECT_REQUEST:
                if self._clings:
                    self._ended.wait(20)
                return
            if message.get("attribute") == "link" and lies == self._lies:
                self._reply(sock, message, ENTRY)
                continue
            lies -= 3
            uid = b'"uid":%s' % json.dumps(message.get("uid", "1")).encode()
            self._send(sock, *(next(self._sessions).replace(UID, uid) for _ in range(3)))

    def _reply(self, sock, message, result):
        reply = {"result": result, "error": False, "uid": message["uid"], "requester": "x[h:1]"}
        sock.sendall(json.dumps(reply).encode() + b"\r\n")

    def _send(self, sock, *lines):
        self.sent += len(lines)
        sock.sendall(b"".join(line if line.endswith(b"\n") else line + b"\n" for line in lines))

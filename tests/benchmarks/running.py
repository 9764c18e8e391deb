"""What the benchmarks need to start their processes."""

import socket
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]


def wait_for_port(port: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit("the Manager did not start")
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("the Manager did not start in time")

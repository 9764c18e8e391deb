"""A process of its own that is asked over a pipe: both ends of it.

A request and its answer are JSON, one a line. The child's own output goes to a file, as does what a
library prints, so that nothing gets between the lines. A child ends when its parent closes the
pipe, or is gone.
"""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import traceback
from pathlib import Path

WAIT = 120.0
"""Seconds after which a child that does not answer has failed."""


class Child:
    """A process that runs a module of the tests.

    Args:
        module: The name of the module.
        name: What it is called in errors and files.
        home: The folder of its files.
        config: The first thing that it reads: whatever it needs, secrets too.
    """

    def __init__(self, module, name, home, config):
        self.name = name
        self.output = Path(home) / f"{name}.out"
        root = str(Path(__file__).parents[1])
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
                env={**os.environ, "MSL_NETWORK_HOME": str(home), "PYTHONPATH": path},
                start_new_session=True,  # Ctrl+C is the parent's to handle
            )
        self._answers = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, name=f"reads {name}", daemon=True)
        self._reader.start()
        self._send(config)
        self.answer()

    @property
    def pid(self):
        return self.process.pid

    def ask(self, action, *args, wait=WAIT):
        """Have the child do something, and return its answer."""
        with self._lock:
            self._send([action, *args])
            return self.answer(wait)

    def answer(self, wait=WAIT):
        try:
            answer = self._answers.get(timeout=wait)
        except queue.Empty:
            raise RuntimeError(f"{self.name} did not answer within {wait:g} seconds") from None
        if answer is None:
            self._answers.put(None)
            text = self.output.read_text(errors="replace")[-3000:]
            raise RuntimeError(f"{self.name} has ended\n{text}")
        kind, value = answer
        if kind == "error":
            raise RuntimeError(f"{self.name}: {value}")
        return value

    def _send(self, message):
        # if it has ended, the answer says so
        with contextlib.suppress(OSError, ValueError):
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()

    def _read(self):
        for line in self.process.stdout:
            self._answers.put(json.loads(line))
        self._answers.put(None)

    def kill(self, number=signal.SIGKILL):
        """Send it a signal, and wait for its end."""
        self.process.send_signal(number)
        self.process.wait(30)

    def close(self):
        """End it."""
        if self.process.poll() is None:
            with self._lock:
                self.process.stdin.close()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(20)
        self._reader.join(20)
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Pipe:
    """The child's end."""

    def __init__(self):
        self._out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        self.config = json.loads(sys.stdin.readline())

    def _send(self, kind, value):
        self._out.write(json.dumps([kind, value]) + "\n")
        self._out.flush()

    def ready(self):
        self._send("answer", None)

    def serve(self, actions):
        """Answer until the parent closes the pipe; `actions` are functions by name."""
        for line in sys.stdin:
            name, *args = json.loads(line)
            try:
                answer = ("answer", actions[name](*args))
            except Exception:
                answer = ("error", traceback.format_exc())
            try:
                self._send(*answer)
            except BrokenPipeError:
                return

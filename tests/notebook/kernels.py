"""A real kernel, and what its cells show."""

import ast
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import zmq
from jupyter_client.manager import KernelManager

ROOT = Path(__file__).parents[2]


class Cell:
    """A cell that was sent to a kernel.

    Attributes:
        answers: What a person will type, one text for each question.
        asked: What was asked, as (prompt, whether the answer is hidden).
        printed: What it printed.
        shown: The mimebundles that it displayed, its result the last of them.
        pages: The texts that it had shown beside the notebook, as `?` does.
        error: Its error as (name, text, traceback); None if it had none.
        status: `"ok"`, `"error"` or `"aborted"`; None until it has ended.
    """

    def __init__(self, answers):
        self.answers = list(answers)
        self.asked = []
        self.printed = ""
        self.shown = []
        self.pages = []
        self.error = None
        self.status = None
        self.idle = False

    @property
    def text(self):
        """All that a person can read below the cell, and what a saved notebook has in it."""
        bundles = "\n".join(str(value) for bundle in self.shown for value in bundle.values())
        return "\n".join([self.printed, bundles, *(self.error or ())])

    @property
    def value(self):
        """The value of its last line."""
        return ast.literal_eval(self.shown[-1]["text/plain"])


class Kernel:
    """An ipykernel, as a front end sees it.

    Args:
        home: The home folder of msl_network in it.
        python: The Python that it runs in.
    """

    def __init__(self, home, python=sys.executable):
        # not TCP: another test could take the port before the kernel does
        self._folder = tempfile.mkdtemp(prefix="msl-network-kernel-")
        ipc = {"transport": "ipc", "ip": os.path.join(self._folder, "k")}
        self.manager = KernelManager(
            **({} if sys.platform == "win32" else ipc),
            connection_file=os.path.join(self._folder, "kernel.json"),
        )
        self.manager.kernel_spec.argv[0] = python
        self._cells = {}
        self._displays = {}
        self.widgets = {}
        self.manager.start_kernel(
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "MSL_NETWORK_HOME": str(home),
                "IPYTHONDIR": os.path.join(self._folder, "ipython"),
            },
            cwd=self._folder,
        )
        self._client = self.manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)

    def close(self):
        self._client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def pid(self):
        return self.manager.provisioner.process.pid

    def start(self, code, *answers, stop_on_error=True):
        """Send a cell, without waiting for it."""
        cell = Cell(answers)
        uid = self._client.execute(code, allow_stdin=True, stop_on_error=stop_on_error)
        self._cells[uid] = cell
        return cell

    def run(self, code, *answers):
        """Run a cell that must not fail."""
        cell = self.finish(self.start(code, *answers))
        assert cell.error is None, "\n".join(cell.error[2])
        return cell

    def fail(self, code, *answers):
        """Run a cell that must fail."""
        cell = self.finish(self.start(code, *answers))
        assert cell.error is not None, cell.text
        return cell

    def finish(self, cell, timeout=60):
        """Wait until a cell has ended (seconds)."""
        return self.wait(cell, lambda: cell.status is not None and cell.idle, timeout)

    def wait(self, cell, condition, timeout=60):
        """Wait until something is so, while messages of the kernel come in (seconds)."""
        deadline = time.monotonic() + timeout
        while not condition():
            left = deadline - time.monotonic()
            if left < 0:
                raise AssertionError(f"The cell has not got there. It shows:\n{cell.text}")
            self._receive(min(left, 0.1))
        return cell

    def interrupt(self):
        """What the stop button does."""
        self.manager.interrupt_kernel()

    def complete(self, code):
        """What Tab offers at the end of this code."""
        return self._client.complete(code, reply=True, timeout=30)["content"]["matches"]

    def inspect(self, code):
        """What `?` shows for it."""
        return self._client.inspect(code, reply=True, timeout=30)["content"]["data"]["text/plain"]

    def page(self):
        """The texts of all widgets: what is on the page while the kernel lives."""
        return "\n".join(str(state.get("value", "")) for state in self.widgets.values())

    def find(self, **state):
        """The id of the widget with this state; None if there is none."""
        for uid, known in self.widgets.items():
            if state.items() <= {key: known.get(key) for key in state}.items():
                return uid
        return None

    def send(self, uid, method, **data):
        """What a front end sends to a widget: an `"update"` of its state, or what is `"custom"`.

        As a front end is, the test is told when it has been handled: then it is `idle`.
        """
        content = {"comm_id": uid, "data": {"method": method, **data}}
        message = self._client.session.msg("comm_msg", content)
        sent = self._cells[message["header"]["msg_id"]] = Cell(())
        self._client.shell_channel.send(message)
        return sent

    def click(self, name):
        """Click a button."""
        uid = self.find(_model_name="ButtonModel", description=name)
        return self.send(uid, "custom", content={"event": "click"})

    def change(self, name, **state):
        """Type or choose in a field, as its label calls it."""
        return self.send(self.find(description=name), "update", state=state)

    def _receive(self, timeout):
        client = self._client
        channels = {
            client.iopub_channel.socket: self._published,
            client.shell_channel.socket: self._replied,
            client.stdin_channel.socket: self._questioned,
        }
        poller = zmq.Poller()
        for socket in channels:
            poller.register(socket, zmq.POLLIN)
        for socket, _ in poller.poll(timeout * 1000):
            _, message = client.session.recv(socket, zmq.NOBLOCK)
            if message is not None:
                cell = self._cells.get(message["parent_header"].get("msg_id"))
                channels[socket](cell, message["msg_type"], message["content"])

    def _published(self, cell, kind, content):
        if kind == "comm_open":
            self.widgets[content["comm_id"]] = dict(content["data"]["state"])
        elif kind == "comm_msg" and content["data"].get("method") == "update":
            self.widgets.setdefault(content["comm_id"], {}).update(content["data"]["state"])
        elif kind == "comm_close":
            self.widgets.pop(content["comm_id"], None)
        elif kind == "update_display_data":
            shown = self._displays[content["transient"]["display_id"]]
            shown.clear()
            shown.update(content["data"])
        elif cell is None:
            return
        elif kind == "stream":
            cell.printed += content["text"]
        elif kind in ("display_data", "execute_result"):
            cell.shown.append(dict(content["data"]))
            self._displays[content.get("transient", {}).get("display_id")] = cell.shown[-1]
        elif kind == "error":
            cell.error = content["ename"], content["evalue"], "\n".join(content["traceback"])
        elif kind == "status" and content["execution_state"] == "idle":
            cell.idle = True

    def _replied(self, cell, kind, content):
        if cell is not None and kind == "execute_reply":
            cell.status = content["status"]
            pages = [each for each in content.get("payload", ()) if each["source"] == "page"]
            cell.pages = [page["data"]["text/plain"] for page in pages]

    def _questioned(self, cell, kind, content):
        cell.asked.append((content["prompt"], content["password"]))
        if cell.answers:
            self._client.input(cell.answers.pop(0))

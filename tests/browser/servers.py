"""JupyterLab, Notebook 7 and Voila as a person starts them, on free ports of loopback."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

from ..ports import free_port

ROOT = Path(__file__).parents[2]
START = 60.0
"""Seconds for a server to start on a busy machine."""

SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
    # every cell has its place in the page, also one that is out of sight
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
}

JUPYTER = [
    "--no-browser",
    "--allow-root",
    "--ServerApp.ip=127.0.0.1",
    "--ServerApp.port={port}",
    "--ServerApp.port_retries=0",
    "--ServerApp.root_dir={root}",
    "--IdentityProvider.token=",
    "--ServerApp.password=",
    "--ServerApp.disable_check_xsrf=True",
    "--{app}.expose_app_in_browser=True",
    "--{app}.app_settings_dir={settings}",
    "--{app}.extension_manager=readonly",
]

COMMANDS = {
    "lab": ["-m", "jupyterlab", *[option.replace("{app}", "LabApp") for option in JUPYTER]],
    "notebook7": [
        *["-m", "notebook"],
        *[option.replace("{app}", "JupyterNotebookApp") for option in JUPYTER[:-1]],
    ],
    "voila": [
        *["-m", "voila", "{root}", "--no-browser", "--show_tracebacks=True"],
        *["--Voila.ip=127.0.0.1", "--Voila.port={port}", "--Voila.port_retries=0"],
        "--VoilaConfiguration.allow_theme_override=YES",
    ],
}


@dataclass
class Server:
    """A server that runs.

    Attributes:
        url: Where it is.
        process: Its process.
    """

    url: str
    process: subprocess.Popen

    def stop(self):
        """End it, and the kernels that it has started."""
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Servers:
    """The servers, each started when it is first asked for; they share their folders.

    Args:
        base: An empty folder for all that they write.
        kernels: The Pythons of the kernels beside `python3`, by their names.

    Attributes:
        root: The folder of the notebooks.
        home: The home folder of msl_network in the kernels.
    """

    def __init__(self, base, kernels):
        self.root, self.home, self._base = base / "root", base / "home", base
        for folder in (self.root, self.home, base / "settings"):
            folder.mkdir()
        (base / "settings" / "overrides.json").write_text(json.dumps(SETTINGS))
        for name, python in kernels.items():
            spec = base / "data" / "kernels" / name
            spec.mkdir(parents=True)
            argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            (spec / "kernel.json").write_text(
                json.dumps({"argv": argv, "display_name": name, "language": "python"})
            )
        self._running = {}

    def __getitem__(self, app):
        """The server of `"lab"`, `"notebook7"` or `"voila"`."""
        if app not in self._running:
            self._running[app] = self._start(app)
        return self._running[app]

    def stop(self):
        """Stop all of them."""
        for server in self._running.values():
            server.stop()

    def _start(self, app):
        base = self._base
        port = free_port()
        places = {"port": port, "root": self.root, "settings": base / "settings"}
        command = [sys.executable, *[word.format(**places) for word in COMMANDS[app]]]
        env = {
            **os.environ,
            "JUPYTER_CONFIG_DIR": str(base / "config"),
            "JUPYTER_DATA_DIR": str(base / "data"),
            "JUPYTER_RUNTIME_DIR": str(base / "runtime"),
            "JUPYTERLAB_SETTINGS_DIR": str(base / "user-settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(base / "workspaces"),
            "IPYTHONDIR": str(base / "ipython"),
            "MSL_NETWORK_HOME": str(self.home),
            "PYTHONPATH": str(ROOT),
        }
        log_file = base / f"{app}.log"
        with log_file.open("w") as log:
            process = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)
        server = Server(f"http://127.0.0.1:{port}", process)
        deadline = time.monotonic() + START
        while not _answers(server.url):
            if process.poll() is not None or time.monotonic() > deadline:
                server.stop()
                pytest.fail(f"{app} did not start:\n{log_file.read_text()}")
        return server


def _answers(url):
    try:
        urllib.request.urlopen(f"{url}/api/status", timeout=1).close()
    except urllib.error.HTTPError:
        return True  # Voila has no such page
    except OSError:
        time.sleep(0.1)  # between two looks
        return False
    return True

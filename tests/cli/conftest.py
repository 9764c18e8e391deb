"""Run commands in this process, in a home of their own."""

import io
import os
import sys

import pytest

from msl_network import cli, constants


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home, and nobody at the keyboard."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setattr(constants, "HOME_DIR", str(home))
    for name, entry in (("CERT_DIR", "certs"), ("KEY_DIR", "keys"), ("LOG_DIR", "logs")):
        monkeypatch.setattr(constants, name, os.path.join(home, entry))
    monkeypatch.setattr(constants, "DATABASE", os.path.join(home, "manager.sqlite3"))
    monkeypatch.setattr(constants, "KNOWN_HOSTS", os.path.join(home, "known_hosts"))
    return home


@pytest.fixture
def run(home, capsys):
    """Run a command; returns its exit status and what it printed, then what it complained of."""

    def run(*words):
        with pytest.raises(SystemExit) as end:
            cli.main(*map(str, words))
        captured = capsys.readouterr()
        # a program that reads what is printed gets no complaints with it
        assert end.value.code or captured.err == ""
        return end.value.code, captured.out + captured.err

    return run

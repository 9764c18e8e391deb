"""The command line as a whole."""

import dataclasses
import os
import subprocess
import sys

import pytest

from msl_network import Limits, __main__, cli
from msl_network.version import __version__

COMMANDS = ["certdump", "certgen", "connections", "delete", "hostname", "keygen", "start", "user"]


def run(*words, **environment):
    return subprocess.run(
        [sys.executable, "-m", "msl_network", *words],
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_version(capsys):
    assert __main__.main is cli.main
    for option in ("-V", "--version"):
        with pytest.raises(SystemExit) as end:
            cli.main(option)
        assert end.value.code == 0
        assert capsys.readouterr().out == f"{__version__}\n"


def test_no_words_at_all_print_the_help():
    done = run()
    assert done.returncode == 0
    assert done.stdout.startswith("usage: msl-network [-h] [-V] command ...\n")
    for command in COMMANDS:
        assert f"\n    {command} " in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(command, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(command, "--help")
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: msl-network {command} [-h]")
    assert max(map(len, out.splitlines())) <= 120


def test_unknown_command(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main("launch")
    assert end.value.code == 2
    assert "invalid choice: 'launch'" in capsys.readouterr().err


def test_options_are_those_of_1x():
    parse = cli.configure_parser().parse_args
    start = {
        "auth_hostname": False,
        "auth_login": False,
        "auth_password": None,
        "cert_file": None,
        "database": None,
        "disable_tls": False,
        "host": None,
        "key_file": None,
        "key_file_password": None,
        "port": 1875,
        "log_level": "INFO",
        "log_file": None,
        "log_format": "text",
    }
    options = vars(parse(["start"]))
    assert {name: options[name] for name in start} == start
    limits = {field.name for field in dataclasses.fields(Limits)}
    assert set(options) - set(start) - limits == {"cmd", "func"}
    given = parse(
        [
            "start",
            "--auth-hostname",
            "--auth-login",
            "--disable-tls",
            "-P",
            "a",
            "b",
            "-c",
            "c",
            "-d",
            "d",
            "-H",
            "h",
            "-k",
            "k",
            "-D",
            "e",
            "f",
            "-p",
            "1",
            "-G",
            "DEBUG",
            "-l",
            "l",
        ]
    )
    assert (given.auth_password, given.key_file_password) == (["a", "b"], ["e", "f"])
    assert (given.auth_hostname, given.auth_login, given.disable_tls) == (True, True, True)
    assert (given.cert_file, given.database, given.host, given.key_file) == ("c", "d", "h", "k")
    assert (given.port, given.log_level, given.log_file) == ("1", "DEBUG", "l")

    given = parse(
        ["certgen", "out", "-a", "SHA512", "-k", "k", "-p", "a", "b", "-y", "2", "--show"]
    )
    assert (given.out, given.algorithm, given.key_file, given.years_valid) == (
        "out",
        "SHA512",
        "k",
        "2",
    )
    assert (given.key_file_password, given.show) == (["a", "b"], True)
    given = parse(["keygen", "dsa", "-c", "c", "-p", "a", "b", "-o", "o", "-s", "1"])
    assert (given.algorithm, given.curve, given.password) == ("dsa", "c", ["a", "b"])
    assert (given.out, given.size) == ("o", "1")
    given = parse(["delete", "-acdklqy", "-r", "r"])
    assert all(
        (given.all, given.certs, given.database, given.keys, given.logs, given.quiet, given.yes)
    )
    assert given.root == "r"
    given = parse(["user", "add", "n", "-a", "-d", "d", "-p", "a", "b"])
    assert (given.username, given.admin, given.database) == ("n", True, "d")
    given = parse(["hostname", "remove", "a", "b", "-d", "d"])
    assert (given.action, given.names, given.database) == ("remove", ["a", "b"], "d")
    assert parse(["certdump", "c", "-o", "o"]).out == "o"


def test_help_loads_nothing_heavy():
    code = (
        "import sys, msl_network.cli as cli\n"
        "cli.configure_parser()\n"
        "heavy = {'cryptography', 'sqlite3', 'asyncio', 'asyncssh', 'ssl', 'psutil'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_home_is_where_the_environment_says(tmp_path):
    home = str(tmp_path / "home")
    done = run("user", "list", MSL_NETWORK_HOME=home)
    assert done.stdout == "There are no users in the database\n"
    assert os.listdir(home) == ["manager.sqlite3"]

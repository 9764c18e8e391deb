"""msl-network connections."""

import json
import subprocess
import sys
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

from msl_network.database import ConnectionsTable

PEER = SimpleNamespace(ip_address="192.0.2.7", domain="pi.example", port=50123)


@pytest.fixture
def records(home):
    """A database with a record of each of some days; returns the days."""
    today = datetime.now().replace(microsecond=0)
    moments = [today - timedelta(days=days) for days in (30, 3, 1, 0)]
    with ConnectionsTable() as table:
        for moment in moments:
            table.execute(
                "INSERT INTO connections VALUES(NULL, ?, '192.0.2.7', '192.0.2.7', 5, ?);",
                (moment.isoformat(), f"{moment:%Y-%m-%d}"),
            )
        table.connection.commit()
    return [f"{moment:%Y-%m-%d}" for moment in moments]


def test_everything_that_is_on_record(run, home):
    assert run("connections") == (0, "")
    with ConnectionsTable() as table:
        table.insert(PEER, "connected as a client: A[pi:50123], user 'n.bohr'")
        ((_, when, *_),) = table.connections()
    assert run("connections") == (
        0,
        f"{when} 192.0.2.7:50123 (pi.example) connected as a client: A[pi:50123], user 'n.bohr'\n",
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--last", "1h"], [3]),
        (["--last", "90m"], [3]),
        (["-l", "4d"], [1, 2, 3]),
        (["--start", "{1}", "--end", "{2}"], [1, 2]),
        (["--end", "{1}"], [0, 1]),
        (["--start", "2100-01-01"], []),
    ],
)
def test_what_was_in_a_span_of_time(run, records, words, expected):
    status, out = run("connections", *[word.format(*records) for word in words])
    assert status == 0
    assert [line.split()[-1] for line in out.splitlines()] == [records[i] for i in expected]


def test_json_for_programs(run, records):
    status, out = run("connections", "--json", "--last", "1h")
    assert status == 0
    (record,) = map(json.loads, out.splitlines())
    assert list(record) == ["pid", "datetime", "ip_address", "domain", "port", "message"]
    assert record["message"] == records[-1]


def test_database_that_is_not_there_is_not_made(run, tmp_path):
    path = tmp_path / "typo.sqlite3"
    assert run("connections", "--database", str(path)) == (
        1,
        f"FileNotFoundError: There is no database {path}\n",
    )
    assert not path.exists()


def test_who_reads_has_seen_enough(tmp_path):
    database = str(tmp_path / "manager.sqlite3")
    with ConnectionsTable(database=database) as table:
        table.connection.executemany(
            "INSERT INTO connections VALUES(NULL, '2024-05-17T13:45:00', 'a', 'a', ?, 'x');",
            [(port,) for port in range(10_000)],
        )
        table.connection.commit()
    command = [sys.executable, "-m", "msl_network", "connections", "-d", database]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        assert program.stdout.readline() == b"2024-05-17T13:45:00 a:0 x\n"
        program.stdout.close()
        assert program.stderr.read() == b""
    assert program.returncode == 0


def test_what_1x_recorded_cannot_act_on_the_terminal(run, home):
    with ConnectionsTable() as table:
        table.execute(
            "INSERT INTO connections VALUES(NULL, '2024-05-17T13:45:00', 'a', ?, 1, ?);",
            ("\x1b[2J", "x\n2024-05-17T13:45:01 all is well"),
        )
        table.connection.commit()
    assert run("connections") == (
        0,
        "2024-05-17T13:45:00 a:1 (\\x1b[2J) x\\n2024-05-17T13:45:01 all is well\n",
    )


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--last", "soon"], "--last needs a number of minutes, hours or days, as 24h, not 'soon'"),
        (["--last", "1h", "--start", "2024-05-17"], "Give either --start or --last"),
        (["--start", "yesterday"], "Invalid isoformat string: 'yesterday'"),
    ],
)
def test_time_that_is_none(run, words, text):
    assert run("connections", *words) == (1, f"ValueError: {text}\n")


def test_span_beyond_all_time(run):
    status, out = run("connections", "--last", "9999999999d")
    assert status == 1
    assert out.startswith("OverflowError: ")

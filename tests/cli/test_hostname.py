"""msl-network hostname."""

import pytest

from msl_network import constants
from msl_network.database import HostnamesTable


def test_list_starts_with_this_computer(run, home):
    names = "".join(f"  {name}\n" for name in sorted(constants.LOCALHOST_ALIASES))
    assert run("hostname", "list") == (
        0,
        f"Trusted devices in {home / 'manager.sqlite3'}\n\nHostnames:\n{names}",
    )


def test_trust_and_trust_no_longer(run):
    assert run("hostname", "add", "A", "B") == (0, "Added A\nAdded B\n")
    assert run("hostname", "insert", "A", "C") == (0, "Inserted A\nInserted C\n")
    assert run("hostname", "delete", "A", "Z") == (
        1,
        "Deleted A\nCannot delete 'Z'. This hostname is not in the table.\n",
    )
    assert run("hostname", "remove", "Z", "B") == (
        1,
        "Removed B\nCannot remove 'Z'. This hostname is not in the table.\n",
    )
    with HostnamesTable() as table:
        assert set(table.hostnames()) - constants.LOCALHOST_ALIASES == {"C"}


@pytest.mark.parametrize(
    ("action", "done"),
    [("add", "added"), ("insert", "inserted"), ("remove", "removed"), ("delete", "deleted")],
)
def test_no_names(run, action, done):
    assert run("hostname", action) == (1, f"No hostnames were {done}\n")


def test_other_database(run, tmp_path):
    run("hostname", "add", "A", "-d", tmp_path / "sub" / "other.db")
    with HostnamesTable(database=tmp_path / "sub" / "other.db") as table:
        assert "A" in table.hostnames()


def test_folder_that_cannot_be_made(run, tmp_path):
    (tmp_path / "file").touch()
    status, out = run("hostname", "list", "-d", tmp_path / "file" / "x.db")
    assert (status, out.split(":")[0]) == (1, "FileExistsError")

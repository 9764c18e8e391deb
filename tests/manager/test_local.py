"""A Manager in the background of this process."""

import os
import subprocess
import sys

import pytest

from msl_network import LocalManager, RemoteError, connect


def test_it_starts_and_stops_as_often_as_one_likes():
    manager = LocalManager()
    assert repr(manager) == "<LocalManager stopped>"
    with pytest.raises(RuntimeError, match="is not running"):
        manager.kwargs  # noqa: B018
    for _ in range(2):
        with manager:
            assert manager.start() is manager
            assert repr(manager) == f"<LocalManager at 127.0.0.1:{manager.port}>"
            folder = os.path.dirname(manager.kwargs["cert_file"])
            with connect(**manager.kwargs) as client:
                assert client.identities()["port"] == manager.port
        assert not os.path.exists(folder)
    manager.stop()


@pytest.mark.parametrize(
    ("kwargs", "needed"),
    [
        ({"disable_tls": True}, {"disable_tls"}),
        ({"auth_password": "secret"}, {"cert_file", "password_manager"}),
        (
            {"auth_login": True, "users": {"n.bohr": "a", "m.curie": "b"}},
            {"cert_file", "username", "password"},
        ),
        ({"auth_hostname": True}, {"cert_file"}),
    ],
)
def test_kwargs_are_all_that_is_needed(kwargs, needed):
    with LocalManager(**kwargs) as manager:
        assert manager.kwargs.keys() == {"host", "port"} | needed
        with connect(**manager.kwargs) as client:
            assert client.is_connected()


def test_what_it_is_given_is_kept(tmp_path):
    database = str(tmp_path / "manager.sqlite3")
    with LocalManager(database=database, users={"n.bohr": "a"}, auth_login=True):
        pass
    with (
        LocalManager(database=database, users={"n.bohr": "a"}, auth_login=True) as manager,
        connect(**manager.kwargs) as client,
    ):
        assert client.admin_request("users_table.usernames") == ["n.bohr"]
        rows = client.admin_request("connections_table.connections")
        who = next(iter(client.identities()["clients"]))
        assert f"connected as a client: {who}, user 'n.bohr'" in {row[5] for row in rows}


def test_it_cannot_start(manager):
    with pytest.raises(OSError, match=r"(?i)address already in use"):
        LocalManager(port=manager.port).start()
    with pytest.raises(RuntimeError, match="Cannot specify multiple authentication methods"):
        LocalManager(auth_password="x", auth_hostname=True).start()
    with pytest.raises(RuntimeError, match="The 'auth_users' table is empty"):
        LocalManager(auth_login=True).start()


def test_administrator_reaches_the_tables_and_no_more():
    with LocalManager(users={"n.bohr": "a"}) as manager:
        kwargs = {**manager.kwargs, "username": "n.bohr", "password": "a"}
        with connect(**kwargs) as client, connect(**kwargs) as other:
            with pytest.raises(RemoteError, match="AttributeError"):
                client.admin_request("close")
            assert client.admin_request("hostnames_table.insert", "labpc") is None
            assert "labpc" in client.admin_request("hostnames_table.hostnames")
            assert other.is_connected()


FORGETFUL = """
from msl_network import LocalManager, Service, connect

class Tidy(Service):
    def shutdown_handler(self):
        print("tidied up", flush=True)

manager = LocalManager().start()
Tidy().start_in_background(**manager.kwargs)
client = connect(**manager.kwargs)
link = client.link("Tidy")
print(manager.kwargs["cert_file"], flush=True)
"""


def test_program_that_ends_without_stopping_anything():
    done = subprocess.run(
        [sys.executable, "-c", FORGETFUL], capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    cert_file, said = done.stdout.splitlines()
    assert said == "tidied up"
    assert not os.path.exists(os.path.dirname(cert_file))


def test_administrator_shuts_it_down():
    manager = LocalManager(users={"n.bohr": "secret"})
    with manager, connect(**manager.kwargs, username="n.bohr", password="secret") as client:
        client.admin_request("shutdown_manager", timeout=20)
        with pytest.raises(ConnectionError):
            connect(**manager.kwargs)


def test_password_is_not_shown():
    with LocalManager(auth_password="secret") as manager:
        assert "secret" not in repr(manager) + repr(vars(manager)["_running"])

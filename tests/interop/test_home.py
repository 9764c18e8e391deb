"""The home folder of a 1.x installation goes on working, and 1.x reads what we leave in it."""

import json
import os
import subprocess

from msl_network import LocalManager, connect, passwords
from msl_network.database import ConnectionsTable, HostnamesTable, UsersTable
from tests.ports import free_port

from .processes import Peer, Player, pythons


def test_certificates_and_users_of_1x(python_1x, database_1x, tmp_path):
    """The key and certificate that 1.x made, its users, and the certificate that it pinned."""
    interpreters = pythons(python_1x)
    homes = {name: tmp_path / name for name in ("manager", "client")}
    kwargs = {
        "host": "localhost",
        "port": free_port(),
        "username": "m.curie",
        "password": "radium",
    }
    database = database_1x()
    for kind in ("1.x", "ours"):
        options = {"port": kwargs["port"], "auth_login": True, "database": database}
        manager = Peer(interpreters[kind], "manager", kind, homes["manager"], options)
        player = Player(interpreters[kind], "client", kind, homes["client"])
        try:
            manager.hear_about("Network Manager running on")
            # only 1.x saves the certificate; nobody is there to be asked the second time
            more = {**kwargs, "auto_save": kind == "1.x"}
            assert player.play("call", kwargs=more, services=[]) == []
        finally:
            player.end()
            manager.end()
    assert sorted(path.name for path in homes["client"].glob("certs/*")) == ["localhost.crt"]
    assert len(list(homes["manager"].glob("keys/*"))) == 1


READ = """
import json, sys
from msl.network.database import ConnectionsTable, HostnamesTable, UsersTable
with ConnectionsTable(database=sys.argv[1]) as table:
    records = [row[1:] for row in table.connections()]
with HostnamesTable(database=sys.argv[1]) as table:
    hostnames = sorted(table.hostnames())
with UsersTable(database=sys.argv[1]) as table:
    users = sorted(table.users())
    valid = {name: table.is_password_valid(name, password) for name, password in %s}
    if sys.argv[2:]:
        table.update(sys.argv[2], password=sys.argv[3])
print(json.dumps([records, hostnames, users, valid]))
"""


def test_1x_reads_all_but_the_passwords_of_users_who_were_made_or_logged_in_here(
    python_1x, database_1x
):
    """A password that is set with 1.x works for both again, until the next login here."""
    database = database_1x()
    logins = [("m.curie", "radium"), ("new", "x"), ("n.bohr", "Ångström & Co")]

    def read(*change):
        done = subprocess.run(
            [python_1x, "-c", READ % logins, database, *change],
            env=os.environ | {"MSL_NETWORK_HOME": os.path.dirname(database)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.stderr == ""
        return json.loads(done.stdout)

    curie = {"m.curie": "radium"}
    with LocalManager(database=database, auth_login=True, users=curie) as manager:
        connect(**manager.kwargs).disconnect()
    with UsersTable(database=database) as users:
        users.insert("new", "x", False)
    records, hostnames, users, valid = read("m.curie", "polonium")
    with ConnectionsTable(database=database) as table:
        assert records == [list(row[1:]) for row in table.connections()]
        assert any("user 'm.curie'" in row[-1] for row in records)
    with HostnamesTable(database=database) as table:
        assert hostnames == table.hostnames()
    assert users == [["m.curie", False], ["n.bohr", True], ["new", False]]
    assert valid == {"m.curie": False, "new": False, "n.bohr": True}
    with UsersTable(database=database) as table:
        assert passwords.kind_of(table.get_user("m.curie")[2]) == passwords.OF_1X
        assert table.is_password_valid("m.curie", "polonium")

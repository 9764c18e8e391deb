"""The home folder of a 1.x installation goes on working."""

from .processes import Peer, Player, free_port, pythons


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

"""msl-network delete."""

import pytest

FILES = {
    "manager.sqlite3": 2400,
    "certs/localhost.crt": 900,
    "certs/pi.crt": 700,
    "certs/notes.txt": 5,
    "keys/localhost.key": 3,
    "logs/manager-1.log": 1_600_000,
    "known_hosts": 10,
}


@pytest.fixture
def files(home):
    for name, size in FILES.items():
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_bytes(b"x" * size)

    def left():
        found = (file for file in home.rglob("*") if file.is_file())
        return {file.relative_to(home).as_posix() for file in found}

    return left


@pytest.fixture
def answers(monkeypatch):
    """What a person types at the prompts, then the end of the input."""
    typed = []

    def answer(prompt):
        print(prompt, end="")
        if not typed:
            raise EOFError
        print()
        return typed.pop(0)

    monkeypatch.setattr("builtins.input", answer)
    return typed


def test_everything(run, home, files):
    certificates = sorted((home / "certs").glob("*.crt"))
    status, out = run("delete", "--all", "--yes")
    lines = out.splitlines()
    assert status == 0
    assert sorted(lines[7:9]) == [f"[Deleted] {path}" for path in certificates]
    del lines[7:9]
    assert lines == [
        "",
        "The following database will be deleted:",
        f"  {home / 'manager.sqlite3'} [2 kB]",
        f"[Deleted] {home / 'manager.sqlite3'}",
        "",
        "Searching for certificates ... ",
        "  2 certificate(s) will be deleted [2 kB]",
        "",
        "Searching for keys ... ",
        "  1 key(s) will be deleted [3 B]",
        f"[Deleted] {home / 'keys' / 'localhost.key'}",
        "",
        "Searching for log files ... ",
        "  1 log file(s) will be deleted [2 MB]",
        f"[Deleted] {home / 'logs' / 'manager-1.log'}",
        "",
        "The following list of trusted SSH host keys will be deleted:",
        f"  {home / 'known_hosts'} [10 B]",
        f"[Deleted] {home / 'known_hosts'}",
    ]
    assert files() == {"certs/notes.txt"}


def test_nothing_is_left_to_delete(run):
    assert run("delete", "-a", "-y") == (
        0,
        "No database file found\n"
        "\nSearching for certificates ... no certificates found\n"
        "\nSearching for keys ... no keys found\n"
        "\nSearching for log files ... no log files found\n",
    )


@pytest.mark.parametrize("answer", ["", "y", "Yes"])
def test_person_agrees(run, home, files, answers, answer):
    answers.append(answer)
    assert run("delete", "--keys") == (
        0,
        "\nSearching for keys ... \n  1 key(s) will be deleted [3 B]\nProceed (Y/n)? \n"
        f"[Deleted] {home / 'keys' / 'localhost.key'}\n",
    )
    assert files() == set(FILES) - {"keys/localhost.key"}


def test_person_refuses_one_and_agrees_to_the_other(run, files, answers):
    answers += ["n", "y"]
    status, out = run("delete", "-d", "-l")
    assert status == 0
    assert "Proceed (Y/n)? \nOkay, not deleting\n\nSearching for log files" in out
    assert files() == set(FILES) - {"logs/manager-1.log"}


def test_input_ends(run, files, answers):
    status, out = run("delete", "-a")
    assert status == 1
    assert out.endswith("Proceed (Y/n)? \nOkay, not deleting\n")
    assert files() == set(FILES)


def test_ctrl_c(run, files, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.input", interrupt)
    assert run("delete", "--keys")[0] == 130
    assert files() == set(FILES)


def test_quiet(run, files):
    assert run("delete", "-c", "-q", "-y") == (0, "")
    assert files() == set(FILES) - {"certs/localhost.crt", "certs/pi.crt"}


def test_other_root(run, home, files, tmp_path):
    (tmp_path / "else" / "keys").mkdir(parents=True)
    (tmp_path / "else" / "keys" / "a.key").touch()
    run("delete", "-a", "-y", "--root", tmp_path / "else")
    assert not (tmp_path / "else" / "keys" / "a.key").exists()
    assert files() == set(FILES)


def test_nothing_is_chosen(run, files):
    assert run("delete", "--yes") == (
        1,
        "You must specify what you want to delete, for example\n  msl-network delete --keys\n",
    )
    assert files() == set(FILES)


def test_root_that_does_not_exist(run):
    assert run("delete", "-a", "-r", "none") == (1, "The 'none' directory does not exist\n")


def test_file_that_cannot_be_deleted(run, home, files, monkeypatch):
    path = home / "keys" / "localhost.key"

    def refuse(self, missing_ok=False):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr("pathlib.Path.unlink", refuse)
    status, out = run("delete", "-k", "-y")
    assert status == 1
    text = f"[OSError] [Errno 13] Permission denied: '{path}' -- Cannot delete {path}\n"
    assert out.endswith(text)

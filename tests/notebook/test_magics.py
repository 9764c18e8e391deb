"""`%load_ext msl_network`, in kernels and in a terminal."""

import os
import re
import subprocess
import sys

import pytest

from msl_network import LocalManager
from msl_network.notebook.magics import host_and_port, variable_of

from ..oldest import each_ipykernel
from .kernels import ROOT

WIDGET = "application/vnd.jupyter.widget-view+json"

pytestmark = pytest.mark.kernel


@pytest.fixture
def loaded(kernel, manager, oven):
    """A kernel with the extension loaded and a `client`, without a link."""
    kernel.run(f"""
%load_ext msl_network
import msl_network
client = msl_network.connect(**{manager.kwargs!r})
def links():
    return len(client._session.links)
""")
    return kernel


def test_connect_link_and_disconnect(kernel, manager, oven, tmp_path):
    kernel.run("%load_ext msl_network")
    where = f"127.0.0.1:{manager.port}"
    connecting = kernel.run(f"%msl connect {where} --name Me", "y")
    assert connecting.asked[0][0].rstrip().endswith("?") or "y/n" in connecting.asked[0][0]
    assert f"client = connect('127.0.0.1', port={manager.port}, name='Me')" in connecting.printed
    assert "<Me manager=" in connecting.shown[-1]["text/plain"]
    assert "Oven" in connecting.shown[-1]["text/plain"]
    linking = kernel.run("%msl link Oven")
    assert "oven = client['Oven']" in linking.printed
    assert "Add two numbers." in linking.shown[-1]["text/html"]
    assert kernel.run("oven.add(1), client['Oven'] is oven").value == (3, True)
    assert kernel.run("mine = %msl link Oven --as mine\nmine is oven").value is True
    assert "client.disconnect()" in kernel.run("%msl disconnect").printed
    assert kernel.run("client.is_connected()").value is False
    assert "client is disconnected" in wrong(kernel, "%msl services")


def test_password_is_asked_for(kernel):
    with LocalManager(auth_password="s3cret", disable_tls=True) as manager:
        kernel.run("%load_ext msl_network")
        cell = kernel.run(f"%msl connect 127.0.0.1:{manager.port} --no-tls --as lab", "s3cret")
        assert [hidden for _, hidden in cell.asked] == [True]
        assert "lab = connect('127.0.0.1', port=" in cell.printed
        assert "disable_tls=True)" in cell.printed
        assert "s3cret" not in cell.text + kernel.page()
        assert kernel.run("lab.is_connected()").value is True


def test_dashboard(loaded):
    assert WIDGET in loaded.run("%msl dashboard").shown[-1]


@pytest.mark.parametrize(
    ("service", "name"),
    [
        ("BasicMath", "basic_math"),
        ("RPiService", "r_pi_service"),
        ("HTTPProxy2", "http_proxy2"),
        ("oven", "oven"),
        ("My meter (left)", "my_meter_left"),
        ("2nd oven", "service_2nd_oven"),
        ("Print", "print_"),
        ("Class", "class_"),
        ("Ofen für Stahl", "ofen_für_stahl"),
        ("!", "service"),
    ],
)
def test_name_of_the_variable_of_a_service(service, name):
    assert variable_of(service) == name


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("pi", ("pi", 1875)),
        ("pi:1876", ("pi", 1876)),
        ("::1", ("::1", 1875)),
        ("[::1]:1876", ("::1", 1876)),
        ("[::1]", ("::1", 1875)),
    ],
)
def test_host_and_port(text, address):
    assert host_and_port(text) == address


def test_services_of_whichever_client_there_is(loaded, manager):
    assert "Oven" in loaded.run("%msl services").shown[-1]["text/plain"]
    loaded.run("lab = client; del client")
    assert "Oven" in loaded.run("%msl services").shown[-1]["text/plain"]
    loaded.run(f"other = msl_network.connect(**{manager.kwargs!r})")
    assert "choose one with --client, of lab, other" in wrong(loaded, "%msl services")
    assert "Oven" in loaded.run("%msl services --client other").shown[-1]["text/plain"]


def test_what_is_wrong_is_said_in_one_line(loaded):
    assert "'fly' is no command, which are connect, services" in wrong(loaded, "%msl fly")
    assert "required: NAME" in wrong(loaded, "%msl link")
    assert "is no port" in wrong(loaded, "%msl connect localhost:x")
    assert "Choose another name with --as" in wrong(loaded, "taken = 1\n%msl link Oven --as taken")
    assert "no name in Python" in wrong(loaded, "%msl link Oven --as 1st")
    assert "is no level" in wrong(loaded, "%msl log loud")
    _, _, shown = loaded.fail("%msl link Grill").error
    assert shown.startswith("KeyError: ")
    assert "'Grill' service does not exist" in shown
    assert "\n" not in shown
    _, _, shown = loaded.fail("%msl connect 127.0.0.1:1").error
    assert shown.startswith("ConnectionError: No Manager answers at 127.0.0.1:1")
    assert "\n" not in shown


def test_help(loaded):
    printed = loaded.run("%msl").printed
    assert "%msl connect raspberrypi" in printed
    assert "password is never part of a command" in printed
    for question in ("%msl connect?", "%msl connect --help"):
        assert "--ssh-user" in loaded.run(question).printed
    assert "%msl connect raspberrypi" in loaded.inspect("%msl")


def test_completion_of_the_commands(loaded):
    assert {"connect", "services", "link", "log"} <= set(loaded.complete("%msl "))
    assert loaded.complete("%msl con") == ["connect"]
    assert loaded.complete("%msl connect localhost --ssh-u") == ["--ssh-user"]
    assert loaded.complete("%msl link O") == ["Oven"]
    assert loaded.complete("x = %msl link O") == ["Oven"]
    assert loaded.complete("%msl log de") == ["debug"]
    assert "client" in loaded.complete("%msl services --client ")


def test_completion_of_services_makes_no_link(loaded):
    assert loaded.complete('client["') == ["Oven"]
    assert loaded.complete("client['O") == ["Oven"]
    assert loaded.complete('client["Oven"].a') == ["acquire_lock", "add", "aio"]
    assert loaded.complete('x = client["Oven"].aio.hea') == ["heat"]
    assert "heat" not in loaded.complete('client["Grill"].')
    assert loaded.complete('client["\\x"].hea') == []
    assert loaded.run("links()").value == 0


def test_question_mark_behind_a_service(loaded):
    cell = loaded.start('client["Oven"].add?')
    loaded.finish(cell)
    page = plain(cell.pages[-1])
    assert "(a: int, b: int = 2) -> int" in page
    assert "Add two numbers." in page
    cell = loaded.start('client["Oven"]?')
    loaded.finish(cell)
    assert "It offers:" in plain(cell.pages[-1])
    # in a string it is no question
    text = 'client["Oven"].add?\n%msl connect?\n'
    assert loaded.run(f"x = '''\n{text}'''\nx").value == f"\n{text}"


@each_ipykernel
def test_shift_tab_behind_a_service_makes_no_link(kernel, manager, oven):
    kernel.run(f"import msl_network.notebook\nclient = msl_network.connect(**{manager.kwargs!r})")
    for code in ('client["Oven"].add', "x = client['Oven'].aio.add(1, "):
        assert "].add(a: int, b: int = 2) -> int" in kernel.inspect(code).replace(".aio", "")
    assert "Lock the Service" in kernel.inspect('client["Oven"].acquire_lock(')
    assert "Link with a Service." in kernel.inspect("client.link(")
    assert kernel.run("len(client.links)").value == 0
    # the docstring is told with the link
    kernel.run('client["Oven"].add(1)')
    assert "Add two numbers." in kernel.inspect('client["Oven"].add(1')


def test_log(loaded, manager):
    assert "Nothing has been logged yet" in loaded.run("%msl log 5").printed
    assert "kept from DEBUG on" in loaded.run("%msl log debug  # it's kept").printed
    loaded.run(f"other = msl_network.connect(name='Other', **{manager.kwargs!r})")
    printed = loaded.run("%msl log 50").printed
    assert re.search(r"\[INFO\] msl_network.* connected to Manager\[.*\] as Other\[", printed)
    assert len(loaded.run("%msl log 1").printed.splitlines()) == 1
    assert WIDGET in loaded.run("%msl log").shown[-1]
    loaded.run("%msl log off")
    loaded.run("other.disconnect(); import logging")
    level = "logging.getLogger('msl_network').level, logging.getLogger('msl_network').handlers"
    assert loaded.run(level).value == (0, [])


def test_loaded_again_and_unloaded(loaded):
    loaded.run("%reload_ext msl_network")
    assert loaded.complete("%msl con") == ["connect"]
    loaded.run("%unload_ext msl_network")
    assert "not found" in wrong(loaded, "%msl")
    assert loaded.run("client.is_connected()").value is True


TERMINAL = """
%load_ext msl_network
import msl_network
client = msl_network.connect(**{kwargs!r})
client
get_ipython().Completer.complete(line_buffer='client["Oven"].ad')[1]
%msl link Oven
oven.fail(asynchronous=True).exception(20)
%msl log 5
%msl link Grill
"""


def test_in_a_terminal(manager, oven, home, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--no-banner", "--colors=NoColor", "--simple-prompt"],
        input=TERMINAL.format(kwargs=manager.kwargs),
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "MSL_NETWORK_HOME": str(home),
            "IPYTHONDIR": str(tmp_path / "ipython"),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    shown = done.stdout
    assert "Traceback (most recent call last)" not in shown.partition("ValueError: no power")[0]
    assert re.search(r"^  Service +Address +Language +Link\n  Oven ", shown, re.MULTILINE)
    assert "['add']" in shown
    assert "oven = client['Oven']" in shown
    assert re.search(
        r"^  add\(a: int, b: int = 2\) -> int +Add two numbers\.$", shown, re.MULTILINE
    )
    assert "ValueError: no power\n\n  Raised by:  Oven.fail at Manager[" in shown
    assert "Nothing has been logged yet" in shown
    assert "KeyError: \"the 'Grill' service does not exist" in shown


def wrong(kernel, code):
    """What is printed below a cell that a person got wrong: a line without a traceback."""
    cell = kernel.finish(kernel.start(code))
    assert cell.status == "error"
    assert cell.error is None
    return cell.printed


def plain(text):
    """A text without the colours of a terminal."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)

"""The panel that starts a Manager over SSH, against a real SSH server and real programs."""

import ipywidgets
import psutil
import pytest

from msl_network import LocalManager
from msl_network.examples.pi import Pi
from msl_network.notebook import connect
from msl_network.notebook.panels import LaunchPanel
from msl_network.notebook.panels.question import SecretField

from ...openssh import wait_for as wait_longer
from .pages import WAIT, enter, says, shown, status, wait_for

ENDED = 15  # seconds within which nothing is left of what was started


@pytest.fixture
def pi():
    with Pi() as pi:
        yield pi
        wait_longer(lambda: not pi._connections, "the end of the SSH connection", ENDED)


@pytest.fixture
def panel(panels, pi):
    """Make a panel that can log in with the key."""

    def make(**changes):
        kwargs = {"port": pi.manager_port, "timeout": 20, **pi.ssh_kwargs, **changes}
        return panels(LaunchPanel, pi.host, kwargs.pop("script", pi.console_script), **kwargs)

    return make


def install(pi, text):
    """Put a program on a Pi."""
    script = pi.home / "program"
    script.write_text("#!/bin/sh\n" + text)
    script.chmod(0o755)
    return str(script)


def assert_nothing_left(pi):
    wait_longer(lambda: not pi._processes(), "the end of the processes on the Pi", ENDED)
    wait_longer(lambda: not pi._connections, "the end of the SSH connection", ENDED)


def test_from_nothing_to_a_client_and_back(pi, panel):
    panel = panel()
    assert panel.client is panel.remote_manager is None
    panel.buttons["Start"].click()
    says(panel, "Connected to the Manager 127.0.0.1")
    process = psutil.Process(panel.remote_manager.pid)
    assert f"as process {process.pid}" in status(panel)
    assert panel.client.link("RPiService").power(3) == 9
    line = panel.code
    for part in ("client = connect('127.0.0.1'", "console_script=", "ssh_username='pi'"):
        assert part in line
    wait_for(lambda: "Network Manager running on" in shown(panel._progress), "the log")
    assert panel._steps.lines.layout.display == "none"
    panel._log_button.value = True
    wait_for(lambda: panel._steps.lines.layout.display != "none", "the log to be shown")

    assert panel.buttons["Disconnect"].description == "Stop"
    panel.stop().result(WAIT)
    assert "The Manager on 127.0.0.1 has ended" in status(panel)
    assert panel.client is panel.remote_manager is None
    assert not process.is_running()
    assert_nothing_left(pi)
    assert not panel.buttons["Start"].disabled
    panel.start().result(ENDED)  # and once more
    assert panel.client.is_connected()


def test_a_manager_that_is_there_is_used(pi, panels):
    with LocalManager(disable_tls=True) as manager:
        panel = panels(LaunchPanel, "127.0.0.1", "~/x", port=manager.port, disable_tls=True)
        panel.start().result(WAIT)
        assert "It was there already: nothing has been started" in status(panel)
        assert panel.remote_manager is None
        assert panel.buttons["Disconnect"].description == "Disconnect"
        panel.stop().result(WAIT)
        assert "Disconnected." in status(panel)


def test_what_was_started_is_shared_with_a_cell(pi, panel):
    panel = panel()
    panel.start().result(ENDED)
    client = connect(pi.host, port=pi.manager_port)
    panel.stop().result(WAIT)
    assert "others in this notebook use it" in status(panel)
    assert client.identities()["services"].keys() == {"RPiService"}
    panel.client = client
    says(panel, "Connected to the Manager")
    wait_for(lambda: "Network Manager running on" in shown(panel._progress), "the log")
    panel.stop().result(WAIT)
    assert "has ended" in status(panel)
    assert_nothing_left(pi)


def test_one_that_stays(pi, panel):
    panel = panel(stay=True)
    panel.start().result(ENDED)
    process = psutil.Process(panel.remote_manager.pid)
    assert panel.buttons["Disconnect"].description == "Disconnect"
    panel.stop().result(WAIT)
    assert f"goes on running (process {process.pid}), since it is to stay" in status(panel)
    assert process.is_running()
    panel.start().result(WAIT)
    assert "It was there already" in status(panel)


def test_the_host_key_and_the_password_are_asked_for(pi, panel, tmp_path):
    known_hosts = tmp_path / "known_hosts"
    panel = panel(known_hosts=known_hosts, client_keys=[])
    starting = panel.start()
    wait_for(lambda: panel.question is not None, "the question")
    assert "Unknown host key" in panel.question.children[0].value
    panel.question.buttons["Reject"].click()
    starting.result(WAIT)
    assert "was not trusted" in status(panel)
    assert not known_hosts.exists()

    starting = panel.start()
    wait_for(lambda: panel.question is not None, "the question")
    panel.question.buttons["Trust"].click()
    for answer in ("wrong-one", pi.password):
        wait_for(
            lambda: panel.question is not None and panel.question.field is not None, "the question"
        )
        asked = panel.question
        assert "pi@127.0.0.1" in asked.children[0].value
        assert isinstance(asked.field, SecretField)
        asked.field.value = answer
        enter(asked.field)
        wait_for(lambda asked=asked: panel.question is not asked, "the answer to be taken")
    starting.result(ENDED)
    assert panel.client.is_connected()
    assert pi.password not in str(ipywidgets.Widget.get_manager_state()) + panel.code
    panel.stop().result(WAIT)

    # somebody else answers there now
    other = next(line for line in pi.known_hosts.read_text().splitlines() if line)
    known_hosts.write_text(other.rpartition(" ")[0] + " " + OTHER_KEY + "\n")
    panel.start().result(WAIT)
    assert "The SSH host key of" in status(panel)
    assert "has changed" in status(panel)
    assert "ssh-keygen -R" in status(panel)
    assert panel.question is None


OTHER_KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"


def test_a_wrong_password_is_typed_again(pi, panel):
    panel = panel(client_keys=[])
    field = panel.fields["password"]
    field.value = "wrong-one"
    panel.start().result(WAIT)
    assert "wrong password" in status(panel)
    assert "entered" not in field.placeholder
    assert panel.fields["script"].value == pi.console_script
    field.value = pi.password
    panel.fields["script"].value = "~/no such thing"
    panel.start().result(WAIT)
    assert "no such console script" in status(panel)
    # what was right is not to be typed again
    assert "entered" in field.placeholder
    panel.fields["script"].value = pi.console_script
    panel.start().result(ENDED)
    assert panel.client.is_connected()
    assert pi.password not in str(ipywidgets.Widget.get_manager_state()) + panel.code


@pytest.mark.parametrize("stay", [False, True])
def test_giving_up_leaves_nothing_behind(pi, panel, stay):
    script = install(pi, "echo '<b>still</b> looking'; exec sleep 100\n")
    panel = panel(script=script, stay=stay)
    starting = panel.start()
    wait_for(lambda: "still&lt;/b&gt; looking" in shown(panel._progress), "the log")
    assert panel.buttons["Start"].disabled
    assert panel.buttons["Disconnect"].description == "Cancel"
    panel.buttons["Disconnect"].click()
    panel.buttons["Disconnect"].click()
    says(panel, "Cancelled")
    starting.result(WAIT)
    assert_nothing_left(pi)
    assert not panel.buttons["Start"].disabled


def test_the_manager_is_killed(pi, panel):
    panel = panel()
    panel.start().result(ENDED)
    psutil.Process(panel.remote_manager.pid).kill()
    says(panel, "has ended")
    assert panel.client is panel.remote_manager is None
    assert_nothing_left(pi)
    panel.start().result(ENDED)
    assert panel.client.is_connected()


def test_closing_ends_what_was_started(pi, panel):
    before = ipywidgets.Widget.get_manager_state()["state"].keys()
    made = panel()
    made.start().result(ENDED)
    made.close()
    assert_nothing_left(pi)
    left = ipywidgets.Widget.get_manager_state()["state"]
    assert [left[key] for key in left.keys() - before] == []


def test_what_is_filled_in_wrongly(panels):
    panel = panels(LaunchPanel, "127.0.0.1", "~/x")
    for name, value, what in (
        ("port", "0", "Port: "),
        ("ssh_port", "ssh", "SSH port: "),
        ("host", "", "Host: "),
    ):
        before, panel.fields[name].value = panel.fields[name].value, value
        panel.start().result(WAIT)
        assert what in status(panel)
        panel.fields[name].value = before


def test_a_chatty_program_does_not_fill_the_page(pi, panel):
    script = install(pi, "yes '<script>alert(1)</script>' | head -n 100000; exec sleep 100\n")
    panel = panel(script=script, timeout=2)
    panel.start().result(WAIT)
    assert "is not running after 2 seconds" in status(panel)
    assert "<script>" not in shown(panel._progress) + status(panel)
    assert len(shown(panel._progress)) < 200_000
    assert len(status(panel)) < 20_000
    assert_nothing_left(pi)


@pytest.mark.kernel
def test_in_a_kernel(kernel, pi, tmp_path):
    kwargs = {"ssh_username": "pi", "ssh_port": pi.port, "client_keys": [], "timeout": 60}
    kwargs |= {"port": pi.manager_port, "known_hosts": str(tmp_path / "known_hosts")}
    cell = kernel.run(
        "from msl_network.notebook import LaunchPanel\n"
        f"panel = LaunchPanel({pi.host!r}, {pi.console_script!r}, **{kwargs!r})\ndisplay(panel)"
    )

    def until(text):
        kernel.wait(cell, lambda: text in kernel.page())

    kernel.click("Start")
    until("Unknown host key")
    assert kernel.find(_model_name="ProgressStyleModel") is not None
    # while a cell awaits, clicks are handled; the rest happens while one computes
    # (in short turns: ipykernel 7.4 notices an interrupt when its loop wakes up)
    waiting = kernel.start("import asyncio\nfor _ in range(600): await asyncio.sleep(0.1)")
    kernel.click("Trust")
    until("pi@127.0.0.1")
    kernel.change("Password", value=pi.password)
    answered = kernel.click("Answer")
    kernel.wait(answered, lambda: answered.idle)  # an interrupt would end that, and not the cell
    kernel.interrupt()
    kernel.finish(waiting)
    computing = kernel.start("import time; time.sleep(60)")
    until("Connected to the Manager 127.0.0.1")
    until("Network Manager running on")
    assert computing.status is None
    kernel.interrupt()
    kernel.finish(computing)
    assert kernel.run("panel.client.link('RPiService').power(3)").value == 9
    kernel.click("Stop")
    until("has ended")
    assert pi.password not in str(kernel.widgets)
    assert_nothing_left(pi)

"""From an empty cell to a Service on another computer, and what is left of it afterwards."""

import os
import sys

import psutil
import pytest

from msl_network.examples.pi import Pi

from ..openssh import wait_for

pytestmark = pytest.mark.kernel

ENDED = 15  # seconds within which nothing is left of what was started


@pytest.fixture
def pi():
    with Pi() as pi:
        yield pi


def connect(pi, **changes):
    """The line that a person writes."""
    kwargs = {
        "service": "RPiService",
        "console_script": "~/.local/bin/rpi-service",
        "port": pi.manager_port,
        **pi.ssh_kwargs,
        **changes,
    }
    text = ", ".join(f"{key}={_source(value)}" for key, value in kwargs.items())
    return f"from msl_network.notebook import connect\npi = connect({pi.host!r}, {text})"


def _source(value):
    if isinstance(value, list):
        return repr([str(item) for item in value])
    return repr(str(value) if isinstance(value, os.PathLike) else value)


def install(pi, text):
    """Put a console script on a Pi."""
    script = pi.home / "broken script"
    script.write_text(text)
    script.chmod(0o755)
    return str(script)


def assert_nothing_left(pi):
    wait_for(lambda: not pi._processes(), "the end of the processes on the Pi", timeout=ENDED)
    wait_for(lambda: not pi._connections, "the end of the SSH connection", timeout=ENDED)


def test_from_nothing_to_a_result(kernel, pi):
    cell = kernel.run(connect(pi))
    # the steps, as a saved notebook has them
    steps = cell.shown[0]["text/plain"].splitlines()
    looked = f"Looking for a Manager at 127.0.0.1:{pi.manager_port}"
    assert steps[:2] == [
        "Connecting to 127.0.0.1",
        f"  done: {looked}: none answers, so one is started",
    ]
    assert [line.split(" (")[0] for line in steps[2:]] == [
        "  done: Connecting to 127.0.0.1 with SSH",
        "  done: Starting ~/.local/bin/rpi-service",
        f"  done: Connecting to the Manager at 127.0.0.1:{pi.manager_port}",
        "  done: Linking with RPiService",
    ]
    assert "Network Manager running on" in cell.shown[0]["text/html"]
    assert cell.asked == []
    # the widget that showed them meanwhile is gone
    assert "Looking for" not in kernel.page()

    assert kernel.run("pi.add_numbers(1, 2, 3, 4)").value == 10
    assert kernel.run("await pi.aio.power(5, n=3)").value == 125
    assert {"add_numbers", "power", "shutdown_service"} <= set(kernel.complete("pi."))
    help_text = kernel.inspect("pi.add_numbers")
    assert "a: float, b: float, c: float, d: float" in help_text

    bundle = kernel.run("pi").shown[-1]
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "add_numbers" in bundle["text/html"]
    assert "Call" in kernel.page()

    process = psutil.Process(kernel.run("pi.remote_manager.pid").value)
    assert process.is_running()
    bundle = kernel.run("started = pi.remote_manager; started").shown[-1]
    assert (
        f"is running as process {process.pid}, and ends with the connection" in bundle["text/html"]
    )
    assert "Network Manager running on" in bundle["text/html"]
    assert bundle["text/plain"].startswith("<RemoteManager on 127.0.0.1 ")
    kernel.run("pi.disconnect()")
    assert "has ended" in kernel.run("started").shown[-1]["text/html"]
    assert not process.is_running()
    assert_nothing_left(pi)


def test_a_manager_that_is_there_is_used(kernel, pi):
    kernel.run(connect(pi))
    cell = kernel.run(connect(pi).replace("pi = ", "other = "))
    assert "SSH" not in cell.text
    assert "one that was started from here answers" in cell.text
    assert kernel.run("other.power(3), pi.power(2)").value == (9, 4)
    # it goes with the last one
    kernel.run("pi.disconnect()")
    assert kernel.run("other.power(3)").value == 9
    process = psutil.Process(kernel.run("other.remote_manager.pid").value)
    kernel.run("other.disconnect()")
    assert not process.is_running()
    assert_nothing_left(pi)


def test_the_cell_is_run_again(kernel, pi):
    kernel.run(connect(pi))
    pid = kernel.run("pi.remote_manager.pid").value
    for _ in range(3):
        kernel.run(connect(pi))
        kernel.run("import gc; gc.collect()")
        assert kernel.run("pi.power(3), pi.remote_manager.pid").value == (9, pid)
    # the connections that it has let go of are closed
    count = "sum('LaunchedClient' in name for name in pi.identities()['clients'])"
    wait_for(lambda: kernel.run(count).value == 1, "the end of the other connections")

    # nobody waits for the end of the one, and the next is not taken for it
    kernel.run("del pi")
    kernel.run(connect(pi) + "\npi.power(3)")
    assert kernel.run("pi.remote_manager.running").value is True
    kernel.run("pi.disconnect()")
    assert_nothing_left(pi)


def test_without_a_service(kernel, pi):
    kernel.run(connect(pi, service=None))
    assert "is connected to the Manager at" in kernel.run("pi").text
    assert kernel.run("pi.link('RPiService').power(2)").value == 4
    kernel.run("pi.disconnect()")
    assert_nothing_left(pi)


def test_logging_in_with_a_password(kernel, pi):
    cell = kernel.run(connect(pi, client_keys=[]), "wrong-pass", pi.password)
    assert cell.asked == [("pi@127.0.0.1's password: ", True)] * 2
    assert pi.password not in cell.text + kernel.page()
    assert "wrong-pass" not in cell.text
    kernel.run("pi.disconnect()")

    cell = kernel.fail(connect(pi, client_keys=[]), *["wrong-pass"] * 3)
    assert cell.error[:2] == (
        "PermissionError",
        f"Permission denied for pi@127.0.0.1 by the SSH server at 127.0.0.1:{pi.port}: "
        "wrong password",
    )
    assert "failed: Connecting to 127.0.0.1 with SSH: Permission denied" in cell.text
    assert "wrong-pass" not in cell.text
    assert_nothing_left(pi)


def test_an_unknown_host_key(kernel, pi, tmp_path):
    line = connect(pi, known_hosts=tmp_path / "known_hosts")
    cell = kernel.fail(line, "n")
    assert cell.error[0] == "ConnectionError"
    assert "was not trusted: " in cell.error[1]
    assert "failed: Connecting to 127.0.0.1 with SSH: The SSH host key of" in cell.text
    assert "SHA256:" in cell.printed
    assert_nothing_left(pi)

    assert kernel.run(line + "\npi.power(3)", "y").value == 9
    kernel.run("pi.disconnect()")
    assert kernel.run(line).asked == []


def test_a_script_that_is_missing(kernel, pi):
    cell = kernel.fail(connect(pi, console_script="~/no such thing"))
    assert cell.error[0] == "RuntimeError"
    assert "no such console script, or not executable" in cell.error[1]
    assert "failed: Starting ~/no such thing: Cannot start Manager" in cell.text
    assert_nothing_left(pi)


def test_a_script_that_fails(kernel, pi):
    python = "print('looking for <b>it</b>')\nraise ValueError('no instrument')\n"
    script = install(pi, f"#!{sys.executable}\n{python}")
    cell = kernel.fail(connect(pi, console_script=script))
    assert cell.error[0] == "RuntimeError"
    assert "ValueError: no instrument" in cell.error[1]
    html = cell.shown[0]["text/html"]
    assert "looking for &lt;b&gt;it" in html
    # the text of the error has the log, and is not below all the ways through the package
    assert "<details open" not in html
    assert "asking.py" not in cell.text
    assert_nothing_left(pi)


def test_the_stop_button_while_a_manager_starts(kernel, pi):
    script = install(pi, "#!/bin/sh\necho still looking; exec cat\n")
    cell = kernel.start(connect(pi, console_script=script, timeout=60))
    kernel.wait(cell, lambda: "still looking" in kernel.page())
    kernel.interrupt()
    kernel.finish(cell, timeout=2)
    assert cell.error[0] == "KeyboardInterrupt"
    assert_nothing_left(pi)
    assert kernel.run(connect(pi) + "\npi.power(3)").value == 9


def test_no_manager_and_no_script(kernel, pi):
    cell = kernel.fail(connect(pi, console_script=None))
    assert cell.error[0] == "ConnectionError"
    assert "or give the console_script that starts it" in cell.error[1]
    assert pi.password not in cell.text


def test_a_service_that_is_not_there(kernel, pi):
    cell = kernel.fail(connect(pi, service="Laser", timeout=2))
    assert cell.error[:2] == ("TimeoutError", "The 'Laser' service is not available")
    assert "failed: Linking with Laser" in cell.text
    assert "<details open" in cell.shown[0]["text/html"]
    assert_nothing_left(pi)

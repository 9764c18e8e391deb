"""Blocking calls and coroutines in a running kernel."""

import os
import socket
import subprocess
import sys
import time

import pytest

from msl_network import LocalManager
from msl_network.notebook import bridge

from ..oldest import each_ipykernel
from .kernels import ROOT

pytestmark = pytest.mark.kernel

# seconds: it takes a tenth of one, but for a machine that is busy; what is stopped takes a minute
AT_ONCE = 10

LEFT = """
from msl_network import loop_thread

async def _left(loop=None):
    tasks = asyncio.all_tasks(loop) - {asyncio.current_task()}
    return [repr(task) for task in tasks if "msl_network" in repr(task)]

async def _left_on_both():
    on_network = _left(loop_thread.get_loop())
    return await _left() + await asyncio.wrap_future(loop_thread.submit(on_network))
"""


def assert_usable(kernel):
    """The Client lives on after what happened, and nothing of it is left."""
    assert kernel.run("link.add(3, b=4)").value == 7
    kernel.run(LEFT)
    assert kernel.run("await _left_on_both()").value == []


def interrupt(kernel, cell):
    """Press the stop button; returns how long the cell went on (seconds)."""
    start = time.monotonic()
    kernel.interrupt()
    kernel.finish(cell)
    return time.monotonic() - start


def reach(oven):
    """Wait until the Service's slow method has been called."""
    assert oven.heating.acquire(timeout=30)


# --- every blocking call ---------------------------------------------------------------------


@each_ipykernel
@pytest.mark.parametrize("module", ["msl_network", "msl_network.notebook"])
def test_every_blocking_call(kernel, oven, manager, module):
    kernel.run(f"import {module}")
    kernel.run(f"client = msl_network.connect(**{manager.kwargs!r})")
    assert kernel.run("list(client.identities()['services'])").value == ["Oven"]
    kernel.run("link = client.link('Oven')")
    assert kernel.run("link.add(1)").value == 3
    assert kernel.run("link.add(1, asynchronous=True).result()").value == 3
    assert kernel.run("await link.add(1, asynchronous=True)").value == 3
    assert kernel.run("await link.aio.add(1)").value == 3
    assert "Client" in kernel.run("link.acquire_lock()").text
    kernel.run("link.release_lock()")
    assert kernel.run("with client.spawn('other') as other: print(other.name)").printed == "other\n"
    assert "ValueError: no power" in kernel.fail("link.fail()").text
    assert kernel.fail("link.heat(timeout=0.2)").error[0] == "ReplyTimeoutError"
    oven.hot.set()
    assert kernel.run("link.heat()").value == "hot"
    # the same in a cell that also awaits, which the loop runs as a task
    assert kernel.run("import asyncio; await asyncio.sleep(0); link.heat()").value == "hot"
    kernel.run("client.unlink(link)")
    assert kernel.run("client.disconnect(); client.is_connected()").value is False


@pytest.mark.parametrize("module", ["msl_network", "msl_network.notebook"])
def test_admin_request(kernel, module):
    with LocalManager(users={"anna": "s3cret-pass"}) as manager:
        kernel.run(f"import {module}; client = msl_network.connect(**{manager.kwargs!r})")
        cell = kernel.run("client.admin_request('users_table.usernames')", "anna", "s3cret-pass")
        assert cell.value == ["anna"]
        assert [hidden for _, hidden in cell.asked] == [False, True]
        assert "s3cret-pass" not in cell.text


def test_a_slow_call_with_nothing_but_msl_network(kernel, manager, oven):
    kernel.run(f"import asyncio, msl_network; link = msl_network.connect(**{manager.kwargs!r})")
    kernel.run("link = link.link('Oven')")
    cell = kernel.start("link.heat()")
    reach(oven)
    assert interrupt(kernel, cell) < AT_ONCE
    assert cell.error[0] == "KeyboardInterrupt"
    assert_usable(kernel)
    assert kernel.run("hasattr(asyncio, '_nest_patched')").value is False


# --- the kernel's loop -----------------------------------------------------------------------


@each_ipykernel
def test_the_loop_turns_while_a_call_waits(connected):
    # the slow method ends when the user's own task gets its turn
    connected.run("""
async def finish():
    await asyncio.sleep(0.2)
    await link.aio.finish()

finishing = asyncio.create_task(finish())
""")
    assert connected.run("link.heat(timeout=20), finishing.done()").value == ("hot", True)


def test_a_call_in_a_task_of_the_user(connected):
    connected.run("""
async def measure():
    return link.heat(timeout=20)

async def measure_and_finish():
    measuring = asyncio.create_task(measure())
    await asyncio.sleep(0)
    await link.aio.finish()
    return await measuring
""")
    assert connected.run("await measure_and_finish()").value == "hot"


@each_ipykernel
def test_cells_queued_behind_a_call_all_run(connected, oven):
    cells = [
        connected.start(code) for code in ("link.heat()", "link.add(1)", "await link.aio.add(2)")
    ]
    reach(oven)
    oven.hot.set()
    assert [connected.finish(cell).value for cell in cells] == ["hot", 3, 4]


def test_asyncio_is_patched_when_a_call_is_slow(connected, oven):
    assert connected.run("link.add(1)").value == 3
    assert connected.run("await link.aio.add(1)").value == 3
    assert connected.run("hasattr(asyncio, '_nest_patched')").value is False
    assert connected.fail("link.heat(timeout=0.3)").error[0] == "ReplyTimeoutError"
    assert connected.run("hasattr(asyncio, '_nest_asyncio2')").value is True


def test_the_predecessor_of_nest_asyncio2_gets_a_warning(connected):
    # what nest_asyncio leaves behind: patched, without the mark of its successor
    connected.run("""
import nest_asyncio2
nest_asyncio2.apply()
del asyncio._nest_asyncio2
""")
    cell = connected.fail("link.heat(timeout=0.3)")
    assert "nest_asyncio has been applied in this kernel" in cell.printed
    assert cell.error[0] == "ReplyTimeoutError"


def test_several_at_once(connected, oven):
    connected.run("""
async def calls():
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(link.aio.add(n, 1)) for n in range(20)]
    return [task.result() for task in tasks]
""")
    assert connected.run("await calls()").value == list(range(1, 21))
    connected.run("""
async def one_fails():
    async with asyncio.TaskGroup() as group:
        slow = group.create_task(link.aio.heat())
        group.create_task(link.aio.fail())
""")
    # IPython prints a group of errors, in place of an error of the cell
    printed = connected.run("await one_fails()").printed
    assert "ExceptionGroup" in printed
    assert "no power" in printed
    assert_usable(connected)


# --- the stop button -------------------------------------------------------------------------


# what the kernel's loop does once the cell waits, be it in a nested run or in an `await`
WAITING = "asyncio.get_running_loop().call_later(0.1, print, 'waiting'); "


def start_to_wait(kernel, oven, code):
    cell = kernel.start(WAITING + code)
    reach(oven)
    if ".result()" not in code:  # which blocks the kernel's loop
        kernel.wait(cell, lambda: "waiting" in cell.printed)
    return cell


@each_ipykernel
@pytest.mark.parametrize(
    "code",
    [
        "link.heat()",
        "link.heat(timeout=60)",
        "link.heat(asynchronous=True).result()",
        "await asyncio.sleep(0); link.heat()",
        "await link.aio.heat()",
        "await link.heat(asynchronous=True)",
        "await asyncio.gather(link.aio.heat(), link.aio.add(1))",
    ],
)
def test_stop_during_a_call(connected, oven, code):
    cell = start_to_wait(connected, oven, code)
    assert interrupt(connected, cell) < AT_ONCE
    # ipykernel ends a cell that awaits with the other one
    assert cell.error[0] in ("KeyboardInterrupt", "CancelledError")
    assert_usable(connected)
    # and once more, now that asyncio is patched
    cell = start_to_wait(connected, oven, code)
    assert interrupt(connected, cell) < AT_ONCE
    assert_usable(connected)
    oven.hot.set()
    assert connected.run("link.heat()").value == "hot"


@pytest.mark.parametrize(
    "code",
    [
        "link.simmer()",
        "await asyncio.sleep(0); link.simmer()",
        "await link.aio.simmer()",
        "link.simmer(on_progress=print)",
        "for number in link.tick(): pass",
        "async for number in link.aio.tick(): pass",
    ],
)
def test_stop_reaches_the_service(connected, oven, code):
    cell = connected.start(code)
    reach(oven)
    if "print" in code:
        connected.wait(cell, lambda: "simmering" in cell.printed)
    assert interrupt(connected, cell) < AT_ONCE
    assert cell.error[0] in ("KeyboardInterrupt", "CancelledError")
    assert oven.given_up.acquire(timeout=AT_ONCE)
    assert_usable(connected)


def test_stop_tells_what_became_of_it(connected, oven):
    cell = connected.start("""
try:
    link.simmer()
except KeyboardInterrupt as error:
    print(error.cancellation.result(10))
""")
    reach(oven)
    assert interrupt(connected, cell) < AT_ONCE
    assert cell.printed.endswith("ended\n")  # it has returned what it had


def test_stop_just_before_the_wait(connected, oven):
    connected.run("import os, signal")
    code = "await asyncio.sleep(0); os.kill(os.getpid(), signal.SIGINT); link.simmer()"
    cell = connected.finish(connected.start(code))
    assert cell.error[0] == "CancelledError"
    assert oven.given_up.acquire(timeout=AT_ONCE)
    assert_usable(connected)


@each_ipykernel
def test_what_a_handler_prints_stands_below_its_cell(connected, oven):
    cell = connected.run("reply = link.simmer(asynchronous=True, on_progress=print)")
    reach(oven)
    # not below one that has run since then, nor below the one that connected
    other = connected.run("1 + 1")
    before = cell.printed.count("simmering")
    connected.wait(cell, lambda: cell.printed.count("simmering") > before + 1)
    assert other.printed == ""
    connected.run("reply.cancel()")


def test_time_of_a_task_is_up_during_a_call(connected, oven):
    cell = connected.fail("async with asyncio.timeout(0.5): link.simmer()")
    assert cell.error[0] == "TimeoutError"
    assert oven.given_up.acquire(timeout=AT_ONCE)
    assert_usable(connected)


@each_ipykernel
@pytest.mark.parametrize("code", ["link.simmer(1)", "await asyncio.sleep(0); link.simmer(1)"])
def test_bar_in_a_cell(connected, oven, code):
    assert connected.run(code).value == "done"
    page = connected.page()
    assert "Oven.simmer" in page
    assert "20/20" in page
    (drawn,) = [
        w for w in connected.widgets.values() if w.get("_model_name") == "FloatProgressModel"
    ]
    assert (drawn["value"], drawn["max"]) == (20, 20)


def test_cell_that_fails_shows_the_lines_of_the_user(connected, oven):
    for code, text in (
        ("link.heat(timeout=0.2)", "TimeoutError: Oven.heat did not reply within 0.2 seconds"),
        ("link.cool()", "AttributeError: The 'Oven' service has no attribute 'cool'"),
    ):
        shown = connected.fail(code).error[2]
        assert shown.startswith("Cell, line 1")
        assert f"    {code}\n\n{text}" in shown
        assert "msl_network/client" not in shown


@each_ipykernel
def test_stop_ends_the_cells_behind_it(connected, oven):
    cells = [connected.start(code) for code in ("link.heat()", "link.add(1)")]
    reach(oven)
    assert interrupt(connected, cells[0]) < AT_ONCE
    assert connected.finish(cells[1]).status == "aborted"
    assert_usable(connected)


def test_stop_while_connecting_to_a_silent_server(connected):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        for tls in (True, False):
            where = f"host='127.0.0.1', port={server.getsockname()[1]}, timeout=2"
            cell = connected.start(f"msl_network.connect({where}, disable_tls={not tls})")
            peer, _ = server.accept()
            with peer:
                peer.settimeout(30)
                assert not tls or peer.recv(1)
                assert interrupt(connected, cell) < AT_ONCE
                assert cell.error[0] == "KeyboardInterrupt"
                # the connection is closed
                while peer.recv(4096):
                    pass
    assert_usable(connected)


@each_ipykernel
# --- questions -------------------------------------------------------------------------------


def test_questions_in_a_cell(kernel, home):
    with LocalManager(auth_password="s3cret-pass") as manager:
        kernel.run("import msl_network.notebook")
        connect = f"client = msl_network.connect(host='127.0.0.1', port={manager.port})"
        cell = kernel.fail(connect, "no")
        assert cell.error[0] == "ConnectionRefusedError"
        assert "is not trusted" in cell.error[1]
        assert "SHA-256" in cell.printed or "sha256" in cell.printed.lower()

        cell = kernel.run(f"{connect}; client.is_connected()", "what?", "Yes", "s3cret-pass")
        assert cell.value is True
        assert [hidden for _, hidden in cell.asked] == [False, False, True]
        assert "s3cret-pass" not in cell.text + kernel.page()

        # the certificate is known now
        cell = kernel.fail(connect, "wrong-pass")
        assert cell.error[0] == "ValueError"
        assert len(cell.asked) == 1
        assert "wrong-pass" not in cell.text

        # the stop button in place of an answer
        cell = kernel.start(connect)
        kernel.wait(cell, lambda: cell.asked)
        assert interrupt(kernel, cell) < AT_ONCE
        assert cell.error[0] == "KeyboardInterrupt"


def test_questions_of_the_asynchronous_client(kernel):
    with LocalManager(auth_password="s3cret-pass") as manager:
        kernel.run("import msl_network.notebook")
        connect = f"msl_network.aio.connect(host='127.0.0.1', port={manager.port})"
        code = f"async with {connect} as client:\n    print(client.is_connected())"
        cell = kernel.run(code, "y", "s3cret-pass")
        assert cell.printed.endswith("True\n")
        assert "s3cret-pass" not in cell.text


# --- outside of a kernel ---------------------------------------------------------------------


def test_outside_of_a_kernel_nothing_of_it_is_loaded():
    code = """
import sys
import msl_network
import msl_network.notebook
from msl_network import asking
print([name for name in ("IPython", "nest_asyncio2", "ipywidgets") if name in sys.modules])
print(asking._waiter is asking.wait_awake)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.splitlines() == ["[]", "True"], done.stderr
    assert not bridge.in_kernel()


# --- widgets -----------------------------------------------------------------------------------


@each_ipykernel
@pytest.mark.parametrize("wait", ["await asyncio.sleep(0.5)", "link.simmer(0.5)"])
def test_front_end_is_told_that_what_is_typed_has_been_handled(connected, oven, wait):
    # or it would never send what is typed next
    kernel = connected
    kernel.run("import ipywidgets\nfield = ipywidgets.Text(description='Field')\nfield")
    cell = kernel.start(wait)
    for text in ("one", "two"):
        changed = kernel.change("Field", value=text)
        kernel.wait(changed, lambda changed=changed: changed.idle)
    kernel.finish(cell)
    assert kernel.run("field.value").value == "two"

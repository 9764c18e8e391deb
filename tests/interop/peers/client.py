"""Play Clients of either package: PACKAGE; then, line by line on standard input, what to play.

Every scenario is a script that a person could have written for 1.x; it runs unchanged with both
packages. What it yields is reported as a line of JSON, and it goes on when the next line comes.
"""

import importlib
import json
import math
import sys
import threading
import time

network = importlib.import_module(sys.argv[1])
clients = []


def connect(kwargs, **more):
    client = network.connect(**dict(kwargs, **more))
    clients.append(client)
    return client


def link_with(client, service):
    deadline = time.monotonic() + 20
    while service not in client.identities()["services"]:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{service} did not come")
        time.sleep(0.02)
    return client.link(service)


def failure(function, *args, **kwargs):
    try:
        return ["no error", repr(function(*args, **kwargs))]
    except Exception as error:
        kinds = [kind.__name__ for kind in type(error).__mro__]
        return [kinds, str(error)]


def call(kwargs, services):
    client = connect(kwargs)
    yield [link_with(client, service).add(x=40, y=2) for service in services]


def ask(kwargs, service, attribute, args):
    yield getattr(link_with(connect(kwargs), service), attribute)(*args)


def typed_service(kwargs, service):
    link = link_with(connect(kwargs), service)
    facts = [link.service_language, link.service_os, link.service_max_clients]
    yield [link.twice(21), *facts]


def refused(kwargs):
    yield failure(connect, kwargs)


def values(kwargs, service):
    link = link_with(connect(kwargs), service)
    text = "Ω µ° ü 漢字 🌡\u2028\x00 \"'\\ \r\n"
    integer = int("1234567890" * 20)
    big = "5 MB of text ü. " * 330_000
    numbers = [i / 7 for i in range(50_000)]
    small = [text, integer, -integer, 0.1, 1e300, True, None, [], {}, {"": {"ключ": [1]}}]
    (echoed, echoed_big, echoed_numbers), keywords = link.echo(small, big, numbers, ключ="значение")
    special = link.echo(math.nan, [math.inf], minus=-math.inf)
    yield {
        "small": echoed == small,
        "types": [type(value).__name__ for value in echoed],
        "big": echoed_big == big,
        "numbers": echoed_numbers == numbers,
        "keywords": keywords == {"ключ": "значение"},
        "special": repr(special),
        "property": link.temperature(),
        "constant": link.channels(),
        "to_json": link.reading(),
    }


def errors(kwargs, service):
    client = connect(kwargs)
    link = link_with(client, service)
    yield {
        "raised": failure(link.fail, "Ångström\nsecond line"),
        "asynchronous": failure(lambda: link.fail("later", asynchronous=True).result(20)),
        "arguments": failure(link.add, 1, 2, 3),
        "missing": failure(lambda: link.does_not_exist()),
        "private": failure(lambda: link.__getattr__("_private")()),
        "unserialisable": failure(link.unserialisable),
        "no service": failure(client.link, "Nobody"),
        "asynchronous admin": failure(client.admin_request, "port", asynchronous=True),
        "timeout": failure(link.slow, 1, timeout=0.1),
        "afterwards": link.add(1, 2),
    }


def out_of_order(kwargs, service):
    link = link_with(connect(kwargs), service)
    order = []
    slow = link.slow(0.8, asynchronous=True)
    slow.add_done_callback(lambda future: order.append(future.result()))
    sums = [link.add(i, i, asynchronous=True) for i in range(20)]
    for future in sums:
        future.add_done_callback(lambda future: order.append(future.result()))
    yield [sorted(order[:20]) if slow.result(20) else None, [f.result(20) for f in sums], order[-1]]


def notifications(kwargs, service):
    link = link_with(connect(kwargs), service)
    other = link_with(connect(kwargs, name="Not interested"), service)
    other.unlink()
    got, done = [], threading.Event()

    def handler(*args, **kwargs):
        got.append([args, kwargs])
        if len(got) == 50:
            done.set()

    link.notification_handler = handler
    returned = link.emit(50)
    done.wait(20)
    yield [returned, got]


def hold_link(kwargs, service, lock=None):
    client = connect(kwargs, name="Holder")
    link = link_with(client, service)
    yield link.acquire_lock(shared=lock == "shared") if lock else f"Holder[{client.port}]"
    yield link.release_lock() if lock else None


def try_link(kwargs, service):
    client = connect(kwargs, name="Late")
    try:
        link = client.link(service)
    except RuntimeError as error:
        yield str(error)
    else:
        yield repr(link)


def try_exclusive_lock(kwargs, service):
    link = link_with(connect(kwargs, name="Greedy"), service)
    yield failure(link.acquire_lock)


def unlink(kwargs, service):
    client = connect(kwargs)
    link = link_with(client, service)
    before = repr(link)
    client.unlink(link)
    again = client.link(service)
    again.disconnect()
    again.unlink()
    yield {
        "before": before,
        "after": repr(again),
        "call": failure(lambda: again.add(1, 2)),
        "wrong": failure(client.unlink, "text"),
    }


def shut_service_down(kwargs, service):
    client = connect(kwargs)
    link = link_with(client, service)
    slow = link.slow(0.3, asynchronous=True)
    result = link.shutdown_service(1, reason="end")
    running = failure(slow.result, 5)[1]
    deadline = time.monotonic() + 20
    while service in client.identities()["services"] and time.monotonic() < deadline:
        time.sleep(0.02)
    yield [result, running, failure(client.link, service)[0][0]]


def admin(kwargs):
    client = connect(kwargs)
    yield {
        "usernames": failure(lambda: sorted(client.admin_request("users_table.usernames"))),
        "argument": failure(client.admin_request, "users_table.is_user_registered", "n.bohr"),
        "keyword": failure(client.admin_request, "users_table.is_admin", username="n.bohr"),
        "value": failure(client.admin_request, "port"),
        "unknown": failure(client.admin_request, "users_table.nothing"),
        "raises": failure(client.admin_request, "hostnames_table.delete", "nowhere"),
        "afterwards": sorted(client.identities())[:2],
    }


def no_admin(kwargs):
    client = connect(kwargs)
    yield failure(client.admin_request, "users_table.usernames")


def shut_manager_down(kwargs):
    client = connect(kwargs)
    yield [client.admin_request("shutdown_manager"), client.is_connected()]


def show(kwargs, service):
    client = connect(kwargs, name="Shown")
    link = link_with(client, service)
    linked = network.LinkedClient(service, **kwargs)
    yield {
        "port": client.port,
        "linked port": linked.port,
        "client": repr(client),
        "link": repr(link),
        "linked": repr(linked),
        "text": client.identities(as_string=True, indent=3),
        "facts": [
            link.service_name,
            link.service_address,
            link.service_attributes,
            link.service_language,
            link.service_os,
            link.service_max_clients,
            client.address_manager,
            client.identity(),
        ],
    }
    yield client.identities(as_string=True)
    linked.unlink()
    linked.disconnect()
    client.disconnect()
    yield [repr(client), repr(linked), client.is_connected(), failure(client.identities)]


class Linked(network.LinkedClient):
    handled = 0

    def service_error_handler(self):
        type(self).handled += 1


def linked_client(kwargs, service):
    Linked.handled = 0
    linked = Linked(service, **kwargs)
    clients.append(linked)
    spawned = linked.spawn("Spawned")
    clients.append(spawned)
    got, done = [], threading.Event()

    def handler(*args, **kwargs):
        got.append([args, kwargs])
        if len(got) == 3:
            done.set()

    linked.notification_handler = handler
    linked.emit(3)
    done.wait(20)
    error = failure(linked.fail, "on purpose")
    yield {
        "sum": [linked.add(1, 2), spawned.add(3, y=4)],
        "names": [linked.name, spawned.name],
        "notifications": got,
        "error": error,
        "handled": Linked.handled,
    }


def play():
    for line in sys.stdin:
        wanted = json.loads(line)
        scenario = globals()[wanted.pop("scenario")](**wanted)
        try:
            for result in scenario:
                print(json.dumps({"result": result}), flush=True)
                sys.stdin.readline()
            report = {"result": "end"}
        except Exception as error:
            report = {"error": f"{type(error).__name__}: {error}"}
        while clients:
            clients.pop().disconnect()
        print(json.dumps(report), flush=True)


play()

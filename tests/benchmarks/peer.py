"""One peer of the benchmark, of either implementation: `peer.py PACKAGE ROLE PORT [COUNT]`."""

import importlib
import json
import sys
import time

package, role, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
network = importlib.import_module(package)

if role == "manager":
    run_forever = importlib.import_module(f"{package}.manager").run_forever
    run_forever(port=port, log_level="INFO")
    sys.exit()

kwargs = {"port": port, "auto_save": True, "timeout": 30}

if role == "service":

    class Echo(network.Service):
        def echo(self, *args):
            return args

        def count(self, items):
            yield from range(items)

    Echo().start(**kwargs)
    sys.exit()

count = int(sys.argv[4])

if role == "caller":  # which calls as often as it is told, and no more
    client = network.connect(**kwargs)
    while "Echo" not in client.identities()["services"]:
        time.sleep(0.1)
    echo = client.link("Echo").echo
    for i in range(count):
        assert echo(i) == [i]
    sys.exit()

link = network.connect(**kwargs).link("Echo")
for i in range(100):
    link.echo(i)

start = time.perf_counter()
for i in range(count):
    assert link.echo(i) == [i]
sequential = count / (time.perf_counter() - start)

start = time.perf_counter()
for _ in range(count // 100):
    futures = [link.echo(i, asynchronous=True) for i in range(100)]
    assert [future.result()[0] for future in futures] == list(range(100))
in_flight = count // 100 * 100 / (time.perf_counter() - start)

data = [i / 7 for i in range(250_000)]
start = time.perf_counter()
for _ in range(3):
    assert link.echo(data)[0] == data
large = 3 / (time.perf_counter() - start)

figures = {"sequential": sequential, "100 in flight": in_flight, "5 MB": large}
if package == "msl_network":  # 1.x has no such thing
    start = time.perf_counter()
    for i, item in enumerate(link.count(10 * count)):
        assert i == item
    figures["stream"] = 10 * count / (time.perf_counter() - start)
print(json.dumps(figures))

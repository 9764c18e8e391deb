"""Fuzzes one target guided by coverage, in a process of its own: libFuzzer ends its process.

Started by `python -m tests.fuzz`, which reads what libFuzzer prints: not to be called by hand.
"""

import sys

import atheris

INSTRUMENTED = [
    *(f"msl_network.{room}" for room in ("wire", "manager", "client", "serving", "executing")),
    *(f"msl_network.{room}" for room in ("streaming", "request", "lanes", "connection")),
    "json",
]

with atheris.instrument_imports(include=INSTRUMENTED):
    from tests.fuzz.targets import TARGETS

atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[sys.argv[1]])
atheris.Fuzz()

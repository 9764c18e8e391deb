"""Mutated messages at the wire layer and at who takes part, without a network: documented errors
only, nothing is left, and no memory is kept.

Here are 300,000 of them at the wire layer; `make fuzz` has the full million.
"""

import gc

import psutil
import pytest

from .mutate import Mutator
from .peers import PEER_TARGETS
from .seeds import seeds
from .targets import TARGETS

MESSAGES = 60_000
"""For each target. What one of them costs is some 10 to 100 µs."""

MESSAGES_OF_A_PEER = 3000
"""Some 500 µs each."""

GROWTH = 32 * 1024 * 1024
"""Most bytes by which the process may grow."""


def test_the_same_seed_makes_the_same_messages():
    first = [next(m) for m in [Mutator(seeds("lines"), 7)] for _ in range(100)]
    again = Mutator(seeds("lines"), 7)
    assert [next(again) for _ in range(100)] == first
    assert len(set(first)) > 90
    assert max(map(len, first)) <= 8192


@pytest.mark.parametrize("name", TARGETS)
def test_mutated_messages(name):
    target = TARGETS[name]
    mutator = Mutator(seeds(name), seed=1875)
    memory = psutil.Process().memory_info
    start = 0
    messages = MESSAGES_OF_A_PEER if name in PEER_TARGETS else MESSAGES
    for i in range(messages):
        if i == messages // 20:
            gc.collect()
            start = memory().rss
        data = next(mutator)
        try:
            target(data)
        except Exception as error:
            pytest.fail(f"message {i}, {data!r}: {type(error).__name__}: {error}")
    gc.collect()
    assert memory().rss - start < GROWTH

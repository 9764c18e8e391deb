"""Mutated messages at the wire layer: documented errors only, and no memory is kept.

Here are 300,000 of them; `make fuzz` has the full million.
"""

import gc

import psutil
import pytest

from .mutate import Mutator
from .seeds import seeds
from .targets import TARGETS

MESSAGES = 60_000
"""For each target. What one of them costs is some 10 to 100 µs."""

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
    for i in range(MESSAGES):
        if i == MESSAGES // 20:
            gc.collect()
            start = memory().rss
        data = next(mutator)
        try:
            target(data)
        except Exception as error:
            pytest.fail(f"message {i}, {data!r}: {type(error).__name__}: {error}")
    assert memory().rss - start < GROWTH

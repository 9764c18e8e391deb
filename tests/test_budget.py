"""What a Manager holds of all messages together, and who makes way when that is too much."""

import pytest

from msl_network.budget import SHARED, STEP, Budget, NoRoomError


class Peers:
    """Accounts of a budget, and who of them had to make way."""

    def __init__(self, limit):
        self.budget = Budget(limit)
        self.gone = []

    def open(self, name, address):
        account = self.budget.open(address)

        def make_way(error):
            assert isinstance(error, NoRoomError)
            self.gone.append(name)

        account.make_way = make_way
        return account


def test_who_holds_the_most_makes_way():
    peers = Peers(10 * STEP)
    for i, size in enumerate((2, 5, 3)):
        peers.open(i, f"10.0.0.{i}").update(size * STEP)
    assert not peers.gone
    peers.open(3, "10.0.0.3").update(STEP)
    assert peers.gone == [1]
    assert peers.budget.total == 6 * STEP


def test_many_from_one_address_are_one():
    peers = Peers(10 * STEP)
    peers.open("innocent", "10.0.0.1").update(4 * STEP)
    for i in range(8):
        peers.open(i, "10.0.0.2").update(STEP + i)
    assert "innocent" not in peers.gone
    assert peers.gone == [5, 6, 7]


def test_line_for_many_is_counted_once():
    peers = Peers(4 * SHARED)
    line = b"x" * 2 * SHARED
    accounts = [peers.open(i, f"10.0.0.{i}") for i in range(100)]
    for account in accounts:
        account.add(line)
    assert peers.budget.total == len(line)
    # each has its hundredth of it
    peers.open("greedy", "10.0.1.1").update(2 * SHARED + 1)
    assert peers.gone == ["greedy"]
    for account in accounts:
        account.remove_first()
    assert peers.budget.total == 0


def test_small_changes_do_not_count_and_what_is_gone_does():
    budget = Budget(100 * STEP)
    account = budget.open("")
    account.update(STEP - 1)
    assert budget.total == 0
    account.update(STEP)
    account.update(STEP + 1)
    assert budget.total == STEP
    account.update(0)
    assert (budget.total, account.is_used) == (0, False)


@pytest.mark.parametrize(("size", "has_room"), [(STEP, True), (STEP + 1, False)])
def test_what_would_be_too_much_is_known_before(size, has_room):
    budget = Budget(3 * STEP)
    budget.open("").update(2 * STEP)
    assert budget.open("").has_room(size) is has_room

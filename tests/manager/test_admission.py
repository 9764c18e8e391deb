"""Who makes way where there is no room: pure bookkeeping, without a socket."""

from msl_network.manager.admission import Admission, neighbourhood


def test_there_is_room():
    admission = Admission(3, 5)
    assert [admission.enter(name, "a") for name in "abc"] == [None] * 3
    assert [admission.enter(name, "b") for name in "de"] == [None] * 2
    assert len(admission) == 5
    assert sorted(admission) == list("abcde")


def test_oldest_silent_one_makes_way():
    admission = Admission(3, 100)
    for name in "abc":
        admission.enter(name, "address")
    admission.spoke("a")
    assert admission.enter("d", "address") == "b"
    assert admission.enter("e", "address") == "c"
    admission.spoke("d")
    admission.spoke("e")
    assert len(admission) == 3


def test_who_speaks_is_the_last_to_make_way():
    admission = Admission(3, 100)
    for name in "abc":
        admission.enter(name, "address")
        admission.spoke(name)
    admission.spoke("a")
    # all have spoken: the one of whom nothing has been heard for longest
    assert admission.enter("d", "address") == "b"
    # and a flood of silent ones costs nobody else anything
    for i in range(100):
        assert admission.enter(i, "address") == (i - 1 if i else "d")
    admission.leave("a")
    assert admission.enter("e", "address") is None


def test_flood_from_one_address_costs_no_other_its_place():
    admission = Admission(10, 12)
    admission.enter("person", "10.0.0.1")
    for i in range(1000):
        admission.enter(i, "10.0.0.2")
    for i in range(3):
        assert admission.enter(f"friend {i}", f"10.0.1.{i}") not in ("person", None) or i == 0
    assert "person" in list(admission)


def test_who_is_known_does_not_count():
    admission = Admission(2, 2)
    for i in range(100):
        assert admission.enter(i, "address") is None
        admission.spoke(i)
        admission.leave(i)
        admission.spoke(i)  # a line that came late
    assert len(admission) == 0
    assert admission.make_room() is None


def test_room_is_made_for_other_reasons():
    admission = Admission(10, 20)
    admission.enter("a", "address")
    admission.enter("b", "another")
    admission.enter("c", "another")
    assert admission.make_room() == "b"
    assert sorted(admission) == ["a", "c"]


def test_network_of_a_host_is_one_address():
    assert neighbourhood("10.0.0.1") == "10.0.0.1"
    assert neighbourhood("2001:db8:1:2::3") == neighbourhood("2001:db8:1:2:ffff::")
    assert neighbourhood("2001:db8:1:2::3") != neighbourhood("2001:db8:1:3::3")
    assert neighbourhood("?") == "?"

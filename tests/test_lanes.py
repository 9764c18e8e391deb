"""Who is next in line, for itself: without threads, network or time."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from msl_network.lanes import Lanes, lane_of, serial


def run_dry(lanes, running):
    """End what runs, the oldest first; returns the order in which the rest began."""
    order = []
    while running:
        following = lanes.leave(running.pop(0))
        if following is not None:
            order.append(following)
            running.append(following)
    return order


def test_one_request_is_not_held_up_by_the_thousand_of_another():
    lanes = Lanes(1)
    assert lanes.enter("a0", "A")
    assert not any(lanes.enter(f"a{i}", "A") for i in range(1, 1000))
    assert not lanes.enter("b0", "B")
    assert not lanes.enter("c0", "C")
    assert not lanes.enter("b1", "B")
    assert lanes.waiting == 1002
    assert lanes.in_line(4) == [("a1", 0), ("b0", 1), ("c0", 2), ("a2", 3)]
    order = run_dry(lanes, ["a0"])
    assert order[:6] == ["a1", "b0", "c0", "a2", "b1", "a3"]
    assert order[6:] == [f"a{i}" for i in range(4, 1000)]
    assert lanes.waiting == 0


def test_as_many_as_may_at_the_same_time():
    lanes = Lanes(3)
    assert [lanes.enter(i, "A") for i in range(5)] == [True, True, True, False, False]
    assert lanes.leave(1) == 3
    assert lanes.leave(0) == 4
    assert lanes.leave(2) is None
    assert lanes.enter(5, "A")


def test_lanes_do_not_hold_each_other_up():
    lanes = Lanes()
    assert lanes.enter("camera", "A", "camera")
    assert lanes.enter("stage", "A", "stage")
    assert all(lanes.enter(i, "A") for i in range(100))
    assert not lanes.enter("camera 2", "B", "camera")
    assert lanes.leave("stage") is None
    assert lanes.leave("camera") == "camera 2"


def test_requesters_take_turns_across_lanes_and_nobody_overtakes_its_own():
    lanes = Lanes(1)
    assert lanes.enter(0, "A")
    for i in range(3):
        assert not lanes.enter(f"x{i}", "A", "x")
        assert not lanes.enter(f"y{i}", "A", "y")
    assert not lanes.enter("b", "B", "y")
    assert run_dry(lanes, [0]) == ["x0", "b", "y0", "x1", "y1", "x2", "y2"]


def test_who_waits_no_more():
    lanes = Lanes(1)
    for i, who in enumerate("ABABC"):
        lanes.enter(i, who)
    assert lanes.leave(2) is None  # given up
    assert lanes.remove_waiting("B") == [1, 3]
    assert lanes.in_line(9) == [(4, 0)]
    assert lanes.leave(2) is None  # twice is fine
    assert lanes.leave(0) == 4
    lanes.enter(5, "A")
    assert lanes.remove_waiting() == [5]
    assert lanes.waiting == 0
    assert lanes.leave(4) is None
    assert lanes.enter(6, "A")


@given(
    st.none() | st.integers(1, 3),
    st.lists(
        st.tuples(st.sampled_from("ABC"), st.sampled_from([None, "", "x"]))
        | st.integers(0, 50)
        | st.sampled_from("ABC"),
        max_size=60,
    ),
)
def test_whatever_happens(most, events):
    """Nothing begins too early, nothing that could begin waits, and nothing overtakes its own."""
    lanes, where, running, waiting = Lanes(most), {}, [], []

    def room(lane):
        busy = lane is not None and any(where[r][1] == lane for r in running)
        return not busy and (most is None or len(running) < most)

    for event in events:
        if isinstance(event, tuple):
            request = len(where)
            where[request] = event
            expected = room(event[1])
            assert lanes.enter(request, *event) == expected
            (running if expected else waiting).append(request)
        elif isinstance(event, str):
            gone = [r for r in waiting if where[r][0] == event]
            assert sorted(lanes.remove_waiting(event)) == gone
            waiting = [r for r in waiting if r not in gone]
        else:
            for those in (running, waiting):
                if event in those:
                    those.remove(event)
            following = lanes.leave(event)
            if following is not None:
                assert room(where[following][1])
                who = where[following][0]
                overtaken = [r for r in waiting if r < following and where[r][0] == who]
                assert not any(room(where[r][1]) for r in overtaken)
                waiting.remove(following)
                running.append(following)
        assert lanes.waiting == len(waiting)
        assert not any(room(where[r][1]) for r in waiting)
    assert Counter(r for r, _ in lanes.in_line(100)) == Counter(waiting)


def test_what_is_marked():
    class Bench:
        @serial
        def voltage(self): ...

        @serial("camera")
        async def picture(self): ...

        @property
        @serial
        def range(self): ...

        @serial
        @staticmethod
        def above(): ...

        @classmethod
        @serial("camera")
        def below(cls): ...

        def free(self): ...

    lanes = {name: lane_of(value) for name, value in vars(Bench).items() if name[0] != "_"}
    assert lanes == {
        "voltage": "",
        "picture": "camera",
        "range": "",
        "above": "",
        "below": "camera",
        "free": None,
    }


def test_other_limits_while_requests_run_and_wait():
    """As when a Service is reloaded: what waits is entered anew, what runs holds its place."""
    lanes = Lanes(1)
    assert lanes.enter("x0", "A", "x")
    assert not lanes.enter("y0", "A", "y")
    assert not lanes.enter("b0", "B")
    assert not lanes.enter("x1", "A", "x")
    waiting = lanes.remove_waiting()
    assert waiting == ["y0", "b0", "x1"]  # in the order in which they came
    assert lanes.waiting == 0
    lanes.most = None
    lanes.add_running("x0", "A", "x")  # is here already
    lanes.add_running("z0", "A", "z")
    assert [lanes.enter(name, "A", name[0]) for name in waiting] == [True, True, False]
    assert not lanes.enter("z1", "A", "z")
    assert lanes.leave("z0") == "z1"
    assert lanes.leave("x0") == "x1"
    lanes.most = 2  # less than what runs
    assert not lanes.enter("late", "B")
    assert [lanes.leave(name) for name in ("x1", "y0")] == [None, None]
    assert lanes.leave("b0") == "late"

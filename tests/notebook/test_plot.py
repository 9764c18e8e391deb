"""A plot and what it sends to a page, read as the page reads it."""

import gc
import math
import threading
import time
import weakref
from array import array

import pytest

from msl_network.notebook import plot as plots
from msl_network.notebook.plot import Plot

WAIT = 10.0


class Page:
    """A page that shows a plot."""

    def __init__(self, plot, answers=True):
        self.plot = plot
        self.answers = answers
        self.frames = 0
        self.times = []
        self.changed = threading.Condition()
        plot.comm.publish_msg = self.receive
        self.take(plot.get_state()["_all"])
        self.tell(0)

    def take(self, content):
        self.names, self.end = content["names"], content["first"]
        self.columns = [array("d") for _ in ["x", *self.names]]
        self.add(content["first"], content["values"])

    def add(self, first, values):
        numbers = array("d", values)
        each = len(numbers) // len(self.columns)
        assert first <= self.end, "points are missing"
        for i, column in enumerate(self.columns):
            column += numbers[i * each + self.end - first : (i + 1) * each]
            del column[: max(0, len(column) - self.plot.most)]
        self.end = first + each

    def receive(self, kind, data=None, metadata=None, buffers=None, **_):
        if kind != "comm_msg" or data["method"] != "custom":
            return
        content = data["content"]
        with self.changed:
            if content["all"]:
                self.take({**content, "values": buffers[0]})
            else:
                assert content["names"] == self.names
                self.add(content["first"], buffers[0])
            self.frames = content["frame"]
            self.times.append(time.monotonic())
            self.changed.notify_all()
        if self.answers:
            self.tell(content["frame"])

    def tell(self, frame, wants_all=False):
        self.plot._handle_custom_msg({"frame": frame, "lost": 0, "all": wants_all}, [])

    def wait(self, condition):
        with self.changed:
            assert self.changed.wait_for(condition, WAIT), (self.names, self.end, self.frames)

    @property
    def points(self):
        return dict(zip(["x", *self.names], map(list, self.columns), strict=True))


@pytest.fixture
def plot():
    """Make plots that are closed after the test."""
    made = []

    def make(*args, **kwargs):
        made.append(Plot(*args, **kwargs))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_page_has_what_the_kernel_has(plot):
    plot = plot({"a": [1, 2.5]}, x_label="time (s)", most=4)
    page = Page(plot)
    assert page.points == {"x": [0, 1], "a": [1, 2.5]}
    plot.extend({"a": [3]})
    page.wait(lambda: page.points == {"x": [0, 1, 2], "a": [1, 2.5, 3]})
    plot.extend({"b": [7, 8]}, x=[10, 11])
    page.wait(lambda: page.end == 5)
    assert page.points["x"] == [1, 2, 10, 11]
    assert page.points["b"][2:] == [7, 8]
    assert all(map(math.isnan, [*page.points["a"][2:], *page.points["b"][:2]]))
    plot.replace({"c": range(10)})
    page.wait(lambda: page.points == {"x": [6, 7, 8, 9], "c": [6, 7, 8, 9]})
    assert plot.names == ("c",)
    assert Page(plot).points == page.points  # one that is loaded later
    plot.clear()
    page = Page(plot)
    assert page.points == {"x": []}


def test_what_is_no_number_is_a_gap(plot):
    page = Page(plot({"a": [1, None, "x", math.nan, 10**400, -math.inf, True, 1j]}))
    gaps = [not math.isfinite(value) for value in page.points["a"]]
    assert gaps == [False, True, True, True, True, True, False, True]


def test_twenty_frames_a_second_whatever_is_added(plot):
    plot = plot(most=2000)
    page = Page(plot)
    plot.extend({"a": [], "b": []})
    page.wait(lambda: page.names)
    began, first = time.monotonic(), page.frames

    def add(name):
        for i in range(200):
            plot.extend({name: [i]})
            time.sleep(0.002)

    threads = [threading.Thread(target=add, args=(name,)) for name in "abab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    page.wait(lambda: page.end == 800)
    assert page.frames - first <= (page.times[-1] - began) / plots.INTERVAL + 2
    for name in "ab":
        values = [value for value in page.points[name] if not math.isnan(value)]
        assert sorted(values) == sorted([*range(200), *range(200)])


def test_page_that_is_silent_gets_less_until_it_is_heard_again(plot, monkeypatch):
    monkeypatch.setattr(plots, "SLOWING", 1)
    plot = plot({"a": []})
    page = Page(plot, answers=False)
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        plot.extend({"a": [1]})
        time.sleep(0.01)
    # each frame has waited for as long as all before it
    assert 3 <= page.frames <= 8
    assert plot.interval > 1
    page.answers = True
    page.tell(page.frames)
    page.wait(lambda: page.end == plot._points.end)
    for _ in range(5):
        plot.extend({"a": [1]})
        page.wait(lambda: page.end == plot._points.end)
    assert plot.interval == plots.INTERVAL
    assert len(page.points["a"]) == page.end


def test_page_that_has_missed_something_gets_all(plot):
    plot = plot({"a": [1, 2, 3]})
    page = Page(plot)
    page.columns[1][0] = 0
    page.tell(0, wants_all=True)
    page.wait(lambda: page.points["a"] == [1, 2, 3])


def test_frame_without_anything_new(plot):
    plot = plot({"a": [1]})
    page = Page(plot)
    plot.beat()
    page.wait(lambda: page.frames == 1)
    assert page.points["a"] == [1]


def test_what_can_not_be_plotted_changes_nothing(plot):
    plot = plot({"a": [1, 2]})
    with pytest.raises(ValueError, match="3 values, but x has 2"):
        plot.extend({"a": [1, 2, 3]}, x=[1, 2])
    with pytest.raises(ValueError, match="3 values, but x has 2"):
        plot.replace({"b": [1, 2, 3]}, x=[1, 2])
    with pytest.raises(ValueError, match="12 lines at most, not 13"):
        plot.extend({str(i): [1] for i in range(12)})
    with pytest.raises(ValueError, match="room"):
        Plot(most=0)
    assert Page(plot).points == {"x": [0, 1], "a": [1, 2]}


@pytest.mark.parametrize("told", [None, [], {"frame": "1", "lost": 0, "all": False}, {"frame": 1}])
def test_nonsense_from_a_page_is_ignored(plot, told):
    plot = plot({"a": [1]})
    page = Page(plot)
    plot._handle_custom_msg(told, [])
    plot.extend({"a": [2]})
    page.wait(lambda: page.points["a"] == [1, 2])


def test_saved_notebook_has_a_picture(plot):
    data, _ = plot({"<b>a</b>\u202e": [1, math.nan, 3], "b": [1, 2]})._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["text/plain"] == "<Plot of <b>a</b>\\u202e, b: 3 points>"
    assert data["text/html"].count("<img") == 2
    assert "&lt;b&gt;a" in data["text/html"]
    data, _ = plot()._repr_mimebundle_()
    assert "text/html" not in data


def test_closed_plot_sends_nothing_and_leaves_nothing():
    plot = Plot({"a": [1]})
    page = Page(plot)
    plot.extend({"a": [2]})
    page.wait(lambda: page.frames)
    plot.extend({"a": [3]})
    plot.close()
    plot.extend({"a": [4]})
    frames, gone = page.frames, weakref.ref(plot)
    del plot, page.plot
    deadline = time.monotonic() + WAIT
    while gone() is not None:
        assert time.monotonic() < deadline, gc.get_referrers(gone())
        gc.collect()
    assert page.frames == frames

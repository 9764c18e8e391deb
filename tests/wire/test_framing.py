"""A stream of bytes cut into lines."""

import pytest

from msl_network.wire.framing import Framer, LineTooLongError

STREAM = b'{"a":1}\r\nsecond\n\r\n\nx\ry\r\n' + b"long " * 100 + b"\r\nrest"
LINES = [b'{"a":1}', b"second", b"", b"", b"x\ry", b"long " * 100]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, len(STREAM)])
def test_lines_do_not_depend_on_the_packets(size):
    framer = Framer(1000)
    lines = []
    for i in range(0, len(STREAM), size):
        lines += framer.feed(STREAM[i : i + size])
    assert lines == LINES
    assert framer.waiting == len(b"rest")
    assert framer.feed(b" of it\n") == [b"rest of it"]
    assert framer.waiting == 0


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("size", [1, 4, 100])
def test_limit(end, size):
    def feed(line):
        framer = Framer(10)
        lines = []
        for i in range(0, len(line), size):
            lines += framer.feed(line[i : i + size])
        return lines

    assert feed(b"x" * 10 + end) == [b"x" * 10]
    with pytest.raises(LineTooLongError, match="larger than the limit of 10 bytes"):
        feed(b"x" * 11 + end)
    with pytest.raises(LineTooLongError):
        feed(b"short\n" + b"x" * 12)  # nobody waits for its end


def test_limit_can_be_changed():
    framer = Framer(5)
    assert framer.feed(b"12345\n") == [b"12345"]
    framer.limit = 20
    assert framer.feed(b"123456789\n") == [b"123456789"]

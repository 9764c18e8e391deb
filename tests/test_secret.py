"""A password as words, or in a file: whatever the file was written with."""

import codecs

import pytest

from msl_network.secret import read_secret


def read(words):
    said = []
    return read_secret(words, "password", said.append), said


@pytest.mark.parametrize(
    "data",
    [
        "pässword\nmore".encode(),
        b" p\xc3\xa4ssword\t\r\n",
        codecs.BOM_UTF8 + "pässword".encode(),
        # `echo pässword > my-password` in the PowerShell of Windows
        codecs.BOM_UTF16_LE + "pässword\r\n".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + "pässword".encode("utf-16-be"),
    ],
)
def test_first_line_of_a_file(tmp_path, data):
    path = tmp_path / "my password"
    path.write_bytes(data)
    told = ["Reading the password from the file"]
    assert read(str(path)) == ("pässword", told)
    assert read(str(path).split(" ")) == ("pässword", told)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "There is no password in the first line of"),
        (b" \nsecret", "There is no password in the first line of"),
        (b"\xffsecret", "is not text in UTF-8"),
    ],
)
def test_file_without_a_password(tmp_path, data, text):
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(ValueError, match=text) as error:
        read(str(tmp_path / "file"))
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("words", ["secret", ["two", "words"], "1/2", "", None])
def test_words(words):
    assert read(words) == (" ".join(words) if isinstance(words, list) else words, [])


def test_file_that_is_misspelt(tmp_path):
    for words in (str(tmp_path / "sekret"), "sekret.txt"):
        password, (told,) = read(words)
        assert password == words
        assert told.startswith("There is no such file: ")
        assert "sekret" not in told

"""How many tokens a text has, by the rule, by tiktoken and by a caller's estimator."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import socket
import sys
import types
from pathlib import Path

import pytest
from l0_window import Window, WindowConfig, chunk_document, estimate_chars_for_tokens, estimate_tokens, tokens

FILE, DIGEST = tokens._VOCABULARIES["o200k_base"]
VOCABULARY = b"\n".join(base64.b64encode(bytes([byte])) + b" %d" % byte for byte in range(256))


@pytest.fixture(autouse=True)
def cache(without_vocabularies, monkeypatch, tmp_path):
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("a", 1),
        ("abc", 1),
        ("abcd", 1),
        ("abcde", 2),
        ("naïve café", 3),
        ("漢字漢字漢字漢字", 8),
        ("ひらがな", 4),
        ("조수는", 3),
        ("прилив", 3),
        ("ज्वार", 3),
        ("😀", 1),
        ("word " * 100, 125),
    ],
)
def test_the_rule(text, count):
    assert estimate_tokens(text) == Window.estimate_tokens(text) == count


def test_tokens_of_latin_text_have_four_characters():
    assert [estimate_chars_for_tokens(count) for count in (0, 1, 2000)] == [0, 4, 8000]


def test_an_estimator_of_the_caller_counts():
    window = Window.create("one two three four five", size=3, overlap=1, estimate_tokens=lambda text: len(text.split()))
    assert [chunk.content for chunk in window] == ["one two three ", "three four five"]
    assert [chunk.token_count for chunk in window] == [3, 3]


class FakeTiktoken(types.ModuleType):
    """Counts a token for each character, and writes down what it is asked for."""

    def __init__(self) -> None:
        super().__init__("tiktoken")
        self.__spec__ = importlib.util.spec_from_loader("tiktoken", None)
        self.asked: list[str] = []
        self.given: list[int] = []

    def get_encoding(self, name: str) -> FakeTiktoken:
        self.asked.append(name)
        return self

    def encode_ordinary(self, text: str) -> list[int]:
        self.given.append(len(text))
        return [0] * len(text)


@pytest.fixture
def tiktoken(monkeypatch):
    fake = FakeTiktoken()
    monkeypatch.setitem(sys.modules, "tiktoken", fake)
    return fake


def put(folder: Path, name: str, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tokens._VOCABULARIES[name][0]
    (folder / file).write_bytes(content)
    monkeypatch.setitem(tokens._VOCABULARIES, name, (file, hashlib.sha256(content).hexdigest()))


def test_without_its_vocabulary_tiktoken_is_not_even_imported(tiktoken):
    assert estimate_tokens("abcdefgh") == 2
    assert tiktoken.asked == []


def test_a_vocabulary_that_tiktoken_would_replace_is_none(tiktoken, tmp_path):
    (tmp_path / FILE).write_bytes(b"half a download")
    assert estimate_tokens("abcdefgh") == 2
    assert tiktoken.asked == []


def test_a_cache_that_is_switched_off_is_none(tiktoken, tmp_path, monkeypatch):
    put(tmp_path, "o200k_base", VOCABULARY, monkeypatch)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    monkeypatch.chdir(tmp_path)
    assert estimate_tokens("abcdefgh") == 2
    assert tiktoken.asked == []


def test_the_cache_is_where_tiktoken_has_it(tiktoken, tmp_path, monkeypatch):
    put(tmp_path, "o200k_base", VOCABULARY, monkeypatch)
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR")
    monkeypatch.setenv("DATA_GYM_CACHE_DIR", str(tmp_path))
    assert estimate_tokens("abcdefgh") == 8


@pytest.mark.parametrize(
    ("there", "used"),
    [(["cl100k_base"], "cl100k_base"), (["cl100k_base", "o200k_base"], "o200k_base")],
)
def test_with_its_vocabulary_tiktoken_counts(tiktoken, tmp_path, monkeypatch, there, used):
    for name in there:
        put(tmp_path, name, VOCABULARY, monkeypatch)
    assert estimate_tokens("abcdefgh") == 8
    assert [len(chunk.content) for chunk in chunk_document("a" * 10, WindowConfig(4, 0))] == [4, 4, 2]
    assert tiktoken.asked == [used]


def test_tiktoken_is_given_no_more_than_it_bears(tiktoken, tmp_path, monkeypatch):
    put(tmp_path, "o200k_base", VOCABULARY, monkeypatch)
    assert estimate_tokens(" " * 100_000) == 100_000
    assert max(tiktoken.given) <= 32_768


def test_the_real_tiktoken_finds_what_we_found_and_asks_nothing_of_the_network(tmp_path, monkeypatch):
    real = pytest.importorskip("tiktoken")
    load = importlib.import_module("tiktoken.load")
    registry = importlib.import_module("tiktoken.registry")

    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("nothing is downloaded")

    monkeypatch.setattr(load, "read_file", refuse)
    monkeypatch.setattr(socket, "socket", refuse)
    assert estimate_tokens("abcdefgh") == 2
    put(tmp_path, "o200k_base", VOCABULARY, monkeypatch)
    monkeypatch.setattr(load, "check_hash", lambda data, expected: data == VOCABULARY and expected == DIGEST)
    tokens.vocabulary_count.cache_clear()
    try:
        assert estimate_tokens("漢") == 3
        assert real.get_encoding("o200k_base").n_vocab == 200_019
    finally:
        registry.ENCODINGS.pop("o200k_base", None)

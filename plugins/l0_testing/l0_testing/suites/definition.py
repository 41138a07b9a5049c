"""What the class of an author's tests must say, and may not: told when it is defined, so that collecting it fails."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["check_overrides", "check_skips", "check_spelling", "given", "mistake", "tests_of", "texts"]


def mistake(cls: type, what: str) -> TypeError:
    return TypeError(f"{cls.__module__}.{cls.__qualname__}: {what}")


def tests_of(cls: type) -> dict[str, type]:
    """The tests that a class has from its suites, by name, with the suite that defines each."""
    return {
        name: suite
        for suite in reversed(cls.__mro__)
        if vars(suite).get("_is_suite")
        for name in vars(suite)
        if name.startswith("test_")
    }


def check_overrides(cls: type) -> None:
    """Raise TypeError if a class, or what is mixed in, has an attribute with the name of a suite's test."""
    for name, suite in tests_of(cls).items():
        if inspect.getattr_static(cls, name) is not vars(suite)[name]:
            raise mistake(
                cls,
                f"{name} is a test of {suite.__name__}, which would not run any more. Give yours another name; to "
                f'leave the suite\'s out, write skips = {{"{name}": "why"}}',
            )


def check_skips(cls: type, skips: object) -> None:
    """Raise TypeError for skips that name no test, or that give no reason."""
    if not isinstance(skips, Mapping):
        raise mistake(cls, f'skips must be a dict of reasons by test, {{"test_name": "why"}}, not {skips!r}')
    for name, reason in skips.items():
        if name not in (tests := tests_of(cls)):
            raise mistake(cls, f"skips names {name!r}, and there is no such test{_near(name, tests)}")
        if not isinstance(reason, str) or not reason.strip():
            raise mistake(
                cls, f"skips gives no reason for {name}: say in a few words why this plugin is excused from it"
            )


def check_spelling(cls: type, known: Iterable[str]) -> None:
    """Raise TypeError for an attribute whose name is nearly that of one which the suite would read."""
    known = set(known)
    for name in vars(cls):
        if name.startswith(("_", "test")) or name in known:
            continue
        if near := difflib.get_close_matches(name, known, 1, 0.8):
            raise mistake(cls, f"the suite knows no {name!r}. Did you mean {near[0]!r}?")


def given(cls: type, name: str, meaning: str) -> Any:
    """What the class says of `name`. Raises TypeError if it says nothing."""
    value = getattr(cls, name, None)
    if value is None:
        raise mistake(cls, f"{name} is missing: {meaning}")
    return value


def texts(cls: type, name: str, meaning: str) -> None:
    """Raise TypeError unless `name` is a list of texts with something in it."""
    value = given(cls, name, meaning)
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise mistake(cls, f"{name} must be a list of texts, not {type(value).__name__}: {meaning}")
    if not value:
        raise mistake(cls, f"{name} is empty: {meaning}")
    for place, text in enumerate(value):
        if not isinstance(text, str):
            raise mistake(cls, f"{name}[{place}] must be a text, not {text!r}")


def _near(name: object, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(name), list(names), 1)
    return f". Did you mean {near[0]!r}?" if near else f". There are {', '.join(names)}"

"""Patterns that are slow in a backtracking engine, and the texts on which they are. Two hundred, made from families."""

from __future__ import annotations

from itertools import product

SIZE = 100_000

CLASSES = {"a": "a", "[a-z]": "a", r"\w": "a", r"\d": "1", r"\s": " ", ".": "a", "[^,]": "b", r"\S": "x"}
# With {0}: a class. What follows is a text, with {0} for a character of the class, that is repeated, and its end.
FAMILIES = [
    (r"({0}+)+$", "{0}", "!"),
    (r"({0}+)+!", "{0}", "?"),
    (r"({0}*)*;", "{0}", "!"),
    (r"({0}|{0})+$", "{0}", "!"),
    (r"({0}|{0}{0})*;", "{0}", "!"),
    (r"({0}|{0}?)+;", "{0}", "!"),
    (r"{0}*{0}*{0}*;", "{0}", "!"),
    (r"{0}+{0}+$", "{0}", "!\n"),
    (r"(.*{0}){{20}}", "{0}", "\n"),
    (r"({0}?){{25}}{0}{{25}};", "{0}", "!"),
    (r"({0}{{1,30}}){{1,10}};", "{0}", "!"),
    (r"(?:{0}+){{2,}};", "{0}", "!"),
    (r"(x|{0})*y", "x{0}", "z"),
    (r"{0}+;", "{0}", "!"),
    (r"{0}+$", "{0}", "!\n"),
    (r"x{0}*y", "x{0}", "z"),
    (r"x{0}*?y", "x{0}", "z"),
    (r"({0}+),\1;", "{0}{0}{0},", "!"),
    (r"(?=({0}+)+;)x", "{0}", "!"),
    (r"^({0}+\s?)+$", "{0}", "!"),
]
FAMOUS = [
    (
        r"^([a-zA-Z0-9])(([\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+[.]{1}(([a-z]{2,3})|([a-z]{2,3}[.]{1}[a-z]{2,3}))$",
        "a",
        "!",
    ),
    (r"([a-zA-Z0-9_\-.]+)@([a-zA-Z0-9_\-.]+)\.([a-zA-Z]{2,5})", "a@a.", "!"),
    (r"\b[\w.+-]+@[\w-]+\.\w+\b", "a.", "!"),
    (r"\b[\w.+-]+@[\w-]+\.\w+\b", "a@aa.", "_"),
    (r"^(([a-z])+.)+[A-Z]([a-z])+$", "a", "1"),
    (r"([a-z]+)*\d", "a", "!"),
    (r"(a|ab)*c", "ab", "!"),
    (r"\s+$", " ", "x\n"),
    (r"^\s+|\s+$", " ", "x\n"),
    (r"(\d+)*\.(\d+)*", "1", "x"),
    (r"<!--.*?-->", "<!--", "\n"),
    (r"<([a-z]+)[^>]*>.*?</\1>", "<a>", "\n"),
    (r"(?:\w+\s+)*foo", "a ", "!"),
    (r"^(\w+\s?)+$", "aa ", "!"),
    (r"\w+ing\b", "ing", "x"),
    (r"\b\w+ing\b", "ing", "x"),
    (r"ignore.*instructions", "ignore", "\n"),
    (r"foo.*bar.*baz", "foobar", "\n"),
    (r"\S+@\S+", "a", " "),
    (r"(https?://)?(www\.)?\w+\.\w+(/\w+)*/?;", "www.a/", "!"),
    (r"(?:[^\"\\]|\\.)*\";", "\\\\", "!"),
    (r"(.+)+!!", "!a", "\n"),
    (r"(x+x+)+y", "x", "!"),
    (r"(?:a|b|ab)*c", "ab", "!"),
    (r"(a|a|a|a)*b", "a", "!"),
    (r"a?" * 25 + "a" * 25 + ";", "a", "!"),
    (r"(?:(?:a+b?)+c?)+d", "aab", "!"),
    (r"(?:ab?)+c", "ab", "!"),
    (r"[ab]*a[ab]{12};", "ab", "!"),
    (r"(?i)(?:ſ|s)+k", "s", "!"),
]


def evil_patterns() -> list[tuple[str, str]]:
    """Pairs of a pattern and a text of SIZE characters that is as bad as can be for it."""
    made: list[tuple[str, str]] = [(pattern, _text(body, end)) for pattern, body, end in FAMOUS]
    for (pattern, body, end), (written, char) in product(FAMILIES, CLASSES.items()):
        made.append((pattern.format(written), _text(body.format(char), end)))
    for index, (prefix, suffix) in enumerate([("", ""), ("x", ""), (r"\b", r"\b"), ("^", ""), ("", "(?!q)")] * 2):
        pattern, body, end = FAMILIES[index]
        made.append((f"{prefix}{pattern.format('[ab]')}{suffix}", _text(body.format("a"), end)))
    return made


def _text(body: str, end: str) -> str:
    return (body * (SIZE // len(body) + 1))[: SIZE - len(end)] + end

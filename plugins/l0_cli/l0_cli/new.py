"""Writes the package of a new plugin, which can be installed, tested and published as it stands."""

from __future__ import annotations

import builtins
import json
import keyword
import os
import re
import shlex
import sys
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from io import StringIO
from pathlib import Path
from string import Template
from typing import Any

import l0_core
from l0_cli.terminal import CommandError

__all__ = ["Package", "as_object", "bounds", "lines", "plan", "write"]

PREFIXES = {kind: f"l0_{'guard' if kind == 'guardrail' else kind}_" for kind in l0_core.GROUPS}
"""What the module of each kind begins with, unless another prefix is given."""

SUMMARIES = {
    "guardrail": "answers with too many exclamation marks.",
    "adapter": "streams of an SDK whose chunks have a text and a finish reason.",
    "store": "the events of streams, as lines of JSON in a file.",
    "monitor": "a line in the log for each stream, with its outcome, length and duration.",
    "policy": "no long waits where another source can be asked.",
}
"""What the plugin that is written does."""

_TEMPLATES = files("l0_cli") / "templates"
_FILES = {"plugin.py": "$module/__init__.py", "test.py": "tests/test_$test.py", "README.md": "README.md"}
"""Where the text of each template of a kind goes."""


@dataclass(frozen=True)
class Package:
    """What is to be written: `folder` is to hold `files`, which are texts by their paths in it."""

    kind: str
    name: str
    module: str
    cls: str
    folder: Path
    files: Mapping[str, str]

    @property
    def distribution(self) -> str:
        return self.module.replace("_", "-")

    @property
    def commands(self) -> list[str]:
        """What to type next, where this was typed."""
        return [f"cd {shlex.quote(str(self.folder))}", "pip install -e . l0-testing pytest", "pytest"]


def plan(kind: str, name: str, where: Path, prefix: str | None = None, author: str | None = None) -> Package:
    """The package of a new plugin, of which nothing is written yet. `author` is a name, or `name <address>`.

    Raises CommandError for what cannot be a name, a prefix or an author, and for a name or a folder that is taken.
    """
    _check_name(kind, name)
    module = _module(PREFIXES[kind] if prefix is None else prefix, name)
    folder = where / module
    if os.path.lexists(folder):
        raise CommandError(f"{folder} is there already: choose another name, or another place with --dir")
    templates = {path: (_TEMPLATES / kind / f"{path}.tmpl").read_text("utf-8") for path in _FILES}
    words = {
        "name": name,
        "module": module,
        "distribution": module.replace("_", "-"),
        "cls": _class(kind, name, templates),
        "test": name.replace("-", "_"),
        "summary": f"{_a(kind)} for L0: {SUMMARIES[kind]}",
        "group": l0_core.GROUPS[kind],
        "bounds": bounds(l0_core.__version__),
        "authors": "" if author is None else f"authors = [{_person(author)}]\n",
    }
    texts = {_FILES[path]: text for path, text in templates.items()}
    texts["pyproject.toml"] = (_TEMPLATES / "pyproject.toml.tmpl").read_text("utf-8")
    filled = {Template(path).substitute(words): Template(text).substitute(words) for path, text in texts.items()}
    filled["LICENSE"] = (_TEMPLATES / "LICENSE").read_text("utf-8")
    filled[f"{module}/py.typed"] = ""
    return Package(kind, name, module, words["cls"], folder, dict(sorted(filled.items())))


def write(package: Package) -> None:
    """Write the files of a package. Raises FileExistsError, and changes nothing, where its folder is there already."""
    package.folder.parent.mkdir(parents=True, exist_ok=True)
    package.folder.mkdir()
    for path, text in package.files.items():
        target = package.folder / path
        target.parent.mkdir(exist_ok=True)
        target.write_text(text, "utf-8", newline="\n")


def lines(package: Package) -> Iterator[str]:
    """What was written and what to type next, for people."""
    yield f"{package.folder} holds {package.distribution}, with the {package.kind} {package.name!r}. Next:"
    yield ""
    yield from package.commands


def as_object(package: Package) -> dict[str, Any]:
    """What was written and what to type next, for programs."""
    return {
        "kind": package.kind,
        "name": package.name,
        "distribution": package.distribution,
        "module": package.module,
        "class": package.cls,
        "folder": str(package.folder.absolute()),
        "files": list(package.files),
        "next": package.commands,
    }


def bounds(version: str) -> str:
    """The versions of the kernel that suit a plugin written for this one: before 1.0, those of the same minor."""
    major, minor = (int(number) for number in version.split(".")[:2])
    return f">=0.{minor},<0.{minor + 1}" if major == 0 else f">={major}.{minor},<{major + 1}"


def _a(kind: str) -> str:
    return f"{'An' if kind == 'adapter' else 'A'} {kind}"


def _check_name(kind: str, name: str) -> None:
    # The name of a store is the scheme of a URL, which has no underscore; a guardrail's is an attribute, too.
    joint = "-" if kind == "store" else "_"
    form = f"[a-z][a-z0-9]*({joint}[a-z0-9]+)*"
    if not re.fullmatch(form, name):
        words = re.findall(r"[A-Z]*[a-z0-9]+|[A-Z]+", name)
        meant = joint.join(words).lower()
        hint = f"; {meant} is one" if re.fullmatch(form, meant) else ""
        raise CommandError(
            f"{name!r} is no name of {_a(kind).lower()}: it begins with a letter, and is lower-case letters, digits "
            f"and single {joint} between them{hint}"
        )
    taken = next((item for item in l0_core.registry().installed(kind) if item.name == name), None)
    if taken is not None:
        raise CommandError(
            f"the {kind} {name!r} is installed here already, from {taken.origin}: choose another name, "
            "since two of one name cannot be used"
        )


def _module(prefix: str, name: str) -> str:
    module = (prefix + name).replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", module):
        raise CommandError(
            f"--prefix {prefix!r} makes the module {module!r}: a prefix is lower-case letters, digits and _, "
            "like acme_, and begins with a letter"
        )
    if keyword.iskeyword(module) or module in sys.stdlib_module_names or module in ("l0", "l0_core"):
        raise CommandError(f"{module!r} is a word or a module of others: choose another name, or another --prefix")
    return module


def _class(kind: str, name: str, templates: Mapping[str, str]) -> str:
    """The class of a name: `no_shouting` is NoShouting. What the code uses otherwise gets the kind behind it."""
    cls = "".join(part.capitalize() for part in re.split("[-_]", name))
    code = "\n".join(text.replace("$", "") for path, text in templates.items() if path.endswith(".py"))
    used = {token.string for token in tokenize.generate_tokens(StringIO(code).readline)}
    return f"{cls}{kind.capitalize()}" if cls in used or hasattr(builtins, cls) else cls


def _person(author: str) -> str:
    """An author as pyproject.toml has it."""
    name, _, rest = author.strip().partition("<")
    if not name.strip() or not author.isprintable() or (rest and not re.fullmatch(r"[^<>\s]+@[^<>\s]+>", rest)):
        raise CommandError(f"--author is {author!r}; it must be a name, or a name and an address: 'Ada <ada@acme.org>'")
    address = f", email = {json.dumps(rest[:-1], ensure_ascii=False)}" if rest else ""
    return f"{{ name = {json.dumps(name.strip(), ensure_ascii=False)}{address} }}"

"""How often the detectors are wrong, measured: over texts that do not drift, and over answers made to derail."""

from __future__ import annotations

import os
import pydoc_data.topics
import random
import re
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from l0_drift.config import DriftConfig, Finding
from l0_drift.engine import BLOCK, HOLDBACK, Engine

sys.path.insert(0, str(Path(__file__).parent))
from derailments import TEMPLATES, Derailment, derailments

HERE = Path(__file__).parents[1]
SEED = int(os.environ.get("DRIFT_SEED", "1"))


def findings(text: str) -> list[Finding]:
    engine = Engine(DriftConfig())
    return engine.feed(text) + engine.end()


def files(ending: str) -> Iterator[str]:
    """The files of the project that this folder is in, or of this folder; and of more folders, if any are named."""
    project = next((path for path in HERE.parents if (path / "pyproject.toml").exists()), HERE)
    for folder in (str(project), *filter(None, os.environ.get("DRIFT_DOCUMENTS", "").split(os.pathsep))):
        for where, folders, names in os.walk(folder):
            folders[:] = [name for name in folders if not name.startswith((".", "__"))]
            for name in names:
                if name.endswith(ending):
                    yield (Path(where) / name).read_text("utf-8", "replace")


def standard_library() -> Iterator[str]:
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        yield path.read_text("utf-8", "replace")


def documents(texts: Iterable[str]) -> Iterator[str]:
    """Documents of 500 to 4000 characters, cut at the ends of paragraphs."""
    rng = random.Random(SEED)
    for text in texts:
        document, size = "", rng.randint(500, 4000)
        for paragraph in re.split(r"(?<=\n\n)", text):
            if len(document) >= 500 and len(document) + len(paragraph) > size:
                yield document[:4000]
                document, size = "", rng.randint(500, 4000)
            document += paragraph
        if len(document) >= 500:
            yield document[:4000]


def written() -> Iterator[str]:
    yield from files(".md")
    yield from files(".txt")
    yield from pydoc_data.topics.topics.values()


def code() -> Iterator[str]:
    yield from files(".py")
    yield from standard_library()


CORPORA = {
    "documents": lambda: documents(written()),
    "code": lambda: documents(code()),
    "code in a block": lambda: (f"Here is the module:\n\n```python\n{text}\n```\n" for text in documents(code())),
}


@pytest.mark.parametrize("name", CORPORA)
def test_what_does_not_drift_is_left_alone(name: str) -> None:
    looked_at, wrong = 0, Counter[str]()
    for document in CORPORA[name]():
        looked_at += 1
        found = findings(document)
        if found:
            wrong[found[0].kind] += 1
    rate = wrong.total() / looked_at
    sys.stdout.write(f"\n{name}: {wrong.total()} of {looked_at} are taken for drift, {rate:.2%} {dict(wrong)}\n")

    assert looked_at > 20
    assert rate < 0.005


@pytest.fixture(scope="module")
def derailed() -> list[Derailment]:
    return derailments(SEED, 6)


def test_the_corpus_is_large_and_varied(derailed: list[Derailment]) -> None:
    assert len(derailed) >= 200
    assert len(TEMPLATES) >= 40
    assert {kind for kind, _, _ in TEMPLATES.values()} == {made.kind for made in derailed}
    assert len({made.text for made in derailed}) > len(derailed) * 0.9


def test_derailments_are_found_and_not_before_they_happen(derailed: list[Derailment]) -> None:
    missed, behind = Counter[str](), []
    for made in derailed:
        found = findings(made.text)
        assert [finding for finding in found if finding.position < made.at] == [], made
        position = next((finding.position for finding in found if finding.kind == made.kind), None)
        if position is None:
            missed[made.template] += 1
        else:
            behind.append(position - made.at)
    rate = len(behind) / len(derailed)
    middle = sorted(behind)[len(behind) // 2]
    sys.stdout.write(
        f"\n{len(behind)} of {len(derailed)} derailments are found, {rate:.1%}; {middle} characters behind (median)\n"
    )
    sys.stdout.write(f"not found: {dict(missed)}\n")

    assert rate > 0.95


def test_what_is_good_is_good_until_it_derails(derailed: list[Derailment]) -> None:
    assert [made for made in derailed if findings(made.text[: made.at])] == []


def test_nothing_is_found_further_back_than_is_held(derailed: list[Derailment]) -> None:
    for made in derailed:
        engine, read = Engine(DriftConfig()), 0
        for at in range(0, len(made.text), BLOCK):
            read += len(made.text[at : at + BLOCK])
            for finding in engine.feed(made.text[at : at + BLOCK]):
                assert read - HOLDBACK <= finding.position <= read
        assert all(finding.position >= read - HOLDBACK for finding in engine.end())

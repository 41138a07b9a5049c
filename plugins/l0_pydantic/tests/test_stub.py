"""What type checkers are told is what is so."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
from l0_pydantic.sources import installed
from l0_pydantic.table import WRITTEN

sys.path.insert(0, str(Path(__file__).parent))
from stub import STUB, classes, declaration, stub

STALE = "run `python tests/stub.py` in the folder of l0-pydantic, and format the stub"


def parsed(text: str) -> str:
    return ast.dump(ast.parse(text))


@pytest.mark.parametrize("name", [name for name in installed() if name not in WRITTEN])
def test_type_checkers_see_the_fields_of_a_model(name: str) -> None:
    assert parsed(classes(STUB.read_text()).get(name, "")) == parsed(declaration(name)), STALE


def test_type_checkers_see_the_rest() -> None:
    text = STUB.read_text()
    assert parsed(text) == parsed(stub(text)), STALE

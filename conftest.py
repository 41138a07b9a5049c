"""What holds for the tests of all distributions when they run together."""

from __future__ import annotations

import gc

import pytest


@pytest.fixture(scope="module", autouse=True)
def only_what_a_module_makes_is_collected() -> None:
    """What ten thousand tests have left behind would be looked through by each of the many that collect garbage."""
    gc.collect()
    gc.freeze()

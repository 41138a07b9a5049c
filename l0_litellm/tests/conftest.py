"""Tests with the real LiteLLM, which calls a server on loopback. Where it is not installed, they are skipped."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import pytest

sys.path.insert(0, str(Path(__file__).parent))
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # Otherwise importing litellm fetches a list of prices.

if find_spec("litellm") is None:

    class Skipped(pytest.Module):
        def collect(self) -> NoReturn:
            pytest.skip("litellm is not installed here: tests/test_packaging.py runs these in an environment with it")

    def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module:
        module: pytest.Module = Skipped.from_parent(parent, path=module_path)
        return module


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        # What LiteLLM does with pydantic, late and in each of its releases differently.
        item.add_marker(pytest.mark.filterwarnings("ignore::UserWarning:pydantic"))
        item.add_marker(pytest.mark.filterwarnings("ignore::DeprecationWarning:litellm"))

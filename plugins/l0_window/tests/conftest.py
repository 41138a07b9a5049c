"""Tokens are counted by the rule here, whatever is installed on the machine."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def without_vocabularies(monkeypatch):
    from l0_window import tokens

    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    tokens.vocabulary_count.cache_clear()
    yield
    tokens.vocabulary_count.cache_clear()

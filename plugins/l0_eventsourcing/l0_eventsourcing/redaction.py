"""Secrets that must not be written down: values under telling names, and texts in the shape of a key."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["redacted"]

MASK = "***"

_NAMES = re.compile(
    r"(?i)(?:^|[_\-.\s])(?:"
    r"api[_-]?key|apikey|x-api-key|authorization|auth[_-]?token|access[_-]?token|refresh[_-]?token|bearer|token|"
    r"password|passwd|passphrase|secret|client[_-]?secret|private[_-]?key|credentials?|cookie)$"
)
_KEYS = re.compile(
    r"\b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}"
    r"|\bAKIA[0-9A-Z]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{30,}"
    r"|\bxox[abprs]-[A-Za-z0-9-]{10,}"
    r"|\bAIza[0-9A-Za-z_-]{35}"
    r"|\bhf_[A-Za-z0-9]{30,}"
    r"|(?i:\bbearer\s+)[A-Za-z0-9._~+/=-]{16,}"
    r"|\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+"
)


def redacted(value: Any) -> Any:
    """The same value, with secrets masked."""
    if isinstance(value, str):
        return _KEYS.sub(MASK, value)
    if isinstance(value, dict):
        return {name: MASK if _NAMES.search(str(name)) and each else redacted(each) for name, each in value.items()}
    if isinstance(value, list):
        return [redacted(each) for each in value]
    return value

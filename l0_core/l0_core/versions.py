"""Whether a plugin's distribution was made for this version of the kernel: told from metadata, before any import."""

from __future__ import annotations

import re
from collections.abc import Iterable

from l0_core import __version__

__all__ = ["skew"]

_CORE = re.compile(r"l0[-_.]core(?![\w.-])\s*(?:\[[^]]*\])?\s*\(?([^;()@]*)\)?\s*(;.*)?$", re.IGNORECASE)
_BOUND = re.compile(r"(>=|<)\s*(\d+(?:\.\d+)*)$")


def skew(name: str, version: str, requirements: Iterable[str], core: str = __version__) -> str | None:
    """What is wrong with the versions of a distribution and of the kernel, and the line that mends it, or None."""
    for requirement in requirements:
        found = _CORE.match(requirement)
        if found is None or _admits(found[1].strip(), core) or not _applies(found[2]):
            continue
        return (
            f"{name} {version} requires l0-core{found[1].strip()}, and l0-core {core} is installed: "
            f"pip install --upgrade {name} 'l0-core{found[1].strip()}'"
        )
    return None


def _applies(marker: str | None) -> bool:
    """Whether a requirement with this environment marker is one here; those of extras are not."""
    if marker is None:
        return True
    from packaging.markers import InvalidMarker, Marker

    try:
        return Marker(marker.lstrip(" ;")).evaluate({"extra": ""})
    except InvalidMarker:
        return False


def _admits(specifier: str, version: str) -> bool:
    bounds = [_BOUND.match(clause.strip()) for clause in specifier.split(",") if clause.strip()]
    ours = _release(version)
    if ours is not None and all(bounds):
        # What nearly every plugin says. The library that reads the rest would be most of what a first run imports.
        return all((ours >= _numbers(bound[2])) == (bound[1] == ">=") for bound in bounds if bound)
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return SpecifierSet(specifier).contains(version, prereleases=True)
    except InvalidSpecifier:
        return False


def _release(version: str) -> tuple[int, ...] | None:
    return _numbers(version) if re.fullmatch(r"\d+(?:\.\d+)*", version) else None


def _numbers(release: str) -> tuple[int, ...]:
    """A release to be compared: 1.0 and 1 are the same."""
    numbers = [int(number) for number in release.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)

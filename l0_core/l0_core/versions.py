"""Whether a plugin's distribution was made for this version of the kernel: told from metadata, before any import."""

from __future__ import annotations

import re
from importlib.metadata import Distribution

from l0_core import __version__

__all__ = ["skew"]

_CORE = re.compile(r"l0[-_.]core(?![\w.-])\s*(?:\[[^]]*\])?\s*\(?([^;()@]*)\)?\s*(;.*)?$", re.IGNORECASE)
_BOUND = re.compile(r"(>=|<)\s*(\d+(?:\.\d+)*)$")


def skew(distribution: Distribution | None, version: str = __version__) -> str | None:
    """What is wrong with the versions of a distribution and of the kernel, and the line that mends it, or None."""
    if distribution is None:
        return None
    for requirement in distribution.requires or ():
        found = _CORE.match(requirement)
        if found is None or "extra" in (found[2] or "") or _admits(found[1].strip(), version):
            continue
        name = distribution.name
        return (
            f"{name} {distribution.version} requires l0-core{found[1].strip()}, and l0-core {version} is installed: "
            f"pip install --upgrade {name} 'l0-core{found[1].strip()}'"
        )
    return None


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

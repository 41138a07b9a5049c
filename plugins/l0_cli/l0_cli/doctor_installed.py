"""What `l0 doctor` reads from metadata: what is installed, and whether it fits together."""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import l0_core
from l0_cli.doctor_configured import OTHER_GROUPS, points
from l0_cli.findings import Finding
from l0_core import GROUPS, registry

__all__ = ["distributions", "face", "python", "sdks"]

SDKS = {"openai": "l0-openai", "litellm": "l0-litellm"}
"""Who adapts the streams of an SDK."""

CORE = "l0-core"


def python() -> Iterator[Finding]:
    """Whether this Python is one that L0 runs on."""
    version = platform.python_version()
    said = f"{platform.python_implementation()} {version} in {sys.prefix}"
    wanted = importlib.metadata.metadata(CORE)["Requires-Python"] or ""
    if SpecifierSet(wanted).contains(version, prereleases=True):
        yield Finding.of("python", "ok", said)
    else:
        yield Finding.of("python", "problem", f"{said}, and L0 needs {wanted}", "make an environment with that version")


def distributions() -> Iterator[Finding]:
    """Whether what is installed of L0, and of others' plugins, has what it requires. SDKs have a check of theirs."""
    installed = _installed()
    ours = {name for name in installed if name.startswith("l0-")}
    versions: dict[str, list[str]] = {}
    for name in sorted(ours):
        versions.setdefault(installed[name].version, []).append(name)
    for version, names in versions.items():
        yield Finding.of("distributions", "ok", f"{version}: {', '.join(names)}")
    for name in sorted(ours | _providers()):
        if name in installed:
            yield from _unmet(installed[name], installed)


def _unmet(dist: Distribution, installed: dict[str, Distribution]) -> Iterator[Finding]:
    origin = f"{dist.name} {dist.version}"
    for written in dist.requires or ():
        try:
            requirement = Requirement(written)
        except InvalidRequirement:
            yield _wrong(f"{origin} requires {written!r}, which cannot be read", f"pip install --upgrade {dist.name}")
            continue
        if canonicalize_name(requirement.name) in SDKS or (problem := _missing(requirement, installed)) is None:
            continue
        line = f"pip install --upgrade {dist.name} '{requirement.name}{requirement.specifier}'"
        yield _wrong(f"{origin} requires {requirement.name}{requirement.specifier}, and {problem}", line)


def _wrong(message: str, fix: str) -> Finding:
    return Finding.of("distributions", "problem", message, fix)


def _missing(requirement: Requirement, installed: dict[str, Distribution]) -> str | None:
    """Why what is installed is not what is required, or None. What only extras or other systems require is not."""
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
        return None
    found = installed.get(canonicalize_name(requirement.name))
    if found is None:
        return "that is not installed"
    if requirement.specifier.contains(found.version, prereleases=True):
        return None
    return f"{found.name} {found.version} is installed"


def _installed() -> dict[str, Distribution]:
    """Every distribution by its normal name: of two, that which is imported from."""
    found: dict[str, Distribution] = {}
    for dist in importlib.metadata.distributions():
        # The metadata of one that was removed badly has no name.
        if name := dist.metadata["Name"]:
            found.setdefault(canonicalize_name(name), dist)
    return found


def _providers() -> set[str]:
    """The distributions that provide plugins, by their normal names."""
    return {canonicalize_name(point.dist.name) for point in points(*GROUPS.values(), *OTHER_GROUPS) if point.dist}


def face() -> Iterator[Finding]:
    """Whether `import l0` finds the package of l0-core, whole, and of nobody else."""
    rivals = [dist for name, dist in _installed().items() if name != CORE and _provides_l0(dist)]
    again = f"pip install --force-reinstall --no-deps {CORE}"
    for dist in rivals:
        said = f"{dist.name} {dist.version} writes the package l0 too: whichever was installed last has overwritten it"
        yield Finding.of("import l0", "problem", said, f"pip uninstall {dist.name}, and then {again}")
    beside = Path(l0_core.__file__ or "").parents[1] / "l0" / "__init__.py"
    spec = find_spec("l0")
    origin = None if spec is None else spec.origin
    damaged = _damaged()
    if origin is None:
        yield Finding.of("import l0", "problem", "there is no package l0: its files are gone", again)
    elif os.path.realpath(origin) != os.path.realpath(beside):
        fix = "remove or rename it, or see that the folder of l0-core comes before it in sys.path"
        yield Finding.of("import l0", "problem", f"{origin} is found first, which is not that of {CORE}", fix)
    elif damaged:
        named = ", ".join(damaged[:3]) + (f" and {len(damaged) - 3} more" if len(damaged) > 3 else "")
        yield Finding.of("import l0", "problem", f"not as {CORE} has installed them: {named}", again)
    elif not rivals:
        yield Finding.of("import l0", "ok", f"the package of {CORE}, in {os.path.dirname(origin)}")


def _provides_l0(dist: Distribution) -> bool:
    # The lists are read as text: some packages have ten thousands of files.
    return "\nl0/" in f"\n{dist.read_text('RECORD')}" or "l0" in (dist.read_text("top_level.txt") or "").split()


def _damaged() -> list[str]:
    """The files of the package l0 that are gone, or that another distribution has overwritten."""
    core = _installed().get(CORE)
    if core is None:
        return []
    found = []
    # Read here: where the backport of importlib.metadata was imported, its list leaves out files that are gone.
    for name, digest, *_ in csv.reader((core.read_text("RECORD") or "").splitlines()):
        if not name.startswith("l0/") or not digest.startswith("sha256="):
            continue
        path = Path(str(core.locate_file(name)))
        if not path.is_file() or _sha256(path) != digest.removeprefix("sha256="):
            found.append(name)
    return found


def _sha256(path: Path) -> str:
    """The digest of a file, as a RECORD has it."""
    return base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).rstrip(b"=").decode()


def sdks() -> Iterator[Finding]:
    """Whether the SDKs that are installed are of versions that L0 is tested with, and have a key."""
    installed = _installed()
    for sdk, adapter in SDKS.items():
        dist, ours = installed.get(sdk), installed.get(adapter)
        if ours is None and dist is not None:
            said = f"{sdk} {dist.version} is installed, and {adapter} is not: its streams are not recognised"
            yield Finding.of("sdk", "warning", said, f"pip install {adapter}")
        elif ours is not None:
            yield _sdk(sdk, ours, installed)
    if (litellm := installed.get("litellm")) is not None:
        for requirement in map(Requirement, litellm.requires or ()):
            if requirement.name == "openai" and (problem := _missing(requirement, installed)):
                said = f"litellm {litellm.version} requires openai{requirement.specifier}, and {problem}"
                yield Finding.of("sdk", "problem", said, f"pip install 'openai{requirement.specifier}'")
    if not registry().installed("adapter"):
        said = "no adapter is installed: only streams of L0's own events are read"
        yield Finding.of("sdk", "warning", said, "pip install l0-openai")
    if "openai" in installed and SDKS["openai"] in installed:
        yield _key("OPENAI_API_KEY")


def _sdk(sdk: str, ours: Distribution, installed: dict[str, Distribution]) -> Finding:
    """Whether an SDK is what the distribution that adapts it requires."""
    requirement = next(each for each in map(Requirement, ours.requires or ()) if canonicalize_name(each.name) == sdk)
    origin, wanted = f"{ours.name} {ours.version}", str(requirement.specifier)
    problem = _missing(requirement, installed)
    if problem is not None:
        return Finding.of(
            "sdk", "problem", f"{origin} requires {sdk}{wanted}, and {problem}", f"pip install '{sdk}{wanted}'"
        )
    return Finding.of("sdk", "ok", f"{sdk} {installed[sdk].version}, and {origin} takes {wanted}")


def _key(variable: str) -> Finding:
    key = os.environ.get(variable)
    if not key:
        return Finding.of("sdk", "warning", f"{variable} is not set", "set it, or give api_key= to the client")
    if key != key.strip():
        said = f"{variable} has white space before or after the key"
        return Finding.of("sdk", "warning", said, "set it again without, or the server will refuse it")
    return Finding.of("sdk", "ok", f"{variable} is set")

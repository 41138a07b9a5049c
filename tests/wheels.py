"""Builds the wheel and the sdist of every distribution, checks them, and installs each alone, as its README says.

`python tests/wheels.py [FOLDER]` leaves what it built in FOLDER, which must be new or empty. It prints a table, and
below it what is wrong and where; then it exits with status 1.

The tests of the distributions are not run here: `alone.py` does that.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from alone import ROOT, Failed, build, command, uv
from packaging.metadata import Metadata
from packaging.requirements import Requirement

MEMBERS = sorted(path.parent for path in [*ROOT.glob("l0_*/pyproject.toml"), *ROOT.glob("plugins/*/pyproject.toml")])
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
ALSO = {"l0_core": ["l0"]}
"""Packages of a distribution besides the one that has its name."""

CLASSIFIERS = ["Programming Language :: Python :: 3", "Typing :: Typed"]
NOWHERE = re.compile(r"(^|\.)(example|invalid|localhost|test)$|(^|\.)example\.(com|net|org)$|^[^.]*$")
"""Hosts that are reserved for examples and tests, or that are none."""

BESIDES = {"PKG-INFO", ".gitignore"}
"""What hatchling adds to an sdist. By `.gitignore` it decides what a wheel built from the sdist leaves out."""

RESOLVE = "import sys, importlib.metadata as m; [point.load() for point in m.distribution(sys.argv[1]).entry_points]"


@dataclass
class Built:
    """What was built of a distribution, and what is wrong with it."""

    member: Path
    wheel: Path
    sdist: Path
    wrong: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.member.name.replace("_", "-")


def packages(member: Path) -> list[str]:
    return [member.name, *ALSO.get(member.name, [])]


def tracked(member: Path) -> set[str]:
    """The files of a distribution that the repository has, relative to its folder."""
    return set(subprocess.check_output(["git", "ls-files", "-z"], cwd=member, text=True).split("\0")) - {""}


def of_wheel(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def of_sdist(sdist: Path) -> dict[str, bytes]:
    with tarfile.open(sdist) as archive:
        files = {item.name: archive.extractfile(item) for item in archive if not item.isdir()}
        return {name: b"" if file is None else file.read() for name, file in files.items()}


def differences(what: str, found: set[str], wanted: set[str]) -> Iterator[str]:
    for name in sorted(wanted - found):
        yield f"{what} lacks {name}"
    for name in sorted(found - wanted):
        yield f"{what} holds {name}, which does not belong there, or is not in the repository"


def wrong_with_wheel(member: Path, files: Mapping[str, bytes], of_repository: set[str]) -> Iterator[str]:
    """What is wrong with the files of a wheel: with their names, and with its metadata."""
    info = f"{member.name}-{VERSION}.dist-info"
    own = {name for name in of_repository if name.partition("/")[0] in packages(member)}
    typed = {f"{package}/py.typed" for package in packages(member)}
    wanted = own | typed | {f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "licenses/LICENSE")}
    yield from differences("the wheel", {*files} - {f"{info}/entry_points.txt"}, wanted)
    if files.get(f"{info}/licenses/LICENSE") != (ROOT / "LICENSE").read_bytes():
        yield "the LICENSE of the wheel is not that of the repository"
    try:
        metadata = Metadata.from_email(files.get(f"{info}/METADATA", b""))
    except ExceptionGroup as group:
        yield from (f"METADATA: {error}" for error in group.exceptions)
    else:
        yield from wrong_with_metadata(member, metadata)


def wrong_with_metadata(member: Path, metadata: Metadata) -> Iterator[str]:
    wanted = {
        "name": member.name.replace("_", "-"),
        "version": VERSION,
        "license_expression": "Apache-2.0",
        "license_files": "['LICENSE']",
        "requires_python": ">=3.11",
        "description_content_type": "text/markdown",
    }
    for name, value in wanted.items():
        found = str(getattr(metadata, name))
        if found != value:
            yield f"METADATA: {name} is {found}, not {value}"
    if not metadata.summary:
        yield "METADATA: no summary"
    if (metadata.description or "").strip() != (member / "README.md").read_text().strip():
        yield "METADATA: the description is not the README"
    for classifier in CLASSIFIERS:
        if classifier not in (metadata.classifiers or []):
            yield f"METADATA: no classifier {classifier}"
    for label, url in (metadata.project_urls or {}).items():
        if NOWHERE.search(urlsplit(url).hostname or ""):
            yield f"METADATA: the URL {label} leads nowhere: {url}"
    ours = {path.name.replace("_", "-") for path in MEMBERS}
    for requirement in metadata.requires_dist or []:
        if requirement.name not in ours:
            if requirement.name.startswith("l0-"):
                yield f"METADATA: there is no {requirement.name}, which it requires"
        elif not requirement.specifier.contains(VERSION):
            yield f"METADATA: {requirement} excludes version {VERSION}, which is built with it"


def wrong_with_sdist(member: Path, files: Mapping[str, bytes], of_repository: set[str]) -> Iterator[str]:
    """What is wrong with the files of an sdist: it is the folder of the distribution, tests included."""
    top = f"{member.name}-{VERSION}/"
    found = {name.removeprefix(top) for name in files}
    yield from differences("the sdist", found - BESIDES, of_repository)
    for name in sorted(of_repository & found):
        if (member / name).exists() and files[top + name] != (member / name).read_bytes():
            yield f"the {name} of the sdist is not that of the repository"


def install_line(member: Path) -> str | None:
    """The first line of a README that installs something."""
    found = re.search(r"^pip install .+$", (member / "README.md").read_text(), re.MULTILINE)
    return found and found[0]


def wrong_alone(built: Built, where: Path) -> Iterator[str]:
    """What goes wrong where a distribution is installed as its README says, into an empty environment."""
    line = install_line(built.member)
    if line is None:
        yield "the README has no line that begins with `pip install`"
        return
    words = shlex.split(line, comments=True)[2:]
    if built.name not in [Requirement(word).name for word in words]:
        yield f"the README's first `{line}` does not install {built.name}"
        return
    where.mkdir()
    environment = where / "env"
    python = environment / "bin" / "python"
    try:
        command(uv(), "venv", "--quiet", "--python", sys.executable, environment, where=where)
        command(
            uv(), "pip", "install", "--quiet", "--python", python, "--find-links", built.wheel.parent, *words,
            where=where,
        )  # fmt: skip
        for package in packages(built.member):
            command(python, "-W", "error", "-c", f"import {package}", where=where)
        if b"[pytest11]" in of_wheel(built.wheel).get(f"{built.member.name}-{VERSION}.dist-info/entry_points.txt", b""):
            command(uv(), "pip", "install", "--quiet", "--python", python, "pytest", where=where)  # which loads them
        command(python, "-W", "error", "-c", RESOLVE, built.name, where=where)
    except Failed as error:
        yield str(error)


def check(built: Built, from_tree: Path, where: Path) -> None:
    if not built.wheel.exists() or not built.sdist.exists():
        built.wrong.append(f"{built.wheel.name} and {built.sdist.name} were not built")
        return
    of_repository = tracked(built.member)
    built.wrong += wrong_with_wheel(built.member, of_wheel(built.wheel), of_repository)
    built.wrong += wrong_with_sdist(built.member, of_sdist(built.sdist), of_repository)
    if built.wheel.read_bytes() != (from_tree / built.wheel.name).read_bytes():
        built.wrong.append("the wheel built from the sdist is not the one built from the repository")
    built.wrong += wrong_alone(built, where)


def table(all_built: list[Built]) -> Iterator[str]:
    yield f"{'distribution':22}{'wheel':>7}{'files':>7}{'sdist':>7}  {'installed and imported by':46}result"
    for built in all_built:
        if not built.wheel.exists() or not built.sdist.exists():
            yield f"{built.name:22}{'':69}WRONG"
            continue
        sizes = [f"{path.stat().st_size / 1024:.0f} K" for path in (built.wheel, built.sdist)]
        count = len(of_wheel(built.wheel))
        line = install_line(built.member) or "-"
        result = "WRONG" if built.wrong else "ok"
        yield f"{built.name:22}{sizes[0]:>7}{count:>7}{sizes[1]:>7}  {line:46}{result}"


def main(folder: Path, work: Path) -> int:
    say = sys.stdout.write
    from_tree = work / "from_tree"
    try:
        build(folder)
        build(from_tree, "--wheel")
    except Failed as error:
        say(f"{error}\n")
        return 1
    stems = {member: folder / f"{member.name}-{VERSION}" for member in MEMBERS}
    all_built = [
        Built(member, Path(f"{stem}-py3-none-any.whl"), Path(f"{stem}.tar.gz")) for member, stem in stems.items()
    ]
    for built in all_built:
        check(built, from_tree, work / built.name)
    wrong = [f"{built.name}: {problem}" for built in all_built for problem in built.wrong]
    files = sorted(path for path in folder.iterdir() if path.suffix in {".whl", ".gz"})
    expected = {path for built in all_built for path in (built.wheel, built.sdist)}
    wrong += [f"{path.name} was built, and is of no distribution" for path in files if path not in expected]
    try:
        command(uv(), "tool", "run", "--quiet", "twine", "check", "--strict", *files, where=work)
    except Failed as error:
        wrong.append(f"twine: {error}")
    say("\n".join([*table(all_built), *(["", *wrong] if wrong else []), ""]))
    say(f"{len(all_built)} distributions, {len(wrong)} things wrong\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        chosen = Path(sys.argv[1] if len(sys.argv) > 1 else f"{temporary}/built").resolve()
        if chosen.exists() and any(chosen.iterdir()):
            sys.exit(f"{chosen} is not empty")
        sys.exit(main(chosen, Path(temporary)))

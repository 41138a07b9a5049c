"""Distributions of strangers, installed in a folder and tried in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

NOTE = "import builtins\nbuiltins.imported.append(__name__)\n"
PLAY = Path(__file__).with_name("play.py")


class Site:
    """A folder of installed distributions, for processes to have on their path."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.work = folder / "site", folder / "work"
        self.folder.mkdir(parents=True)
        self.work.mkdir()

    def install(
        self,
        source: str,
        points: Mapping[str, Mapping[str, str]],
        *,
        name: str = "acme-broken",
        version: str = "1.2.3",
        requires: Sequence[str] = (),
        noted: bool = True,
    ) -> None:
        """Install a distribution of one module. `points` are its entry points by group and name.

        `noted`: `play.py` is to say when it is imported.
        """
        module = name.replace("-", "_")
        (self.folder / f"{module}.py").write_text(f"{NOTE if noted else ''}{source}")
        info = self.folder / f"{module}-{version}.dist-info"
        info.mkdir()
        needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}")
        groups = (
            f"[{group}]\n" + "".join(f"{point} = {target}\n" for point, target in named.items())
            for group, named in points.items()
        )
        (info / "entry_points.txt").write_text("\n".join(groups))

    @property
    def environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("L0_")}
        return {**kept, "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}

    def play(self, *phases: Mapping[str, Any], **environ: str) -> list[dict[str, Any]]:
        """What `play.py` says of streams that are played one after the other."""
        done = subprocess.run(
            [sys.executable, "-W", "error", str(PLAY), json.dumps(phases)],
            cwd=self.work,
            env={**self.environ, **environ},
            text=True,
            capture_output=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]
        played: list[dict[str, Any]] = json.loads(done.stdout)
        return played


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture(scope="session")
def new_site(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Site]:
    return lambda: Site(tmp_path_factory.mktemp("strangers"))


@pytest.fixture(scope="session")
def alone(new_site: Callable[[], Site]) -> dict[str, Any]:
    """A stream where no stranger's plugin is installed, beside an observer and a guardrail."""
    return new_site().play({"options": {"plugins": [], "guardrails": []}})[0]


@pytest.fixture(scope="session")
def bare(new_site: Callable[[], Site]) -> dict[str, Any]:
    """A stream where no stranger's plugin is installed."""
    return new_site().play({})[0]

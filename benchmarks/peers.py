"""Who is measured over HTTP, each in an environment of its own below `.bench/`, made when it is first asked for.

The versions are pinned, so that who repeats a figure repeats it with what it was measured with.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
OURS = ("./l0_core", "./l0_openai", *(f"./plugins/l0_guard_{name}" for name in ("json", "markdown", "pattern")))
GUARDED = (*OURS, "./plugins/l0_guard_zero_output")


@dataclass(frozen=True)
class Peer:
    """An environment, and what is measured in it."""

    name: str
    reads: str
    """Which of `benchmarks/readers.py` it is."""

    requires: tuple[str, ...]
    imports: str
    """What a user of it imports."""


PEERS = (
    Peer("l0, openai 3.x", "l0", (*GUARDED, "./plugins/l0_structured", "openai==3.54.0"), "l0, openai"),
    Peer("l0, openai 2.x", "l0", (*GUARDED, "./plugins/l0_structured", "openai==2.54.0"), "l0, openai"),
    Peer("ai2070-l0", "reference", ("ai2070-l0==0.21.1", "openai==2.54.0"), "l0, openai"),
    Peer("litellm", "litellm", (*GUARDED, "./l0_litellm", "litellm==1.106.2"), "litellm"),
    Peer("pydantic-ai", "pydantic_ai", ("pydantic-ai-slim[openai]==2.68.0",), "pydantic_ai"),
    Peer("langchain-openai", "langchain", ("langchain-openai==1.7.3",), "langchain_openai"),
    Peer("instructor", "instructor", ("instructor==1.17.0",), "instructor, openai"),
)


def python(peer: Peer) -> Path:
    """The interpreter of a peer's environment. Raises CalledProcessError if it cannot be made."""
    folder = ROOT / ".bench" / peer.name.replace(", ", "-").replace(" ", "-")
    made_of = folder / "requires.txt"
    requires = "\n".join(peer.requires)
    if not made_of.exists() or made_of.read_text() != requires:
        uv = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
        environment = {**os.environ, "VIRTUAL_ENV": str(folder)}
        subprocess.run([uv, "venv", "--quiet", "--clear", str(folder)], check=True)
        paths = [option for each in peer.requires if each.startswith("./") for option in ("--editable", each)]
        names = [each for each in peer.requires if not each.startswith("./")]
        subprocess.run([uv, "pip", "install", "--quiet", *paths, *names], check=True, cwd=ROOT, env=environment)
        made_of.write_text(requires)
    return folder / "bin" / "python"

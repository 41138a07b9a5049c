"""Plugins of strangers, written against public names, built, installed beside L0 and switched on by a file alone."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from l0_testing import Fault, FaultServer, Script

import l0_core

ROOT = Path(__file__).parents[1]
STRANGERS = ROOT / "tests" / "strangers"
MEMBERS = sorted(path.parent for path in STRANGERS.glob("acme_*/pyproject.toml"))
GROUPS = sorted(l0_core.GROUPS.values())

GOOD = "A kind word costs nothing, and goes a long way with everybody whom it reaches, as everybody knows by now."
RUDE = "A word that is Forbidden here, of all places, is what nobody wants to read in an answer to a civil question."
OTHER = "The other model answers in time."
ACME = "All is well, dear friend."

L0_TOML = """
guardrails = ["acme_words"]
policies = ["acme_patience"]
monitors = ["acme_counter"]

[retry]
base_delay = "1ms"

[guardrail.acme_words]
words = ["forbidden", "unspeakable"]

[policy.acme_patience]
seconds = 0.025
leave = ["transient"]

[store.acme-journal]
url = "acme-journal:///journal.jsonl"

[monitor.acme_counter]
path = "counts.jsonl"
"""


def uv() -> str:
    found = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
    if not Path(found).exists():
        pytest.fail("uv is needed: run the tests by ./dev test, which gets it")
    return found


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds the kernel, the adapter of OpenAI and the strangers' five."""
    where = tmp_path_factory.mktemp("strangers")
    wheels, environment = where / "wheels", where / "env"
    build = [uv(), "build", "--quiet", "--wheel", "-o", str(wheels)]
    for name in ("l0-core", "l0-openai"):
        subprocess.run([*build, "--package", name], cwd=ROOT, check=True)
    for member in MEMBERS:
        # From a copy, which belongs to no workspace.
        subprocess.run([*build, str(shutil.copytree(member, where / member.name))], cwd=where, check=True)
    subprocess.run([uv(), "venv", "--quiet", "--python", sys.executable, str(environment)], check=True)
    names = [member.name.replace("_", "-") for member in MEMBERS]
    python = environment / "bin" / "python"
    subprocess.run(
        [uv(), "pip", "install", "--quiet", "--python", str(python), "--find-links", str(wheels), "l0-openai", *names],
        check=True, cwd=where,
    )  # fmt: skip
    return environment


def run_program(environment: Path, folder: Path, base_url: str, **environ: str) -> dict[str, Any]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("L0_", "PYTHONPATH", "VIRTUAL_ENV"))}
    done = subprocess.run(
        [str(environment / "bin" / "python"), "-W", "error", str(STRANGERS / "program.py"), base_url],
        cwd=folder, env={**kept, **environ}, text=True, capture_output=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def add_models(server: FaultServer) -> None:
    server.add("rude", Script(GOOD, texts=[RUDE]))
    server.add("busy", Script(GOOD, faults=[Fault("503")] * 9))
    server.add("other", Script(OTHER))


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def text_in(journal: list[dict[str, Any]]) -> str:
    """The answer that a journal tells of."""
    text = ""
    for line in journal:
        if line["type"] == "TOKEN":
            text += "".join(line["meta"]["tokens"])
        elif line["type"] == "RESET":
            text = text[: line["meta"]["keep"]]
    return text


def meta_of(journal: list[dict[str, Any]], kind: str) -> list[Mapping[str, Any]]:
    return [line["meta"] for line in journal if line["type"] == kind]


@pytest.mark.timeout(600)
def test_a_file_alone_switches_on_what_strangers_wrote(
    environment: Path, tmp_path: Path, fault_server: FaultServer
) -> None:
    add_models(fault_server)
    (tmp_path / "l0.toml").write_text(L0_TOML)
    told = run_program(environment, tmp_path, fault_server.base_url)

    # Each is loaded from the distribution that it came in.
    ours = [item for item in told["installed"] if item[2].startswith("acme-")]
    assert sorted(ours) == [
        ["adapter", "acme", "acme-adapter 0.3", "loaded"],
        ["guardrail", "acme_words", "acme-words 1.0", "loaded"],
        ["monitor", "acme_counter", "acme-counter 0.1", "loaded"],
        ["policy", "acme_patience", "acme-patience 2.1", "loaded"],
        ["store", "acme-journal", "acme-journal 4.0", "loaded"],
    ]

    # The guardrail refuses an answer, which is asked for again.
    assert (told["refused"]["text"], told["refused"]["outcome"]) == (GOOD, "complete")
    assert told["refused"]["violations"] == ["The answer holds 'forbidden'"]

    # The policy leaves one who is busy at once.
    assert (told["busy"]["text"], told["busy"]["source"]) == (OTHER, 1)
    assert [log.model for log in fault_server.requests] == ["rude", "rude", "busy", "other"]

    # The adapter reads its SDK's streams, knows one that was cut from one that ended, and wraps its client.
    foreign = told["foreign"]
    assert (foreign["text"], foreign["reasoning"], foreign["outcome"]) == (ACME, "Is it?", "complete")
    assert (foreign["finish_reason"], foreign["usage"]) == ("end", {"output_tokens": 5})
    assert (told["opened"], told["closed"]) == (2, 2)
    assert told["untouched"] == ACME

    # The store has each stream from its beginning to its end, with its text.
    journals = defaultdict(list)
    for line in lines_of(tmp_path / "journal.jsonl"):
        journals[line["stream"]].append(line)
    assert len(journals) == 3
    for journal, answer in zip(journals.values(), (GOOD, OTHER, ACME), strict=True):
        assert [line["seq"] for line in journal] == list(range(len(journal)))
        assert (journal[0]["type"], journal[-1]["type"]) == ("SESSION_START", "SESSION_END")
        assert text_in(journal) == answer
    refused, busy, foreign = journals.values()

    # The policy decides the wait.
    (retry,) = meta_of(refused, "RETRY_ATTEMPT")
    assert (retry["delay"], retry["reason"]) == (0.025, "guardrail_violation")
    assert meta_of(busy, "RETRY_ATTEMPT") == []
    assert len(meta_of(busy, "FALLBACK_START")) == 1
    assert len(meta_of(foreign, "RETRY_ATTEMPT")) == 1

    # The monitor has counted every token that was delivered.
    counts = lines_of(tmp_path / "counts.jsonl")
    assert [count["name"] for count in counts] == ["polite", "patient", "acme"]
    for count in counts:
        tokens = [token for meta in meta_of(journals[count["stream"]], "TOKEN") for token in meta["tokens"]]
        assert (count["tokens"], count["characters"]) == (len(tokens), sum(map(len, tokens)))
    assert counts[0]["characters"] > len(GOOD)


@pytest.mark.timeout(600)
def test_what_is_installed_and_not_named_does_nothing(
    environment: Path, tmp_path: Path, fault_server: FaultServer
) -> None:
    add_models(fault_server)
    told = run_program(environment, tmp_path, fault_server.base_url, L0_RETRY_BASE_DELAY="1ms", L0_RETRY_ATTEMPTS="1",
                       L0_RETRY_MAX_RETRIES="1")  # fmt: skip

    assert (told["refused"]["text"], told["refused"]["violations"]) == (RUDE, [])
    assert [log.model for log in fault_server.requests] == ["rude", "busy", "busy", "other"]
    assert told["foreign"]["text"] == ACME
    assert list(tmp_path.iterdir()) == []
    states = {kind: state for kind, _, origin, state in told["installed"] if origin.startswith("acme-")}
    assert states.pop("adapter") == "loaded"
    assert set(states.values()) == {"installed"}


def test_there_is_one_of_each_kind() -> None:
    groups = [
        group
        for member in MEMBERS
        for group in tomllib.loads((member / "pyproject.toml").read_text())["project"]["entry-points"]
    ]
    assert sorted(groups) == GROUPS


@pytest.mark.parametrize("member", MEMBERS, ids=[member.name for member in MEMBERS])
def test_strangers_need_nothing_but_public_names(member: Path) -> None:
    own = {path.name for path in member.iterdir()}
    for path in member.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0
                if node.module == "l0_core":
                    assert {alias.name for alias in node.names} <= set(l0_core.__all__)
                else:
                    assert node.module in {*sys.stdlib_module_names, "collections.abc", "l0", *own}
            elif isinstance(node, ast.Import):
                assert {alias.name for alias in node.names} <= {*sys.stdlib_module_names, "l0", *own}

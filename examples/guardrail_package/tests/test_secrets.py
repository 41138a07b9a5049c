from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import l0
import pytest
from l0_guard_secrets import LONGEST, Secrets
from l0_testing import GuardrailSuite

README = Path(__file__).parents[1] / "README.md"
KEY = "sk-proj-0123456789abcdefghijklmnop"


class TestSecrets(GuardrailSuite):
    name = "secrets"
    plugin = Secrets
    options = {"allowed_domains": ["acme.org"]}
    accepts = [
        "Write to help@acme.org, or to Help@Support.ACME.org.",
        "It is noon @ the sea. See you @home, or at ada@localhost!",
        "A key begins with sk-, AKIA or ghp_, and has many more characters than that.",
        "x" * LONGEST + "@example.com is too long to be an address.",
    ]
    refuses = [
        "Ask ada.lovelace@example.com.",
        "<ada@mail.example.co.uk> and eve@notacme.org",
        f"export OPENAI_API_KEY={KEY}",
        "AKIAABCDEFGHIJKLMNOP is one, ghp_abcdefghijklmnopqrstuvwxyz0123456789 another",
        "xoxb-123456789012-abcdef",
    ]


def violations(text: str, size: int) -> list[tuple[str, int | None]]:
    judge = Secrets().check(None).judge  # type: ignore[arg-type]  # It asks nothing of the attempt.
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    found = [judge(piece, False) for piece in pieces] + [judge("", True)]
    return [(one.message, one.position) for some in found for one in some]  # type: ignore[union-attr]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_kind_and_place_are_told_wherever_the_text_is_cut(size: int) -> None:
    text = f"Ada <ada@example.com> has {'x' * 1000}@example.com and {KEY}."
    assert violations(text, size) == [("An e-mail address", 5), ("An API key", text.index(KEY))]


def test_nothing_of_a_secret_leaves_where_text_is_checked_before_it_is_released() -> None:
    answers = iter([["The key is ", KEY[:9], KEY[9:], "."], ["The key is in the safe."]])

    async def model() -> AsyncIterator[str]:
        for piece in next(answers):
            yield piece

    async def main() -> tuple[list[str | None], list[str]]:
        stream = await l0.run(model, guardrails=["secrets"], release="checked", retry=l0.Retry(base_delay=0))
        delivered = [event.text async for event in stream if event.is_token]
        return delivered, [violation.message for violation in stream.state.violations]

    assert asyncio.run(main()) == (["The key is in the safe."], ["An API key"])


def test_options_that_cannot_be_meant_are_refused() -> None:
    with pytest.raises(ValueError, match="'me@acme'; a domain is what follows the @"):
        Secrets.Options(allowed_domains=("me@acme",))


def test_the_code_of_the_readme_says_what_is_shown() -> None:
    found = re.search(r"```python\n(.*?)```.*?```\n(.*?)```", README.read_text(), re.DOTALL)
    assert found is not None
    code, shown = found.groups()
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == (shown, "")

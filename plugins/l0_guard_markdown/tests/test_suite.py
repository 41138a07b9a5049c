"""The promises of every guardrail, held by this one."""

from __future__ import annotations

from l0_guard_markdown import Markdown
from l0_testing import GuardrailSuite


class TestMarkdown(GuardrailSuite):
    name = "markdown"
    plugin = Markdown
    accepts = [
        "Plain prose, with `code` and a | pipe.",
        "```python\nprint('```')\n```\nand on.",
        "````\n```\nnested\n```\n````\n",
        "| a | b |\n|---|---|\n| 1 | 2 |\n",
    ]
    refuses = ["```python\nprint(1)\n", "| a | b |\n|---|---|\n| 1 | 2 | 3 |\n", "~~~\n```\n"]

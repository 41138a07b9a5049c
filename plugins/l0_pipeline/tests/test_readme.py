"""What the README shows runs as it stands there, and prints what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

README = Path(__file__).parents[1] / "README.md"


def test_the_readmes_code_prints_what_the_readme_says(capsys: pytest.CaptureFixture[str]) -> None:
    text = README.read_text("utf-8")
    first, second = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    output = text.partition(first)[2].split("```")[2].lstrip("\n")
    for code, said in ((first, output), (second, "")):
        names: dict[str, Any] = {}
        exec(compile(code, "README.md", "exec", dont_inherit=True), names)
        assert capsys.readouterr() == (said, "")

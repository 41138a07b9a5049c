"""What the README shows is what happens."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def test_the_example_says_what_the_readme_says() -> None:
    code, said = re.findall(r"```(?:python)?\n((?:import|The).*?)```", README.read_text(), re.DOTALL)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(code, "README", "exec"), {})
    assert out.getvalue() == said

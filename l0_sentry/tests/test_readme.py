"""The example of the README, run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path


def test_the_example_of_the_readme_runs() -> None:
    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    ended = subprocess.run([sys.executable, "-W", "error", "-c", example], capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == ("Hello, world\n", "")

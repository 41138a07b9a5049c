"""Formatting for prompts. Of the l0-text package."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from l0._lazy import show

if TYPE_CHECKING:
    from l0_text.context import *  # noqa: F403
    from l0_text.formatting import Format as Format
    from l0_text.memory import *  # noqa: F403
    from l0_text.output import *  # noqa: F403
    from l0_text.strings import *  # noqa: F403
    from l0_text.tools import *  # noqa: F403

    from l0.formatting import context as context
    from l0.formatting import memory as memory
    from l0.formatting import output as output
    from l0.formatting import strings as strings
    from l0.formatting import tools as tools

show(__name__, "l0_text.formatting")

# By their own names these are the modules of the face, and not those of the package that it shows.
for _name in ("context", "memory", "output", "strings", "tools"):
    import_module(f"{__name__}.{_name}")

"""Looks at a plugin in a process of its own: `python -m l0_testing.alone import MODULE`, or `load KIND NAME`.

What it found is a JSON object, the last line that it prints.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any

__all__ = ["imported", "loaded"]

_NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg")


def imported(module: str, adapter: str = "") -> dict[str, Any]:
    """Import a module: which packages that loads, and what it asks of the network, which it does not get.

    With the name of an installed `adapter`, that is also asked about sources that are nobody's.
    """
    asked: list[str] = []

    def refuse(event: str, given: tuple[Any, ...]) -> None:
        if event in _NETWORK:
            asked.append(event)
            raise OSError("a plugin is imported where there is no network")

    before = set(sys.modules)
    sys.addaudithook(refuse)
    error = None
    try:
        import_module(module)
        if adapter:
            from l0_core import registry

            adapt = registry().load("adapter", adapter).hooks["adapt"]
            for foreign in ("text", {"choices": []}, object()):
                adapt(None, foreign)
    except Exception as raised:
        error = f"{type(raised).__name__}: {raised}"
    packages = sorted({name.partition(".")[0] for name in set(sys.modules) - before})
    return {"packages": packages, "network": asked, "error": error}


def loaded(kind: str, name: str) -> dict[str, Any]:
    """Load an installed plugin as it is configured here: the type and the message of the error, if there is one."""
    from l0_core import registry

    try:
        registry().load(kind, name)
    except Exception as error:
        return {"error": type(error).__name__, "message": str(error)}
    return {"error": None, "message": ""}


if __name__ == "__main__":
    what, *given = sys.argv[1:]
    print(json.dumps(imported(*given) if what == "import" else loaded(*given)))  # noqa: T201

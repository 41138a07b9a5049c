"""The types of L0 as models of pydantic: `StateModel` mirrors `l0.State`, and so on.

A model is made of its type when it is first asked for. Nothing is imported before that, not even pydantic. What type
checkers see of the models is in `__init__.pyi`, which `tests/stub.py` writes.
"""

from __future__ import annotations


def __getattr__(name: str) -> object:
    if name == "__all__":
        from l0_pydantic.sources import installed

        return ["derive", *installed()]
    if name == "derive":
        from l0_pydantic.deriving import derive

        value: object = derive
    elif name.endswith("Model"):
        from l0_pydantic.models import model

        value = model(name)
    else:
        raise AttributeError(f"module 'l0_pydantic' has no attribute {name!r}")
    return globals().setdefault(name, value)  # what another thread has made meanwhile is the one


def __dir__() -> list[str]:
    return sorted(__getattr__("__all__"))  # type: ignore[call-overload]

"""`Guardrails`: the installed guardrails as documented rules, one by one and in presets."""

from __future__ import annotations

from typing import Any

from l0_core.checks import rule_of
from l0_core.guardrails import GuardrailRule
from l0_core.plugins import registry

__all__ = ["Guardrails"]


class _ByName(type):
    """Any guardrail that is installed is found by its entry point's name."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        registry().load("guardrail", name)

        def make(*args: Any, **options: Any) -> GuardrailRule:
            return rule(name, *args, **options)

        make.__name__ = name
        return make


def rule(name: str, *args: Any, **options: Any) -> GuardrailRule:
    """An installed guardrail as a documented rule. What is passed goes to its `Options`."""
    bound = registry().load("guardrail", name)
    plugin = bound.plugin
    if args or options:
        kind = type(plugin)
        if not hasattr(kind, "Options"):
            raise TypeError(f"the guardrail {name!r} of {bound.origin} takes no options")
        plugin = kind(kind.Options(*args, **options))  # type: ignore[call-arg]
    return rule_of(plugin, name)


class Guardrails(metaclass=_ByName):
    """`Guardrails.json()`, `Guardrails.zero_output()`, and every other guardrail that is installed; and the presets."""

    @staticmethod
    def json_only() -> list[GuardrailRule]:
        """json and zero_output."""
        return [rule("json"), rule("zero_output")]

    @staticmethod
    def minimal() -> list[GuardrailRule]:
        """json and zero_output."""
        return [rule("json"), rule("zero_output")]

    @staticmethod
    def none() -> list[GuardrailRule]:
        """No guardrail."""
        return []

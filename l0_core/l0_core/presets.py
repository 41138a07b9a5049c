"""`Guardrails`: the installed guardrails as documented rules, one by one and in presets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from l0_core import config
from l0_core.checks import rule_of
from l0_core.errors import PluginError
from l0_core.guardrails import GuardrailRule
from l0_core.plugins import registry

__all__ = ["PRESETS", "Guardrails", "names_of"]

PRESETS: dict[str, tuple[str, ...]] = {
    "none": (),
    "minimal": ("json", "zero_output"),
    "json_only": ("json", "strict_json", "zero_output"),
    "markdown_only": ("markdown", "zero_output"),
    "latex_only": ("latex", "zero_output"),
    "recommended": ("json", "markdown", "pattern", "zero_output"),
    "strict": ("json", "markdown", "latex", "pattern", "zero_output", "stall", "repetition"),
}
"""The names of the guardrails in each preset."""


def names_of(preset: str) -> tuple[str, ...]:
    """The names of the guardrails of a preset. Raises PluginError if one is not installed, and says how to get it."""
    names = PRESETS[preset]
    installed = {item.name for item in registry().installed("guardrail")}
    missing = dict.fromkeys(_distribution(name) for name in names if name not in installed)
    if missing:
        raise PluginError(f"the preset {preset!r} needs more guardrails: pip install {' '.join(missing)}")
    return names


_ELSEWHERE = {"strict_json": "json", "custom_pattern": "pattern"}


def _distribution(name: str) -> str:
    """The distribution of one of L0's own guardrails."""
    return f"l0-guard-{_ELSEWHERE.get(name, name).replace('_', '-')}"


class MissingGuardrail(PluginError, AttributeError):
    """No guardrail of this name is installed."""


@dataclass(slots=True)
class _Named(GuardrailRule):
    """The rule of an installed guardrail, with the `on_error` that is configured for it."""

    on_error: Literal["open", "closed"] = "open"


class _ByName(type):
    """Any guardrail that is installed is found by its entry point's name."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if not any(item.name == name for item in registry().installed("guardrail")):
            own = {guardrail for guardrails in PRESETS.values() for guardrail in guardrails}
            hint = f": pip install {_distribution(name)}" if name in own else ""
            raise MissingGuardrail(f"no guardrail named {name!r} is installed{hint}")
        registry().load("guardrail", name)

        def make(*args: Any, **options: Any) -> GuardrailRule:
            return rule(name, *args, **options)

        make.__name__ = name
        return make


def rule(name: str, *args: Any, **options: Any) -> GuardrailRule:
    """An installed guardrail as a documented rule.

    What is passed goes to its `Options`; if nothing is, they are as configured.
    """
    bound = registry().load("guardrail", name)
    plugin = bound.plugin
    if args or options:
        kind = type(plugin)
        if not hasattr(kind, "Options"):
            raise TypeError(f"the guardrail {name!r} of {bound.origin} takes no options")
        plugin = kind(kind.Options(*args, **options))  # type: ignore[call-arg]
    made, configured = rule_of(plugin, name), config.current()
    named = _Named(name, made.check, made.description, made.streaming, made.severity, open=made.open)
    if configured is not None:
        named.on_error = configured.on_error(name)
    return named


class Guardrails(metaclass=_ByName):
    """`Guardrails.json()`, `Guardrails.zero_output()`, and every other guardrail that is installed; and the presets."""

    @staticmethod
    def json_only() -> list[GuardrailRule]:
        """json, strict_json and zero_output."""
        return _preset("json_only")

    @staticmethod
    def markdown_only() -> list[GuardrailRule]:
        """markdown and zero_output."""
        return _preset("markdown_only")

    @staticmethod
    def latex_only() -> list[GuardrailRule]:
        """latex and zero_output."""
        return _preset("latex_only")

    @staticmethod
    def minimal() -> list[GuardrailRule]:
        """json and zero_output."""
        return _preset("minimal")

    @staticmethod
    def recommended() -> list[GuardrailRule]:
        """json, markdown, pattern and zero_output."""
        return _preset("recommended")

    @staticmethod
    def strict() -> list[GuardrailRule]:
        """Those of `recommended`, and latex, stall and repetition. strict_json would want JSON of every answer."""
        return _preset("strict")

    @staticmethod
    def none() -> list[GuardrailRule]:
        """No guardrail."""
        return []


def _preset(name: str) -> list[GuardrailRule]:
    return [rule(guardrail) for guardrail in names_of(name)]

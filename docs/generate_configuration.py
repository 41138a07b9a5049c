"""Writes `docs/configuration-reference.md`, the page of every key, from the tables and classes that the code has.

./dev run python docs/generate_configuration.py            # write it
./dev run python docs/generate_configuration.py --check    # exit with 1, and the difference, if it is out of date

What a key means is said by `MEANINGS`, or else by the docstring below its field, or else by the sentence of the class's
docstring that names it.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import json
import os
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from l0_core.config_values import KEYS, PLUGIN_KINDS

from l0_core import Registry, Timeout, config_read, config_schema

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "configuration-reference.md"

INTRODUCTION = """\
# Configuration reference

Every key of `l0.toml`, and of `[tool.l0]` in `pyproject.toml`, with the variable that says the same and the
distribution that reads it. [Configuration](configuration.md) says where a file is looked for, what goes before what,
how times and lists are written, and which variables are no keys. A table has no variable.

A bare number is in the unit of its key. A default of `none` is no limit, or nothing.
"""

PLUGINS = """\
## Plugins

The options of the plugins of this repository. Those of others stand in tables of the same form, `[KIND.NAME]`;
`l0 config --schema` describes those of everything that is installed.
"""

HEAD = "| key | accepts | unit | default | variable | meaning |\n|---|---|---|---|---|---|"

NOTES = {
    "timeout": "Where one of the three is given, the first token has {initial_token:g} s and each further one "
    "{inter_token:g} s, unless they are given too.",
    "retry": "A wrapped client's defaults are those of `Retry.recommended()`.",
    "continuation": "The table asks for continuing, unless `enabled` or `continue_from_last_good_token` is false.",
}
"""What is to be said of a table besides."""

MEANINGS = {
    "timeout.initial_token": "From the call to the first output; connecting and headers are in it",
    "timeout.inter_token": "Between two pieces of output",
    "timeout.total": "All waiting of the stream, over every attempt, pauses between attempts included",
    "retry.attempts": "How often an attempt may fail that counts as the model's fault",
    "retry.max_retries": "How often an attempt may be made again, for whatever reason",
    "retry.base_delay": "The wait before the first retry, which the strategy shapes",
    "retry.max_delay": "The longest wait that the strategy may arrive at",
    "retry.strategy": "How waits grow from retry to retry, and how much of them is chance",
    "retry.retry_on": "What is tried again: every kind, if none is given",
    "retry.error_type_delays.*": "The base delay after a network error of this kind",
    "check_intervals.guardrails": "Tokens between two looks of the guardrails",
    "check_intervals.drift": "Tokens between two looks of drift detection",
    "check_intervals.checkpoint": "Tokens between two checkpoints",
    "continuation.enabled": "Whether the table counts",
    "continuation.checkpoint_interval": "Tokens between two checkpoints of a stream that is to be continued",
    "continuation.deduplicate": "Whether text that a continuation repeats is cut; not to be, where one goes on exactly",
    "continuation.deduplication_options.min_overlap": "The shortest overlap that is cut, in characters",
    "continuation.deduplication_options.max_overlap": "The longest overlap that is looked for, in characters",
    "continuation.deduplication_options.case_sensitive": "Whether `A` and `a` differ",
    "continuation.deduplication_options.normalize_whitespace": "Whether any white space is as good as any other",
    "guardrail.custom_pattern.patterns": "The regular expressions that no answer should match",
    "guardrail.custom_pattern.severity": "What a match is: recorded, tried again, or the end",
    "guardrail.drift.detect_tone_shift": "Whether a change between formal and informal words is looked for",
    "guardrail.drift.detect_meta_commentary": "Whether sentences of the model about itself are looked for",
    "guardrail.drift.detect_repetition": "Whether sentences that come again are looked for",
    "guardrail.drift.detect_entropy_spike": "Whether characters that become random are looked for",
    "guardrail.drift.detect_format_collapse": "Whether talk within JSON or a code block is looked for",
    "guardrail.drift.detect_markdown_collapse": "Whether markup that is lost on the way is looked for",
    "guardrail.drift.detect_hedging": "Whether an agreement that does not belong there is looked for",
    "guardrail.drift.repetition_threshold": "How many copies are a repetition; 2 or more",
    "guardrail.drift.entropy_threshold": "How many standard deviations make a spike",
    "guardrail.drift.entropy_window": "Of how many samples the mean is; 10 or more",
    "guardrail.drift.sliding_window_size": "How many characters belong together; 100 or more",
    "guardrail.pattern.include_categories": "The categories of `BadPatterns` that are looked for; all, if not given",
    "guardrail.pattern.exclude_categories": "The categories of `BadPatterns` that are not",
    "guardrail.repetition.threshold": "The share of the last two windows that may repeat what was said; 1 allows all",
    "guardrail.stall.max_gap": "The longest pause that is no stall",
    "monitor.otel.capture_content": "Whether answers, prompts that are given, and the messages of errors are written; "
    "if not given, `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` decides",
    "monitor.sentry.capture_network_errors": "Whether a stream that the network ended is an issue",
    "monitor.sentry.capture_guardrail_violations": "Whether a stream that a guardrail ended is an issue",
    "monitor.sentry.enable_tracing": "Whether spans are made, where the SDK traces",
    "monitor.sentry.tags": "What is set on every issue",
    "monitor.telemetry.path": "A file to which the telemetry of each stream is appended as a line of JSON",
    "monitor.telemetry.log_level": "The level of the record that each finished stream is in the log",
    "monitor.telemetry.rate": "The share of streams of which telemetry is kept, from 0 to 1",
    "monitor.telemetry.slow_threshold": "How long a stream takes that is kept whatever the rate",
    "monitor.telemetry.buffer_size": "How many finished streams are kept in memory, the latest",
    "monitor.telemetry.inter_token_latency": "Whether the times between tokens are taken",
    "store.*.ttl": "When a stream expires, after its last event; 0 keeps for ever",
    "store.*.on_store_error": "Whether a stream goes on without its record, or fails, when the store does",
    "store.*.durability": "Whether what is acknowledged outlives the process, or a loss of power too",
    "store.*.prefix": "What separates this application's streams from those of others",
}
"""What a key means, or each key of a table, where the code says it of several at once, or in many words."""

UNITS = {"guardrail.stall.max_gap": "s", "monitor.telemetry.slow_threshold": "s", "store.*.ttl": "ms"}
"""The units of plugins' times, which are numbers."""

Schema = dict[str, Any]


def page() -> str:
    """The whole page."""
    # What is disabled here would be missing there.
    chosen = {name: os.environ.pop(name) for name in ("L0_PLUGINS", "L0_DISABLE_PLUGINS") if name in os.environ}
    try:
        registry = Registry()
        schema = config_schema.schema(registry)
        parts = [
            "<!-- Written by docs/generate_configuration.py from the code: change that, not this. -->\n",
            INTRODUCTION,
            *_kernel(schema),
            PLUGINS,
            *_plugins(registry, schema),
        ]
    finally:
        os.environ.update(chosen)
    return "\n".join(parts)


def variable(key: str) -> str:
    """The variable that says the same as a key."""
    return f"L0_{re.sub(r'[^A-Z0-9]', '_', key.upper())}"


def known(table: dict[str, str], key: str) -> str:
    """What a table says of a key, of its option in any plugin, or of each key beside it; "" if nothing."""
    kind, _, rest = key.partition(".")
    wild = (f"{kind}.*.{rest.rpartition('.')[2]}", f"{key.rpartition('.')[0]}.*")
    return next((table[each] for each in (key, *wild) if each in table), "")


def meaning(kind: Any, field: str) -> str:
    """The sentence in which the docstrings of a class and its bases name a field; "" if there is none."""
    for each in kind.__mro__:
        text = inspect.cleandoc(each.__dict__.get("__doc__") or "")
        for sentence in re.split(r"(?<=\.)\s+(?=[`A-Z])|(?<=;)\s+|\n(?=`)|\n\n", text):
            if f"`{field}`" in sentence or f"`{field}=" in sentence:
                said = re.sub(rf"^`{field}`(: | is | )", "", " ".join(sentence.split())).rstrip(";.")
                return f"{said[0].upper()}{said[1:]}"
    return ""


# The kernel.


def _kernel(schema: Schema) -> Iterator[str]:
    tables: dict[str, list[str]] = {}
    timeout = Timeout()
    assert timeout.initial_token is not None
    assert timeout.inter_token is not None
    for setting in config_read.Configuration({}, {}).settings():
        table, _, name = setting.key.rpartition(".")
        kind = KEYS[setting.key]
        described = _within(schema, setting.key)["description"]
        said = known(MEANINGS, setting.key) or described.removesuffix(f"Accepts {kind.accepts}.").strip().rstrip(".")
        if not said and table:
            said = meaning(config_schema._TABLES[table], name)
        # Those of the kernel are in seconds, or none.
        default = _written(f"{setting.value:g}s" if setting.unit and setting.value is not None else setting.value)
        tables.setdefault(table, []).append(_row(setting.key, _quoted(kind.accepts), kind.unit, default, said))
    for table, rows in tables.items():
        yield f"## {f'`[{table}]`' if table else 'At the top'}\n"
        about = _first(config_schema._TABLES[table]) if table else "What every stream is made with."
        note = NOTES.get(table, "").format(
            initial_token=timeout.initial_token / 1000, inter_token=timeout.inter_token / 1000
        )
        yield _filled(f"{about} {note} Read by [l0-core](../l0_core).")
        yield "\n".join([HEAD, *rows, ""])


def _within(schema: Schema, key: str) -> Schema:
    """The schema of a key."""
    for name in key.split("."):
        schema = schema["properties"][name]
    # The store is a URL, or a table of Options.
    return schema if "description" in schema else schema["anyOf"][0]  # type: ignore[no-any-return]


def _quoted(accepts: str) -> str:
    return re.sub(r"'([^']*)'", r"`\1`", accepts)


def _first(kind: type) -> str:
    """The first sentence of a class's docstring."""
    return " ".join(re.split(r"(?<=\.)\s", inspect.cleandoc(kind.__doc__ or ""), maxsplit=1)[0].split())


# Plugins.


def _plugins(registry: Registry, schema: Schema) -> Iterator[str]:
    for kind in PLUGIN_KINDS:
        table = schema["properties"].get(kind, {})
        known = (table["anyOf"][1] if "anyOf" in table else table)["properties"]
        for item in registry.installed(kind):
            folder = _folder(item.distribution)
            if folder is None or not known[item.name]["properties"]:
                continue
            target = item.entry_point.load()
            rows = [*_options(f"{kind}.{item.name}", known[item.name], getattr(target, "Options", None))]
            yield f"### `[{kind}.{item.name}]`\n"
            yield _filled(f"{_first(target)} Read by [{item.distribution}](../{folder}).")
            yield "\n".join([HEAD, *rows, ""])


def _folder(distribution: str) -> str | None:
    """Where a distribution of this repository is, or None for one of others."""
    name = distribution.replace("-", "_")
    return next((path for path in (name, f"plugins/{name}") if (ROOT / path / "pyproject.toml").exists()), None)


def _options(table: str, schema: Schema, options: Any) -> Iterator[str]:
    fields = {} if options is None else {field.name: field for field in dataclasses.fields(options)}
    for name, described in schema["properties"].items():
        key, said = f"{table}.{name}", described.get("description", "").rstrip(".")
        if name == "url":
            yield _row(key, "a URL", "", "none", "Stands for the key `store`", "L0_STORE")
            continue
        if name in fields:
            said = known(MEANINGS, key) or said or meaning(options, name)
            default = _default(fields[name])
        else:
            default = _written(described.get("default"))
        yield _row(key, _accepts(described), known(UNITS, key), default, f"{said[:1].upper()}{said[1:]}")


def _default(field: Any) -> str:
    if field.default_factory is not dataclasses.MISSING:
        return _written(field.default_factory())
    return "must be given" if field.default is dataclasses.MISSING else _written(field.default)


def _accepts(schema: Schema) -> str:
    """What a schema accepts, in words."""
    if "enum" in schema:
        return f"one of {', '.join(f'`{each}`' for each in schema['enum'])}"
    if "anyOf" in schema:
        inner = dict.fromkeys(_accepts(each) for each in schema["anyOf"] if each.get("type") != "null")
        return " or ".join(inner)
    if schema.get("type") == "array":
        return f"a list of {_accepts(schema['items'])}s".replace("texts", "text")
    if schema.get("type") == "object":
        return "a table"
    words = {"boolean": "true or false", "integer": "a whole number", "number": "a number", "string": "text"}
    return words[schema["type"]]


def _filled(text: str) -> str:
    """A paragraph in lines."""
    words = " ".join(text.split())
    return f"{textwrap.fill(words, 120, break_long_words=False, break_on_hyphens=False)}\n"


def _row(key: str, accepts: str, unit: str, default: str, said: str, variable_: str = "") -> str:
    written = "" if accepts == "a table" else f"`{variable_ or variable(key)}`"
    cells = (f"`{key}`", accepts, unit, default, written, said)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _written(value: Any) -> str:
    """A default as a file has it."""
    if value is None or value == ():
        return "none"
    if value == {}:
        return "`{}`"
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def main(arguments: list[str]) -> None:
    written = PAGE.read_text() if PAGE.exists() else ""
    wanted = page()
    if arguments == ["--check"]:
        name = "docs/configuration-reference.md"
        difference = difflib.unified_diff(
            written.splitlines(), wanted.splitlines(), name, "as it should be", lineterm=""
        )
        if written != wanted:
            sys.exit("\n".join([*difference, "run: ./dev run python docs/generate_configuration.py"]))
    elif arguments:
        sys.exit(f"unknown arguments {' '.join(arguments)!r}; --check is the only one")
    else:
        PAGE.write_text(wanted)


if __name__ == "__main__":
    main(sys.argv[1:])

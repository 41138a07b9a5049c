"""Output: asking a model for a format, and getting what was asked for out of what it said."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from l0_text.delimiting import enclose, one_line
from l0_text.json_text import OPENING, loads, scan
from l0_text.options import one_of, read

__all__ = [
    "JsonOutputOptions",
    "OutputConstraints",
    "OutputFormat",
    "OutputFormatSectionOptions",
    "StructuredOutputOptions",
    "clean_output",
    "create_output_format_section",
    "extract_json_from_output",
    "format_json_output",
    "format_output_constraints",
    "format_structured_output",
    "validate_json_output",
    "wrap_output_instruction",
]

OutputFormat = Literal["json", "yaml", "xml", "markdown", "plain"]
"""The formats that can be asked for."""

_NAMES = {"json": "JSON", "yaml": "YAML", "xml": "XML", "markdown": "Markdown", "plain": "plain text"}

_AGREEMENT = re.compile(r"(?:Sure(?: thing)?|Certainly|Of course|Absolutely|Okay|OK|Great)([!.,])\s*+", re.IGNORECASE)
_ANNOUNCEMENT = re.compile(
    r"(?:Here(?:['’]s| is| are)|Below (?:is|are)|The following is)\b[^\n:]{0,100}:(?:[ \t]*+\n|\s*+(?=[{\[<`]))",
    re.IGNORECASE,
)


@dataclass
class StructuredOutputOptions:
    """`strict` asks for nothing but the format; `schema` is what it must conform to, `example` what it looks like."""

    strict: bool = False
    schema: str | None = None
    example: str | None = None


@dataclass
class JsonOutputOptions(StructuredOutputOptions):
    """The same, for JSON."""


@dataclass
class OutputConstraints:
    """What holds for the whole answer. Lengths are in characters; `format` is a shape, such as "bullet_points"."""

    max_length: int | None = None
    min_length: int | None = None
    no_code_blocks: bool = False
    no_markdown: bool = False
    language: str | None = None
    tone: str | None = None
    format: str | None = None


@dataclass
class OutputFormatSectionOptions(StructuredOutputOptions):
    """What an instruction on the format says, and whether it stands in a tag `output_format`."""

    constraints: OutputConstraints | dict[str, Any] | None = None
    wrap: bool = True


def format_json_output(options: JsonOutputOptions | Mapping[str, Any] | None = None) -> str:
    """Ask for JSON."""
    given = read(JsonOutputOptions, options)
    return format_structured_output("json", given)


def format_structured_output(
    format_type: OutputFormat, options: StructuredOutputOptions | Mapping[str, Any] | None = None
) -> str:
    """Ask for a format. Raises ValueError for one that there is not."""
    one_of("output: format_type", format_type, get_args(OutputFormat))
    given = read(StructuredOutputOptions, options)
    name = _NAMES[format_type]
    valid = name if format_type == "plain" else f"valid {name}"
    if given.strict:
        lines = [
            f"Respond with {valid} only. Write nothing before or after it: no explanation, and no code block around it."
        ]
    else:
        lines = [f"Respond with {valid}."]
    if given.schema:
        lines += [f"The {name} must conform to this schema:", enclose("<schema>", given.schema, "</schema>")]
    if given.example:
        lines += ["An example:", enclose("<example>", given.example, "</example>")]
    return "\n".join(lines)


def format_output_constraints(constraints: OutputConstraints | Mapping[str, Any]) -> str:
    """The constraints as a list; "" if there are none. Raises ValueError for lengths that no answer can have."""
    given = read(OutputConstraints, constraints)
    shortest, longest = given.min_length or 0, given.max_length
    if shortest < 0 or (longest is not None and longest < shortest):
        raise ValueError(f"output: no answer has from {shortest} to {longest} characters; see min_length, max_length")
    lines = []
    if given.format is not None:
        lines.append(f"Format: {one_line(given.format).replace('_', ' ')}")
    if given.max_length is not None:
        lines.append(f"Maximum length: {given.max_length} characters")
    if given.min_length is not None:
        lines.append(f"Minimum length: {given.min_length} characters")
    if given.no_code_blocks:
        lines.append("No code blocks")
    if given.no_markdown:
        lines.append("No Markdown")
    if given.language is not None:
        lines.append(f"Language: {one_line(given.language)}")
    if given.tone is not None:
        lines.append(f"Tone: {one_line(given.tone)}")
    return "\n".join(["Constraints:", *(f"- {line}" for line in lines)]) if lines else ""


def wrap_output_instruction(instruction: str) -> str:
    """Put an instruction into a tag. What would end the tag is escaped as by `enclose`, and nothing else."""
    return enclose("<output_format>", instruction, "</output_format>")


def create_output_format_section(
    format_type: OutputFormat, options: OutputFormatSectionOptions | Mapping[str, Any] | None = None
) -> str:
    """Ask for a format and for constraints, in a tag unless `wrap` is off."""
    given = read(OutputFormatSectionOptions, options)
    asked = StructuredOutputOptions(given.strict, given.schema, given.example)
    parts = [format_structured_output(format_type, asked), format_output_constraints(given.constraints or {})]
    section = "\n\n".join(filter(None, parts))
    return wrap_output_instruction(section) if given.wrap else section


def extract_json_from_output(output: str) -> str:
    """The longest JSON object or array in an output, of equals the first; the output, stripped, if there is none.

    What is all JSON is returned as it is. Nothing is repaired.
    """
    text = output.strip()
    if validate_json_output(text)[0]:
        return text
    start = end = at = 0
    while found := OPENING.search(text, at):
        at, whole = scan(text, found.start())
        if whole and at - found.start() > end - start:
            start, end = found.start(), at
    return text[start:end] or text


def clean_output(output: str) -> str:
    """Without what models say before the answer, and without the code block around it.

    "Sure!" and the like go where they are a sentence, or come before an announcement. An announcement ("Here's the
    JSON:") goes where a line break or the beginning of JSON, markup or code comes after it.
    """
    text = output.strip()
    rest = text
    if agreed := _AGREEMENT.match(text):
        rest = text[agreed.end() :]
    announced = _ANNOUNCEMENT.match(rest)
    if announced:
        rest = rest[announced.end() :].strip()
    elif agreed and agreed[1] == ",":
        rest = text
    return _without_fence(rest or text)


def _without_fence(text: str) -> str:
    """What is in a code block, if the text is one from beginning to end."""
    ticks = len(text) - len(text.lstrip("`"))
    first, _, body = text.partition("\n")
    if ticks < 3 or "`" in first[ticks:]:
        return text
    *lines, last = body.split("\n")

    def closes(line: str) -> bool:
        mark = line.strip()
        return len(mark) >= ticks and not mark.strip("`")

    return "\n".join(lines).strip() if closes(last) and not any(map(closes, lines)) else text


def validate_json_output(output: str) -> tuple[bool, str | None]:
    """Whether an output is JSON as a whole; if not, what is wrong and where. NaN and infinities are not JSON."""
    try:
        loads(output)
    except ValueError as error:
        return False, str(error)
    return True, None

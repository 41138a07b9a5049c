"""Structured output: an answer that is what a schema asks for, or is asked for again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, Union, Unpack, overload

from l0_core import GuardrailViolationError, RunOptions, Stream, guardrails_or_configured, rule_of, run
from l0_structured.json_schema import UnifiedSchema
from l0_structured.results import StructuredResult
from l0_structured.schemas import Schema, array_of, object_of
from l0_structured.validation import Validation

if TYPE_CHECKING:
    from pydantic import BaseModel

    from l0_structured.validation import OnAutoCorrect, OnValidationError

__all__ = ["StructuredOptions", "open_validated", "structured", "structured_array", "structured_object"]

T = TypeVar("T")
JSONSchemaLike: TypeAlias = Union[UnifiedSchema[Any], Mapping[str, Any]]


class StructuredOptions(RunOptions, total=False):
    """What `structured()` and its like take besides the schema and the stream."""

    fallbacks: Iterable[Any] | None
    auto_correct: bool
    strict_mode: bool
    detect_zero_tokens: bool
    monitoring: bool
    on_validation_error: OnValidationError | None
    on_auto_correct: OnAutoCorrect | None


@overload
async def structured(schema: type[T], stream: Any, **options: Unpack[StructuredOptions]) -> StructuredResult[T]: ...
@overload
async def structured(
    schema: JSONSchemaLike, stream: Any, **options: Unpack[StructuredOptions]
) -> StructuredResult[Any]: ...
async def structured(
    schema: Any,
    stream: Any,
    *,
    fallbacks: Iterable[Any] | None = None,
    auto_correct: bool = True,
    strict_mode: bool = False,
    detect_zero_tokens: bool = False,
    monitoring: bool = False,
    on_validation_error: OnValidationError | None = None,
    on_auto_correct: OnAutoCorrect | None = None,
    **options: Unpack[RunOptions],
) -> StructuredResult[Any]:
    """Read a stream whose answer is what a schema asks for.

    `schema` is a pydantic model, any type that pydantic validates, `JSONSchema.wrap(...)` or a JSON Schema as a dict.
    `stream` and `fallbacks` are sources as `l0.run` takes them, and the options are its as well: an answer that is not
    valid is a fault of the model's, which `retry` bounds. The next attempt has what is wrong with it as
    `attempt.feedback`:

        def ask(attempt):
            messages = [*question, {"role": "user", "content": attempt.feedback}] if attempt.feedback else question
            return client.chat.completions.create(model=model, messages=messages, stream=True)

    `auto_correct` repairs what is not JSON, and reports it to `on_auto_correct`; an answer that the provider cut short
    (`length`, `content_filter`) is never repaired, and refused unless it is whole all the same. `strict_mode` refuses
    unknown fields; a JSON Schema says by itself what it refuses. `on_validation_error` is called with the error and the
    number of the answer, from 1. `monitoring` fills `telemetry` of the result. An answer of nothing is always asked for
    again, whatever `detect_zero_tokens` says.

    Raises StructuredOutputError (a GuardrailViolationError and a ValueError) if no answer was valid, TypeError for what
    is no schema or cannot be done to structured output, and what `l0.run` raises.
    """
    validation: Validation[Any]
    validation, inner = await open_validated(
        Schema(schema, strict=strict_mode),
        stream,
        fallbacks,
        auto_correct,
        on_validation_error,
        on_auto_correct,
        options,
    )
    try:
        await inner.read()
    except GuardrailViolationError as error:
        raise validation.error(error) from None
    return validation.result(inner, monitoring)


async def structured_object(
    shape: Mapping[str, Any], stream: Any, **options: Unpack[StructuredOptions]
) -> StructuredResult[BaseModel]:
    """`structured` for an object whose fields are given by name: a type each, or a type and a default."""
    return await structured(object_of(shape), stream, **options)


@overload
async def structured_array(
    item_schema: type[T], stream: Any, **options: Unpack[StructuredOptions]
) -> StructuredResult[list[T]]: ...
@overload
async def structured_array(
    item_schema: JSONSchemaLike, stream: Any, **options: Unpack[StructuredOptions]
) -> StructuredResult[list[Any]]: ...
async def structured_array(
    item_schema: Any, stream: Any, **options: Unpack[StructuredOptions]
) -> StructuredResult[list[Any]]:
    """`structured` for an array of what a schema asks for."""
    result: StructuredResult[list[Any]] = await structured(array_of(item_schema), stream, **options)
    return result


async def open_validated(
    schema: Schema[T],
    stream: Any,
    fallbacks: Iterable[Any] | None,
    auto_correct: bool,
    on_validation_error: OnValidationError | None,
    on_auto_correct: OnAutoCorrect | None,
    options: Mapping[str, Any],
) -> tuple[Validation[T], Stream]:
    """A stream whose answer is validated, and its validation. Raises TypeError for options that contradict that."""
    if options.get("continue_from_last_good_token") or options.get("on_interrupt") == "resume":
        raise TypeError("structured output is not continued, since a seam within JSON can go unseen: it begins anew")
    validation = Validation(schema, auto_correct, on_validation_error, on_auto_correct)
    asked = {
        **options,
        "continue_from_last_good_token": False,  # It may be configured.
        "guardrails": [*guardrails_or_configured(options.get("guardrails")), rule_of(validation, validation.name)],
    }
    return validation, await run(stream, fallbacks=fallbacks, **asked)

"""Structured output: a valid answer or an error that says what was wrong, through the runtime with all that it does."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import AsyncIterator, Callable
from typing import Any

import l0
import pytest
from l0_structured import JSONSchema, StructuredOutputError
from l0_testing import FakeProvider, Mishap
from l0_testing.virtual import run
from pydantic import AliasChoices, BaseModel, Field, field_validator, model_validator


class User(BaseModel):
    name: str
    age: int


ADA = '{"name": "Ada", "age": 36}'
NOW = l0.Retry(attempts=3, base_delay=0)
ONCE = l0.Retry(attempts=0, max_retries=0)


async def says(text: str, reason: str = "stop", width: int = 5) -> AsyncIterator[l0.Event]:
    for at in range(0, len(text), width):
        yield l0.Event(l0.EventType.TOKEN, text[at : at + width])
    yield l0.Event(l0.EventType.COMPLETE, data={"finish_reason": reason})


class Model:
    """Answers one text after the other, and keeps what it was told of the one before."""

    def __init__(self, *answers: str | tuple[str, str]) -> None:
        self.answers = answers
        self.feedback: list[str | None] = []

    def __call__(self, attempt: Any) -> AsyncIterator[l0.Event]:
        self.feedback.append(attempt.feedback)
        answer = self.answers[min(len(self.feedback), len(self.answers)) - 1]
        return says(*(answer if isinstance(answer, tuple) else (answer,)))


def ask(schema: Any, model: Callable[..., Any], **options: Any) -> Any:
    async def main() -> Any:
        return await l0.structured(schema, model, **{"retry": NOW, **options})

    return run(main())


# What is asked for.


def test_a_valid_answer_is_an_instance_of_the_model() -> None:
    result = ask(User, Model(ADA))
    assert result.data == User(name="Ada", age=36)
    assert (result.raw, result.corrected, result.corrections) == (ADA, False, [])
    assert result.state.outcome == "complete"
    assert result.structured_state.validation_failures == 0
    assert result.telemetry is None
    assert result.errors == []


def test_a_result_has_the_attributes_of_its_data() -> None:
    result = ask(User, Model(ADA))
    assert (result.name, result.age, result.data.name) == ("Ada", 36, "Ada")
    with pytest.raises(AttributeError, match="neither the result nor its data, a User, has 'surname'"):
        result.surname  # noqa: B018
    assert copy.copy(result).name == "Ada"
    assert pickle.loads(pickle.dumps(copy.copy(result).data)) == result.data
    assert not result.is_aborted
    result.abort()
    assert result.is_aborted


def test_any_type_that_pydantic_validates_is_a_schema() -> None:
    assert ask(list[int], Model("[1, 2]")).data == [1, 2]
    assert ask(dict[str, User], Model(f'{{"a": {ADA}}}')).data["a"].age == 36


def test_an_object_of_fields_by_name() -> None:
    async def main() -> Any:
        return await l0.structured_object({"city": str, "days": (int, 3)}, Model('{"city": "Oslo"}'))

    result = run(main())
    assert (result.city, result.days) == ("Oslo", 3)
    with pytest.raises(TypeError, match="shape must be a dict of types by field name"):
        run(l0.structured_object([], Model("{}")))  # type: ignore[arg-type]


def test_an_array_of_what_a_schema_asks_for() -> None:
    async def main(schema: Any) -> Any:
        return await l0.structured_array(schema, Model(f"[{ADA}, {ADA}]"), monitoring=True)

    result = run(main(User))
    assert [user.age for user in result.data] == [36, 36]
    assert result.telemetry.schema_name == "list[User]"
    by_schema = run(main({"title": "User", "type": "object", "required": ["name"]}))
    assert by_schema.data[1]["name"] == "Ada"
    assert by_schema.telemetry.schema_name == "list[User]"


def test_a_json_schema_is_one_wrapped_or_not() -> None:
    schema = {"title": "User", "type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
    for given in (schema, JSONSchema.wrap(schema)):
        model = Model('{"age": "old"}', '{"age": 7}')
        assert ask(given, model).data == {"age": 7}
        assert model.feedback[0] is None
        assert "age" in (model.feedback[1] or "")
        assert "old" not in (model.feedback[1] or "")


@pytest.mark.parametrize("given", [None, "User", {}, {"name": str}, 7, User(name="a", age=1), [User]])
def test_what_is_no_schema_is_refused_at_once(given: Any) -> None:
    with pytest.raises(TypeError, match="schema must be a pydantic model, a type or a JSON Schema"):
        ask(given, Model(ADA))


class Aliased(BaseModel):
    title: str = Field(alias="Title")
    pages: int = Field(validation_alias=AliasChoices("pages", "nPages"))


def test_strict_mode_knows_aliases_and_refuses_what_is_unknown() -> None:
    good = '{"Title": "Sea", "nPages": 3}'
    result = ask(Aliased, Model('{"Title": "Sea", "nPages": 3, "isbn": 1}', good), strict_mode=True)
    assert (result.data.title, result.data.pages) == ("Sea", 3)
    assert "isbn" in str(result.structured_state.validation_errors[0])
    assert ask(Aliased, Model('{"Title": "Sea", "pages": 3, "isbn": 1}')).data.pages == 3


def test_strict_mode_goes_all_the_way_down_and_leaves_a_json_schema_as_it_is() -> None:
    nested = '{"a": {"name": "Ada", "age": 36, "born": 1815}}'
    model = Model(nested, f'{{"a": {ADA}}}')
    assert ask(dict[str, User], model, strict_mode=True).data["a"].age == 36
    assert "a.born: Extra inputs are not permitted" in (model.feedback[1] or "")
    assert ask({"type": "object"}, Model(nested), strict_mode=True).data["a"]["born"] == 1815


# What is not valid.


def test_the_next_attempt_is_told_what_was_wrong() -> None:
    model = Model('{"name": "Ada"}', '{"name": "Ada", "age": "x"}', ADA)
    errors: list[tuple[Exception, int]] = []
    retries: list[tuple[int, str]] = []
    result = ask(
        User,
        model,
        on_validation_error=lambda error, attempt: errors.append((error, attempt)),
        on_retry=lambda attempt, reason: retries.append((attempt, reason)),
        monitoring=True,
    )
    assert model.feedback[0] is None
    assert model.feedback[1] == "The answer does not match the schema User: age: Field required"
    assert (model.feedback[2] or "").startswith(
        "The answer does not match the schema User: age: Input should be a valid"
    )
    assert [attempt for _, attempt in errors] == [1, 2]
    assert [attempt for attempt, _ in retries] == [1, 2]
    assert result.structured_state.validation_failures == 2
    assert result.structured_state.validation_errors == [error for error, _ in errors]
    assert len(result.errors) == 2
    assert result.telemetry.validation_attempts == 3
    assert result.telemetry.validation_success
    assert result.state.model_retry_count == 2


def test_feedback_survives_a_fault_of_the_network() -> None:
    feedback: list[str | None] = []

    async def breaks() -> AsyncIterator[l0.Event]:
        yield l0.Event(l0.EventType.TOKEN, '{"na')
        raise ConnectionResetError("gone")

    def model(attempt: Any) -> Any:
        feedback.append(attempt.feedback)
        return [lambda: says("{}"), breaks, lambda: says(ADA)][len(feedback) - 1]()

    assert ask(User, model).name == "Ada"
    assert feedback[0] is None
    assert feedback[1] == feedback[2]
    assert "Field required" in (feedback[1] or "")


def test_the_error_says_what_was_wrong_and_nothing_of_the_answer() -> None:
    secret = "4111-1111"
    with pytest.raises(StructuredOutputError) as raised:
        ask(User, Model(f'{{"name": "Ada", "age": "{secret}"}}'), retry=l0.Retry(attempts=1, base_delay=0))
    error = raised.value
    assert isinstance(error, ValueError)
    assert isinstance(error, l0.GuardrailViolationError)
    assert secret not in str(error)
    assert "schema User: age:" in str(error)
    assert secret in error.raw
    assert len(error.validation_errors) == 2
    assert (error.attempts, error.offset) == (2, len(error.partial))  # type: ignore[attr-defined]
    assert error.__cause__ is None


def test_a_fallback_is_asked_when_a_source_gives_nothing_valid() -> None:
    first, second = Model("no"), Model(ADA)
    result = ask(User, first, fallbacks=[second], retry=l0.Retry(attempts=1, base_delay=0))
    assert result.name == "Ada"
    assert len(first.feedback) == 2
    assert result.state.fallback_index == 1
    assert second.feedback == [
        "The answer is not JSON: There is no JSON object or array in the text: line 1 column 1 (char 0)"
    ]


def test_the_callers_retry_timeout_guardrails_and_callbacks_are_those_of_the_stream() -> None:
    provider = FakeProvider(("nothing",), [Mishap("raise", 1)] * 9)
    with pytest.raises(ConnectionResetError):
        ask(User, provider, adapter=provider, retry=ONCE)
    assert provider.opened == 1

    async def silent() -> AsyncIterator[l0.Event]:
        await asyncio.sleep(3600)
        yield l0.Event(l0.EventType.TOKEN, ADA)

    with pytest.raises(l0.TimeoutError):
        ask(User, silent, retry=ONCE, timeout=l0.Timeout(initial_token=50))

    def never(state: l0.State) -> list[l0.Violation]:
        return [l0.Violation("never", "Not this")] if state.completed else []

    with pytest.raises(l0.GuardrailViolationError, match="Not this") as raised:
        ask(User, lambda: says(ADA), guardrails=[l0.GuardrailRule("never", never)], retry=ONCE)
    assert not isinstance(raised.value, StructuredOutputError)


def test_a_bug_in_a_validator_is_raised_as_itself_and_not_retried() -> None:
    class Broken(BaseModel):
        name: str

        @field_validator("name")
        @classmethod
        def check(cls, value: str) -> str:
            return {}[value]  # type: ignore[no-any-return]

    model = Model(ADA)
    with pytest.raises(KeyError, match="Ada"):
        ask(Broken, model)
    assert len(model.feedback) == 1


def test_a_validator_of_the_users_own_speaks_to_the_model() -> None:
    class Adult(User):
        @model_validator(mode="after")
        def grown(self) -> Adult:
            if self.age < 18:
                raise ValueError("only adults, please")
            return self

    model = Model('{"name": "Bo", "age": 3}', ADA)
    assert ask(Adult, model).age == 36
    assert (model.feedback[1] or "").endswith("the answer: Value error, only adults, please")


def test_many_faults_are_told_in_brief() -> None:
    model = Model(f"[{', '.join(['true'] * 1000)}]", "[]")
    assert ask(list[User], model).data == []
    assert len(model.feedback[1] or "") < 2500
    assert (model.feedback[1] or "").endswith("and 980 more")


# Repair.


def test_a_repair_is_reported() -> None:
    infos: list[Any] = []
    text = f"Here you go:\n```json\n{ADA[:-1]},}}\n```"
    result = ask(User, Model(text), on_auto_correct=infos.append, monitoring=True)
    assert result.data.age == 36
    assert result.corrected
    assert result.raw == text
    assert "remove_trailing_comma" in result.corrections
    assert [(info.original, info.corrected, info.success) for info in infos] == [
        (text, '{"name": "Ada", "age": 36}', True)
    ]
    assert result.structured_state.auto_corrections == 1
    assert result.telemetry.correction_types == result.structured_state.correction_types == infos[0].corrections


def test_what_is_json_is_never_touched() -> None:
    class Page(BaseModel):
        url: str
        css: str

    text = '{"url": "https://example.com/a", "css": "a /* b */ c, }"}'
    result = ask(Page, Model(text), on_auto_correct=lambda info: pytest.fail("corrected"))
    assert (result.url, result.css) == ("https://example.com/a", "a /* b */ c, }")


def test_without_repair_the_model_is_asked_again() -> None:
    model = Model(f"```json\n{ADA}\n```", ADA)
    result = ask(User, model, auto_correct=False)
    assert not result.corrected
    assert "not JSON" in (model.feedback[1] or "")


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_an_answer_that_was_cut_short_is_not_repaired_but_asked_for_again(reason: str) -> None:
    model = Model(('{"name": "Ada", "age": 3', reason), ADA)
    assert ask(User, model).age == 36
    assert reason in (model.feedback[1] or "")
    with pytest.raises(StructuredOutputError, match=f"cut off before it was whole JSON .finish reason '{reason}'"):
        ask(User, Model(('{"name": "Ada", "age": 3', reason)))
    with pytest.raises(StructuredOutputError, match="cut off"):
        ask(User, Model(("", reason)))


def test_an_answer_that_is_whole_all_the_same_is_valid() -> None:
    result = ask(User, Model((ADA, "length")))
    assert result.age == 36
    assert (result.state.outcome, result.state.finish_reason) == ("incomplete", "length")


def test_nothing_is_no_answer() -> None:
    model = Model("", ADA)
    assert ask(User, model).age == 36
    assert model.feedback == [None, None]


# With the rest of the runtime.


@pytest.mark.parametrize("option", [{"continue_from_last_good_token": True}, {"on_interrupt": "resume"}])
def test_it_is_not_continued(option: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="structured output is not continued"):
        ask(User, Model(ADA), **option)


def test_configured_continuation_and_guardrails_are_those_of_any_stream(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    from l0_core import config

    (tmp_path / "l0.toml").write_text('guardrails = ["zero_output"]\n[continuation]\nenabled = true\n')
    monkeypatch.chdir(tmp_path)
    config.reload()
    kept: list[str] = []
    rules: list[str] = []

    def model(attempt: Any) -> AsyncIterator[l0.Event]:
        kept.append(attempt.kept)
        return says(ADA if len(kept) > 1 else '{"name": "Ada of Lovelace", "age": true')

    def note(event: l0.ObservabilityEvent) -> None:
        if event.type.value == "GUARDRAIL_RULE_START":
            rules.append(event.meta["ruleId"])

    try:
        assert ask(User, model, auto_correct=False, on_event=note).age == 36
    finally:
        monkeypatch.undo()
        config.reload()
    assert kept == ["", ""]
    assert rules == ["zero_output", "structured"] * 2


def test_observers_are_told_of_parsing_in_its_place_and_of_nothing_that_was_said() -> None:
    events: list[l0.ObservabilityEvent] = []
    ask(User, Model('{"name": "Zarathustra", "age": "x",}', ADA), on_event=events.append)
    told = [event.type.value for event in events]
    start, end = told.index("PARSE_START"), told.index("PARSE_END")
    assert told[start : end + 1] == [
        "PARSE_START", "AUTO_CORRECT_START", "AUTO_CORRECT_END", "SCHEMA_VALIDATION_START", "SCHEMA_VALIDATION_ERROR",
        "SCHEMA_VALIDATION_END", "PARSE_END",
    ]  # fmt: skip
    assert (
        told.index("GUARDRAIL_RULE_START") < start < end < told.index("GUARDRAIL_RULE_END") < told.index("RETRY_START")
    )
    assert told.count("PARSE_START") == 2
    assert len({event.stream_id for event in events}) == 1
    assert "Zarathustra" not in str(events)
    meta = {event.type.value: event.meta for event in events}
    assert meta["SCHEMA_VALIDATION_START"] == {"schema_type": "pydantic", "schema_name": "User"}
    assert meta["PARSE_START"] == {"content_length": len(ADA)}
    assert meta["PARSE_END"]["success"]
    assert meta["AUTO_CORRECT_END"] == {"corrected": True, "corrections": ["remove_trailing_comma"]}


def test_callbacks_may_be_coroutines_and_may_break() -> None:
    heard: list[str] = []

    async def note(info: Any) -> None:
        await asyncio.sleep(0.01)
        heard.append(info.corrected)

    def broken(*args: Any) -> None:
        raise RuntimeError("mine")

    async def broken_later(*args: Any) -> None:
        raise RuntimeError("mine")

    assert ask(User, Model(ADA + "}"), on_auto_correct=note).age == 36
    assert heard == [ADA]
    for callback in (broken, broken_later):
        result = ask(User, Model("{}", ADA + "}"), on_auto_correct=callback, on_validation_error=callback)
        assert result.age == 36


def test_a_stream_that_can_be_read_once_is_read_once() -> None:
    assert ask(User, says(ADA)).age == 36
    with pytest.raises(StructuredOutputError):
        ask(User, says("{}"))


def test_a_wrapped_stream_is_a_source_like_any_other() -> None:
    assert ask(User, lambda: l0.run(lambda: says(ADA))).age == 36


def test_who_is_cancelled_leaves_nothing_behind() -> None:
    closed = asyncio.Event()

    async def slow() -> AsyncIterator[l0.Event]:
        try:
            yield l0.Event(l0.EventType.TOKEN, "{")
            await asyncio.sleep(3600)
        finally:
            closed.set()

    async def main() -> None:
        task = asyncio.ensure_future(l0.structured(User, slow))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert closed.is_set()

    run(main())


def test_presets_are_options() -> None:
    model = Model("[]", ADA + "extra")
    assert ask(User, model, **{**l0.RECOMMENDED_STRUCTURED.options(), "retry": NOW}).age == 36
    options = l0.STRICT_STRUCTURED.options()
    assert (options["auto_correct"], options["strict_mode"], options["retry"].attempts) == (True, True, 3)
    assert l0.MINIMAL_STRUCTURED.options()["auto_correct"] is False

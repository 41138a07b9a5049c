"""What the documentation says of pipelines is so."""

from __future__ import annotations

import asyncio
import builtins
import inspect
from dataclasses import fields
from typing import Any

import l0_pipeline
import pytest
from l0_pipeline import (
    FAST_PIPELINE,
    PRODUCTION_PIPELINE,
    RELIABLE_PIPELINE,
    Pipeline,
    PipelineOptions,
    PipelineResult,
    PipelineStep,
    StepContext,
    StepResult,
    chain_pipelines,
    create_branch_step,
    create_pipeline,
    create_step,
    parallel_pipelines,
    pipe,
)
from l0_testing import FakeProvider

FIELDS = {
    StepContext: "step_index total_steps previous_results metadata cancelled",
    StepResult: ("step_name step_index input output raw_content status error duration startTime endTime token_count"),
    PipelineStep: "name fn transform condition on_error on_complete metadata",
    PipelineOptions: "name stop_on_error timeout on_start on_complete on_error on_progress metadata",
    PipelineResult: "name output steps status error duration startTime endTime metadata",
}
PARAMETERS = {
    pipe: "steps input options",
    Pipeline: "steps options",
    Pipeline.run: "self input",
    Pipeline.add_step: "self step",
    Pipeline.remove_step: "self name",
    Pipeline.get_step: "self name",
    Pipeline.clone: "self",
    create_pipeline: "steps options",
    create_step: "name prompt_fn stream_factory transform",
    chain_pipelines: "pipelines",
    parallel_pipelines: "pipelines input combiner",
    create_branch_step: "name condition if_true if_false",
}


@pytest.mark.parametrize("type_", FIELDS)
def test_documented_fields_are_there_in_their_order(type_: Any) -> None:
    documented = FIELDS[type_].split()
    assert [field.name for field in fields(type_)][: len(documented)] == documented


@pytest.mark.parametrize("function", PARAMETERS)
def test_documented_parameters_are_there_in_their_order(function: Any) -> None:
    documented = PARAMETERS[function].split()
    parameters = inspect.signature(function).parameters.values()
    assert [parameter.name for parameter in parameters][: len(documented)] == documented
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in list(parameters)[len(documented) :])


def test_the_package_shows_what_it_says() -> None:
    assert all(hasattr(l0_pipeline, name) for name in l0_pipeline.__all__)


def test_presets() -> None:
    assert (FAST_PIPELINE.stop_on_error, FAST_PIPELINE.timeout) == (True, None)
    assert (RELIABLE_PIPELINE.stop_on_error, RELIABLE_PIPELINE.timeout) == (False, None)
    assert (PRODUCTION_PIPELINE.stop_on_error, PRODUCTION_PIPELINE.timeout) == (False, 300)


# Steps that are used throughout.


def asks(question: str) -> Any:
    """A step of the documented form: it asks a model, which answers with what it was asked."""

    async def step(text: str, ctx: StepContext) -> Any:
        return FakeProvider([f"{question}(", *text, ")"])

    return step


def broken(text: Any, ctx: StepContext) -> Any:
    raise ValueError("broken")


def run(*steps: PipelineStep[Any, Any], options: PipelineOptions | None = None, input: Any = "x") -> Any:
    return asyncio.run(pipe(steps, input, options))


# pipe().


def test_each_step_has_the_output_of_the_one_before() -> None:
    result = run(
        PipelineStep(name="summarize", fn=asks("summarize")),
        PipelineStep(name="refine", fn=asks("refine")),
        options=PipelineOptions(name="summarize-refine"),
        input="document",
    )
    assert result.output == "refine(summarize(document))"
    assert (result.name, result.status, result.error) == ("summarize-refine", "success", None)
    assert [(step.step_name, step.step_index, step.input, step.output) for step in result.steps] == [
        ("summarize", 0, "document", "summarize(document)"),
        ("refine", 1, "summarize(document)", "refine(summarize(document))"),
    ]
    assert [step.token_count for step in result.steps] == [10, 21]
    assert [step.raw_content for step in result.steps] == [step.output for step in result.steps]


def test_no_steps_pass_the_input_on() -> None:
    assert (run().output, run().status) == ("x", "success")


class Clock:
    """Goes on when it is told to. In seconds."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        return self.now

    perf_counter = time


def test_times_are_whole_milliseconds_since_the_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("l0_pipeline.runs.time", clock)

    def lasts(seconds: float, ctx: StepContext) -> float:
        clock.now += seconds
        return seconds

    result = run(PipelineStep("a", lasts), PipelineStep("b", lasts), input=0.25)
    times = [(timed.duration, timed.startTime, timed.endTime) for timed in (result, *result.steps)]
    start = 1_800_000_000_000
    assert times == [(500, start, start + 500), (250, start, start + 250), (250, start + 250, start + 500)]
    assert all(type(value) is int for value in sum(times, ()))


def test_what_a_step_is_told() -> None:
    seen: list[StepContext] = []

    def looks(text: str, ctx: StepContext) -> str:
        seen.append(ctx)
        return text + "!"

    options = PipelineOptions(metadata={"language": "en", "user": 1})
    result = run(
        PipelineStep("a", looks), PipelineStep("b", looks, metadata={"language": "de"}), options=options, input="hi"
    )
    assert [(ctx.step_index, ctx.total_steps, ctx.cancelled) for ctx in seen] == [(0, 2, False), (1, 2, False)]
    assert [ctx.metadata for ctx in seen] == [{"language": "en", "user": 1}, {"language": "de", "user": 1}]
    assert [[step.output for step in ctx.previous_results] for ctx in seen] == [[], ["hi!"]]
    assert result.metadata == options.metadata


def test_a_transform_makes_the_output_and_raw_content_stays() -> None:
    result = run(
        PipelineStep("count", asks("count"), transform=lambda text, ctx: len(text)),
        PipelineStep("double", lambda number, ctx: number * 2),
    )
    assert (result.output, result.steps[0].output, result.steps[0].raw_content) == (16, 8, "count(x)")


def test_a_condition_that_is_false_skips_the_step_and_passes_its_input_on() -> None:
    translates = PipelineStep("translate", asks("translate"), condition=lambda _, ctx: ctx.metadata["to"] != "en")
    steps = [PipelineStep("a", asks("a")), translates, PipelineStep("b", asks("b"))]
    result = run(*steps, options=PipelineOptions(metadata={"to": "en"}))
    assert (result.output, result.status) == ("b(a(x))", "success")
    skipped = result.steps[1]
    assert (skipped.status, skipped.output, skipped.raw_content, skipped.token_count) == ("skipped", "a(x)", "", 0)
    assert run(*steps, options=PipelineOptions(metadata={"to": "de"})).output == "b(translate(a(x)))"


def test_an_error_stops_the_pipeline_and_what_was_done_stays() -> None:
    result = run(PipelineStep("a", asks("a")), PipelineStep("b", broken), PipelineStep("c", asks("c")))
    assert (result.status, result.output, str(result.error)) == ("error", None, "broken")
    assert [(step.step_name, step.status, step.output) for step in result.steps] == [
        ("a", "success", "a(x)"),
        ("b", "error", None),
    ]
    assert result.steps[1].error is result.error


def test_without_stop_on_error_the_next_step_has_the_previous_input() -> None:
    steps = [PipelineStep("a", asks("a")), PipelineStep("b", broken), PipelineStep("c", asks("c"))]
    result = run(*steps, options=RELIABLE_PIPELINE)
    assert (result.status, result.output, str(result.error)) == ("partial", "c(a(x))", "broken")
    assert [step.status for step in result.steps] == ["success", "error", "success"]
    assert run(*steps[:2], options=RELIABLE_PIPELINE).output == "a(x)"


def test_callbacks_are_told_in_order() -> None:
    told: list[Any] = []

    def tells(name: str) -> Any:
        return lambda *args: told.append((name, *args))

    a = PipelineStep("a", asks("a"), on_complete=tells("a done"), on_error=tells("a failed"))
    b = PipelineStep("b", broken, on_complete=tells("b done"), on_error=tells("b failed"))
    result = run(
        a, b,
        options=PipelineOptions(
            on_start=tells("start"), on_complete=tells("complete"), on_error=tells("error"), on_progress=tells("step")
        ),
    )  # fmt: skip
    assert [(name, args[0]) for name, *args in told] == [
        ("start", "x"),
        ("step", 0),
        ("a done", result.steps[0]),
        ("step", 1),
        ("b failed", result.error),
        ("error", result.error),
        ("complete", result),
    ]
    assert [args[-1] for name, *args in told if name in ("step", "error")] == [2, 2, 1]
    assert [args[-1].step_index for name, *args in told if name in ("a done", "b failed")] == [0, 1]


def test_a_timeout_is_in_seconds_and_the_builtin_error(virtual_run: Any) -> None:
    slow = FakeProvider("abc", pace=1.0)
    result = virtual_run(
        pipe(
            [PipelineStep("a", asks("a")), PipelineStep("slow", lambda text, ctx: slow)],
            "x",
            PipelineOptions(timeout=2.5),
        )
    )
    assert (result.status, result.output) == ("error", None)
    assert type(result.error) is builtins.TimeoutError
    assert str(result.error) == "Pipeline timeout after 2.5s"
    assert [(step.status, step.raw_content) for step in result.steps] == [("success", "a(x)"), ("error", "ab")]
    assert result.steps[1].error is result.error
    assert slow.open == 0


def test_what_is_no_step_is_refused() -> None:
    with pytest.raises(TypeError, match=r"made of steps, PipelineStep\(name, fn\), and not of a function"):
        run(broken)  # type: ignore[arg-type]


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_timeout_that_is_not_above_zero_is_refused(timeout: float) -> None:
    with pytest.raises(ValueError, match=f"timeout is {timeout}; it is in seconds"):
        PipelineOptions(timeout=timeout)


# Pipeline.


def test_a_pipeline_runs_any_number_of_times_also_side_by_side() -> None:
    pipeline = create_pipeline([PipelineStep("a", asks("a")), PipelineStep("b", asks("b"))], PipelineOptions("ab"))

    async def main() -> list[Any]:
        async with asyncio.TaskGroup() as group:
            runs = [group.create_task(pipeline.run(str(number))) for number in range(5)]
        return [run.result().output for run in runs]

    assert asyncio.run(main()) == [f"b(a({number}))" for number in range(5)]
    assert pipeline.name == "ab"


def test_steps_are_added_found_and_removed() -> None:
    a, b = PipelineStep("a", asks("a")), PipelineStep("b", asks("b"))
    pipeline = Pipeline().add_step(a).add_step(b)
    assert pipeline.steps == [a, b]
    assert pipeline.get_step("b") is b
    assert pipeline.get_step("c") is None
    pipeline.remove_step("a")
    pipeline.remove_step("c")
    assert pipeline.steps == [b]
    assert asyncio.run(pipeline.run("x")).output == "b(x)"


def test_a_clone_is_changed_alone() -> None:
    original = create_pipeline([PipelineStep("a", asks("a"), metadata={"k": 1})], PipelineOptions("p", metadata={}))
    clone = original.clone()
    clone.options.stop_on_error, clone.options.name = False, "q"
    clone.options.metadata["key"] = 1
    clone.steps[0].name, clone.steps[0].metadata["k"] = "b", 2
    clone.add_step(PipelineStep("c", asks("c")))
    assert (original.name, original.options.stop_on_error, original.options.metadata) == ("p", True, {})
    assert [(step.name, step.metadata) for step in original.steps] == [("a", {"k": 1})]


def test_changing_a_pipelines_options_leaves_the_preset_as_it_is() -> None:
    pipeline = create_pipeline([], PRODUCTION_PIPELINE)
    pipeline.options.timeout = 1
    assert PRODUCTION_PIPELINE.timeout == 300


# Making steps.


@pytest.mark.parametrize("prompt", [lambda text: f"Say {text}", lambda text, ctx: f"Say {text}"])
def test_create_step_asks_with_a_prompt(prompt: Any) -> None:
    def answers(prompt: str) -> Any:
        return FakeProvider([*prompt, "!"])()

    step = create_step("say", prompt, answers, lambda text, ctx: text.upper())
    assert run(step, input="hi").output == "SAY HI!"


def test_create_step_takes_a_function_that_returns_a_factory() -> None:
    async def prompt(text: str, ctx: StepContext) -> str:
        return f"{ctx.step_index} {text}"

    assert run(create_step("say", prompt, lambda prompt: FakeProvider([prompt])), input="hi").output == "0 hi"


@pytest.mark.parametrize("as_steps", [False, True])
def test_a_branch_is_one_of_two_steps_or_functions(as_steps: bool) -> None:
    long, short = asks("long"), lambda text, ctx: text
    if as_steps:
        long, short = PipelineStep("long", long), PipelineStep("short", short)
    branch = create_branch_step("route", lambda text, ctx: len(text) > 3, if_true=long, if_false=short)
    assert run(branch, input="long text").output == "long(long text)"
    result = run(branch, input="hi")
    assert (result.output, result.steps[0].step_name) == ("hi", "route")


def test_a_branchs_function_is_a_steps_function() -> None:
    branch = create_branch_step("route", lambda text, ctx: True, lambda text, ctx: text, broken)
    assert asyncio.run(branch.fn("x", StepContext(0, 1, [], {}))) == "x"


def test_a_branch_is_what_its_step_is_and_what_that_leaves_open_is_its_own() -> None:
    told: list[str] = []
    inner = PipelineStep(
        "inner", asks("inner"), transform=lambda text, ctx: f"{text} {ctx.metadata['of']}", metadata={"of": "inner"}
    )
    skipped = PipelineStep("skipped", broken, condition=lambda text, ctx: False)
    nested = create_branch_step("nested", lambda text, ctx: text == "in", inner, skipped)
    branch = create_branch_step("outer", lambda text, ctx: True, nested, broken)
    branch.on_complete = lambda result, ctx: told.append(result.step_name)
    branch.metadata = {"of": "outer"}

    result = run(branch, input="in")
    assert (result.output, result.steps[0].raw_content, told) == ("inner(in) inner", "inner(in)", ["outer"])
    assert run(branch, input="out").steps[0].status == "skipped"

from __future__ import annotations

import asyncio
import re
import tomllib
from collections.abc import AsyncIterator
from importlib import import_module
from pathlib import Path
from typing import Any

import l0
import l0_guard_pattern
import pytest
from l0_guard_pattern import BAD_PATTERNS, BadPatterns, CustomPattern, Pattern

from l0_core import Check, Violation

ROOT = Path(__file__).parents[1]
NO_CONTEXT: Any = None  # The guardrails do not ask for it.


def opened(plugin: Pattern | CustomPattern) -> Any:
    check = plugin.check(NO_CONTEXT)
    assert isinstance(check, Check)
    return check.judge


def judged(plugin: Pattern | CustomPattern, text: str, size: int = 7) -> list[Violation]:
    judge = opened(plugin)
    found: list[Violation] = []
    for start in range(0, len(text), size):
        found += judge(text[start : start + size], False) or []
    return found + (judge("", True) or [])


def matched(text: str, **options: Any) -> list[str]:
    return [violation.context["matched"] for violation in judged(Pattern(Pattern.Options(**options)), text)]  # type: ignore[index]


UNWANTED = {
    "META_COMMENTARY": [
        "As an AI language model, I see.",
        "Well, as an AI, I would not know.",
        "As a large language model trained here",
        "I'm just an AI and so on",
        "I am a large language model.",
        "My training data ends there.",
        "I don’t have personal opinions on it.",
        "As of my last update it was so.",
        "I hope this helps!",
    ],
    "HEDGING": ["Sure!", "Certainly, we can.", "Of course: no", "Great question!", "I'd be happy to help.", "Sure"],
    "REFUSAL": [
        "I can't help with that.",
        "I'm sorry, but I must stop.",
        "I cannot provide medical advice.",
        "I am unable to assist.",
        "I must respectfully decline.",
        "That goes against my guidelines.",
        "Your request violates a rule.",
    ],
    "INSTRUCTION_LEAK": [
        "text<|im_end|>",
        "[INST] hello [/INST]",
        "<<SYS>> x",
        "### Instruction: say",
        "System: You are kind",
        "My system prompt is long.",
        "You are a helpful assistant",
        "according to my instructions",
    ],
    "PLACEHOLDERS": [
        "Dear [Your Name],",
        "[Insert the date here]",
        "<your key>",
        "key = YOUR_API_KEY_HERE",
        "Lorem ipsum dolor",
        "# ... rest of the code",
        "TODO: implement it",
        "{{insert name}}",
    ],
    "FORMAT_COLLAPSE": [
        "Here is the JSON you wanted: {}",
        "Here's your summary:",
        "Here you go",
        "Let me write that for you",
        "I've created a file",
        "Final answer: 5",
        "Let me know if you have questions",
    ],
}
WANTED = [
    "",
    "The answer is 42.",
    "We measure and ensure that sure footing is kept.",
    "As an AI researcher, she was trained on data of all kinds.",
    "The guard finds `As an AI language model` and “I'm sorry, but I can't”.",
    "She said that the refusal was a surprise, and that he cannot help it.",
    "values[your_index] = table[name]",
    "Of coursework there was plenty.",
    "{{ user.name }} <insertion>",
    "Here is where it begins: the harbour.",
]


@pytest.mark.parametrize(("category", "text"), [(name, text) for name, texts in UNWANTED.items() for text in texts])
def test_what_is_found_and_in_which_category(category: str, text: str) -> None:
    assert matched(text) != []
    assert matched(text, include_categories=[category.lower()]) != []
    assert matched(f"Before it.\n{text}\nAfter it.", include_categories=[category]) != []
    assert matched(text, include_categories=[category], exclude_categories=[category]) == []


@pytest.mark.parametrize("text", WANTED)
def test_what_is_not(text: str) -> None:
    assert matched(text) == []


def test_the_documented_patterns_and_their_numbers() -> None:
    numbers = {name: len(getattr(BAD_PATTERNS, name)) for name in UNWANTED}

    assert list(numbers.values()) == [10, 11, 12, 12, 9, 8]
    assert len(BadPatterns().all_patterns()) == sum(numbers.values())
    for pattern in BAD_PATTERNS.all_patterns():
        re.compile(pattern, re.IGNORECASE | re.MULTILINE)


def test_a_violation_says_what_and_where() -> None:
    text = "It is so. As an AI language model, I think."

    assert judged(Pattern(), text) == [
        Violation(
            "pattern",
            "Matched unwanted pattern: As an AI language model",
            "warning",
            position=10,
            context={"matched": "As an AI language model"},
        )
    ]


def test_patterns_of_the_caller_in_the_place_of_the_built_in_ones() -> None:
    assert matched("As an AI, I saw a FOX", patterns=["fox"]) == ["FOX"]
    assert matched("As an AI, I saw a FOX", patterns=[re.compile("fox")]) == []


def test_custom_patterns() -> None:
    options = CustomPattern.Options(patterns=["secret", r"key-\d+"], message="Leaked", severity="fatal")
    found = judged(CustomPattern(options), "A Secret: key-123.")

    assert [(one.rule, one.message, one.severity, one.position, one.context) for one in found] == [
        ("custom_pattern", "Leaked: Secret", "fatal", 2, {"matched": "Secret"}),
        ("custom_pattern", "Leaked: key-123", "fatal", 10, {"matched": "key-123"}),
    ]
    default = judged(CustomPattern(CustomPattern.Options(patterns=["secret"])), "secret")
    assert [(one.message, one.severity, one.recoverable) for one in default] == [
        ("Custom pattern violation: secret", "error", True)
    ]


def test_compiled_patterns_keep_their_flags() -> None:
    patterns = [re.compile("fox"), re.compile("^cat$"), re.compile("b . d", re.VERBOSE), re.compile("x.y", re.DOTALL)]
    found = judged(CustomPattern(CustomPattern.Options(patterns=patterns)), "FOX fox\ncat\nbcd x\ny")

    assert [one.context for one in found] == [{"matched": "fox"}, {"matched": "bcd"}, {"matched": "x\ny"}]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CustomPattern.Options(patterns="fox"), "custom_pattern: patterns must be a list, not 'fox'"),
        (lambda: CustomPattern.Options(patterns=[]), "custom_pattern: patterns is empty"),
        (lambda: CustomPattern.Options(patterns=[3]), "a pattern must be a string or what re.compile returns, not 3"),  # type: ignore[list-item]
        (lambda: CustomPattern.Options(patterns=["a"], severity="bad"), "severity must be"),  # type: ignore[arg-type]
        (lambda: Pattern.Options(include_categories=["refusals"]), "no category 'refusals'. Did you mean 'refusal'?"),
        (lambda: Pattern.Options(exclude_categories="refusal"), "exclude_categories must be a list"),
        (lambda: Pattern.Options(patterns=["a"], exclude_categories=["refusal"]), "give one of both"),
        (lambda: CustomPattern(CustomPattern.Options(patterns=["(a"])), "'(a' is not a regular expression"),
        (lambda: CustomPattern(CustomPattern.Options(patterns=["(?<=a+)b"])), "is not a regular expression"),
        (lambda: CustomPattern(CustomPattern.Options(patterns=["a*"])), "'a*' is refused: it matches the empty text"),
        (lambda: CustomPattern(CustomPattern.Options(patterns=[re.compile(b"a")])), "must be a string"),  # type: ignore[list-item]
        (lambda: CustomPattern(CustomPattern.Options(patterns=["a{2000}"])), "more than 1024 characters"),
        (lambda: CustomPattern().check(NO_CONTEXT), "custom_pattern has no patterns"),
    ],
)
def test_bad_options_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        make()

    assert message in str(caught.value)


def test_two_streams_through_one_plugin_do_not_meet() -> None:
    plugin = Pattern()
    first, second = opened(plugin), opened(plugin)

    assert first("As an AI lan", False) is None
    assert second("guage model, I", False) is None
    assert [one.position for one in first("guage model, I", True)] == [0]
    assert second("", True) is None


def test_after_a_thousand_matches_nothing_more_is_said() -> None:
    plugin = CustomPattern(CustomPattern.Options(patterns=["ab"]))
    judge = opened(plugin)

    assert len(judge("ab" * 5000, False)) == 1000
    assert judge("ab", False) is None
    assert judge("", True) is None


def test_the_holdback_is_what_it_may_still_object_to() -> None:
    check = CustomPattern(CustomPattern.Options(patterns=[r"\babcd\b"])).check(NO_CONTEXT)
    judge: Any = check.judge

    assert check.holdback == len("abcd")
    assert judge(" abcd", False) is None
    assert [one.position for one in judge(" ", False)] == [1]


@pytest.mark.parametrize("text", ["As an AI language model,", "I can't help with that.", "[Your Name]", "I'm an AI, y"])
def test_what_nothing_can_change_is_said_at_once(text: str) -> None:
    assert len(opened(Pattern())(text, False)) == 1


def test_what_may_go_on_is_waited_for() -> None:
    judge = opened(CustomPattern(CustomPattern.Options(patterns=[r"sk-\w+"])))

    assert judge("sk-12", False) is None
    assert judge("34", False) is None
    assert [one.message for one in judge(" ", False)] == ["Custom pattern violation: sk-1234"]


def test_in_a_stream_a_custom_pattern_is_asked_for_again_and_a_pattern_is_recorded() -> None:
    answers = iter(["Sure! The code is 1234.", "Sure! I keep it."])

    async def model() -> AsyncIterator[str]:
        yield next(answers)

    async def read() -> tuple[str, list[tuple[str, int | None]]]:
        custom = CustomPattern(CustomPattern.Options(patterns=[r"\b\d{4}\b"]))
        stream = await l0.run(model, guardrails=[Pattern(), custom], retry=l0.Retry(base_delay=0))
        return await stream.read(), [(one.rule, one.position) for one in stream.state.violations]

    text, found = asyncio.run(read())
    assert text == "Sure! I keep it."
    assert sorted(set(found)) == [("custom_pattern", 18), ("pattern", 0)]


def test_the_entry_points_name_the_classes() -> None:
    points = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]["l0.guardrails"]
    found = {
        name: getattr(import_module(target.split(":")[0]), target.split(":")[1]) for name, target in points.items()
    }

    assert found == {"pattern": Pattern, "custom_pattern": CustomPattern}


def test_every_public_name_is_there() -> None:
    for name in l0_guard_pattern.__all__:
        assert getattr(l0_guard_pattern, name) is not None


def code_blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("code", code_blocks())
def test_the_code_of_the_readme_runs(code: str) -> None:
    exec(compile(code, "README.md", "exec", dont_inherit=True), {})

from __future__ import annotations

import asyncio
import os
import random
import re
import sys
import tomllib
import tracemalloc
from collections.abc import AsyncIterator, Iterable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import l0
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from l0_drift import (
    Drift,
    DriftConfig,
    DriftDetector,
    DriftGuard,
    DriftResult,
    check_drift,
    create_drift_detector,
)
from l0_drift.config import CONFIDENCE
from l0_testing import growth

sys.path.insert(0, str(Path(__file__).parent))
from derailments import SMALL_TALK, TOPICS, derailments

HERE = Path(__file__).parents[1]
CASES = int(os.environ.get("L0_TEST_GUARD_CASES", "10000"))
NO_CONTEXT: Any = None  # The guardrail does not ask for it.
Found = list[tuple[tuple[str, ...], int | None]]

ESSAY = "\n\n".join(" ".join(text.splitlines()) for text in TOPICS.values())
SHORT = ESSAY[:600].rpartition(". ")[0] + "."


def judged(deltas: Iterable[str], config: DriftConfig | None = None) -> Found:
    judge: Any = DriftGuard(config).check(NO_CONTEXT).judge
    found = [violation for delta in deltas for violation in judge(delta, False) or ()]
    found += judge("", True) or ()
    assert all(
        (violation.rule, violation.severity, violation.recoverable) == ("drift", "error", True) for violation in found
    )
    assert all(violation.confidence == CONFIDENCE[violation.types[0]] for violation in found)
    return sorted((violation.types, violation.position) for violation in found)


def types(text: str, **config: Any) -> list[str]:
    return sorted(kind for (kind,), _ in judged([text], DriftConfig(**config)))


GOOD = {
    "in other words": f"In other words, pay now. To clarify, this holds for you. {SHORT} Let me explain. {ESSAY}",
    "a phrase that is quoted": "He said, \"Well. I'm sorry, but I can't help with that,\" and left.",
    "a phrase in a list": "Models say:\n\n- I'm sorry, but I can't assist with it.\n- As an AI, I cannot.",
    "a phrase in a block quote": "The answer was this.\n\n> As an AI language model, I cannot do that.",
    "a phrase in code": '```python\nprint("hello")\n# As an AI language model, I cannot do that.\n```',
    "a phrase that is introduced": "The model replied:\n\nI'm sorry, but I can't assist with that. As an AI, I cannot.",
    "a phrase in a code span": "`As an AI, I` is how it begins.",
    "a phrase in a string of JSON": '{\n  "text": "Yes. As an AI language model, I cannot do that."\n}',
    "a phrase within a wrapped sentence": "A refusal often goes\nI'm sorry, but I can't assist with that\nor so.",
    "an engineer": "Dear Ms Ray,\n\nAs an AI engineer, I have built three products. I'm an AI researcher by training.",
    "a guest": "Dear Tom,\n\nI'm sorry, but I can't come on Friday.",
    "an announcement": f"Here is the summary: the tide rises.\n\n{SHORT}",
    "an agreement": f"Sure!\n\n{SHORT}",
    "an agreement and an announcement": f"Certainly! Here is the summary:\n\n{SHORT}",
    "answers to questions": "Is it good?\n\nAbsolutely!\n\nIs it free?\n\nOf course!\n\nCan it print?\n\nCertainly!",
    "a dialogue": "User: hi\nAssistant: Sure! Here is the answer.\nUser: more\nAssistant: Of course! I'd be happy to.",
    "several blocks of code": f"{SHORT}\n\n```py\na = 1\n```\n\nHere is the updated code:\n\n```py\na = 2\n```",
    "a prompt in code": '```python\nPROMPT = """\nHere is the rest of the text you asked for:\n"""\n```',
    "JSON and an explanation": '{"a": [1, 2]}\n\nThis object has one key, and its value is a list of two numbers.',
    "lines of JSON": '{"a": 1, "b": null}\n' * 8,
    "a list of slang": f"{SHORT}\n\nThey are gonna, wanna, yeah, yep.\n\n- gonna: going to\n- dunno: don't know",
    "slang that is quoted": f'{SHORT} "Yeah, you\'re gonna love it," he said. "Nope, I dunno, it\'s kinda late."',
    "slang all the way": SMALL_TALK + "\n" + SMALL_TALK.replace("bake", "toast").replace("the", "that"),
    "an okay among others": f"{SHORT} This is okay. That is ok as well. All of it is okay.",
    "formal all the way": "Therefore it holds. Thus it is shown. Hence we are done. Moreover, it is so. " + SHORT,
    "a log": "\n".join(f"12:00:{second} worker started for the queue default" for second in range(10, 60)),
    "a log in which nothing happens": "```\n" + "worker is waiting for the queue\n" * 9 + "```",
    "a table": SHORT + "\n\n" + "\n".join(f"| {row} | none | none | none |" for row in range(40)),
    "a refrain": "\n\n".join(
        f"Verse {n} is about a town and a train\nand {n} of the things we left behind\n\n"
        "Oh, take me back to the river, the river\nOh, take me back to the sea"
        for n in range(5)
    ),
    "sentences with one beginning": " ".join(f"We choose the long road because of the {topic}." for topic in TOPICS),
    "a row of zeros": "[" + ", ".join("0" * 300) + "]",
    "a line": f"{SHORT}\n\n" + "-" * 400,
    "a key": f"{ESSAY}\n\nThe key is:\n\n" + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj" * 2,
    "a translation": f"{ESSAY}\n\n"
    "潮汐的涨落是因为月球对近侧海水的引力大于远侧。太阳也有引力，大约是月球的一半。在狭窄的海湾里，水无处扩散。",
    "a list of languages": f"{ESSAY} They are Русский, 中文, العربية, Ελληνικά, עברית, ไทย and 日本語. {ESSAY[:300]}",
    "prose after a list": "# Water\n\n- one thing\n- **two** things\n- three things\n- four\n- five\n\n" + ESSAY,
}
BAD = {
    "As an AI language model, I cannot do that.": "meta_commentary",
    "I apologize, but I cannot provide that information.": "meta_commentary",
    f"{SHORT} I’m sorry, but I can’t help with that.": "meta_commentary",
    "This is a test sentence. This is a test sentence. This is a test sentence.": "repetition",
    "- Check the configuration file\n" * 3: "repetition",
    "1. Check the configuration\n2. Check the configuration\n3. Check the configuration": "repetition",
    f"{SHORT} And it is very{' very' * 60}": "repetition",
    'Here is the JSON: {"a": 1}': "format_collapse",
    'Here is the JSON:\n\n{"a": 1}': "format_collapse",
    '{\n  "a": 1,\nHere is the rest of the answer': "format_collapse",
    '```json\n[\n  {"a": 1},\nNow the rest of it follows:\n': "format_collapse",
    "```python\na = 1\nSure! Here you go.\n": "format_collapse",
    'Sure!\n{"a": 1}': "hedging",
    f"{SHORT}\n\nSure! Here is a short overview.": "hedging",
    f"Sure!\n\n{SHORT}\n\nCertainly!": "hedging",
    f"{SHORT} Yeah, you're gonna love it. Nope, that's kinda all.": "tone_shift",
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_what_does_not_drift(text: str) -> None:
    assert types(text) == []
    assert check_drift(text) == DriftResult(detected=False, confidence=0.0, types=[], details=None)


@pytest.mark.parametrize(("text", "kind"), BAD.items())
def test_what_drifts(text: str, kind: str) -> None:
    assert types(text) == [kind]
    result = check_drift(text)
    assert (result.detected, result.types, result.confidence) == (True, [kind], CONFIDENCE[result.types[0]])


@pytest.mark.parametrize("kind", CONFIDENCE)
def test_each_detector_can_be_switched_off(kind: str) -> None:
    made = [made for made in derailments(3, 2) if made.kind == kind]

    assert sum(kind in types(each.text) for each in made) > len(made) / 2
    assert not any(kind in types(each.text, **{f"detect_{kind}": False}) for each in made)


def test_several_kinds_in_one_text() -> None:
    text = f"{SHORT} As an AI, I cannot. Yeah, you're gonna love it. Nope, that's kinda all."
    result = check_drift(text)

    assert result.types == ["meta_commentary", "tone_shift"]
    assert result.confidence == 0.9
    assert result.details == (
        "the model speaks of itself instead of answering; the tone shifts from one register to another"
    )


@pytest.mark.parametrize("copies", [2, 3, 5])
def test_how_many_copies_are_a_repetition_can_be_set(copies: int) -> None:
    sentence = "The water comes back twice a day. "

    assert types(sentence * (copies - 1), repetition_threshold=copies) == []
    assert types(sentence * copies, repetition_threshold=copies) == ["repetition"]


def test_sentences_that_are_far_apart_are_no_repetition() -> None:
    sentence = "The water comes back twice a day."
    text = f"{sentence} {SHORT[:250]}. {sentence} {SHORT[250:]} {sentence}"

    assert types(text) == []
    assert types(text, sliding_window_size=700) == ["repetition"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("repetition_threshold", 1),
        ("repetition_threshold", 2.5),
        ("entropy_threshold", -1.0),
        ("entropy_threshold", float("nan")),
        ("entropy_window", 9),
        ("sliding_window_size", 0),
        ("sliding_window_size", "500"),
    ],
)
def test_a_number_that_cannot_be_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"drift: {name} is {value!r}; it must be a (whole )?number, \d+ or more"):
        DriftConfig(**{name: value})


def test_the_documented_defaults() -> None:
    assert DriftConfig() == DriftConfig(True, True, True, True, 3, 2.5, 50, 500, True, True, True)
    assert DriftGuard.Options is DriftConfig


def cut(rng: random.Random, text: str) -> list[str]:
    longest = rng.choice([1, 3, 10, 60, 300, 2000])
    deltas, at = [], 0
    while at < len(text):
        size = rng.randint(0, longest)
        deltas.append(text[at : at + size])
        at += size
    return deltas


PIECES = [made.text for made in derailments(2, 2)] + list(GOOD.values()) + list(BAD)
WORDS = [*" \n.!?`#-*1\"'{}[],:aA|“\x1f\t你", ". ", "\n\n", "```\n", "Here is the ", "Sure!", "As an AI, I ", "yeah "]


def test_no_verdict_depends_on_the_cuts() -> None:
    seed = random.randrange(2**32)
    sys.stdout.write(f"seed {seed}\n")
    rng = random.Random(seed)
    for _ in range(CASES):
        pieces = []
        for _ in range(rng.randint(1, 3)):
            piece = rng.choice(PIECES)
            start = rng.choice([0, rng.randint(0, len(piece))])
            pieces.append(piece[start : start + rng.randint(1, 800)])
            pieces += rng.choices(WORDS, k=rng.randint(0, 8))
        text = "".join(pieces)

        assert judged(cut(rng, text)) == judged([text]), (seed, text)


@given(st.lists(st.one_of(st.sampled_from(PIECES + WORDS), st.text(max_size=20)), max_size=8), st.integers())
@settings(deadline=None)
def test_verdicts_are_the_same_for_every_way_to_cut(pieces: list[str], seed: int) -> None:
    text = "".join(pieces)

    assert judged(cut(random.Random(seed), text)) == judged([text])


@given(st.lists(st.sampled_from([piece[-400:] for piece in PIECES] + WORDS), max_size=8))
@settings(deadline=None)
def test_a_result_depends_on_the_content_alone(pieces: list[str]) -> None:
    detector, trusting, content = DriftDetector(), DriftDetector(), ""
    for piece in pieces:
        content += piece
        result = detector.check(content)
        assert result == trusting.check(content, piece) == check_drift(content)


def test_content_that_does_not_go_on_is_read_anew() -> None:
    detector = DriftDetector()

    assert detector.check("As an AI language model, I cannot do that.").detected
    assert not detector.check(SHORT).detected
    assert not detector.check(SHORT + " More.", "and some other delta").detected
    assert detector.check("As an AI language model, I cannot do that.").detected


def test_history() -> None:
    detector = create_drift_detector(DriftConfig(entropy_window=10))
    for end in range(0, len(ESSAY), 100):
        detector.check(ESSAY[:end])
    history = detector.get_history()

    assert history["last_content"] == ESSAY[:end]
    assert history["tokens"] == [ESSAY[at : at + 100] for at in range(end - 1000, end, 100)]
    assert len(history["entropy"]) == 10
    assert all(3.5 < sample < 4.5 for sample in history["entropy"])

    detector.reset()
    assert detector.get_history() == {"entropy": [], "tokens": [], "last_content": ""}


def test_the_documented_class() -> None:
    assert Drift.check("As an AI language model, I cannot do that.").types == ["meta_commentary"]
    assert Drift.create_detector(DriftConfig(detect_meta_commentary=False)).config.detect_meta_commentary is False


def test_two_streams_through_one_plugin_do_not_meet() -> None:
    guard = DriftGuard()
    one: Any = guard.check(NO_CONTEXT).judge
    other: Any = guard.check(NO_CONTEXT).judge
    for _ in range(3):
        one("This is a test sentence. ", False)
        other("", False)
    other("This is a test sentence. ", False)

    assert [violation.types for violation in one("", True)] == [("repetition",)]
    assert other("", True) is None


def test_a_kind_is_reported_once() -> None:
    text = "As an AI language model, I cannot do that.\n\n" * 3 + SHORT

    assert [found for found in judged([text, text, text]) if found[0] == ("meta_commentary",)] == [
        (("meta_commentary",), 0)
    ]


@pytest.mark.parametrize("text", ["x" * 2000, "a sentence. ", ESSAY, "\n", '{"a": [1, 2]},\n', "``` \n"])
def test_memory_is_bounded_and_time_grows_with_the_text(text: str) -> None:
    judge: Any = DriftGuard().check(NO_CONTEXT).judge
    piece = (text * (200_000 // len(text) + 1))[:200_000]
    tracemalloc.start()
    judge(piece[:100_000], False)
    before = tracemalloc.get_traced_memory()[0]
    for at in range(0, 100_000, 5_000):
        judge(piece[at : at + 5_000], False)
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after - before < 100_000

    def judge_all(text: str) -> None:
        for size in (len(text), 5_000):
            judge: Any = DriftGuard().check(NO_CONTEXT).judge
            for at in range(0, len(text), size):
                judge(text[at : at + size], False)

    assert growth(judge_all, piece[:50_000], piece, 8) <= 8


def test_it_is_found_by_its_name() -> None:
    project = tomllib.loads((HERE / "pyproject.toml").read_text("utf-8"))["project"]
    group = "l0.guardrails"
    value = project["entry-points"][group]["drift"]

    assert EntryPoint("drift", value, group).load() is DriftGuard


def read(*attempts: str, **options: Any) -> tuple[str, l0.Stream]:
    answers = iter(attempts)

    async def model() -> AsyncIterator[str]:
        for word in re.findall(r"\S+\s*", next(answers)):
            yield word

    async def main() -> tuple[str, l0.Stream]:
        stream = await l0.run(model, retry=l0.Retry(attempts=1, base_delay=0), **options)
        return await stream.read(), stream

    return asyncio.run(main())


FORMS: list[dict[str, Any]] = [{"guardrails": [DriftGuard()]}, {"drift_detector": DriftDetector()}]
LOST = f"{SHORT} I'm sorry, but I can't assist with that."


@pytest.mark.parametrize("form", FORMS)
def test_in_a_stream_drift_is_asked_for_again(form: dict[str, Any]) -> None:
    text, stream = read(LOST, SHORT, **form)

    assert text == SHORT
    assert not stream.state.drift_detected
    assert stream.state.model_retry_count == 1
    assert [violation.position for violation in stream.state.violations] == [len(SHORT) + 1]


@pytest.mark.parametrize("form", FORMS)
def test_in_a_stream_the_last_attempt_is_accepted(form: dict[str, Any]) -> None:
    text, stream = read(LOST, LOST, **form)

    assert text == LOST
    assert stream.state.drift_detected
    assert stream.state.outcome == "complete"


def test_in_a_stream_a_good_answer_passes() -> None:
    text, stream = read(ESSAY, drift_detector=DriftDetector())

    assert text == ESSAY
    assert not stream.state.drift_detected


def code_blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (HERE / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("code", code_blocks())
def test_the_code_of_the_readme_runs(code: str) -> None:
    exec(compile(code, "README.md", "exec", dont_inherit=True), {})

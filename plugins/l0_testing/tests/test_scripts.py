from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from l0_testing import Fault, Script, ToolCall, load_scripts, split_tokens
from l0_testing.scripts import PrefillRejectedError

CALLS = (ToolCall("call_1", "pay", '{"amount": 100}'), ToolCall("call_2", "log", ""))


def ask(*messages: tuple[str, str]) -> dict[str, object]:
    return {"model": "m", "messages": [{"role": role, "content": content} for role, content in messages]}


def said(script: Script, *messages: tuple[str, str], attempt: int = 1) -> str:
    message = script.answer(attempt, ask(*messages)).choices[0].message()
    return message["content"] or ""


@given(st.text())
def test_tokens_join_to_the_text_that_was_split(text: str) -> None:
    tokens = split_tokens(text)

    assert text == "".join(tokens)
    assert all(tokens)


@given(st.text(min_size=1), st.data())
def test_a_prefill_is_continued_exactly_wherever_it_ends(text: str, data: st.DataObject) -> None:
    kept = text[: data.draw(st.integers(0, len(text)))]

    assert text == kept + said(Script(text), ("user", "hi"), ("assistant", kept))


@given(st.text(min_size=1), st.integers(0, 30), st.data())
def test_an_instructed_continuation_repeats_the_overlap(text: str, overlap: int, data: st.DataObject) -> None:
    kept = text[: data.draw(st.integers(1, len(text)))]

    rest = said(Script(text, overlap=overlap), ("user", "hi"), ("assistant", kept), ("user", "Continue exactly."))

    assert rest == text[max(0, len(kept) - overlap) :]


@given(st.text(), st.integers(1, 4))
def test_streamed_pieces_and_the_document_say_the_same(text: str, choices: int) -> None:
    script = Script(text, tool_calls=CALLS, reasoning="Hm.", refusal="No.", choices=choices)
    answer = script.answer(1, ask(("user", "hi")))

    streamed = "".join(piece.text for piece in answer.pieces(include_usage=True))
    document = json.loads(b"".join(piece.data for piece in answer.document()))

    assert text == streamed
    assert len(document["choices"]) == choices
    for index, choice in enumerate(document["choices"]):
        message = choice["message"]
        assert (message["content"] or "") == (text if index == 0 else f"[{index}] {text}")
        assert (message["reasoning_content"], message["refusal"]) == ("Hm.", "No.")
        assert [call["function"]["arguments"] for call in message["tool_calls"]] == ['{"amount": 100}', ""]
        assert choice["finish_reason"] == "tool_calls"


def test_a_prefill_of_the_caller_may_stand_before_the_text() -> None:
    assert said(Script("ha ha ha!"), ("user", "hi"), ("assistant", "Sure: ha ha")) == " ha!"


def test_a_prefill_can_be_rejected_or_ignored() -> None:
    assert said(Script("abc", prefill="ignore"), ("user", "hi"), ("assistant", "a")) == "abc"
    with pytest.raises(PrefillRejectedError):
        said(Script("abc", prefill="reject"), ("user", "hi"), ("assistant", "a"))


def test_a_conversation_is_not_taken_for_a_continuation() -> None:
    assert said(Script("abc"), ("user", "hi"), ("assistant", "a"), ("user", "What else?")) == "abc"
    assert said(Script("abc"), ("user", "hi"), ("assistant", "x"), ("user", "Continue.")) == "abc"


def test_a_sequence_is_sent_as_it_is_and_cut_where_a_continuation_starts() -> None:
    script = Script(["one ", "two ", "three"])

    assert script.tokens() == ["one ", "two ", "three"]
    deltas = script.answer(1, ask(("user", "hi"), ("assistant", "one t"))).choices[0].deltas
    assert [delta["content"] for delta in deltas] == ["wo ", "three"]


def test_messages_may_have_parts_or_be_none_at_all() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image_url"}]

    assert Script("abc").answer(1, {"messages": [{"role": "assistant", "content": parts}]}).choices[0].deltas == (
        {"content": "bc"},
    )
    assert Script("abc").answer(1, {"messages": []}).choices[0].message()["content"] == "abc"


def test_half_a_surrogate_pair_is_escaped() -> None:
    answer = Script("a\ud83db").answer(1, ask(("user", "hi")))

    assert json.loads(b"".join(piece.data for piece in answer.document()))["choices"][0]["message"]["content"] == (
        "a\ud83db"
    )


def test_texts_differ_by_attempt() -> None:
    script = Script("later", texts=["first", None, "third"])

    assert ["".join(script.tokens(attempt)) for attempt in (1, 2, 3, 4)] == ["first", "later", "third", "later"]


def test_tool_calls_come_in_several_fragments() -> None:
    deltas = Script("", tool_calls=CALLS).answer(1, ask(("user", "hi"))).choices[0].deltas
    first = [d["tool_calls"][0]["function"]["arguments"] for d in deltas if d["tool_calls"][0]["index"] == 0]

    assert len(first) > 2
    assert "".join(first) == '{"amount": 100}'


def test_scripts_are_read_from_json() -> None:
    scripts = load_scripts(
        '{"m": {"text": "abc", "faults": ["rst_mid", null, {"kind": "429_ra", "seconds": 2}],'
        ' "tool_calls": [{"id": "c", "name": "f", "arguments": "{}"}]}}'
    )

    faults = [Fault("rst_mid"), None, Fault("429_ra", seconds=2)]
    assert scripts == {"m": Script("abc", faults=faults, tool_calls=[ToolCall("c", "f", "{}")])}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "holds an object"),
        ('{"m": 1}', "script 'm': an object is needed"),
        ('{"m": {"txt": ""}}', "unknown txt; known are: text, faults"),
        ('{"m": {"faults": [{"kind": "x", "when": 1}]}}', "a fault of 'm': unknown when; known are: kind, at"),
    ],
)
def test_a_wrong_script_file_says_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_scripts(text)

"""What a schema makes of outputs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import l0
import pytest
from l0_consensus import ConsensusResult, NoConsensus, consensus
from pydantic import BaseModel


class Answer(BaseModel):
    answer: int
    tags: list[str] = []


JSON_SCHEMA = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}


def vote(*values: Any, **options: Any) -> ConsensusResult[Any]:
    return asyncio.run(consensus([lambda value=value: value for value in values], **options))


def test_texts_are_read_by_the_schema() -> None:
    result = vote('{"answer": 42}', 'Sure!\n```json\n{"answer": 42.0,}\n```', '{"answer": 43}', schema=Answer)
    assert (result.consensus, result.confidence, result.type) == (Answer(answer=42), 2 / 3, "structured")
    output = result.outputs[1]
    assert output.value == output.data == Answer(answer=42)
    assert output.text.startswith("Sure!")
    assert output.structured_result.corrected
    assert result.field_consensus is not None
    assert result.field_consensus.fields["answer"].votes == {"42": 2, "43": 1}


def test_an_output_that_the_schema_does_not_allow_has_failed() -> None:
    result = vote('{"answer": 42}', '{"answer": "secret"}', "no JSON", {"answer": None}, schema=Answer)
    assert [output.success for output in result.outputs] == [True, False, False, False]
    assert result.confidence == 0.25
    for output in result.outputs[1:]:
        assert "StructuredOutputError" in str(output.error)
        assert "secret" not in str(output.error)


def test_data_is_checked_by_the_schema() -> None:
    result = vote({"answer": "42"}, Answer(answer=42), '{"answer": 42}', schema=Answer)
    assert [output.value for output in result.outputs] == [Answer(answer=42)] * 3
    assert result.confidence == 1.0


def test_a_structured_result_is_its_data() -> None:
    async def ask() -> Any:
        async def says() -> Any:
            yield l0.Event(l0.EventType.TOKEN, '{"answer": 42}')

        return await l0.structured(Answer, says)

    for schema in (Answer, None):
        result = asyncio.run(consensus([ask, ask], schema=schema))
        assert (result.consensus, result.type) == (Answer(answer=42), "structured")
        assert result.outputs[0].structured_result.data is result.outputs[0].data
        assert result.outputs[0].text == '{"answer": 42}'


def test_a_schema_is_whatever_structured_takes() -> None:
    assert vote('{"answer": 1}', '{"answer": 1}', schema=JSON_SCHEMA).consensus == {"answer": 1}
    assert vote("[1, 2]", "[1, 2.0]", schema=list[int]).consensus == [1, 2]
    assert vote("1", "1.0", "2", schema=float).confidence == 2 / 3
    wrapped = l0.JSONSchema.wrap(JSON_SCHEMA)
    assert vote('{"answer": 1}', '{"answer": 1}', schema=wrapped).consensus == {"answer": 1}


def test_what_is_merged_is_what_the_schema_allows() -> None:
    texts = ('{"answer": 1, "tags": ["x"]}', '{"answer": 1, "tags": ["y"]}')
    assert vote(*texts, schema=Answer, resolve_conflicts="merge").consensus == Answer(answer=1, tags=["x", "y"])
    few = {"type": "array", "items": {"type": "integer"}, "maxItems": 2}
    assert vote("[1, 2]", "[3]", schema=few, resolve_conflicts="merge").consensus in ([1, 2], [3])
    assert vote("[1]", "[3]", schema=few, resolve_conflicts="merge").consensus == [1, 3]
    lists = vote('[{"answer": 1}]', '[{"answer": 2}]', schema=list[Answer], resolve_conflicts="merge")
    assert lists.consensus == [Answer(answer=1), Answer(answer=2)]


def test_all_answers_may_be_refused() -> None:
    with pytest.raises(NoConsensus, match="All tasks failed") as raised:
        vote("secret", "secret", schema=Answer)
    assert "secret" not in str(raised.value)


def test_configured_guardrails_and_stores_do_not_see_an_answer_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    async def structured(schema: Any, stream: Any, **options: Any) -> Any:
        seen.append(options)
        return await l0.structured(schema, stream, **options)

    monkeypatch.setattr("l0_structured.structured", structured)
    vote('{"answer": 42}', '{"answer": 42}', schema=Answer)
    assert [(each["guardrails"], each["plugins"], each["retry"].max_retries) for each in seen] == [([], [], 0)] * 2


WITHOUT = """
import asyncio, sys
sys.modules["l0_structured"] = None
from l0_consensus import consensus
assert asyncio.run(consensus([lambda: {"a": 1}, lambda: {"a": 1}])).consensus == {"a": 1}
try:
    asyncio.run(consensus([lambda: "1", lambda: "1"], schema=int))
except ImportError as error:
    print(error)
"""


def test_without_l0_structured_a_schema_says_what_to_install() -> None:
    said = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True).stdout
    assert said == "consensus(schema=...) needs the l0-structured package: pip install l0-consensus[structured]\n"


def test_without_a_schema_neither_pydantic_nor_l0_structured_is_imported() -> None:
    code = """
import asyncio, sys
from l0_consensus import consensus
asyncio.run(consensus([lambda: "1", lambda: "1"]))
assert not {"l0_structured", "pydantic"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)

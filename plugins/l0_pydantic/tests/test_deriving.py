"""How a model is made of any dataclass or enum."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, make_dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import l0
import pytest
from l0_pydantic import derive
from pydantic import BaseModel, ValidationError

if TYPE_CHECKING:
    from typing import Literal

    from l0 import Progress

T = TypeVar("T")
N = TypeVar("N", bound=Mapping[str, str])


class Color(Enum):
    """A color."""

    RED = 1
    GREEN = 2
    CRIMSON = 1  # noqa: PIE796


@dataclass
class Inner:
    """What is in it."""

    color: Color = Color.GREEN


@dataclass
class Everything(Generic[T]):
    """All that a field can be."""

    required: int
    value: T
    mapping: Mapping[str, Sequence[int]] = field(default_factory=dict)
    pair: tuple[int, str] = (1, "one")
    many: tuple[Inner, ...] = ()
    unique: frozenset[str] = frozenset()
    when: datetime | None = None
    error: ValueError | None = None
    raw: bytes = b""
    inner: Inner = field(default_factory=Inner)
    progress: Progress | None = None
    kind: Literal["a", "b"] = "a"
    copy: int = 0
    anything: object = None


@dataclass
class Live:
    """What is running, and something that can be written down."""

    name: str
    handler: Callable[[str], None]
    iterator: AsyncIterator[str]
    future: asyncio.Future[int]
    stream: l0.Stream
    handlers: list[Callable[[str], None]]
    kind: type[Exception] = ValueError
    text: str | Callable[[], str] = ""
    maybe: Callable[[], str] | None = None
    last: l0.Stream | None = None
    _private: int = 0


@dataclass
class Holder(Generic[T, N]):
    """Generic types in others, with parameters and without."""

    given: Everything[str]
    nested: list[Everything[T]]
    bare: N | None = None
    more: dict[str, list[T]] = field(default_factory=dict)


async def words() -> AsyncIterator[str]:
    yield "a"


@dataclass
class Tree:
    """A branch."""

    name: str
    branches: list[Tree] = field(default_factory=list)


def test_the_same_type_gives_the_same_model() -> None:
    assert derive(Inner) is derive(Inner)
    assert derive(Inner).__name__ == "InnerModel"
    assert (derive(Inner).__doc__, derive(Inner).__module__) == ("What is in it.", __name__)


def test_a_field_that_a_type_gets_is_in_its_model() -> None:
    grown = make_dataclass("Grown", [("new", int, 3)], bases=(l0.Timeout,))
    assert set(derive(grown).model_fields) == {*derive(l0.Timeout).model_fields, "new"}
    assert derive(grown)().model_dump() == {**derive(l0.Timeout)().model_dump(), "new": 3}


def test_every_kind_of_field_comes_back_from_json() -> None:
    original = Everything(
        1, {"any": "thing"}, {"a": (1, 2)}, many=(Inner(Color.RED),), unique=frozenset("ab"),
        when=datetime(2024, 1, 2, tzinfo=UTC), error=UnicodeError("no"), raw=b"\xff", progress=l0.Progress(percent=50),
    )  # fmt: skip
    mirrored: Any = derive(Everything).model_validate(original)
    assert mirrored.mapping == {"a": [1, 2]}
    assert (mirrored.error, mirrored.raw, mirrored.progress.percent) == ("no", b"\xff", 50)
    assert mirrored.many[0].color.name == "RED"
    assert mirrored.copy_data == 0
    assert derive(Everything).model_validate_json(mirrored.model_dump_json()) == mirrored
    assert derive(Everything).model_validate(asdict(original)) == mirrored
    assert json.loads(mirrored.model_dump_json(by_alias=True))["copy"] == 0


def test_defaults_are_each_models_own() -> None:
    first: Any = derive(Everything)(required=1, value=None)
    second: Any = derive(Everything)(required=1, value=None)
    first.inner.color = None
    first.mapping["a"] = []
    assert second.inner.color.name == "GREEN"
    assert second.mapping == {}
    assert second.pair == (1, "one")
    with pytest.raises(ValidationError, match=r"required\n  Field required"):
        derive(Everything)(value=None)


def test_what_cannot_be_written_down_is_left_out() -> None:
    model = derive(Live)
    assert set(model.model_fields) == {"name", "text"}
    assert model.model_fields["text"].annotation is str

    async def main() -> Live:
        stream = l0.wrap(words())
        return Live("a", print, words(), asyncio.Future(), stream, [], last=stream)

    live = asyncio.run(main())
    assert model.model_validate(live).model_dump() == {"name": "a", "text": ""}


def test_what_is_left_out_may_be_given_where_it_says_nothing() -> None:
    assert derive(Live)(name="a", maybe=None, last=None, _private=5) == derive(Live)(name="a")
    for given in ({"maybe": str}, {"_other": 5}, {"other": None}):
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            derive(Live)(name="a", **given)


def test_a_stream_in_a_field_of_any_kind_is_nothing_in_json() -> None:
    async def main() -> None:
        async with l0.wrap(words()) as stream:
            mirrored: Any = derive(Everything).model_validate(Everything(1, stream, anything={"deep": [stream]}))
            assert mirrored.value is stream
            written = json.loads(mirrored.model_dump_json())
            assert (written["value"], written["anything"]) == (None, {"deep": [None]})

    asyncio.run(main())


def test_a_parameter_of_a_generic_type_may_be_anything() -> None:
    model: Any = derive(Holder)
    held = model.model_validate(Holder(Everything(1, ["any", 1]), [Everything(2, None)], {"a": "b"}))
    assert type(held.given) is type(held.nested[0]) is derive(Everything)
    assert (held.given.value, held.nested[0].value, held.bare) == (["any", 1], None, {"a": "b"})
    assert model.model_validate_json(held.model_dump_json()) == held


def test_a_type_may_hold_itself() -> None:
    tree = Tree("a", [Tree("b"), Tree("c", [Tree("d")])])
    mirrored: Any = derive(Tree).model_validate(tree)
    assert mirrored.branches[1].branches[0].name == "d"
    assert derive(Tree).model_validate_json(mirrored.model_dump_json()) == mirrored == derive(Tree)(**asdict(tree))


def test_an_enum_keeps_its_aliases_and_its_docstring() -> None:
    mirrored: Any = derive(Color)
    assert mirrored.CRIMSON is mirrored.RED
    assert (mirrored.__name__, mirrored.__doc__, mirrored.RED.value) == ("ColorModel", "A color.", 1)


@pytest.mark.parametrize("other", [int, l0.Error, l0.Stream])
def test_a_type_of_another_kind_is_refused(other: type) -> None:
    with pytest.raises(TypeError, match="neither a dataclass nor an enum"):
        derive(other)


def test_a_model_is_its_own_model() -> None:
    class Ready(BaseModel):
        a: int

    assert derive(Ready) is Ready


def test_a_name_that_is_nowhere_is_an_error() -> None:
    lost = make_dataclass("Lost", [("a", "Nowhere")])
    with pytest.raises(NameError, match="Nowhere"):
        derive(lost)

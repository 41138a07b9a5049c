"""Growing values of a type: models that fill up, leaves that become what the type makes of them, and odd types."""

from __future__ import annotations

import abc
import json
import random
import string
import sys
from copy import deepcopy
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, Optional, TypedDict, TypeVar, Union
from uuid import UUID

import pytest
from l0_structured.growing import Growing
from l0_structured.growing_types import plan_of
from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    RootModel,
    SecretStr,
    TypeAdapter,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass

sys.path.insert(0, str(Path(__file__).parent))
from json_documents import CASES, SEED, fuzzed
from test_growing import fed, moment, pieces_of
from test_growing_order import grows, paths, same

T = TypeVar("T")


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Point(BaseModel):
    model_config = ConfigDict(frozen=True)

    x: float
    y: float = 0.0


class Tree(BaseModel):
    name: str
    children: list[Tree] = []
    parent: Tree | None = None


class Page(BaseModel, Generic[T]):
    items: list[T]
    first: T | None = None


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")

    id: int


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", str_strip_whitespace=True)

    when: date
    name: str


class Zoo(BaseModel):
    """A field of every kind."""

    text: str
    count: int = 7
    ratio: float | None = None
    flag: bool = False
    when: date | None = None
    at: datetime | None = None
    price: Decimal = Decimal("1.5")
    key: UUID | None = None
    lasting: timedelta | None = None
    color: Color | None = None
    size: Literal["s", "m", 1] | None = None
    short: Annotated[str, Field(max_length=3), AfterValidator(str.upper)] = "abc"
    renamed: str = Field(default="", alias="re-named")
    either: str = Field(default="", validation_alias=AliasChoices("one", "other", AliasPath("deep", 0)))
    point: Point | None = None
    points: list[Point] = Field(default_factory=list)
    named: dict[str, Point] = {}
    nested: list[dict[str, list[Point]]] = []
    tree: Tree | None = None
    page: Page[Point] | None = None
    open: Optional[Open] = None  # noqa: UP045
    strict: Strict | None = None
    both: Point | Open | None = None
    point_or_text: Union[Point, str, None] = None
    anything: Any = None
    dates: list[date] = []
    by_day: dict[str, date] = {}


class Random:
    """Random JSON for `Zoo`, as Python values."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def text(self) -> str:
        return "".join(self.rng.choices(string.ascii_letters + ' \n"\\é😀', k=self.rng.randint(0, 30)))

    def number(self) -> float:
        return self.rng.choice([0, 1, -2, 1.5, 1e20, 0.25])

    def day(self) -> str:
        return str(date(2024, 1, 1) + timedelta(days=self.rng.randint(0, 999)))

    def point(self) -> dict[str, Any]:
        return self.some({"x": self.number(), "y": self.number(), "z": [self.text()]}, "x")

    def points(self) -> list[Any]:
        return [self.point() for _ in range(self.rng.randint(0, 3))]

    def tree(self, depth: int = 0) -> dict[str, Any]:
        children = [self.tree(depth + 1) for _ in range(self.rng.randint(0, 2))] if depth < 3 else []
        parent = self.tree(depth + 1) if depth < 2 else None
        return self.some({"name": self.text(), "children": children, "parent": parent}, "name")

    def some(self, values: dict[str, Any], *needed: str) -> dict[str, Any]:
        """Some of the values, in any order."""
        keys = [key for key in values if key in needed or self.rng.random() < 0.6]
        self.rng.shuffle(keys)
        return {key: values[key] for key in keys}

    def zoo(self) -> dict[str, Any]:
        rng = self.rng
        values = {
            "text": self.text(),
            "count": rng.choice([1, 2.0, "3"]),
            "ratio": rng.choice([1, 0.5, None]),
            "flag": rng.choice([True, False, "yes"]),
            "when": rng.choice([self.day(), None]),
            "at": f"{self.day()}T12:00:00Z",
            "price": rng.choice(["1.10", 2, 2.5]),
            "key": "12345678-1234-5678-1234-567812345678",
            "lasting": rng.choice(["PT5M", 90]),
            "color": rng.choice(["red", "blue", None]),
            "size": rng.choice(["s", 1]),
            "short": rng.choice(["", "ab"]),
            "re-named": self.text(),
            rng.choice(["one", "other"]): self.text(),
            "point": rng.choice([self.point(), None]),
            "points": self.points(),
            "named": {self.text(): self.point() for _ in range(3)},
            "nested": [{"a": self.points()}, {}, {"b": [], "c": self.points()}],
            "tree": self.tree(),
            "page": self.some({"items": self.points(), "first": self.point()}, "items"),
            "open": {"id": 1, "more": [self.text(), {"deep": self.number()}], **self.some({"x": None, "y": "z"})},
            "strict": {"when": self.day(), "name": f" {self.text()} "},
            "point_or_text": rng.choice([self.point(), self.text(), None]),
            "anything": rng.choice([self.text(), self.points(), {"a": None}]),
            "dates": [self.day() for _ in range(rng.randint(0, 3))],
            "by_day": {"a": self.day()},
            "unknown": rng.choice([self.text(), self.points(), self.tree()]),
        }
        return self.some(values, "text")


def json_of(rng: random.Random, value: Any) -> str:
    return json.dumps(value, ensure_ascii=rng.random() < 0.5, indent=rng.choice([None, None, 2]))


# Every moment of a model.


def test_in_the_end_a_model_is_what_validation_makes_of_the_text() -> None:
    for seed in range(SEED, SEED + CASES // 100):
        rng = random.Random(seed)
        text = json_of(rng, Random(rng).zoo())
        growing = fed(text, Zoo)
        valid = Zoo.model_validate_json(text)

        assert growing.done, seed
        assert growing.value == valid, seed
        assert growing.value.model_dump() == valid.model_dump(), seed
        assert growing.value.model_fields_set == valid.model_fields_set, seed


def test_a_model_does_not_depend_on_the_pieces_and_only_grows_and_what_is_done_stays() -> None:
    for seed in range(SEED, SEED + CASES // 100):
        rng = random.Random(seed)
        values = Random(rng).zoo()
        schema, value = rng.choice(
            [(Zoo, values), (list[Zoo], [values, values]), (dict[str, Zoo | None], {"a": values, "b": None})]
        )
        text = json_of(rng, value)
        growing, snapshot, done, read = Growing(schema), None, {}, 0
        for piece in pieces_of(rng, text):
            changed = growing.feed(piece)
            read += len(piece)
            if rng.random() > 3 * len(piece) / len(text):
                continue
            assert moment(growing) == moment(fed(text[:read], schema)), (seed, read)
            assert changed != same(growing.value, fed(text[: read - len(piece)], schema).value), (seed, read)
            assert snapshot is None or grows(snapshot, growing.value, growing.is_done), (seed, read)
            snapshot = deepcopy(growing.value)
            done |= {path: child for path, child in paths(snapshot) if path not in done and growing.is_done(*path)}
        final = dict(paths(growing.value))
        assert growing.done, seed
        assert all(same(child, final[path]) for path, child in done.items()), seed
        assert all(growing.is_done(*path) for path in final), seed


def test_texts_that_are_something_else_raise_nothing() -> None:
    schemas = [Zoo, list[Zoo], dict[str, Point], Tree, Page[Tree], Open, Strict, *ODD]
    for seed in range(SEED, SEED + CASES // 50):
        rng = random.Random(seed)
        schema = rng.choice(schemas)
        if rng.random() < 0.5:
            text = fuzzed(rng)
        else:
            values = Random(rng).zoo()
            text = json_of(rng, dict(zip(values, rng.sample(list(values.values()), len(values)), strict=True)))
        growing = Growing(schema)
        for piece in pieces_of(rng, text):
            growing.feed(piece)
        assert moment(growing) == moment(fed(text, schema)), seed


# One by one.


def test_fields_that_have_not_come_have_their_default_or_none() -> None:
    growing = fed('{"text": "x', Zoo)
    zoo = growing.value

    assert type(zoo) is Zoo
    assert zoo.text == "x"
    assert zoo.count == 7
    assert zoo.points == []
    assert zoo.point is None
    assert zoo.model_fields_set == {"text"}
    assert not growing.is_done("text")
    assert not growing.is_done("count")
    growing.feed('"}')
    assert growing.is_done("text")
    assert growing.is_done("count")
    assert not growing.is_done("unknown")


def test_defaults_are_not_shared() -> None:
    one, other = fed("[{}, {}]", list[Zoo]).value

    assert one.points is not other.points
    assert one.named is not other.named


def test_a_field_has_begun_when_its_value_has() -> None:
    for text, begun in [('{"text"', set()), ('{"text": ', set()), ('{"text": "', {"text"}), ('{"count": 1', set())]:
        assert fed(text, Zoo).value.model_fields_set == begun


def test_a_leaf_is_converted_when_it_is_complete() -> None:
    growing = fed('{"when": "2024-01-0', Zoo)
    assert growing.value.when == "2024-01-0"
    assert growing.feed('2"')
    assert growing.value.when == date(2024, 1, 2)
    growing.feed(', "ratio": 1, "short": "ab", "price": 2.50, "dates": ["2024-01-02", "')
    assert same(growing.value.ratio, 1.0)
    assert growing.value.short == "AB"
    assert growing.value.price == Decimal("2.5")
    assert growing.value.dates == [date(2024, 1, 2), ""]


def test_what_is_refused_stays_as_it_was() -> None:
    text = '{"when": "soon", "short": "long", "count": "many", "point": "none", "points": {"x": 1}, "tree": [1]}'
    value = fed(text, Zoo).value

    assert value.when == "soon"
    assert value.short == "long"
    assert value.count == "many"
    assert value.point == "none"
    assert value.points == {"x": 1}
    assert value.tree == [1]


def test_a_validator_may_raise_anything() -> None:
    def broken(value: Any) -> Any:
        raise RuntimeError(value)

    class Broken(BaseModel):
        a: Annotated[str, BeforeValidator(broken)]
        b: int = Field(default_factory=lambda: broken(1))
        c: str = Field(default_factory=lambda values: f"not {values}")

    value = fed('{"a": "x"}', Broken).value

    assert value.a == "x"
    assert value.b is None
    assert value.c is None


def test_keys_are_those_that_the_model_takes() -> None:
    class Named(BaseModel):
        model_config = ConfigDict(validate_by_name=True, alias_generator=str.upper)

        a: int
        b: int = Field(validation_alias=AliasPath("c", 0), default=3)

    class Unaliased(BaseModel):
        model_config = ConfigDict(validate_by_name=True, validate_by_alias=False)

        a: int = Field(alias="A", default=0)

    assert fed('{"A": 1 }', Named).value.a == 1
    assert fed('{"a": 1 }', Named).value.a == 1
    assert fed('{"c": [1]}', Named).value.b == 3
    assert fed('{"A": 1, "a": 2}', Unaliased).value.a == 2
    assert fed('{"renamed": "x", "re-named": "y"}', Zoo).value.renamed == "y"


def test_a_field_that_comes_twice_stops_the_text() -> None:
    growing = fed('{"one": "x", "other": "y"}', Zoo)

    assert growing.value.either == "x"
    assert growing.stopped == "a key comes twice at offset 19"


def test_unknown_keys_are_kept_where_the_model_keeps_them() -> None:
    growing = fed('{"a": {"b": "x', Open)
    assert growing.value.a == {"b": "x"}
    assert growing.value.model_extra == {"a": {"b": "x"}}
    assert not growing.is_done("a")
    growing.feed('"}')
    assert growing.is_done("a", "b")

    growing = Growing(Point)
    changes = [growing.feed(piece) for piece in ["{", '"a": {"b": "x', "y", '"}', ', "x": 1 ', "}"]]
    assert changes == [True, False, False, False, True, False]
    assert growing.value == Point(x=1)
    assert not growing.is_done("a")


def test_models_are_found_wherever_they_are() -> None:
    value = fed(
        '{"point": {"x": 1}, "points": [{"x": 2}], "named": {"a": {"x": 3}}, "nested": [{"a": [{"x": 4}]}], '
        '"tree": {"children": [{"children": [{"name": "x"}]}]}, "page": {"items": [{"x": 5}]}, "open": {"id": 6}, '
        '"both": {"x": 7}, "point_or_text": {"x": 8}, "anything": {"x": 9}}',
        Zoo,
    ).value

    points = [value.point, value.points[0], value.named["a"], value.nested[0]["a"][0], value.page.items[0]]
    assert [type(point) for point in points] == [Point] * 5
    assert type(value.tree.children[0].children[0]) is Tree
    assert type(value.page) is Page[Point]
    assert type(value.open) is Open
    assert type(value.point_or_text) is Point
    assert value.both == {"x": 7}
    assert value.anything == {"x": 9}


# Odd types.


class Hooked(BaseModel):
    """What runs code when it is made, or assigned to."""

    model_config = ConfigDict(validate_assignment=True)

    name: str
    _upper: str = PrivateAttr()
    _count: int = PrivateAttr(default=1)

    def model_post_init(self, context: Any) -> None:
        self._upper = self.name.upper()


class Slotted(BaseModel):
    __slots__ = ("cache",)

    name: str


class Abstract(BaseModel, abc.ABC):
    name: str

    @abc.abstractmethod
    def speak(self) -> str: ...


class Late(BaseModel):
    name: str
    later: Later | None = None


class Never(BaseModel):
    name: str
    never: Nowhere | None = None  # noqa: F821


class Foreign:
    pass


class Holder(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    foreign: Foreign | None = None
    name: str = ""


class Later(BaseModel):
    name: str


class Names(RootModel[list[Point]]):
    pass


class Day(RootModel[date]):
    pass


class Forest(RootModel[dict[str, "Forest"]]):
    pass


class Keyed(TypedDict):
    a: int


class Pair(NamedTuple):
    a: int
    b: int


@dataclass
class Data:
    name: str


@pydantic_dataclass
class PydanticData:
    name: str


ODD = [
    Hooked, Slotted, Abstract, Late, Never, Holder, Names, Day, Forest, Keyed, Pair, Data, PydanticData, Page, T,
    BaseModel, int, str, date, Any, None, object, list, dict, tuple, tuple[int, ...], tuple[Point, str], set[Point],
    frozenset[str], list[Any], dict[int, Point], Union[Point, None], Point | Tree, Point | list[Point], SecretStr,
    Annotated[list[Point], Field()], Literal["a"], Color, type(None), "Point", ..., 5, list["Missing"],  # noqa: F821
    dict[str, Forest],
]  # fmt: skip


@pytest.mark.parametrize("schema", ODD, ids=repr)
@pytest.mark.parametrize(
    "text",
    [
        '{"name": "x", "never": 1, "later": {"name": "y"}, "foreign": 2, "x": 1, "a": {"b": {}}}',
        '[{"name": "x", "x": [1, 2.5, true, null, "z"]}, "2024-01-01", 3]',
    ],
)
def test_any_type_has_a_value_that_grows(schema: Any, text: str) -> None:
    growing, snapshot = Growing(schema), None
    for char in text:
        growing.feed(char)
        assert snapshot is None or grows(snapshot, growing.value, growing.is_done)
        snapshot = deepcopy(growing.value)
    assert growing.stopped is None
    assert growing.done == (growing.value is not None)


def test_a_model_is_made_without_its_code() -> None:
    hooked = fed('{"name": "x"}', Hooked).value

    assert type(hooked) is Hooked
    assert hooked.name == "x"
    assert hooked._count == 1


def test_models_that_are_completed_later_are_waited_for() -> None:
    assert type(fed('{"later": {"name": "x', Late).value.later) is Later


def test_a_root_model_is_what_its_root_is() -> None:
    assert fed('[{"x": 1}]', Names).value == [Point(x=1)]
    assert fed('{"a": {"b": {}}}', Forest).value == {"a": {"b": {}}}
    assert fed('{"a": "2024-01-01"}', dict[str, Day]).value == {"a": Day(date(2024, 1, 1))}


def test_what_is_not_a_model_is_plain() -> None:
    for schema in (Abstract, Data, PydanticData, Keyed, Pair, Point | Tree, dict, Any):
        assert fed('{"name": "x', schema).value == {"name": "x"}


def test_the_plan_of_a_model_is_made_once() -> None:
    assert plan_of(Zoo) is plan_of(Zoo)


def test_a_converter_is_made_once_for_a_field(monkeypatch: pytest.MonkeyPatch) -> None:
    class Once(BaseModel):
        when: date

    made: list[Any] = []

    def adapter(wanted: Any, **options: Any) -> TypeAdapter[Any]:
        made.append(wanted)
        return TypeAdapter(wanted, **options)

    monkeypatch.setattr("l0_structured.growing_types.TypeAdapter", adapter)
    for _ in range(3):
        fed('[{"when": "2024-01-01"}, {"when": "2024-01-02"}]', list[Once])

    assert made == [date]

"""Nothing is imported and nothing is made before it is asked for, and what is not installed can be in the table."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import l0_pydantic
import pytest
from l0_pydantic.table import TYPES


def python(code: str, *more: Path) -> str:
    """What a fresh interpreter prints."""
    path = os.pathsep.join([*map(str, more), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": path},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_to_import_it_imports_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import l0_pydantic; print(*set(sys.modules) - before)"
    assert set(python(code).split()) <= {"l0_pydantic", "__future__"}


def test_to_list_the_models_imports_neither_pydantic_nor_what_they_are_made_of() -> None:
    code = "import sys, l0_pydantic; names = l0_pydantic.__all__, dir(l0_pydantic); print(*sys.modules)"
    tops = {name.partition(".")[0] for name in python(code).split()}
    assert not tops & {"pydantic", *(home.partition(".")[0] for home in TYPES)}


@pytest.mark.parametrize(("package", "name"), [("l0_core", "StateModel"), ("l0_drift", "DriftResultModel")])
def test_a_model_imports_no_distribution_but_its_own(package: str, name: str) -> None:
    pytest.importorskip(package)
    code = f"import sys; from l0_pydantic import {name}; print(*sys.modules)"
    tops = {name.partition(".")[0] for name in python(code).split()}
    others = {home.partition(".")[0] for home in TYPES} - {"l0", "l0_core", package}
    assert package in tops
    assert not tops & others


def test_all_that_it_promises_is_there() -> None:
    names: list[str] = l0_pydantic.__all__  # type: ignore[attr-defined]
    assert len(set(names)) == len(names)
    assert dir(l0_pydantic) == sorted(names)
    namespace: dict[str, object] = {}
    exec("from l0_pydantic import *", namespace)
    assert namespace.keys() - {"__builtins__"} == set(names)


@pytest.mark.parametrize("name", ["NoModel", "Model", "State", "_private"])
def test_an_unknown_name_is_an_attribute_error(name: str) -> None:
    with pytest.raises(AttributeError, match=f"module 'l0_pydantic' has no attribute '{name}'"):
        getattr(l0_pydantic, name)


HIDDEN = "import sys; sys.modules['{0}'] = None; import l0_pydantic\n"


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("l0_consensus", "ConsensusResultModel"),
        ("l0_drift", "DriftResultModel"),
        ("l0_monitor", "MetricsSnapshotModel"),
        ("l0_eventsourcing", "RecordedEventModel"),
        ("l0_eventsourcing", "EventSourcingSerializedErrorModel"),
    ],
)
def test_what_is_not_installed_is_not_listed_and_says_what_to_install(package: str, name: str) -> None:
    code = f"""{HIDDEN.format(package)}
assert {name!r} not in l0_pydantic.__all__
try:
    l0_pydantic.{name}
except ImportError as error:
    print(error)
"""
    distribution = package.replace("_", "-")
    assert python(code) == f"l0.pydantic.{name} needs the {distribution} package: pip install {distribution}\n"


def test_a_model_works_from_the_day_that_its_distribution_is_installed(tmp_path: Path) -> None:
    (tmp_path / "l0_consensus.py").write_text("""
from __future__ import annotations
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar
if TYPE_CHECKING:
    from collections.abc import Mapping
    from l0 import State
T = TypeVar("T")
@dataclass
class ConsensusOutput:
    index: int
    state: State
    scores: Mapping[str, float]
@dataclass
class ConsensusResult(Generic[T]):
    '''What they agree on.'''
    consensus: T
    outputs: list[ConsensusOutput]
    type: Literal["text", "structured"] = "text"
""")
    code = """
import l0, l0_consensus, l0_pydantic
from l0_pydantic import ConsensusResultModel
assert "ConsensusResultModel" in l0_pydantic.__all__
output = l0_consensus.ConsensusOutput(0, l0.State("a"), {"a": 0.5})
model = ConsensusResultModel.model_validate(l0_consensus.ConsensusResult("a", [output]))
assert ConsensusResultModel.model_validate_json(model.model_dump_json()) == model
assert isinstance(model.outputs[0], l0_pydantic.ConsensusOutputModel)
try:
    l0_pydantic.AgreementModel
except ImportError as error:
    print(error)
"""
    missing = "l0.pydantic.AgreementModel needs l0_consensus.Agreement, which the installed l0_consensus has not\n"
    assert python(code, tmp_path) == missing


def test_a_pickled_model_is_read_by_another_process(tmp_path: Path) -> None:
    write = """
import pickle
from l0_pydantic import *
event = EventModel(type="token", text="a")
error = SerializedErrorModel(name="Error", code="NETWORK_ERROR", category="network", message="", timestamp=1)
models = [event, ErrorEventModel(ts=1, stream_id="s"), StateModel(content="a"), error]
print(pickle.dumps(models).hex())
"""
    written = python(write).strip()
    read = f"import pickle; print(*(type(each).__name__ for each in pickle.loads(bytes.fromhex({written!r}))))"
    assert python(read).split() == ["EventModel", "ErrorEventModel", "StateModel", "SerializedErrorModel"]


def test_threads_that_ask_at_once_get_the_same_models() -> None:
    code = """
import sys, threading
sys.setswitchinterval(1e-5)
import l0_pydantic
names = l0_pydantic.__all__
found = [[], [], [], []]
gate = threading.Barrier(len(found))
def ask(kept):
    gate.wait()
    kept += [getattr(l0_pydantic, name) for name in names]
threads = [threading.Thread(target=ask, args=(kept,)) for kept in found]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert all(kept == found[0] for kept in found)
state, violation = l0_pydantic.StateModel, l0_pydantic.GuardrailViolationModel
assert isinstance(state(violations=[{"rule": "r", "message": "m"}]).violations[0], violation)
"""
    python(code)

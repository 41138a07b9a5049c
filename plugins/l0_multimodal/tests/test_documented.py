"""The documented names and signatures, and what the README shows."""

from __future__ import annotations

import contextlib
import inspect
import io
import re
from pathlib import Path
from typing import Any

import l0_multimodal
import pytest
from l0_multimodal import Multimodal

README = (Path(__file__).parents[1] / "README.md").read_text()

MEDIA = "base64=None, url=None, data=None"
STREAM = "stream, *, extract_text=None, extract_data=None, extract_progress=None, extract_message=None"
FUNCTIONS = {
    "create_image_event": f"{MEDIA}, width=None, height=None, seed=None, model=None, mime_type='image/png', "
    "**extra_metadata",
    "create_audio_event": f"{MEDIA}, duration=None, model=None, mime_type='audio/mp3', **extra_metadata",
    "create_video_event": f"{MEDIA}, width=None, height=None, duration=None, model=None, mime_type='video/mp4', "
    "**extra_metadata",
    "create_data_event": "payload",
    "create_progress_event": "percent=None, step=None, total_steps=None, message=None, eta=None",
    "create_token_event": "text, timestamp=None",
    "create_message_event": "value, role=None, timestamp=None",
    "create_complete_event": "usage=None",
    "create_error_event": "error",
    "create_json_event": "json_data, model=None, **extra_metadata",
    "to_multimodal_events": f"{STREAM}, extract_error=None",
    "to_events": "stream, extract_text",
    "to_events_with_messages": "stream, *, extract_text=None, extract_message=None",
}
METHODS = {
    **{name[7:-6]: signature for name, signature in FUNCTIONS.items() if name.startswith("create_")},
    "file": f"{MEDIA}, filename=None, size=None, mime_type=None, **extra_metadata",
    "binary": f"{MEDIA}, mime_type='application/octet-stream', size=None, **extra_metadata",
    "to_events": FUNCTIONS["to_multimodal_events"],
    "from_stream": FUNCTIONS["to_multimodal_events"],
}


def signature(function: Any) -> str:
    parameters = inspect.signature(function).parameters.values()
    bare = [parameter.replace(annotation=parameter.empty) for parameter in parameters]
    return str(inspect.Signature(bare))[1:-1]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_its_documented_signature(name: str) -> None:
    assert signature(getattr(l0_multimodal, name)) == FUNCTIONS[name]
    assert name in l0_multimodal.__all__


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_its_documented_signature_with_and_without_an_instance(name: str) -> None:
    assert signature(getattr(Multimodal, name)) == signature(getattr(Multimodal(), name)) == METHODS[name]


def test_the_face_shows_this_package() -> None:
    import l0
    import l0.multimodal

    assert l0.Multimodal is Multimodal is l0.multimodal.Multimodal


def test_the_readme_prints_what_it_says() -> None:
    example, printed = re.findall(r"```python\n(.*?)```.*?```\n(.*?)```", README, re.DOTALL)[0]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(example, "README", "exec"), {})
    assert out.getvalue() == printed


def test_the_other_examples_of_the_readme_run() -> None:
    for example in re.findall(r"```python\n(.*?)```", README, re.DOTALL)[1:]:
        exec(compile(example, "README", "exec"), {})

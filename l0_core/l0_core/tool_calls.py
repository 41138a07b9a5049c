"""Assembles tool calls from their fragments. A call is whole only when its arguments are a JSON object."""

from __future__ import annotations

from typing import Any

from l0_core.errors import InvalidToolCall

__all__ = ["ToolCalls", "is_whole"]


def is_whole(data: dict[str, Any]) -> bool:
    """Whether an adapter's TOOL_CALL event is a whole call, and not a fragment of one."""
    arguments = data.get("arguments")
    if arguments is None:
        return "index" not in data
    return bool(data.get("name")) and (isinstance(arguments, dict) or _is_object(arguments))


def _is_object(text: object) -> bool:
    if not isinstance(text, str):
        return False
    import json  # Most streams call no tool.

    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def as_call(data: dict[str, Any]) -> dict[str, Any]:
    """A whole call as consumers get it: its arguments as JSON text."""
    arguments = data.get("arguments")
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, str):
        import json

        arguments = json.dumps(arguments)
    return {**data, "arguments": arguments}


class ToolCalls:
    """The tool calls of one attempt, as they come in.

    A fragment says `index`, `id`, `name` and a piece of `arguments`, any of which may be missing. Fragments belong
    together by index; without one by id; without either to the call that came last. A new id under a known index begins
    a new call: some servers number all of them 0.
    """

    __slots__ = ("_calls", "_latest", "_open")

    def __init__(self) -> None:
        self._calls: list[dict[str, Any]] = []
        self._open: dict[tuple[int, object], dict[str, Any]] = {}
        self._latest: tuple[int, object] | None = None

    def add(self, fragment: dict[str, Any], choice: int = 0) -> None:
        index, id_ = fragment.get("index"), fragment.get("id")
        if index is not None:
            slot: tuple[int, object] = (choice, index)
        elif id_:
            slot = (choice, f"id {id_}")
        else:
            slot = self._latest or (choice, 0)
        call = self._open.get(slot)
        if call is None or (id_ and call["id"] and call["id"] != id_):
            place = index if isinstance(index, int) else len(self._calls)
            call = self._open[slot] = {"index": place, "id": "", "name": "", "pieces": [], "choice": choice}
            self._calls.append(call)
        self._latest = slot
        call["id"] = call["id"] or id_ or ""
        call["name"] = call["name"] or fragment.get("name") or ""
        if fragment.get("arguments"):
            call["pieces"].append(fragment["arguments"])

    def whole(self) -> list[tuple[int, dict[str, Any]]]:
        """All calls with their choice, in order. Raises InvalidToolCall if one of them is not whole."""
        calls = []
        for call in self._calls:
            arguments = "".join(call["pieces"]) or "{}"
            if not call["name"] or not _is_object(arguments):
                what = f"the tool {call['name']!r}" if call["name"] else "a tool without a name"
                raise InvalidToolCall(
                    f"The model called {what} with {len(arguments)} characters of arguments that are not a JSON object"
                )
            data = {"id": call["id"], "name": call["name"], "arguments": arguments, "index": call["index"]}
            calls.append((call["choice"], data))
        return calls

"""Print, per kind of fault, how much of the corpus is repaired: by this package, and by json-repair if it is installed.

It is not a test. It needs a Python that has both, or has json-repair and finds this package and orjson on its path:

    python tests/compare_with_peer.py
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from l0_structured import auto_correct_json, safe_json_parse

FAILED = object()


def ours(text: str) -> Any:
    return safe_json_parse(text) if auto_correct_json(text).success else FAILED


def peer() -> Callable[[str], Any] | None:
    try:
        from json_repair import loads
    except ImportError:
        return None

    def parse(text: str) -> Any:
        try:
            value = loads(text)
        except Exception:
            return FAILED
        # It says "" of what holds no JSON.
        return FAILED if value == "" else value

    return parse


def same(value: Any, expected: Any) -> bool:
    return value is not FAILED and json.dumps(value, sort_keys=True) == json.dumps(expected, sort_keys=True)


def main() -> None:
    cases = [json.loads(line) for line in (Path(__file__).parent / "corpus.jsonl").read_text("utf-8").splitlines()]
    parsers = {"ours": ours, **({"json-repair": parse} if (parse := peer()) else {})}
    total, right = Counter[str](), Counter[tuple[str, str]]()
    for case in cases:
        for kind in (case["kind"], "all"):
            total[kind] += 1
            for name, function in parsers.items():
                value = function(case["broken"])
                good = value is FAILED if "error" in case else same(value, case["expected"])
                right[kind, name] += good
                if not good and name == "ours" and kind != "all":
                    sys.stdout.write(f"not repaired: {case['broken']!r}: {value!r}\n")
    for kind, count in sorted(total.items(), key=lambda item: item[0] == "all"):
        counts = "".join(f"{right[kind, name]:>13}" for name in parsers)
        sys.stdout.write(f"{kind:<28}{count:>5}{counts}\n")


if __name__ == "__main__":
    main()

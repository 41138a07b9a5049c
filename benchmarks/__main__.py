"""`./dev bench`: what L0 costs, as ratios to something bare in the same run, as a table and a chart."""

from __future__ import annotations

import contextlib
import io
import sys

from benchmarks import guardrails, imports, in_process, many, monitors, over_http, report, stores


class Twice(io.StringIO):
    """Keeps what is printed, and prints it."""

    def write(self, text: str) -> int:
        sys.__stdout__.write(text)  # type: ignore[union-attr]
        return super().write(text)


if __name__ == "__main__":
    quick = "--quick" in sys.argv
    results, versions = over_http.main(quick)
    with contextlib.redirect_stdout(Twice()) as rest:
        for part in (in_process, guardrails, stores, monitors, many, imports):
            part.main(quick)
    if quick:
        print("\na quick run: the table and the chart stay as they are")
    else:
        report.write(results, versions, rest.getvalue())

"""The results as a table and as a chart, in `benchmarks/results/`."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.over_http import COLUMNS, Results, Row

FOLDER = Path(__file__).with_name("results")
OURS, OTHERS, BARE = "#3949ab", "#b0b4c4", "#555555"

PANELS = {
    "burst": "2,000 tokens at once\ntime",
    "paced": "200 streams, 25 tokens/s\nprocessor time",
    "first": "to the first token\ntime",
}
"""The columns that the chart shows."""


def label(row: Row) -> str:
    library, case = row
    return f"{library}: {case}" if case else library


def is_ours(row: Row) -> bool:
    return row[0].startswith("l0,") or row[1].endswith("in l0")


def rows(results: Results, column: str) -> list[Row]:
    return [row for row in results[column] if row[1] != "bare"]


def markdown(results: Results, versions: dict[str, str], rest: str) -> str:
    """All columns that have the same rows as one table, the others as one each, and what the other parts printed."""
    wide = [column for column in COLUMNS if rows(results, column) == rows(results, "burst")]
    lines = [
        "# What L0 costs",
        "",
        f"Python {platform.python_version()}, {platform.system()} on {platform.machine()}, {os.cpu_count()} cores. "
        "Made by `./dev bench`. Ratios to bare `AsyncOpenAI` of the same environment in the same round, medians of the "
        "rounds, unless a column says otherwise.",
        "",
        "| library: case | openai | " + " | ".join(COLUMNS[column] for column in wide) + " |",
        "|---|---|" + "---:|" * len(wide),
    ]
    for row in rows(results, "burst"):
        cells = " | ".join(f"{results[column][row]:.3g}" for column in wide)
        lines.append(f"| {label(row)} | {versions[row[0]]} | {cells} |")
    for column, title in COLUMNS.items():
        if column not in wide:
            lines += ["", f"| {title} | |", "|---|---:|"]
            lines += [f"| {label(row)} | {results[column][row]:.3g} |" for row in results[column]]
    return "\n".join([*lines, "", "## The rest", "", "```text", rest.strip(), "```", ""])


def chart(results: Results) -> Figure:
    mpl.rcParams.update({"font.size": 9, "svg.hashsalt": "l0"})
    shown = rows(results, "burst")
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    axes = figure.subplots(1, len(PANELS), sharey=True)
    for axis, (column, title) in zip(axes, PANELS.items(), strict=True):
        values = [results[column][row] for row in shown]
        colors = [OURS if is_ours(row) else OTHERS for row in shown]
        bars = axis.barh([label(row) for row in shown], values, color=colors)
        axis.bar_label(bars, labels=[f"{value:.2f}" for value in values], padding=3)
        axis.axvline(1, color=BARE, linewidth=1, linestyle="--")
        axis.set_title(title)
        axis.set_xlim(0, max(values) * 1.2)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].invert_yaxis()
    figure.supxlabel("ratio to the bare OpenAI SDK, which is 1 (less is better)")
    return figure


def write(results: Results, versions: dict[str, str], rest: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "table.md").write_text(markdown(results, versions, rest))
    chart(results).savefig(FOLDER / "chart.png", dpi=110, metadata={"Software": None})
    print(f"\nwritten: {FOLDER.parent.name}/{FOLDER.name}/table.md and chart.png")

"""`./dev bench`: what L0 costs, as ratios to a bare stream in the same run."""

from __future__ import annotations

import sys

from benchmarks import guardrails, imports, in_process

if __name__ == "__main__":
    quick = "--quick" in sys.argv
    in_process.main(quick)
    guardrails.main(quick)
    imports.main(quick)

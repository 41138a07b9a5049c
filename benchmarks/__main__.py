"""`./dev bench`: what L0 costs, as ratios to a bare stream in the same run."""

from __future__ import annotations

import sys

from benchmarks import guardrails, imports, in_process, many, monitors, over_http, stores

if __name__ == "__main__":
    quick = "--quick" in sys.argv
    in_process.main(quick)
    guardrails.main(quick)
    over_http.main(quick)
    stores.main(quick)
    monitors.main(quick)
    many.main(quick)
    imports.main(quick)

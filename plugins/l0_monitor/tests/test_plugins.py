"""The monitors as plugins: what every monitor promises, and what is imported when."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import l0_monitor
import pytest
from l0_monitor import Metrics, MetricsMonitor, TelemetryMonitor
from l0_testing import MonitorSuite


class TestMetrics(MonitorSuite):
    name = "metrics"
    plugin = MetricsMonitor

    @pytest.fixture(autouse=True)
    def _counters(self) -> None:
        self._metrics = Metrics()

    def make(self) -> MetricsMonitor:
        return MetricsMonitor(self._metrics)

    def told(self) -> str:
        return repr(self._metrics)

    def forget(self) -> None:
        self._metrics.reset()


class TestTelemetry(MonitorSuite):
    name = "telemetry"
    plugin = TelemetryMonitor
    options = {"rate": 1.0, "log_level": "info", "inter_token_latency": True}
    told_context = {"model"}
    path = ""

    @pytest.fixture(autouse=True)
    def _outside(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "l0")
        self._log, self._monitors = caplog, list[TelemetryMonitor]()

    def make(self) -> TelemetryMonitor:
        self._monitors.append(TelemetryMonitor(TelemetryMonitor.Options(**self.options, path=self.path)))
        return self._monitors[-1]

    def told(self) -> str:
        return self._log.text

    def open(self) -> int:
        return sum(len(monitor.monitor._running) for monitor in self._monitors)

    def forget(self) -> None:
        self._log.clear()


class TestTelemetryInAFile(TestTelemetry):
    told_context = {"*"}
    skips = {"test_its_options_are_configured_in_a_file": "TestTelemetry does it"}

    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self.path = str(tmp_path / "telemetry.jsonl")
        Path(self.path).touch()

    def told(self) -> str:
        return Path(self.path).read_text("utf-8")

    def forget(self) -> None:
        Path(self.path).write_text("", "utf-8")


def test_every_name_is_there() -> None:
    for name in l0_monitor.__all__:
        assert getattr(l0_monitor, name) is not None
    with pytest.raises(AttributeError):
        _ = l0_monitor.nothing


def test_the_counters_do_not_import_pydantic() -> None:
    program = "import sys, l0_monitor; l0_monitor.get_global_metrics(); sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("options", [{"rate": 1.5}, {"slow_threshold": -1.0}, {"buffer_size": -1}])
def test_options_that_make_no_sense_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        TelemetryMonitor.Options(**options)  # type: ignore[arg-type]

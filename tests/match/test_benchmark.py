"""The benchmark of matching, on few scenes: its search agrees, and a missed bar fails it."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

SMALL = ["--scenes", "40", "--days", "20"]


@pytest.fixture
def benchmark(root: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("LSTSR_ENDPOINTS", "")
    spec = spec_from_file_location("benchmark_match", root / "benchmarks/match.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    # what it measures is for the benchmark to judge, not for a test
    monkeypatch.setattr(module, "MOST_MB", 1e6)
    monkeypatch.setattr(module, "MOST_S", 1e6)
    return module


def test_a_small_run_agrees(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark.main(SMALL) == 0
    said = capsys.readouterr().out
    assert "40 scenes of 40 STAC items" in said
    assert "bars met" in said


@pytest.mark.parametrize("bar", ["MOST_S", "MOST_MB"])
def test_a_missed_bar_fails(benchmark: Any, monkeypatch: pytest.MonkeyPatch, bar: str) -> None:
    monkeypatch.setattr(benchmark, bar, 0)
    assert benchmark.main(SMALL) == 1


def test_an_item_that_is_lost_fails(benchmark: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    items = benchmark.items

    def spoilt(count: int, days: int) -> list[dict[str, Any]]:
        found = items(count, days)
        found[0]["assets"].popitem()
        return found

    monkeypatch.setattr(benchmark, "items", spoilt)
    assert benchmark.main(SMALL) == 1

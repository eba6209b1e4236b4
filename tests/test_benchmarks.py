"""The benchmarks run, in small: their figures are not judged here, but what they count is."""

from __future__ import annotations

import shutil
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

import benchmarks
from benchmarks.__main__ import NAMES, QUICK, main, run
from benchmarks.peers import OURS
from benchmarks.results import Results, put


@pytest.fixture(scope="module")
def found() -> Results:
    return run(NAMES, *QUICK)


def test_a_request_that_reads_one_key_reads_the_store_once_and_writes_nothing(found: Results) -> None:
    assert found.overhead is not None
    ours = {deeds.peer: deeds for deeds in found.overhead.deeds if deeds.peer in OURS}

    assert set(ours) == set(OURS)
    for deeds in ours.values():
        assert (deeds.reads, deeds.writes, deeds.set_cookies, deeds.decoded) == (1, 0, 0, 1)


def test_every_parallel_write_is_kept_and_every_logout_is_final(found: Results) -> None:
    assert found.races is not None
    ours = {race.peer: race for race in found.races.races if race.peer in OURS}

    assert set(ours) == set(OURS)
    for race in ours.values():
        assert race.keys == race.items == race.increments == [50]
        assert race.alive_after_logout == race.alive_after_slow_write == race.alive_after_slow_read == 0


def test_a_clean_up_deletes_every_expired_session(found: Results) -> None:
    assert found.scale is not None

    assert found.scale.cleanup.deleted == found.scale.size.expired
    assert [row.processes for row in found.scale.throughput] == list(found.scale.size.processes)


def test_a_run_is_written_down_as_figures_tables_and_charts(found: Results, tmp_path: Path) -> None:
    shutil.copy(Path(benchmarks.__file__).with_name("README.md"), tmp_path)

    found.write(tmp_path)

    page = (tmp_path / "README.md").read_text("utf-8")
    assert all(f"-->\n{section}\n<!-- /" in page for section in found.sections().values())
    assert msgspec.json.decode((tmp_path / "results.json").read_bytes(), type=Results) == found
    for chart in ("overhead.svg", "races.svg"):
        drawn = " ".join(ElementTree.parse(tmp_path / chart).getroot().itertext())
        assert all(peer in drawn for peer in OURS)


def test_a_page_keeps_what_stands_outside_the_marks() -> None:
    page = "Before.\n<!-- aims -->\nold\n<!-- /aims -->\nAfter.\n"

    assert put(page, {"aims": "new"}) == "Before.\n<!-- aims -->\nnew\n<!-- /aims -->\nAfter.\n"


def test_a_named_benchmark_prints_its_tables_alone(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--quick", "races"])

    printed = capsys.readouterr().out
    assert "Old cookie still works" in printed
    assert "One key read" not in printed


def test_an_unknown_benchmark_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["speed"])

    assert "overhead, races, scale" in capsys.readouterr().err

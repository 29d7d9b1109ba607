"""The measurements run, count what they should, and leave nothing behind. No figure is asserted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from clearing.jobs.bench import latency, shapes
from clearing.jobs.bench.ingest import bench_ingest, stage_table, table
from clearing.jobs.bench.machine import server_cpu
from clearing.jobs.bench.stages import TRANSACTION, WRAPPED, Stages
from clearing.jobs.bench.ways import COPY, FILE, KAFKA, LOOP
from clearing.jobs.broker import Broker
from clearing.jobs.generate import Plan, generate_day
from clearing.settings import load
from tests.jobs.running import FIRST_DAY, city_members

EVENTS = 300


def shown(result: dict[str, Any]) -> str:
    """Both tables as a wide terminal shows them."""
    console = Console(width=200)
    with console.capture() as captured:
        console.print(table(result))
        console.print(stage_table(result))
    return captured.get()


async def test_file_and_kafka_are_measured_beside_what_frames_them(broker: Broker, tmp_path: Path) -> None:
    """One run measures all four on the real services, and every event of it has one outcome in sound books."""
    settings = load(
        {}, Path("/"), kafka_bootstrap=broker.bootstrap, kafka_partitions="3", batch_events_max="100"
    )
    told: list[str] = []
    result = await bench_ingest(settings, EVENTS, repeats=1, directory=tmp_path, told=told.append)
    rows = {row["what"]: row for row in result["measurements"]}
    assert list(rows) == [FILE, COPY, KAFKA, LOOP]
    assert [rows[name]["events"] for name in rows] == [EVENTS, EVENTS, EVENTS, 200]
    assert [rows[name]["verified"] for name in rows] == [True, None, True, True]
    assert rows[LOOP]["times_the_loop"] == rows[COPY]["of_raw_copy"] == 1
    assert all(row["events_per_second"] > 0 for row in result["measurements"])
    assert result["outcomes"]["taken"] == EVENTS
    assert {"decode", "lock and read", "decide", "write", "commit"} <= {
        row["stage"] for row in result["stages"]
    }
    assert result["machine"]["kafka"] == f"the Apache Kafka at {broker.bootstrap}"
    assert len(told) == 3
    assert not list(tmp_path.iterdir())
    text = shown(result)
    for name in rows:
        assert name in text


async def test_without_kafka_the_other_three_are_measured(tmp_path: Path) -> None:
    """A machine without any broker still gets its table."""
    result = await bench_ingest(load({}, Path("/")), 200, repeats=2, kafka=False, directory=tmp_path)
    assert [row["what"] for row in result["measurements"]] == [FILE, COPY, LOOP]
    assert {row["repeats"] for row in result["measurements"]} == {2}
    assert result["machine"]["kafka"] is result["conditions"]["partitions"] is None
    assert "no Kafka" in shown(result)


def test_timing_the_stages_puts_the_engine_back_as_it_was() -> None:
    """What wraps the engine's functions is gone after the measurement, also when it failed."""
    before = [getattr(module, name) for module, name, _ in WRAPPED]
    opened = getattr(*TRANSACTION)
    with pytest.raises(ZeroDivisionError), Stages().timed(1):
        assert all(
            getattr(module, name) is not function
            for (module, name, _), function in zip(WRAPPED, before, strict=True)
        )
        raise ZeroDivisionError
    assert [getattr(module, name) for module, name, _ in WRAPPED] == before
    assert getattr(*TRANSACTION) is opened


def test_a_server_that_is_not_there_has_no_processor_time(tmp_path: Path) -> None:
    """Where the machine does not tell, nothing is made up."""
    assert server_cpu(tmp_path) is None


async def test_every_shape_of_the_load_is_measured(broker: Broker, tmp_path: Path) -> None:
    """Uniform, one hospital, sent again, after a history: as many outcomes as records, and sound books."""
    settings = load(
        {}, Path("/"), kafka_bootstrap=broker.bootstrap, kafka_partitions="3", batch_events_max="100"
    )
    result = await shapes.bench_shapes(settings, 300, history=1_000, repeats=1, directory=tmp_path)
    rows = {row["what"]: row for row in result["measurements"]}
    assert list(rows) == ["uniform", "one hot hospital", "30 % redelivered", "long history"]
    assert rows["30 % redelivered"]["events"] > rows["uniform"]["events"] == 300
    assert rows["uniform"]["of_uniform"] == 1
    assert [row["verified"] for row in rows.values()] == [True, True, True, None]
    assert all(row["worker_memory_mb"] > 20 for row in rows.values())
    console = Console(width=200)
    with console.capture() as captured:
        console.print(shapes.table(result))
    assert "one hot hospital" in captured.get()
    assert not list(tmp_path.iterdir())


def test_one_hospital_takes_what_all_took() -> None:
    """Every institution is replaced, in the bodies too; ids stay as they were, so undoes find their originals."""
    members = city_members()
    day = list(generate_day(Plan(), members, FIRST_DAY, 300, 5).events())
    hot = shapes.one_institution(day, members, "H1")
    others = {one.code for one in members.records if one.kind in {"hospital", "pharmacy"}} - {"H1"}
    assert [one.id for one in hot] == [one.id for one in day]
    for one in hot:
        assert not others & set(re.findall(r'"([A-Z0-9]+)"', one.value.decode()))


async def test_the_time_to_a_result_is_measured_at_a_steady_rate(broker: Broker, tmp_path: Path) -> None:
    """Each rate has its row, counted from when an event was due; the percentiles rise."""
    settings = load({}, Path("/"), kafka_bootstrap=broker.bootstrap, kafka_partitions="3")
    result = await latency.bench_latency(settings, (100,), seconds=3, directory=tmp_path)
    [row] = result["measurements"]
    assert row["rate"] == 100
    assert 0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"] <= row["highest_ms"]
    assert not list(tmp_path.iterdir())

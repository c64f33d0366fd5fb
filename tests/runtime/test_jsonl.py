from __future__ import annotations

import json
import logging
import logging.handlers
import os
import queue
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.runtime.call_log import FIELDS
from evalkit.runtime.jsonl import JsonlHandler

ROOT = Path(__file__).resolve().parents[2]
NOON = 1795521600.0  # 2026-11-24T12:00:00Z


def record(**attributes):
    made = logging.LogRecord("evalkit.calls", logging.INFO, "p", 1, "llm_call", None, None)
    vars(made).update({"feature": "triage", "registry_version": 14} | attributes)
    return made


def rows(folder):
    """What a reader makes of every file: whole lines, empty ones skipped."""
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        found += [json.loads(line) for line in path.read_bytes().split(b"\n") if line]
    return found


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def handler_of(tmp_path):
    """A handler on `logs/calls.jsonl`; a failure to write is kept, not printed."""
    made: list[JsonlHandler] = []

    def make(**options):
        handler = JsonlHandler(tmp_path / "logs/calls.jsonl", **options)
        handler.failures = []
        handler.handleError = lambda _: handler.failures.append(sys.exc_info()[1])
        made.append(handler)
        return handler

    yield make
    for handler in made:
        handler.close()


@pytest.fixture
def clock(monkeypatch):
    """The clock that names files by: `clock.now` in epoch seconds."""

    class Clock:
        now = NOON

    real = time.gmtime
    monkeypatch.setattr(
        "evalkit.runtime.jsonl.time.gmtime", lambda s=None: real(Clock.now if s is None else s)
    )
    return Clock


@pytest.fixture
def logs(tmp_path):
    return tmp_path / "logs"


# What is written


def test_the_record_of_a_call_is_one_line_in_the_order_of_the_fields(handler_of, logs):
    handler_of(rotate=None).handle(record(ts="2026-11-24T12:00:00.000Z", latency_ms=12.5, fallback=False))
    assert (logs / "calls.jsonl").read_text() == (
        '{"ts":"2026-11-24T12:00:00.000Z","feature":"triage","registry_version":14,"latency_ms":12.5,"fallback":false}\n'
    )


def test_a_record_that_is_none_of_a_call_is_ignored(handler_of, logs):
    handler = handler_of()
    handler.handle(logging.LogRecord("app", logging.ERROR, "p", 1, "other", None, None))
    assert not logs.exists()


def test_only_the_fields_and_those_asked_for_are_written(handler_of, logs):
    handler_of(fields=["tenant"]).handle(record(tenant="t-1", prompt="private"))
    assert rows(logs) == [{"feature": "triage", "registry_version": 14, "tenant": "t-1"}]


def test_a_record_that_went_through_a_queue_is_written_alike(handler_of, logs):
    waiting = queue.SimpleQueue()
    listener = logging.handlers.QueueListener(waiting, handler_of())
    listener.start()
    logging.handlers.QueueHandler(waiting).handle(record(cost_usd=0.004))
    listener.stop()
    assert rows(logs) == [{"feature": "triage", "registry_version": 14, "cost_usd": 0.004}]


class Broken:
    def __str__(self):
        raise RuntimeError


CYCLE: list = []
CYCLE.append(CYCLE)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (float("nan"), None),
        (float("-inf"), None),
        (None, None),
        (Broken(), None),
        (10**5000, None),
        ("\ud800 half", "? half"),
        ("a\nb\u2028c\x85d", "a\nb\u2028c\x85d"),
        ({"at": Path("/x")}, {"at": "/x"}),
        (Path("/x"), "/x"),
        (b"bytes", "b'bytes'"),
        ([float("nan")], "[nan]"),
        ({(1, 2): 3}, "{(1, 2): 3}"),
        (CYCLE, "[[...]]"),
        ({"a": ["\ud83d", "ü"]}, {"a": ["?", "ü"]}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_that_json_cannot_say_is_a_text_or_left_out(value, written, handler_of, logs):
    handler = handler_of(rotate=None, fields=["extra"])
    handler.handle(record(extra=value))
    assert handler.failures == []
    (path,) = logs.iterdir()
    text = path.read_bytes().decode("utf-8")
    assert len(text.splitlines()) == 1
    assert json.loads(text).get("extra") == written


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.complex_numbers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=10,
)


@given(st.lists(st.dictionaries(st.sampled_from([*FIELDS, "extra"]), ANYTHING), min_size=1, max_size=4))
def test_whatever_records_hold_every_line_parses(tmp_path_factory, records):
    folder = tmp_path_factory.mktemp("logs")
    handler = JsonlHandler(folder / "calls.jsonl", rotate=None, fields=["extra"])
    for attributes in records:
        handler.handle(record(**attributes))
    handler.close()
    lines = (folder / "calls.jsonl").read_bytes().decode("utf-8", "strict").splitlines()

    def refuse(constant):
        raise AssertionError(constant)

    parsed = [json.loads(line, parse_constant=refuse) for line in lines]
    assert len(parsed) == len(records)
    assert all(isinstance(row, dict) and None not in row.values() for row in parsed)


def test_engines_read_the_lines(handler_of, logs):
    pandas = pytest.importorskip("pandas")
    handler = handler_of(rotate=None)
    for text in ("a\u2028b", "\ud800", 'quote " and \\', "ü 😀"):
        handler.handle(record(error=text))
    frame = pandas.read_json(logs / "calls.jsonl", lines=True)
    assert frame["error"].tolist() == ["a\u2028b", "?", 'quote " and \\', "ü 😀"]


# Names and rotation


@pytest.mark.parametrize(
    ("rotate", "first", "second"),
    [
        ("day", "calls-2026-11-24.jsonl", "calls-2026-11-25.jsonl"),
        ("hour", "calls-2026-11-24T12.jsonl", "calls-2026-11-25T12.jsonl"),
    ],
)
def test_a_new_day_or_hour_begins_a_new_file(rotate, first, second, handler_of, logs, clock):
    handler = handler_of(rotate=rotate)
    handler.handle(record(attempt=1))
    clock.now += 86_400
    handler.handle(record(attempt=2))
    assert names(logs) == [first, second]
    assert [row["attempt"] for row in rows(logs)] == [1, 2]


def test_a_file_that_reached_its_size_is_followed_by_the_next_number(handler_of, logs, clock):
    handler = handler_of(max_bytes=100)
    for attempt in range(6):
        handler.handle(record(attempt=attempt))
    assert names(logs) == ["calls-2026-11-24.1.jsonl", "calls-2026-11-24.2.jsonl", "calls-2026-11-24.jsonl"]
    sizes = [(logs / name).stat().st_size for name in names(logs)]
    assert all(100 <= size < 160 for size in (sizes[0], sizes[2]))
    assert sorted(row["attempt"] for row in rows(logs)) == list(range(6))


def test_sizes_without_a_period_number_the_path_as_given(handler_of, logs):
    handler = handler_of(rotate=None, max_bytes=1)
    for _ in range(3):
        handler.handle(record())
    assert names(logs) == ["calls.1.jsonl", "calls.2.jsonl", "calls.jsonl"]


def test_a_process_that_starts_later_goes_on_in_the_newest_file(handler_of, logs, clock):
    first = handler_of(max_bytes=100)
    for _ in range(4):
        first.handle(record())
    before = {path: path.stat().st_size for path in logs.iterdir()}
    handler_of(max_bytes=100).handle(record())
    grown = [path.name for path in logs.iterdir() if path.stat().st_size > before.get(path, 0)]
    assert grown == ["calls-2026-11-24.1.jsonl"]


def test_only_as_many_files_stay_as_are_kept(handler_of, logs, clock):
    (logs).mkdir()
    for name in (
        "calls-errors.jsonl",
        "calls.jsonl",
        "calls-2026-11-24.01.jsonl",
        "calls-2031-01-01.jsonl",
        "other",
    ):
        (logs / name).write_text("not mine to delete\n")
    handler = handler_of(keep=2)
    for _ in range(4):
        handler.handle(record())
        clock.now += 86_400
    assert names(logs) == [
        "calls-2026-11-24.01.jsonl",
        "calls-2026-11-26.jsonl",
        "calls-2026-11-27.jsonl",
        "calls-2031-01-01.jsonl",
        "calls-errors.jsonl",
        "calls.jsonl",
        "other",
    ]


def test_a_number_that_was_deleted_as_old_is_not_used_again(handler_of, logs, clock):
    options = {"max_bytes": 1, "keep": 2}
    idle, busy = handler_of(**options), handler_of(**options)
    idle.handle(record(attempt=0))
    for attempt in range(1, 5):
        busy.handle(record(attempt=attempt))
    idle.handle(record(attempt=5))
    assert names(logs) == ["calls-2026-11-24.4.jsonl", "calls-2026-11-24.5.jsonl"]
    assert [row["attempt"] for row in rows(logs)] == [4, 5]


def test_files_only_ever_grow(handler_of, logs, clock):
    handlers = [handler_of(max_bytes=300, rotate="hour") for _ in range(3)]
    seen: dict[str, bytes] = {}
    for step in range(60):
        handlers[step % 3].handle(record(attempt=step))
        clock.now += 200
        for path in logs.iterdir():
            content = path.read_bytes()
            assert content.startswith(seen.get(path.name, b""))
            seen[path.name] = content
    assert sorted(row["attempt"] for row in rows(logs)) == list(range(60))


@pytest.mark.parametrize("options", [{"rotate": "week"}, {"max_bytes": 0}, {"keep": 0}, {"keep": -1}])
def test_an_option_out_of_range_is_refused_at_once(options, tmp_path):
    with pytest.raises(ValueError, match=next(iter(options))):
        JsonlHandler(tmp_path / "calls.jsonl", **options)


def test_a_relative_path_stays_where_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    handler = JsonlHandler("calls.jsonl", rotate=None)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    handler.handle(record())
    handler.close()
    assert (tmp_path / "calls.jsonl").exists()


# What goes wrong on a disk


def test_a_line_that_was_cut_is_never_glued_to_the_next(handler_of, logs):
    handler = handler_of(rotate=None)
    handler.handle(record(attempt=1))
    with (logs / "calls.jsonl").open("ab") as other:
        other.write(b'{"feature":"cut by a cra')
    handler.handle(record(attempt=2))
    with (logs / "calls.jsonl").open("ab") as other:
        other.write(b'{"feature":"cut aga')
    handler_of(rotate=None).handle(record(attempt=3))
    lines = (logs / "calls.jsonl").read_text().split("\n")
    whole = [json.loads(line)["attempt"] for line in lines if line.endswith("}")]
    assert whole == [1, 2, 3]
    assert len(lines) == 6


@pytest.mark.parametrize("gone", ["the file", "the folder", "renamed", "replaced"])
def test_a_file_that_is_gone_is_made_again(gone, handler_of, logs, tmp_path):
    handler = handler_of(rotate=None)
    handler.handle(record(attempt=1))
    path = logs / "calls.jsonl"
    if gone == "the file":
        path.unlink()
    elif gone == "the folder":
        path.unlink()
        logs.rmdir()
    else:
        path.rename(tmp_path / "old")
        if gone == "replaced":
            path.touch()
    handler.handle(record(attempt=2))
    assert [row["attempt"] for row in rows(logs)] == [2]
    assert handler.failures == []


def test_a_folder_that_cannot_be_made_is_reported_and_the_next_record_tries_again(handler_of, logs):
    logs.write_text("a file where the folder should be")
    handler = handler_of(rotate=None)
    handler.handle(record(attempt=1))
    assert [type(failure) for failure in handler.failures] == [FileExistsError]
    logs.unlink()
    handler.handle(record(attempt=2))
    assert [row["attempt"] for row in rows(logs)] == [2]


def test_a_closed_handler_opens_again_for_a_late_record(handler_of, logs):
    handler = handler_of(rotate=None)
    handler.handle(record(attempt=1))
    handler.close()
    handler.handle(record(attempt=2))
    assert [row["attempt"] for row in rows(logs)] == [1, 2]


def test_a_descriptor_is_all_that_is_open_however_many_files_there_were(handler_of, logs):
    handler = handler_of(rotate=None, max_bytes=1)
    handler.handle(record())

    def open_files():
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    before = open_files()
    for _ in range(20):
        handler.handle(record())
    assert open_files() == before
    handler.close()
    assert open_files() == before - 1


def test_standard_output_can_be_the_file():
    code = """
        handler = JsonlHandler("/dev/stdout", rotate=None)
        handler.handle(record(attempt=1))
        handler.handle(record(attempt=2))
    """
    ran = run(code)
    assert [json.loads(line)["attempt"] for line in ran.stdout.splitlines()] == [1, 2]


# Threads and processes

PREAMBLE = """
import json, logging, os, sys
from evalkit.runtime.jsonl import JsonlHandler

def record(**attributes):
    made = logging.LogRecord("evalkit.calls", logging.INFO, "p", 1, "llm_call", None, None)
    vars(made).update({"feature": "triage", "registry_version": 14} | attributes)
    return made
"""


def script(code):
    return [sys.executable, "-c", PREAMBLE + textwrap.dedent(code)]


def run(code, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [*script(code), *map(str, arguments)],
        check=True,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def start(code, *arguments, **options):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([*script(code), *map(str, arguments)], env=environment, **options)


def test_threads_share_a_handler(handler_of, logs):
    handler = handler_of(rotate=None, max_bytes=5000)
    together = threading.Barrier(8)

    def work(number):
        together.wait()
        for attempt in range(200):
            handler.handle(record(unit=f"t{number}", attempt=attempt))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = sorted((row["unit"], row["attempt"]) for row in rows(logs))
    assert found == [(f"t{number}", attempt) for number in range(8) for attempt in range(200)]


WRITER = """
    path, number = sys.argv[1:]
    handler = JsonlHandler(path, rotate="day", max_bytes=200_000)
    sys.stdin.readline()  # all start together
    for attempt in range(2_000):
        handler.handle(record(unit=number, attempt=attempt, error="x" * (attempt % 300)))
"""


def test_eight_processes_write_each_line_once_and_whole(logs):
    writers = [start(WRITER, logs / "calls.jsonl", n, stdin=subprocess.PIPE) for n in range(8)]
    for writer in writers:
        writer.stdin.write(b"\n")
        writer.stdin.close()
    assert [writer.wait(timeout=120) for writer in writers] == [0] * 8
    found = sorted((row["unit"], row["attempt"]) for row in rows(logs))
    assert found == [(str(number), attempt) for number in range(8) for attempt in range(2_000)]
    assert len(names(logs)) > 10
    assert all(path.read_bytes().endswith(b"\n") for path in logs.iterdir())


ENDLESS = """
    handler = JsonlHandler(sys.argv[1], rotate=None)
    attempt = 0
    while True:
        handler.handle(record(unit="killed", attempt=attempt, error="x" * 100_000))
        attempt += 1
        if attempt == 20:
            print("writing", flush=True)
"""


def test_a_process_killed_while_writing_costs_at_most_its_last_line(handler_of, logs):
    handler = handler_of(rotate=None)
    for round_number in range(5):
        victim = start(ENDLESS, logs / "calls.jsonl", stdout=subprocess.PIPE)
        assert victim.stdout.readline() == b"writing\n"
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        victim.stdout.close()
        handler.handle(record(unit="survivor", attempt=round_number))
    cut, survivors = 0, []
    for line in (logs / "calls.jsonl").read_bytes().split(b"\n"):
        try:
            row = json.loads(line or b"{}")
        except ValueError:
            cut += 1
            continue
        if row.get("unit") == "survivor":
            survivors.append(row["attempt"])
    assert survivors == [0, 1, 2, 3, 4]
    assert cut <= 5


def test_a_full_disk_never_reaches_the_caller_and_costs_no_other_line(logs):
    # A limit on the size of a file stands for a full disk: a write is cut short, the next one fails.
    code = """
        import resource
        handler = JsonlHandler(sys.argv[1], rotate=None)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
        for attempt in range(50):
            handler.handle(record(attempt=attempt))
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        handler.handle(record(attempt=99))
        print("alive")
    """
    ran = run(code, logs / "calls.jsonl")
    assert ran.stdout == "alive\n"
    assert "bytes of a record were written" in ran.stderr
    assert "File too large" in ran.stderr
    lines = (logs / "calls.jsonl").read_text().splitlines()
    whole = [json.loads(line)["attempt"] for line in lines if line.endswith("}")]
    assert whole == [*range(whole[-2] + 1), 99]
    assert len(lines) == len(whole) + 1  # the line that was cut, on its own


def test_a_forked_child_writes_on_beside_its_parent(logs):
    code = """
        import threading
        handler = JsonlHandler(sys.argv[1], rotate=None, max_bytes=2_000)
        handler.handle(record(unit="before", attempt=0))
        stop = threading.Event()

        def busy():
            attempt = 0
            while not stop.is_set():
                handler.handle(record(unit="thread", attempt=attempt))
                attempt += 1

        thread = threading.Thread(target=busy)
        thread.start()
        children = []
        for number in range(10):  # while the thread may hold the handler's lock
            child = os.fork()
            if child == 0:
                for attempt in range(20):
                    handler.handle(record(unit=f"child {number}", attempt=attempt))
                os._exit(0)
            children.append(child)
        statuses = [os.waitpid(child, 0)[1] for child in children]
        stop.set()
        thread.join()
        handler.handle(record(unit="after", attempt=0))
        print(statuses)
    """
    assert run(code, logs / "calls.jsonl").stdout == f"{[0] * 10}\n"
    found = [(row["unit"], row["attempt"]) for row in rows(logs)]
    assert len(found) == len(set(found))
    for number in range(10):
        assert {attempt for unit, attempt in found if unit == f"child {number}"} == set(range(20))
    assert ("before", 0) in found
    assert ("after", 0) in found

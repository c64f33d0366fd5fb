"""The answer cache: what it keeps, what a kill costs, and that nothing wrong with its file costs a run."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.evals.cache import UNSAVED, AnswerCache, _transaction, cache_key
from evalkit.evals.case import Answer, ToolCall

URL = "https://api.test/v1/chat/completions"
BODY = {"model": "m", "messages": [{"role": "user", "content": "é\ud800"}], "temperature": 0}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
answers = st.builds(
    Answer,
    output=st.none() | st.text(st.characters()),  # lone surrogates too
    tool_calls=st.lists(st.builds(ToolCall, st.text(), json_values), max_size=2).map(tuple),
    finish_reason=st.none() | st.text(),
    served_model=st.none() | st.text(),
    latency_ms=st.none() | st.floats(0, 1e7),
    input_tokens=st.none() | st.integers(0, 10**9),
    output_tokens=st.none() | st.integers(0, 10**9),
    extra=st.dictionaries(st.text(), json_values, max_size=2),
)


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory):
    with AnswerCache(tmp_path_factory.mktemp("cache") / "answers.db") as cache:
        yield cache


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "answers.db"


@given(answers)
def test_an_answer_comes_back_as_it_was_kept_and_says_that_it_is_cached(shared_cache, answer):
    shared_cache.put("key", answer)
    back = shared_cache.get("key")
    assert back.cached
    back.cached = False
    assert back == answer


def test_the_price_of_an_answer_is_not_kept_since_prices_change(path):
    with AnswerCache(path) as cache:
        cache.put("key", Answer("x", cost_usd=1.0))
        assert cache.get("key").cost_usd is None


def test_what_was_never_kept_is_not_there(path):
    with AnswerCache(path) as cache:
        assert cache.get("key") is None


def test_a_new_answer_replaces_the_old_one(path):
    with AnswerCache(path) as cache:
        cache.put("key", Answer("old"))
        cache.put("key", Answer("new"))
        assert cache.get("key").output == "new"
        assert cache.count() == 1


def test_the_key_is_the_same_on_every_machine_and_in_every_version():
    frozen = "84a22dd6ab92f28da7b0145ac295e01b08d87368119a54dbc9f66ad25f9008ca"
    assert cache_key(URL, {"model": "m", "n": 1}, 0) == frozen


def test_the_order_of_keys_does_not_matter():
    assert cache_key(URL, BODY, 0) == cache_key(URL, dict(reversed(BODY.items())), 0)


@pytest.mark.parametrize(
    "other",
    [
        ("https://other.test/v1/chat/completions", BODY, 0),
        (URL, BODY, 1),
        (URL, {**BODY, "temperature": 1}, 0),
        (URL, {**BODY, "temperature": 0.0}, 0),
        (URL, {**BODY, "messages": []}, 0),
        (URL, {**BODY, "tools": []}, 0),
    ],
)
def test_anything_else_in_the_request_is_another_key(other):
    assert cache_key(*other) != cache_key(URL, BODY, 0)


def test_it_is_there_for_the_next_process(path):
    with AnswerCache(path) as cache:
        cache.put("key", Answer("x"))
    with AnswerCache(path) as cache:
        assert cache.get("key").output == "x"
        assert cache.problems == []


def run_python(code, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def test_kill_9_loses_a_few_of_the_newest_answers_at_most(path):
    writer = run_python(
        """
        import sys
        from pathlib import Path
        from evalkit.evals.cache import AnswerCache
        from evalkit.evals.case import Answer
        cache = AnswerCache(Path(sys.argv[1]))
        for number in range(10**9):
            cache.put(str(number), Answer(str(number)))
            print(number, flush=True)
        """,
        path,
    )
    for _ in range(500):
        last = int(writer.stdout.readline())
    os.kill(writer.pid, signal.SIGKILL)
    last = int((writer.communicate()[0].split("\n")[-2:-1] or [last])[0])
    with AnswerCache(path) as cache:
        lost = [number for number in range(last + 1) if cache.get(str(number)) is None]
        assert len(lost) <= UNSAVED
        assert lost == list(range(last + 1 - len(lost), last + 1))
        assert cache.problems == []


def test_kill_9_loses_nothing_that_was_flushed(path):
    code = """
        import os, signal, sys
        from pathlib import Path
        from evalkit.evals.cache import AnswerCache
        from evalkit.evals.case import Answer
        cache = AnswerCache(Path(sys.argv[1]))
        for number in range(100):
            cache.put(str(number), Answer("x"))
        cache.flush()
        os.kill(os.getpid(), signal.SIGKILL)
        """
    run_python(code, path).communicate()
    with AnswerCache(path) as cache:
        assert cache.count() == 100


def test_an_answer_can_be_read_before_it_is_written(path):
    with AnswerCache(path) as cache, AnswerCache(path) as other:
        assert cache.put("key", Answer("x"))
        assert cache.get("key").output == "x"
        assert cache.get("key").cached
        assert other.get("key") is None
        cache.flush()
        assert other.get("key").output == "x"


def test_enough_answers_are_written_without_being_told(path):
    with AnswerCache(path) as cache, AnswerCache(path) as other:
        waiting = [cache.put(str(number), Answer("x")) for number in range(UNSAVED)]
        assert waiting == [*range(1, UNSAVED), 0]
        assert other.count() == UNSAVED


def test_a_write_that_fails_in_the_middle_leaves_no_transaction_open(path):
    with AnswerCache(path) as cache:
        cache._connection.execute(
            "CREATE TRIGGER t BEFORE INSERT ON answers BEGIN SELECT RAISE(FAIL, 'no'); END"
        )
        connection = cache._connection
        with pytest.raises(sqlite3.IntegrityError), _transaction(connection):
            connection.execute("INSERT INTO answers VALUES ('a', 'b')")
        assert not connection.in_transaction


def test_several_processes_begin_and_write_the_same_file_at_once(path):
    code = """
        import sys
        from pathlib import Path
        from evalkit.evals.cache import AnswerCache
        from evalkit.evals.case import Answer
        input()
        with AnswerCache(Path(sys.argv[1])) as cache:
            for number in range(100):
                cache.put(f"{sys.argv[2]}-{number}", Answer("x"))
                cache.put("shared", Answer("x"))
            print([problem.message for problem in cache.problems])
        """
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), str(path), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for number in range(6)
    ]
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [writer.communicate()[0] for writer in writers] == ["[]\n"] * 6
    with AnswerCache(path) as cache:
        assert cache.count() == 601


# What can be wrong with the file


def assert_begins_anew(path, what):
    with AnswerCache(path) as cache:
        (problem,) = cache.problems
        assert problem.code == "EK508"
        assert problem.severity == "warning"
        assert what in problem.message
        cache.put("key", Answer("x"))
        assert cache.get("key").output == "x"


def test_a_file_that_is_no_database_is_moved_aside(path):
    path.parent.mkdir()
    path.write_bytes(b"my precious notes\n" * 1000)
    assert_begins_anew(path, "damaged (file is not a database); it was moved to answers.db.aside-1")
    assert path.with_name("answers.db.aside-1").read_bytes() == b"my precious notes\n" * 1000


def test_a_database_of_something_else_is_moved_aside_whole(path):
    path.parent.mkdir()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE answers (question, answer)")
        other.execute("INSERT INTO answers VALUES (1, 42)")
    other.close()
    assert_begins_anew(path, "no answer cache")
    with sqlite3.connect(path.with_name("answers.db.aside-1")) as other:
        assert other.execute("SELECT * FROM answers").fetchall() == [(1, 42)]
    other.close()


def test_a_cache_of_another_version_is_moved_aside(path):
    AnswerCache(path).close()
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    assert_begins_anew(path, "of another version of evalkit")


def test_each_file_moved_aside_has_a_name_of_its_own(path):
    path.parent.mkdir()
    for number in (1, 2):
        path.write_bytes(b"x" * 5000)
        assert_begins_anew(path, f"answers.db.aside-{number}")
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def test_damage_found_in_the_middle_of_a_run_is_survived(path):
    with AnswerCache(path) as cache:
        for number in range(2000):
            cache.put(str(number), Answer("x" * 100))
    content = bytearray(path.read_bytes())
    content[1024:] = b"\xff" * (len(content) - 1024)
    path.write_bytes(content)
    with AnswerCache(path) as cache:
        assert cache.problems == []
        assert cache.get("7") is None
        assert [problem.code for problem in cache.problems] == ["EK508"]
        cache.put("7", Answer("new"))
        assert cache.get("7").output == "new"


@pytest.mark.parametrize(
    "content", ["", "[]", "nonsense", "[" * 100_000, '{"unknown": 1}', '{"tool_calls": [1]}']
)
def test_a_row_that_cannot_be_read_is_a_miss(path, content):
    with AnswerCache(path) as cache:
        cache.put("key", Answer("x"))
        cache.flush()
        cache._connection.execute("UPDATE answers SET answer = ?", (content,))
        assert cache.get("key") is None
        cache.put("key", Answer("new"))
        assert cache.get("key").output == "new"


def test_a_place_that_cannot_be_written_is_a_warning_and_the_run_goes_on(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "answers.db", tmp_path):
        with AnswerCache(path) as cache:
            (problem,) = cache.problems
            assert problem.code == "EK509"
            assert problem.severity == "warning"
            cache.put("key", Answer("x"))
            assert cache.get("key") is None
            assert cache.count() == 0
            assert cache.evict(0) == 0


def test_a_full_disk_is_a_warning_and_the_run_goes_on(path):
    with AnswerCache(path) as cache:
        cache._connection.execute("PRAGMA max_page_count = 10")
        for number in range(2000):
            cache.put(str(number), Answer("x" * 1000))
        (problem,) = cache.problems
        assert problem.code == "EK509"
        assert "full" in problem.message


def test_damage_found_at_the_very_end_is_survived_and_the_last_answers_are_kept(path):
    with AnswerCache(path) as cache:
        cache.put("old", Answer("x"))
    content = bytearray(path.read_bytes())
    content[1024:] = b"\xff" * (len(content) - 1024)
    path.write_bytes(content)
    with AnswerCache(path) as cache:
        cache.put("new", Answer("x"))
    assert [problem.code for problem in cache.problems] == ["EK508"]
    with AnswerCache(path) as cache:
        assert cache.get("new").output == "x"


# Size


def test_the_oldest_answers_go_first(path):
    with AnswerCache(path) as cache:
        for number in range(1000):
            cache.put(str(number), Answer("x" * 1000))
        cache.put("0", Answer("asked anew"))
        removed = cache.evict(200_000)
        assert 800 <= removed <= 900
        assert cache.count() == 1000 - removed
        assert cache.get("1") is None
        assert cache.get("999") is not None
        assert cache.get("0").output == "asked anew"
    assert path.stat().st_size < 300_000


def test_nothing_goes_while_it_is_small_enough(path):
    with AnswerCache(path) as cache:
        cache.put("key", Answer("x"))
        assert cache.evict(10_000) == 0
        assert cache.get("key") is not None


def test_while_another_process_is_at_work_nothing_is_removed(path):
    with AnswerCache(path) as cache, AnswerCache(path) as other:
        cache._connection.execute("PRAGMA busy_timeout = 0")
        for number in range(10):
            cache.put(str(number), Answer("x"))
        cache.flush()
        other._connection.execute("BEGIN IMMEDIATE")
        assert cache.evict(0) == 0
        other._connection.execute("ROLLBACK")
        assert cache.evict(0) == 10
        assert cache.problems == []


def test_the_file_holds_the_answer_and_nothing_of_the_request(path):
    with AnswerCache(path) as cache:
        cache.put(cache_key(URL, {"messages": [{"content": "the question"}]}, 0), Answer("the answer"))
    content = path.read_bytes()
    assert b"the answer" in content
    assert b"the question" not in content

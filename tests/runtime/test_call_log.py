from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from uuid import UUID

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from evalkit.runtime.call import LOGGER, Call
from evalkit.runtime.call_log import FIELDS, error_text, log_fields

DIGEST = "sha256:" + "a" * 64
NOW = 1795532400.25  # 2026-11-24T15:00:00.250Z
CHAT = {
    "id": "chatcmpl-7",
    "object": "chat.completion",
    "created": 1795532400,
    "model": "gpt-5.6-2026-06-11",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "private"}}
    ],
    "usage": {
        "prompt_tokens": 1000,
        "completion_tokens": 200,
        "total_tokens": 1200,
        "prompt_tokens_details": {"cached_tokens": 400},
    },
}


def config(**changes):
    known = {
        "name": "support-triage",
        "env": "production",
        "version": 14,
        "digest": DIGEST,
        "variant": "primary",
        "unit": None,
        "model": "gpt-5.6-2026-06-11",
        "price": {"input": 2.0, "output": 10.0, "cached_input": 0.5},
    }
    return SimpleNamespace(**known | changes)


def fields(resp=None, error=None, started=None, *, cfg=None, **more):
    return log_fields(cfg or config(), resp, error, started, now=lambda: NOW, **more)


@pytest.fixture
def records():
    """What the logger of calls was given."""
    seen: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = seen.append
    logger = logging.getLogger(LOGGER)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield seen
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


# The fields


def test_a_call_that_went_well_has_these_fields_and_no_others():
    resp = ChatCompletion.model_validate(CHAT)
    found = fields(
        resp, started=NOW - 1.5, cfg=config(unit="k1:9f86"), attempt=2, fallback=False, feedback="up"
    )
    assert found == {
        "ts": "2026-11-24T14:59:58.750Z",
        "feature": "support-triage",
        "registry_version": 14,
        "digest": DIGEST,
        "variant": "primary",
        "unit": "k1:9f86",
        "env": "production",
        "latency_ms": 1500.0,
        "input_tokens": 1000,
        "output_tokens": 200,
        "cost_usd": pytest.approx((600 * 2.0 + 400 * 0.5 + 200 * 10.0) / 1e6),
        "finish_reason": "stop",
        "served_model": "gpt-5.6-2026-06-11",
        "attempt": 2,
        "fallback": False,
        "feedback": "up",
        "request_id": "chatcmpl-7",
    }


def test_a_call_that_failed_has_its_error_and_nothing_of_an_answer():
    found = fields(error=ValueError("my key is sk-123"), started=NOW - 1)
    assert found == {
        "ts": "2026-11-24T14:59:59.250Z",
        "feature": "support-triage",
        "registry_version": 14,
        "digest": DIGEST,
        "variant": "primary",
        "env": "production",
        "error": "ValueError",
        "latency_ms": 1000.0,
    }


def test_no_field_has_the_name_of_an_attribute_of_a_log_record():
    record = logging.LogRecord("n", logging.INFO, "p", 1, "m", None, None)
    taken = {*vars(record), "message", "asctime"}
    assert not taken & set(FIELDS)


def test_an_unknown_price_gives_no_cost():
    assert "cost_usd" not in fields(CHAT, cfg=config(price=None))


def test_a_price_without_a_cached_input_charges_cached_tokens_in_full():
    assert fields(CHAT, cfg=config(price={"input": 2.0, "output": 10.0}))["cost_usd"] == pytest.approx(0.004)


def test_a_response_that_says_it_failed_is_an_error():
    body = {"object": "response", "id": "resp_1", "status": "failed", "usage": None}
    assert fields(body)["error"] == "failed"
    assert fields(body, error="rate_limited")["error"] == "rate_limited"


@pytest.mark.parametrize(
    ("given", "logged"),
    [
        (UUID(int=7), str(UUID(int=7))),
        ("r-1", "r-1"),
        (7, "7"),
        ("", "chatcmpl-7"),
        ("a\nb", "chatcmpl-7"),
        (None, "chatcmpl-7"),
    ],
)
def test_a_request_id_is_a_short_text_or_else_that_of_the_response(given, logged):
    assert fields(CHAT, request_id=given)["request_id"] == logged


@pytest.mark.parametrize("unit", ["k1:abc", None])
def test_an_explicit_unit_overrides_that_of_the_config(unit):
    assert fields(cfg=config(unit="k1:own"), unit=unit)["unit"] == (unit or "k1:own")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("attempt", True),
        ("attempt", -1),
        ("attempt", "1"),
        ("fallback", "gpt"),
        ("fallback", 1),
        ("feedback", ""),
        ("feedback", float("nan")),
        ("feedback", {}),
    ],
)
def test_a_value_of_the_wrong_kind_is_left_out(name, value):
    assert name not in fields(**{name: value})


# When it started, and how long it took


@pytest.mark.parametrize("clock", [time.perf_counter, time.monotonic])
def test_a_monotonic_start_becomes_a_wall_clock_time(clock):
    started = clock() - 2.0
    found = fields(started=started)
    assert 2000 <= found["latency_ms"] < 3000
    ts = datetime.fromisoformat(found["ts"]).timestamp()
    assert ts == pytest.approx(NOW - found["latency_ms"] / 1000, abs=0.002)


def test_a_wall_clock_start_is_the_time_of_the_call():
    found = log_fields(config(), started=time.time())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found["ts"])
    assert abs(datetime.fromisoformat(found["ts"]).timestamp() - time.time()) < 5


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=5, minutes=30)), None])
def test_a_datetime_is_understood_and_without_a_zone_it_is_local(zone, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert fields(started=datetime.fromtimestamp(NOW - 1, zone))["latency_ms"] == 1000.0
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_clock_that_was_moved_back_gives_no_latency():
    found = fields(started=NOW + 60)
    assert "latency_ms" not in found
    assert found["ts"] == "2026-11-24T15:01:00.250Z"


def test_a_monotonic_start_in_the_future_gives_no_latency_and_the_present_time():
    found = fields(started=time.perf_counter() + 1000)
    assert "latency_ms" not in found
    assert found["ts"] == "2026-11-24T15:00:00.250Z"


def test_a_latency_measured_elsewhere_sets_the_start_too():
    found = fields(latency_ms=250)
    assert (found["ts"], found["latency_ms"]) == ("2026-11-24T15:00:00.000Z", 250.0)


@pytest.mark.parametrize(
    "started",
    [
        float("nan"),
        float("inf"),
        True,
        "now",
        b"",
        object(),
        10**400,
        -1e16,
        1e9,
        NOW * 1000,
        NOW * 1e9,
        datetime.min.replace(tzinfo=timezone(timedelta(hours=5))),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-5))),
    ],
    ids=lambda value: str(value)[:20] if isinstance(value, int | float | str) else type(value).__name__,
)
def test_a_start_that_is_no_time_is_left_out(started):
    found = fields(started=started)
    assert found["ts"].startswith("2026-11-24T15:00:00")
    assert "latency_ms" not in found


@pytest.mark.parametrize("latency_ms", [-1, float("nan"), float("inf"), 1e300, True, "5"])
def test_a_latency_that_cannot_be_true_is_left_out(latency_ms):
    assert "latency_ms" not in fields(latency_ms=latency_ms)


# Errors


class DeadlinePassed(TimeoutError):
    pass


REQUEST = httpx2.Request("POST", "http://127.0.0.1/v1/chat/completions")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (None, None),
        (False, None),
        (ValueError("secret"), "ValueError"),
        (ValueError, "ValueError"),
        (TimeoutError(), "TimeoutError"),
        (openai.APITimeoutError(request=REQUEST), "APITimeoutError"),
        (httpx2.ReadTimeout("secret"), "ReadTimeout"),
        (DeadlinePassed("secret"), "DeadlinePassed(TimeoutError)"),
        (asyncio.CancelledError(), "CancelledError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (ExceptionGroup("secret", [ValueError("secret")]), "ExceptionGroup"),
        (type("Odd\n::error::", (Exception,), {})(), "Odd ::error::"),
        ("malformed", "malformed"),
        ("two\nlines\x1b[31m\u2028of  text", "two lines [31m of text"),
        ("x" * 5000, "x" * 100),
        ("", "unnamed"),
        ("\n", "unnamed"),
        (True, "unnamed"),
        ({"message": "secret"}, "unnamed"),
    ],
)
def test_an_error_is_one_short_line_that_holds_no_message(error, text):
    assert error_text(error) == text


# Whatever comes

SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
ANYTHING = st.recursive(
    SCALAR,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "model", "usage", "choices", "prompt_tokens", "completion_tokens"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(
    resp=ANYTHING,
    error=st.none() | st.text() | st.booleans(),
    started=st.none() | st.floats() | st.integers() | st.datetimes(),
    latency_ms=st.none() | st.floats() | st.integers(),
    attempt=SCALAR,
    feedback=SCALAR,
    request_id=SCALAR,
)
def test_whatever_is_logged_the_fields_are_plain_and_known(
    resp, error, started, latency_ms, attempt, feedback, request_id
):
    found = fields(
        resp,
        error,
        started,
        latency_ms=latency_ms,
        attempt=attempt,
        feedback=feedback,
        request_id=request_id,
    )
    assert set(found) <= set(FIELDS)
    assert None not in found.values()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found.get("latency_ms", 0) >= 0
    assert found.get("cost_usd", 0) >= 0


# A call as a block


def test_a_block_logs_one_record_with_what_the_response_says(records):
    with Call(config()) as call:
        call.response = ChatCompletion.model_validate(CHAT)
        call.attempt, call.fallback, call.feedback = 1, False, "up"
    (record,) = records
    assert (record.name, record.levelname, record.getMessage()) == ("evalkit.calls", "INFO", "llm_call")
    assert {name: getattr(record, name) for name in FIELDS if hasattr(record, name)} == call.fields
    assert call.fields["input_tokens"] == 1000
    assert call.fields["attempt"] == 1
    assert call.fields["feedback"] == "up"
    assert call.fields["latency_ms"] >= 0
    assert abs(datetime.fromisoformat(call.fields["ts"]).timestamp() - time.time()) < 5


@pytest.mark.parametrize(
    "known",
    [
        {"attempt": "x"},
        {"attempt": 0},
        {"attempt": True},
        {"attempt": 1.0},
        {"fallback": "gpt"},
        {"attemp": 1},
    ],
)
def test_an_argument_that_the_record_would_drop_is_refused_before_the_call(known):
    with pytest.raises(TypeError, match=next(iter(known))):
        Call(config(), **known)


def test_a_record_names_the_line_of_the_application(records):
    with Call(config()):
        pass
    assert records[0].pathname == __file__


@pytest.mark.parametrize(
    "kind", [ValueError, KeyboardInterrupt, asyncio.CancelledError, SystemExit, GeneratorExit]
)
def test_an_exception_is_recorded_and_goes_on(kind, records):
    error = kind("secret")
    with pytest.raises(kind) as raised, Call(config()) as call:
        raise error
    assert raised.value is error
    assert records[0].error == kind.__name__
    assert "secret" not in repr(vars(records[0]))
    assert "error" in call.fields


def test_an_answer_that_does_not_parse_is_recorded_as_bad_and_still_costs(records):
    with Call(config()) as call:
        call.response = CHAT
        call.fail("malformed")
    assert records[0].error == "malformed"
    assert records[0].output_tokens == 200
    assert records[0].cost_usd > 0


def test_what_the_application_says_of_a_failure_goes_before_the_exception(records):
    def parse_in_a_block():
        with Call(config()) as call:
            try:
                json.loads("no json")
            except ValueError:
                call.fail("malformed")
                raise

    with pytest.raises(json.JSONDecodeError):
        parse_in_a_block()
    assert records[0].error == "malformed"


def test_the_chunks_of_a_stream_add_up(records):
    base = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m-1", "choices": []}
    chunks = [
        {**base, "choices": [{"index": 0, "delta": {"content": "private"}, "finish_reason": None}]},
        {**base, "choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]},
        {**base, "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}},
    ]
    with Call(config()) as call:
        for chunk in chunks:
            call.add(ChatCompletionChunk.model_validate(chunk))
    assert call.fields["finish_reason"] == "length"
    assert (call.fields["input_tokens"], call.fields["output_tokens"]) == (5, 2)
    assert call.fields["request_id"] == "c-1"
    assert "private" not in repr(vars(records[0]))


def test_the_last_chunk_alone_gives_the_tokens():
    with Call(config()) as call:
        call.response = {"id": "c-1", "choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}
    assert (call.fields["input_tokens"], call.fields["output_tokens"]) == (5, 2)


def test_a_retry_with_the_same_call_starts_afresh(records):
    call = Call(config())
    for attempt in (1, 2):
        with suppress(ConnectionError), call:
            call.attempt = attempt
            if attempt == 1:
                call.add(CHAT)
                raise ConnectionError
    assert [getattr(r, "error", None) for r in records] == ["ConnectionError", None]
    assert not hasattr(records[1], "input_tokens")


def test_a_block_in_async_code_measures_its_own_wait_and_records_a_cancellation(records):
    async def request(name, answered):
        with Call(config(name=name)) as call:
            await answered.wait()
            call.response = {**CHAT, "id": name}

    async def scenario():
        first, never = asyncio.Event(), asyncio.Event()
        one = asyncio.create_task(request("one", first))
        two = asyncio.create_task(request("two", never))
        await asyncio.sleep(0)
        first.set()
        await one
        two.cancel()
        with pytest.raises(asyncio.CancelledError):
            await two

    asyncio.run(scenario())
    assert [(r.feature, getattr(r, "error", None)) for r in records] == [
        ("one", None),
        ("two", "CancelledError"),
    ]
    assert records[0].request_id == "one"


def test_fields_are_there_when_nobody_listens():
    with Call(config()) as call:
        call.response = CHAT
    assert call.fields["registry_version"] == 14


def test_a_failure_to_log_never_reaches_the_application(records, capsys):
    logger = logging.getLogger(LOGGER)

    def broken(record):
        raise RuntimeError("the filter is broken")

    logger.addFilter(broken)
    try:
        with Call(config()) as call:
            call.response = CHAT
    finally:
        logger.removeFilter(broken)
    assert call.fields["output_tokens"] == 200
    assert "RuntimeError: the filter is broken" in capsys.readouterr().err


def test_a_config_that_cannot_be_read_does_not_break_the_call(capsys, monkeypatch):
    with Call(SimpleNamespace()) as call:
        call.response = CHAT
    assert call.fields == {}
    assert "a call was not logged" in capsys.readouterr().err
    monkeypatch.setattr(logging, "raiseExceptions", False)
    with Call(SimpleNamespace()):
        pass
    assert capsys.readouterr().err == ""


def test_importing_the_call_log_does_not_import_logging():
    import subprocess
    import sys

    code = (
        "import sys; import evalkit.runtime.call, evalkit.runtime.telemetry; print('logging' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout == "False\n"

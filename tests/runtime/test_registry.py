"""Opening, resolving, and the set changing underneath."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading

import pytest
from small_registry import entry

from evalkit import Registry, Snapshot
from evalkit.errors import BundleError, EvalkitError, Problem, SourceError, UnknownEntry
from evalkit.testing.fake_source import FakeSource

NAME = "support-triage"


@pytest.fixture
def opened(tmp_path):
    """`opened(source, **arguments)`: a registry that is closed at the end."""
    registries = []

    def open_one(source, **arguments):
        arguments.setdefault("cache_dir", tmp_path / "cache")
        registry = Registry.open(source, **arguments)
        registries.append(registry)
        return registry

    yield open_one
    for registry in registries:
        registry.close()


def serves(registry) -> int:
    return registry.resolve(NAME, env="production").version


def changed(registry) -> threading.Event:
    event = threading.Event()
    registry.on_change(lambda _: event.set())
    return event


def test_a_hit_gives_the_same_object_and_asks_nobody(opened, v13):
    source = FakeSource(v13)
    registry = opened(source)
    first = registry.resolve(NAME, env="production")
    assert first is registry.resolve(NAME, "production")
    assert source.fetches == 1


def test_news_arrive_without_anybody_asking(opened, v13, v14):
    source = FakeSource(v13)
    registry = opened(source)
    held = registry.resolve(NAME, env="production")
    event = changed(registry)
    source.publish(v14)
    assert event.wait(10)
    now = registry.resolve(NAME, env="production")
    assert (now.version, now.stale) == (14, False)
    assert held.version == 13
    assert held.stale
    assert held.reason == "v13 serves production; stale: a newer set serves now: resolve again"


def test_a_change_says_what_moved(opened, v13, v14):
    source = FakeSource(v13)
    registry = opened(source)
    seen = []
    remove = registry.on_change(seen.append)
    source.publish(v14)
    registry.refresh()
    assert registry.refresh() is False
    (change,) = seen
    assert change.moved == ((NAME, "production"), (NAME, "staging"))
    assert change.after.resolve(NAME, "production").version == 14
    assert str(change) == "support-triage v13 -> v14 in production, support-triage v13 -> v14 in staging"
    remove()


def test_a_change_of_what_a_version_says_is_a_change_too(opened, make_bundle):
    source = FakeSource(make_bundle(1, entry(13, "production")))
    registry = opened(source)
    seen = []
    registry.on_change(seen.append)
    source.publish(make_bundle(2, entry(13, "production", max_tokens=99)))
    registry.refresh()
    assert seen[0].moved == ((NAME, "production"), (NAME, "staging"))
    assert str(seen[0]) == "support-triage v13 changed in production, support-triage v13 changed in staging"
    assert repr(seen[0].after).startswith("<Snapshot fake 0000")


def test_a_change_of_what_stands_by_moves_nothing(opened, make_bundle):
    source = FakeSource(make_bundle(1, entry(13, "production")))
    registry = opened(source)
    seen = []
    registry.on_change(seen.append)
    source.publish(make_bundle(2, entry(12, "production"), entry(13, "production")))
    registry.refresh()
    assert seen[0].moved == ()
    assert str(seen[0]) == "nothing that serves changed"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"refresh_s": "2"}, "refresh_s is a number"),
        ({"timeout_s": -1}, "timeout_s is a number"),
        ({"fallback": True}, "a source is"),
    ],
)
def test_arguments_of_the_wrong_kind_are_refused_at_once(v13, arguments, said):
    with pytest.raises(TypeError, match=said):
        Registry.open(FakeSource(v13), **arguments)


def test_a_callback_that_raises_is_logged_and_the_others_are_called(opened, v13, v14, caplog):
    source = FakeSource(v13)
    registry = opened(source)
    event = threading.Event()
    registry.on_change(lambda _: 1 / 0)
    registry.on_change(lambda _: event.set())
    with caplog.at_level(logging.INFO, "evalkit.registry"):
        source.publish(v14)
        assert event.wait(10)
    assert "an on_change callback failed" in caplog.text
    assert serves(registry) == 14


def test_a_callback_can_run_in_an_event_loop(opened, v13, v14):
    source = FakeSource(v13)

    async def scenario():
        registry = await asyncio.to_thread(opened, source)
        loop = asyncio.get_running_loop()
        arrived = loop.create_future()
        registry.on_change(lambda _: arrived.set_result(threading.current_thread()), loop=loop)
        source.publish(v14)
        return await asyncio.wait_for(arrived, 10)

    assert asyncio.run(scenario()) is threading.main_thread()


def test_a_snapshot_stays_as_it_is(opened, v13, v14):
    source = FakeSource(v13)
    registry = opened(source)
    kept = registry.snapshot()
    assert isinstance(kept, Snapshot)
    source.publish(v14)
    registry.refresh()
    assert kept.resolve(NAME, "production").version == 13
    assert serves(registry) == 14


@pytest.mark.parametrize(
    "error",
    [
        SourceError(Problem("EK704", "the server answers 503")),
        BundleError(Problem("EK702", "no valid bundle: cut")),
        RuntimeError("an adapter's own mistake"),
    ],
)
def test_while_the_source_fails_the_last_good_set_serves_and_says_so(opened, v13, v14, error, caplog):
    source = FakeSource(v13)
    registry = opened(source)
    held = registry.resolve(NAME, env="production")
    source.fail(error)
    with pytest.raises((SourceError, BundleError)):
        registry.refresh()
    now = registry.resolve(NAME, env="production")
    assert now is held
    assert now.stale
    assert str(error).split(":")[-1].split("\n")[0].strip() in now.reason
    status = registry.status()
    assert status.stale
    assert status.failures >= 1
    source.publish(v14)
    registry.refresh()
    assert serves(registry) == 14
    assert not registry.resolve(NAME, env="production").stale


def test_the_same_trouble_is_logged_once_and_its_end_too(opened, v13, caplog):
    source = FakeSource(v13)
    registry = opened(source)
    with caplog.at_level(logging.INFO, "evalkit.registry"):
        source.fail(SourceError(Problem("EK704", "the server answers 503")))
        for _ in range(3):
            with pytest.raises(SourceError):
                registry.refresh()
        source.publish(v13)
        registry.refresh()
    messages = [
        record.getMessage() for record in caplog.records if "current again" not in record.getMessage()
    ]
    assert messages == ["evalkit: fake: still serving the last good set: EK704 the server answers 503"]
    assert "fake: current again" in caplog.text


def test_an_older_update_is_refused_for_as_long_as_it_is_there(opened, v13, v14):
    source = FakeSource(v14)
    registry = opened(source)
    source.publish(v13)
    for _ in range(2):
        with pytest.raises(BundleError, match="fake: EK705 the update is older than what serves"):
            registry.refresh()
        assert serves(registry) == 14
        assert registry.resolve(NAME, env="production").stale
    source.publish(v14)
    registry.refresh()
    assert not registry.resolve(NAME, env="production").stale


def test_an_update_without_a_commit_does_not_replace_one_that_has_one(opened, v13, make_bundle):
    source = FakeSource(v13)
    registry = opened(source)
    source.publish(make_bundle(None, entry(14, "production")))
    with pytest.raises(BundleError, match="it has no commit"):
        registry.refresh()
    assert serves(registry) == 13


def test_without_commits_every_update_is_taken(opened, make_bundle):
    source = FakeSource(make_bundle(None, entry(14, "production")))
    registry = opened(source)
    source.publish(make_bundle(None, entry(13, "production")))
    registry.refresh()
    assert serves(registry) == 13


def test_an_update_that_takes_away_what_is_used_is_refused(opened, make_bundle):
    both = make_bundle(1, entry(13, "production"), entry(1, "production", name="faq"))
    without = make_bundle(2, entry(14, "production"))
    unused, used = FakeSource(both, name="unused"), FakeSource(both, name="used")
    registry = opened(unused)
    assert serves(registry) == 13
    unused.publish(without)
    registry.refresh()
    with pytest.raises(UnknownEntry):
        registry.resolve("faq", env="production")

    registry = opened(used)
    assert registry.resolve("faq", env="production").version == 1
    used.publish(without)
    with pytest.raises(BundleError, match="leaves nobody to serve what this process uses: faq in production"):
        registry.refresh()
    assert registry.resolve("faq", env="production").version == 1


def test_a_start_without_source_uses_the_last_good_set(opened, v13):
    source = FakeSource(v13)
    opened(source).close()
    source.fail(SourceError(Problem("EK704", "the server answers 503")))
    registry = opened(source)
    cfg = registry.resolve(NAME, env="production")
    assert (cfg.version, cfg.stale) == (13, True)
    assert cfg.source == "last good set of fake"
    assert cfg.reason == "v13 serves production; stale: EK704 the server answers 503"
    source.publish(v13)
    registry.refresh()
    assert not registry.resolve(NAME, env="production").stale


def test_a_start_does_not_wait_for_a_source_that_hangs(opened, v13, v14):
    source = FakeSource(v13)
    opened(source).close()
    source.publish(v14)
    source.hang()
    registry = opened(source)  # would wait for ever
    cfg = registry.resolve(NAME, env="production")
    assert (cfg.version, cfg.stale) == (13, True)
    assert "the source has not answered yet" in cfg.reason
    event = changed(registry)
    source.go_on()
    assert event.wait(10)
    assert serves(registry) == 14


def test_an_older_set_at_the_start_does_not_replace_the_last_good_one(opened, v13, v14):
    source = FakeSource(v14)
    opened(source).close()
    source.publish(v13)
    registry = opened(source)
    cfg = registry.resolve(NAME, env="production")
    assert (cfg.version, cfg.stale) == (14, True)
    assert "EK705" in cfg.reason


def test_a_damaged_last_good_set_is_not_used_and_named(opened, v13, tmp_path):
    source = FakeSource(v13)
    opened(source).close()
    (kept,) = (tmp_path / "cache").glob("*.bundle")
    kept.write_bytes(kept.read_bytes()[:-200])
    source.fail(SourceError(Problem("EK704", "the server answers 503")))
    with pytest.raises(SourceError) as raised:
        opened(source)
    assert [problem.code for problem in raised.value.problems] == ["EK704", "EK706"]
    source.publish(v13)
    assert serves(opened(source)) == 13


def test_the_first_start_without_anything_raises_what_the_source_says(opened, tmp_path):
    source = FakeSource()
    with pytest.raises(SourceError, match="fake: EK704 nothing is published"):
        opened(source)
    assert not [t for t in threading.enumerate() if t.name == "evalkit-refresh" and not t.daemon]


def test_the_fallback_serves_when_there_is_nothing_else(opened, v13, v14):
    source = FakeSource()
    registry = opened(source, fallback=FakeSource(v13, name="inside the application"))
    cfg = registry.resolve(NAME, env="production")
    assert (cfg.version, cfg.source, cfg.stale) == (13, "inside the application", True)
    source.publish(v14)
    registry.refresh()
    assert serves(registry) == 14


@pytest.mark.parametrize("name", ["spair.json", "broken.json", "package:nowhere/registry.json", "spare.jso"])
def test_a_fallback_that_cannot_be_used_is_found_while_the_source_is_well(opened, v13, tmp_path, name):
    (tmp_path / "broken.json").write_bytes(b"{")
    (tmp_path / "spare.json").write_bytes(b"{}")
    with pytest.raises(EvalkitError) as refused:
        opened(FakeSource(v13), fallback=name if ":" in name else tmp_path / name)
    assert name in str(refused.value)
    if name != "spare.jso":
        assert "the fallback cannot be used" in str(refused.value)
    assert ("did you mean" in str(refused.value)) is name.startswith("spa")


@pytest.mark.parametrize(("kept", "shipped", "expected"), [("v13", "v14", 14), ("v14", "v13", 14)])
def test_of_the_last_good_set_and_the_fallback_the_newer_one_serves(opened, request, kept, shipped, expected):
    source = FakeSource(request.getfixturevalue(kept))
    opened(source).close()
    source.fail(SourceError(Problem("EK704", "down")))
    registry = opened(source, fallback=FakeSource(request.getfixturevalue(shipped), name="fallback"))
    assert serves(registry) == expected


def test_a_cache_that_cannot_be_written_is_a_warning_and_no_more(opened, v13, tmp_path, caplog):
    (tmp_path / "file").write_text("no folder")
    registry = opened(FakeSource(v13), cache_dir=tmp_path / "file" / "cache")
    assert serves(registry) == 13


def test_a_source_that_never_changes_is_asked_once_and_leaves_no_thread(opened, v13):
    source = FakeSource(v13)
    source.interval_s = None
    registry = opened(source)
    for thread in threading.enumerate():
        if thread.name == "evalkit-refresh":
            thread.join(10)
    assert serves(registry) == 13
    assert source.fetches == 1


def test_a_set_that_nobody_confirms_becomes_stale_by_itself(opened, v13):
    source = FakeSource(v13)
    registry = opened(source, refresh_s=0, max_age_s=0.0)
    cfg = registry.resolve(NAME, env="production")
    assert cfg.stale
    assert "not confirmed for" in cfg.reason


def test_a_registry_that_nobody_holds_ends_its_thread(v13, tmp_path):
    before = set(threading.enumerate())
    registry = Registry.open(FakeSource(v13), cache_dir=tmp_path)
    cfg = registry.resolve(NAME, env="production")
    (thread,) = [t for t in threading.enumerate() if t not in before]
    del registry
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()
    assert cfg.model


def test_after_closing_it_goes_on_resolving(v13, tmp_path):
    with Registry.open(FakeSource(v13), cache_dir=tmp_path) as registry:
        pass
    assert serves(registry) == 13
    assert repr(registry).startswith("<Registry fake 0000000000")


def test_the_environment_names_the_source(monkeypatch, tmp_path, v13):
    (tmp_path / "b.json").write_bytes(v13.encode())
    monkeypatch.setenv("EVALKIT_REGISTRY", str(tmp_path / "b.json"))
    monkeypatch.setenv("EVALKIT_CACHE_DIR", str(tmp_path / "cache"))
    with Registry.open() as registry:
        assert serves(registry) == 13
        assert registry.names == [NAME]
        assert [v.version for v in registry.variants(NAME, "production")] == [13]


def test_left_out_it_is_the_registry_here(monkeypatch, tmp_path):
    from small_registry import files, write

    write(tmp_path, files(entry(13, "production")))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EVALKIT_REGISTRY", raising=False)
    with Registry.open(cache_dir=tmp_path / "cache") as registry:
        assert serves(registry) == 13

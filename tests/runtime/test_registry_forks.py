"""The registry in many threads, in forked and spawned processes, and at a start that its source does not help."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from chaos.forked import Child
from chaos.generations import ENV, NAMES, Generations
from chaos.server import BundleServer

from evalkit import Registry
from evalkit.errors import EvalkitError, SourceError
from evalkit.runtime.atomic import locked
from evalkit.runtime.bundle import read_bundle
from evalkit.runtime.last_good import LastGood
from evalkit.testing.fake_source import FakeSource

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

LONG_S = 20.0
"""Nothing here takes this long; what waits for something that does not come fails after it."""


@pytest.fixture
def sets() -> Generations:
    return Generations()


@pytest.fixture
def opened(tmp_path):
    """`opened(source, **arguments)`: a registry that is closed at the end, and that asks only when told to."""
    with contextlib.ExitStack() as stack:

        def open_one(source, **arguments):
            arguments.setdefault("cache_dir", tmp_path / "cache")
            arguments.setdefault("refresh_s", 3600)
            return stack.enter_context(Registry.open(source, **arguments))

        yield open_one


@pytest.fixture
def server():
    with BundleServer() as one:
        yield one


def bundle(sets, generation):
    return read_bundle(sets.encode(generation), "here")


def put(path: Path, data: bytes) -> None:
    """Replace a file as a whole."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    beside.write_bytes(data)
    beside.replace(path)


def kept_in(folder: Path, source) -> LastGood:
    return LastGood(str(folder), str(source))


def serve(server, sets, generation) -> None:
    server.body, server.etag, server.mode = sets.encode(generation), f'"{generation}"', "ok"


def generation_of(registry) -> int:
    return registry.resolve("beta", ENV).params["max_tokens"]


def refresh_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "evalkit-refresh"}


def in_threads(count, work) -> list:
    """Run `work(index)` in threads at once; returns what they return, raises what one raises."""
    gate = threading.Barrier(count)
    results: list = [None] * count

    def run(index):
        gate.wait(LONG_S)
        try:
            results[index] = work(index)
        except BaseException as error:  # noqa: BLE001 - raised again below, in the test's thread
            results[index] = error

    threads = [threading.Thread(target=run, args=(index,), daemon=True) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(3 * LONG_S)
        assert not thread.is_alive(), "a thread is stuck"
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


# Threads


def test_readers_never_see_a_mixed_set_while_sets_are_exchanged_at_full_speed(opened, sets):
    source = FakeSource(bundle(sets, sets.next()))
    registry = opened(source)
    done = threading.Event()

    def read():
        last = rounds = 0
        while not done.is_set() or rounds < 50:
            snapshot = registry.snapshot()
            generation = sets.check(snapshot, render=rounds % 10 == 0)
            assert generation >= last
            last, rounds = generation, rounds + 1
        return last

    def flip():
        try:
            for _ in range(60):
                source.publish(bundle(sets, sets.next()))
                registry.refresh()
        finally:
            done.set()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)  # more places to be interrupted at, and the one that flips gets its turn
    try:
        found = in_threads(4, lambda index: flip() if index == 0 else read())
    finally:
        sys.setswitchinterval(interval)
    assert max(found[1:]) == sets.newest
    assert generation_of(registry) == sets.newest


def test_threads_that_resolve_a_name_for_the_first_time_at_once_get_the_same_object(opened, sets):
    source = FakeSource(bundle(sets, sets.next()))
    registry = opened(source)
    for _ in range(30):
        source.publish(bundle(sets, sets.next()))
        registry.refresh()
        snapshot = registry.snapshot()
        found = in_threads(6, lambda _, of=snapshot: of.resolve("alpha", ENV))
        assert len({id(config) for config in found}) == 1


def test_refreshing_from_many_threads_at_once_ends_with_the_newest_set(opened, sets):
    source = FakeSource(bundle(sets, sets.next()))
    registry = opened(source)
    for _ in range(20):
        source.publish(bundle(sets, sets.next()))
        in_threads(6, lambda _: registry.refresh())
        assert generation_of(registry) == sets.newest
        assert not registry.status().stale


def test_callbacks_added_and_removed_by_many_threads_are_none_lost(opened, sets):
    source = FakeSource(bundle(sets, sets.next()))
    registry = opened(source)
    called: list[int] = []
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        in_threads(8, lambda index: [registry.on_change(lambda _: called.append(1)) for _ in range(200)])
    finally:
        sys.setswitchinterval(interval)
    source.publish(bundle(sets, sets.next()))
    registry.refresh()
    assert len(called) == 1600


def test_a_callback_sees_the_set_it_is_told_of(opened, sets):
    source = FakeSource(bundle(sets, sets.next()))
    registry = opened(source)
    seen = []
    registry.on_change(
        lambda change: seen.append((sets.check(change.after), sets.check(registry.snapshot())))
    )
    for _ in range(3):
        source.publish(bundle(sets, sets.next()))
        registry.refresh()
    assert seen == [(2, 2), (3, 3), (4, 4)]


def test_a_callback_that_blocks_keeps_nobody_from_resolving(opened, sets):
    source = FakeSource(bundle(sets, sets.next()))
    registry = opened(source)
    inside, go_on = threading.Event(), threading.Event()
    registry.on_change(lambda _: (inside.set(), go_on.wait(LONG_S)))
    source.publish(bundle(sets, sets.next()))
    assert inside.wait(LONG_S)
    try:
        assert generation_of(registry) == 2
        assert sets.check(registry.snapshot()) == 2
        assert not registry.status().stale
    finally:
        go_on.set()


def test_a_set_is_kept_on_disk_before_callbacks_are_called(opened, sets, tmp_path):
    source = FakeSource(bundle(sets, sets.next()))
    registry = opened(source)
    kept = kept_in(tmp_path / "cache", source.identity)
    seen = []
    registry.on_change(lambda _: seen.append(kept.load().bundle.commit.count))
    source.publish(bundle(sets, sets.next()))
    registry.refresh()
    assert seen == [2]


def test_refresh_gives_up_in_its_time_while_another_attempt_is_under_way(opened, sets):
    source = FakeSource(bundle(sets, sets.next()))
    registry = opened(source)
    inside, go_on = threading.Event(), threading.Event()
    registry.on_change(lambda _: (inside.set(), go_on.wait(LONG_S)))
    source.publish(bundle(sets, sets.next()))
    assert inside.wait(LONG_S)
    gave_up = threading.Event()

    def ask():
        with contextlib.suppress(EvalkitError):
            registry.refresh(timeout_s=0.05)
        gave_up.set()

    threading.Thread(target=ask, daemon=True).start()
    try:
        assert gave_up.wait(5), "refresh(timeout_s=0.05) still waits after 5 s"
    finally:
        go_on.set()


def test_a_callback_may_refresh(opened, sets):
    source = FakeSource(bundle(sets, sets.next()))
    registry = opened(source)
    returned = threading.Event()

    def callback(_):
        with contextlib.suppress(EvalkitError):
            registry.refresh(timeout_s=0.05)
        returned.set()

    registry.on_change(callback)
    source.publish(bundle(sets, sets.next()))
    assert returned.wait(5), "the refreshing thread waits for itself"


@pytest.mark.parametrize("error", [ZeroDivisionError, SystemExit, asyncio.CancelledError])
def test_whatever_a_callback_raises_the_refreshing_goes_on(opened, sets, error, caplog):
    source = FakeSource(bundle(sets, sets.next()))
    registry = opened(source)
    seen = []

    def callback(change):
        seen.append(sets.check(change.after))
        arrived.set()
        raise error

    registry.on_change(callback)
    for generation in (2, 3):
        arrived = threading.Event()
        source.publish(bundle(sets, sets.next()))
        assert arrived.wait(5), f"generation {generation} does not arrive"
    assert seen == [2, 3]
    assert "an on_change callback failed" in caplog.text


def test_a_callback_in_a_loop_that_has_ended_disturbs_nobody(opened, sets, caplog):
    source = FakeSource(bundle(sets, sets.next()))
    registry = opened(source)
    loop = asyncio.new_event_loop()
    seen = []
    registry.on_change(seen.append, loop=loop)
    registry.on_change(seen.append)
    loop.close()
    source.publish(bundle(sets, sets.next()))
    registry.refresh()
    assert len(seen) == 1
    assert generation_of(registry) == 2


def test_an_event_loop_gets_every_change_in_order(opened, sets):
    source = FakeSource(bundle(sets, sets.next()))
    registry = opened(source)

    async def scenario():
        seen = []
        last = asyncio.Event()

        def callback(change):
            seen.append(sets.check(change.after))
            if len(seen) == 20:
                last.set()

        registry.on_change(callback, loop=asyncio.get_running_loop())
        for _ in range(20):
            source.publish(bundle(sets, sets.next()))
            await asyncio.to_thread(registry.refresh)
        await asyncio.wait_for(last.wait(), LONG_S)
        return seen

    assert asyncio.run(scenario()) == list(range(2, 22))


def test_a_source_whose_wait_fails_is_asked_again_all_the_same(opened, sets):
    class Broken(FakeSource):
        def wait(self, seconds, stop):
            if self.fetches < 3:
                raise OSError("no watches left")
            super().wait(seconds, stop)

    source = Broken(bundle(sets, sets.next()))
    registry = opened(source, refresh_s=0.01)
    event = threading.Event()
    registry.on_change(lambda _: event.set())
    source.publish(bundle(sets, sets.next()))
    assert event.wait(5), "the refreshing thread has ended"


def test_a_name_that_was_used_two_sets_ago_is_still_in_use(opened, sets):
    """A process that resolves a name now and then must find it whatever was published in between."""
    source = FakeSource(bundle(sets, sets.next()))
    registry = opened(source)
    registry.resolve("gamma", ENV)
    source.publish(bundle(sets, sets.next()))
    registry.refresh()
    from evalkit.runtime.bundle import encode_bundle

    document = dict(sets.document(sets.next()))
    document["serving"] = {name: document["serving"][name] for name in NAMES if name != "gamma"}
    source.publish(read_bundle(encode_bundle(document), "here"))
    with pytest.raises(EvalkitError, match="gamma in production"):
        registry.refresh()
    assert sets.check(registry.snapshot()) == 2


# The end


def test_closing_does_not_wait_for_a_source_that_hangs(opened, sets, server):
    serve(server, sets, sets.next())
    before = refresh_threads()
    registry = opened(server.url, refresh_s=0.01)
    (thread,) = refresh_threads() - before
    server.asked.clear()
    server.hang()
    assert server.asked.wait(LONG_S)
    began = time.monotonic()
    registry.close()
    assert time.monotonic() - began < 1
    server.go_on()
    thread.join(LONG_S)
    assert not thread.is_alive()
    assert sets.check(registry.snapshot()) == 1


def test_what_arrives_after_closing_changes_nothing(opened, sets):
    source = FakeSource(bundle(sets, sets.next()))
    before = refresh_threads()
    registry = opened(source)
    (thread,) = refresh_threads() - before
    seen = []
    registry.on_change(seen.append)
    fetches = source.fetches
    source.hang()
    source.publish(bundle(sets, sets.next()))
    while source.fetches == fetches:
        assert thread.is_alive()
        os.sched_yield()
    registry.close()
    source.go_on()
    thread.join(LONG_S)
    assert not thread.is_alive()
    assert seen == []
    assert generation_of(registry) == 1


def test_a_registry_that_nobody_holds_ends_although_its_source_hangs(sets, server, tmp_path):
    serve(server, sets, sets.next())
    before = refresh_threads()
    registry = Registry.open(server.url, cache_dir=tmp_path, refresh_s=0.01)
    (thread,) = refresh_threads() - before
    server.asked.clear()
    server.hang()
    assert server.asked.wait(LONG_S)
    del registry
    gc.collect()
    server.go_on()
    thread.join(LONG_S)
    assert not thread.is_alive()


GARBAGE = """
import faulthandler, gc, sys, threading
faulthandler.dump_traceback_later(10, exit=True)
sys.path[:0] = sys.argv[2:]
from chaos.generations import Generations
from evalkit import Registry
from evalkit.runtime.bundle import read_bundle
from evalkit.testing.fake_source import FakeSource

dropped = threading.Event()

class Source(FakeSource):
    def wait(self, seconds, stop):
        dropped.wait()
        # The collector may run at any allocation: here, while this thread holds the lock of `stop`.
        held = threading.Condition.wait.__code__
        sys.setprofile(lambda frame, event, argument: frame.f_code is held and gc.collect())
        stop.wait(seconds)
        sys.setprofile(None)

sets = Generations()
registry = Registry.open(Source(read_bundle(sets.encode(sets.next()), "here")), cache_dir=sys.argv[1])
(thread,) = [t for t in threading.enumerate() if t.name == "evalkit-refresh"]
gc.disable()
registry.itself = registry
del registry
dropped.set()
thread.join(1)
gc.collect()  # if there was no such place
thread.join()
"""


def test_a_registry_may_be_collected_in_its_own_refreshing_thread(tmp_path):
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    ended = subprocess.run(
        [sys.executable, "-c", GARBAGE, str(tmp_path), *paths], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


# Forks


@needs_fork
def test_a_forked_child_goes_on_refreshing_by_itself(opened, sets, tmp_path):
    path = tmp_path / "b.json"
    put(path, sets.encode(sets.next()))
    registry = opened(path, refresh_s=0.02)
    newer = sets.encode(sets.next())

    def child():
        event = threading.Event()
        registry.on_change(lambda _: event.set())
        assert sets.check(registry.snapshot()) == 1
        put(path, newer)
        assert event.wait(LONG_S)
        return sets.check(registry.snapshot(), render=True)

    assert Child(child).result() == 2


@needs_fork
def test_every_registry_of_a_process_lives_on_in_its_child(opened, sets, server, tmp_path):
    one = sets.encode(sets.next())
    serve(server, sets, 1)
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    for path in paths:
        put(path, one)
    registries = [*(opened(path, refresh_s=0.02) for path in paths), opened(server.url, refresh_s=0.02)]
    closed = opened(paths[0], refresh_s=0.02)
    closed.close()
    newer = sets.encode(sets.next())

    def child():
        assert len(refresh_threads()) == 3
        events = [threading.Event() for _ in registries]
        for registry, event in zip(registries, events, strict=True):
            registry.on_change(lambda _, event=event: event.set())
        for path in paths:
            put(path, newer)
        return [event.wait(LONG_S) for event in events[:2]]

    assert Child(child).result() == [True, True]
    serve(server, sets, 2)
    assert Child(lambda: registries[2].refresh() or generation_of(registries[2])).result() in {2, True}


@needs_fork
def test_a_child_of_a_child_goes_on_refreshing(opened, sets, tmp_path):
    path = tmp_path / "b.json"
    put(path, sets.encode(sets.next()))
    registry = opened(path, refresh_s=0.02)
    newer = sets.encode(sets.next())

    def grandchild():
        event = threading.Event()
        registry.on_change(lambda _: event.set())
        put(path, newer)
        return event.wait(LONG_S) and generation_of(registry)

    assert Child(lambda: Child(grandchild).result()).result() == 2


@needs_fork
def test_a_fork_while_a_fetch_hangs_does_not_take_the_lock_along(opened, sets, server):
    serve(server, sets, sets.next())
    registry = opened(server.url, refresh_s=0.01, timeout_s=LONG_S)
    server.asked.clear()
    server.hang()
    assert server.asked.wait(LONG_S)  # the parent's thread is in it, and holds its lock

    def child():
        assert sets.check(registry.snapshot()) == 1
        with pytest.raises(SourceError):
            registry.refresh(timeout_s=0.1)
        assert registry.resolve("alpha", ENV).stale
        return "; stale: " in registry.resolve("alpha", ENV).reason

    assert Child(child).result() is True
    serve(server, sets, sets.next())
    server.go_on()
    assert Child(lambda: [registry.refresh(), generation_of(registry)][1]).result() == 2


@needs_fork
def test_a_fork_while_a_set_is_being_saved_does_not_take_the_lock_along(opened, sets, tmp_path):
    path = tmp_path / "b.json"
    put(path, sets.encode(sets.next()))
    registry = opened(path)
    kept = kept_in(tmp_path / "cache", path)
    sets.next()
    third = sets.encode(sets.next())
    with locked(Path(kept.path), tmp_path / "cache"):
        put(path, sets.encode(2))
        refreshing = threading.Thread(target=registry.refresh, daemon=True)
        refreshing.start()
        while generation_of(registry) == 1:
            os.sched_yield()  # it flips, then waits for the file's lock

        def child():
            assert sets.check(registry.snapshot()) == 2
            put(path, third)
            registry.refresh()
            return sets.check(registry.snapshot())

        forked = Child(child)
    assert forked.result() == 3
    refreshing.join(LONG_S)
    assert not refreshing.is_alive()
    assert kept.load().bundle.commit.count == 3


DAEMONISED = """
import faulthandler, os, signal, sys, threading
signal.alarm(30)
sys.path[:0] = sys.argv[3:]
from evalkit import Registry

registry = Registry.open(sys.argv[1], cache_dir=sys.argv[2], refresh_s=3600)
saving, synced = threading.Event(), os.fsync
os.fsync = lambda handle: (saving.set(), threading.Event().wait())  # a disk that takes its time
os.utime(sys.argv[1])
os.replace(sys.argv[1] + ".next", sys.argv[1])
threading.Thread(target=registry.refresh, daemon=True).start()
saving.wait()
if os.fork():
    os._exit(0)
os.fsync = synced
os.replace(sys.argv[1] + ".last", sys.argv[1])
faulthandler.dump_traceback_later(5, exit=True)
registry.refresh()
print("refreshed", registry.resolve("beta", "production").params["max_tokens"])
"""


@needs_fork
def test_a_process_that_detaches_while_a_set_is_being_saved_can_still_save(sets, tmp_path):
    """The parent is gone, and the child holds its copy of the locked file: nobody else would ever unlock it."""
    path = tmp_path / "b.json"
    path.write_bytes(sets.encode(sets.next()))
    path.with_name("b.json.next").write_bytes(sets.encode(sets.next()))
    path.with_name("b.json.last").write_bytes(sets.encode(sets.next()))
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    script = [sys.executable, "-c", DAEMONISED, str(path), str(tmp_path / "cache"), *paths]
    ended = subprocess.run(script, capture_output=True, text=True, check=False)
    assert ended.stdout == "refreshed 3\n", ended.stderr


IMPORTING = """
import faulthandler, importlib.abc, os, signal, sys, threading
signal.alarm(30)
sys.path[:0] = sys.argv[3:]
from evalkit import Registry

importing, forked = threading.Event(), threading.Event()

class Slow(importlib.abc.MetaPathFinder):
    '''A disk on which jinja2 takes long to load: what loads first inside of it waits for the fork.'''
    def find_spec(self, name, path, target=None):
        if name == "jinja2.bccache" and threading.current_thread() is not threading.main_thread():
            importing.set()
            forked.wait(3)
        return None

sys.meta_path.insert(0, Slow())
registry = Registry.open(sys.argv[1], cache_dir=sys.argv[2])
importing.wait(1)
child = os.fork()
if child == 0:
    faulthandler.dump_traceback_later(5, exit=True)
    registry.resolve("support-triage", "production").messages(ticket="x")
    registry.refresh()
    os._exit(0)
forked.set()
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@needs_fork
def test_a_fork_while_the_refreshing_thread_imports_leaves_the_child_able_to_import(tmp_path):
    """A server that opens a registry and forks its workers at once, on its second start."""
    from small_registry import entry, files, write

    write(tmp_path, files(*(entry(version, "production") for version in range(1, 9))))
    Registry.open(tmp_path, cache_dir=tmp_path / "cache").close()
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    script = [sys.executable, "-c", IMPORTING, str(tmp_path), str(tmp_path / "cache"), *paths]
    ended = subprocess.run(script, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


LATE_HOOK = """
import faulthandler, os, signal, sys, threading
signal.alarm(30)
sys.path[:0] = sys.argv[2:]
from chaos.generations import Generations
from evalkit import Registry
from evalkit.runtime.bundle import read_bundle
from evalkit.testing.fake_source import FakeSource

class Library:  # its lock is held over the fork, and made anew in the child: as logging does it, and others
    lock = threading.Lock()
    used = threading.Event()

    @classmethod
    def after_in_child(cls):
        cls.used.wait(0.02)  # it has more to do
        cls.lock = threading.Lock()

class Source(FakeSource):
    def wait(self, seconds, stop):
        Library.used.set()
        with Library.lock:
            Library.used.clear()
        super().wait(seconds, stop)

sets = Generations()
sets.next()
source = Source(read_bundle(sets.encode(1), "here"))
registry = Registry.open(source, cache_dir=sys.argv[1])
os.register_at_fork(
    before=lambda: Library.lock.acquire(),
    after_in_parent=lambda: Library.lock.release(),
    after_in_child=Library.after_in_child,
)
child = os.fork()
if child == 0:
    faulthandler.dump_traceback_later(5, exit=True)
    event = threading.Event()
    registry.on_change(lambda _: event.set())
    sets.next()
    source.publish(read_bundle(sets.encode(2), "here"))
    event.wait()
    os._exit(0)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@needs_fork
def test_what_other_modules_do_after_a_fork_comes_before_the_childs_refreshing(tmp_path):
    """They make their locks anew: a thread that waits for the old one waits for ever. `logging` is one of them."""
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    script = [sys.executable, "-c", LATE_HOOK, str(tmp_path), *paths]
    ended = subprocess.run(script, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


SHORT = """
import sys
sys.path[:0] = sys.argv[3:]
from evalkit import Registry
Registry.open(sys.argv[1], cache_dir=sys.argv[2]).resolve("beta", "production")
"""


def test_a_process_that_ends_at_once_leaves_the_last_good_set(sets, tmp_path):
    """Such as a job that runs every minute, and does not close what it opens."""
    path = tmp_path / "b.json"
    path.write_bytes(sets.encode(sets.next()))
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    script = [sys.executable, "-c", SHORT, str(path), str(tmp_path / "cache"), *paths]
    subprocess.run(script, capture_output=True, text=True, check=True)
    assert kept_in(tmp_path / "cache", path).load() is not None


@needs_fork
def test_a_callback_may_fork(opened, sets, tmp_path):
    path = tmp_path / "b.json"
    put(path, sets.encode(sets.next()))
    registry = opened(path)
    children = []
    newest = sets.next()

    def child():
        with contextlib.suppress(EvalkitError):
            registry.refresh(timeout_s=LONG_S)
        return sets.check(registry.snapshot())

    registry.on_change(lambda _: children.append(Child(child)))
    put(path, sets.encode(newest))
    registry.refresh()
    assert children.pop().result() == newest


@needs_fork
def test_fifty_children_that_all_write_the_last_good_set_leave_it_whole(opened, sets, tmp_path):
    path = tmp_path / "b.json"
    put(path, sets.encode(sets.next()))
    registry = opened(path)
    newer = [sets.encode(sets.next()) for _ in range(50)]

    def work(data):
        def child():
            assert sets.check(registry.snapshot()) >= 1
            put(path, data)
            with contextlib.suppress(EvalkitError):  # another child has put an older one there meanwhile
                registry.refresh()
            return sets.check(registry.snapshot(), render=True)

        return child

    found = [child.result() for child in [Child(work(data), deadline_s=90) for data in newer]]
    kept = kept_in(tmp_path / "cache", path).load()
    assert kept.bundle.commit.count == max(found)
    assert sets.meaning(kept.bundle.encode()) == max(found)
    put(path, sets.encode(sets.next()))
    registry.refresh()
    leftovers = list((tmp_path / "cache").glob(".*.tmp"))
    assert not leftovers, "of a child that ended in the middle of writing"


def _describe_pickled(data: bytes) -> tuple:
    config = pickle.loads(data)
    return config.version, config.messages(ticket="T")[0]["content"], config.stale, config.age >= 0


def _describe(config, results) -> None:
    results.put((config.version, config.messages(ticket="T")[0]["content"], config.stale, config.age >= 0))


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_a_config_can_be_handed_to_another_process(opened, sets, method):
    config = opened(FakeSource(bundle(sets, sets.next()))).resolve("alpha", ENV)
    expected = (10, "Generation 1 of alpha.", False, True)
    assert _describe_pickled(pickle.dumps(config)) == expected
    context = multiprocessing.get_context(method)
    results = context.SimpleQueue()
    process = context.Process(target=_describe, args=(config, results))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert results.get() == expected


# The start


def test_with_a_source_that_hangs_a_start_returns_from_the_last_good_set(opened, sets, server):
    serve(server, sets, sets.next())
    opened(server.url).close()
    serve(server, sets, sets.next())
    server.hang()
    registry = opened(server.url, timeout_s=LONG_S)  # the server answers after this line only
    config = registry.resolve("alpha", ENV)
    assert sets.check(registry.snapshot()) == 1
    assert config.stale
    assert "; stale: the source has not answered yet" in config.reason
    event = threading.Event()
    registry.on_change(lambda _: event.set())
    server.mode = "ok"
    server.go_on()
    assert event.wait(LONG_S)
    assert sets.check(registry.snapshot()) == 2
    assert not registry.resolve("alpha", ENV).stale


def test_a_bundle_file_that_is_gone_is_a_source_that_is_down(opened, sets, tmp_path):
    path = tmp_path / "b.json"
    put(path, sets.encode(sets.next()))
    opened(path).close()
    path.unlink()
    config = opened(path).resolve("alpha", ENV)
    assert (config.version, config.stale) == (10, True)


def test_a_bundle_file_that_is_gone_is_replaced_by_the_fallback(opened, sets, tmp_path):
    spare = tmp_path / "spare.json"
    put(spare, sets.encode(sets.next()))
    registry = opened(tmp_path / "not-there.json", fallback=spare)
    assert sets.check(registry.snapshot()) == 1
    assert registry.status().stale
    put(tmp_path / "not-there.json", sets.encode(sets.next()))
    registry.refresh()
    assert sets.check(registry.snapshot()) == 2


def test_a_first_start_without_anything_says_what_the_source_says(opened, sets, server):
    server.mode = "error"
    before = refresh_threads()
    with pytest.raises(SourceError, match=r"EK704.*503"):
        opened(server.url)
    for thread in refresh_threads() - before:
        thread.join(LONG_S)
        assert not thread.is_alive()
    server.hang()
    with pytest.raises(SourceError, match=r"EK70[46]"):
        opened(server.url, timeout_s=0.1)


@pytest.mark.parametrize(("kept", "shipped"), [(1, 2), (2, 1), (1, None), (None, 1)])
def test_a_start_without_the_source_takes_the_newest_set_on_this_machine(
    opened, sets, server, tmp_path, kept, shipped
):
    sets.next(), sets.next()
    if kept:
        serve(server, sets, kept)
        opened(server.url).close()
    spare = None
    if shipped:
        spare = tmp_path / "spare.json"
        put(spare, sets.encode(shipped))
    server.mode = "drop"
    registry = opened(server.url, fallback=spare)
    assert sets.check(registry.snapshot()) == max(kept or 0, shipped or 0)
    assert registry.status().stale
    assert registry.resolve("alpha", ENV).reason.count("; stale: ") == 1


def test_a_last_good_set_whose_header_is_damaged_costs_no_start_and_no_update(opened, sets, tmp_path):
    path = tmp_path / "b.json"
    put(path, sets.encode(sets.next()))
    opened(path).close()
    kept = kept_in(tmp_path / "cache", path)
    file = Path(kept.path)
    header, content = file.read_bytes().split(b"\n", 1)
    file.write_bytes(header.replace(b"[1,", b"[9,") + b"\n" + content)  # its order, if it says one
    registry = opened(path)
    assert sets.check(registry.snapshot()) == 1
    put(path, sets.encode(sets.next()))
    registry.refresh()
    assert sets.check(registry.snapshot()) == 2
    assert not registry.status().stale
    assert kept.load().bundle.commit.count == 2


def test_a_last_good_set_that_cannot_be_read_does_not_keep_an_older_one_out(opened, sets, tmp_path):
    """Without the set itself its number is worth nothing: there is nothing newer to serve."""
    path = tmp_path / "b.json"
    sets.next()
    put(path, sets.encode(sets.next()))
    opened(path).close()
    kept = kept_in(tmp_path / "cache", path)
    file = Path(kept.path)
    file.write_bytes(file.read_bytes()[:-500])
    put(path, sets.encode(1))
    registry = opened(path)
    assert sets.check(registry.snapshot()) == 1
    registry.close()
    assert kept.load().bundle.commit.count == 1


def test_trouble_on_the_way_is_logged_without_a_traceback(opened, sets, server, caplog):
    serve(server, sets, sets.next())
    registry = opened(server.url)
    with caplog.at_level(logging.INFO, "evalkit.registry"):
        for mode in ("error", "drop", "cut"):
            server.mode, server.etag = mode, None
            with pytest.raises(EvalkitError):
                registry.refresh()
    assert len(caplog.records) == 3
    assert not any(record.exc_info for record in caplog.records)

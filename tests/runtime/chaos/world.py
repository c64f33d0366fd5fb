"""A source, a registry, and a model of what the registry should serve: one random step after the other.

The model knows what lies at the source and on disk as bytes, and decides from the bytes alone what they mean.
"""

from __future__ import annotations

import os
import random
import threading
import time
from pathlib import Path

from chaos.forked import Child
from chaos.generations import ENV, NAMES, Generations

from evalkit import Registry
from evalkit.errors import EvalkitError

HIT_S = 3.0
"""A hit that takes longer has waited for something."""

_PATIENT_S = 20.0


class World:
    """One source and all that happens to it."""

    def __init__(self, seed: int, folder: Path, clock) -> None:
        self.rng = random.Random(seed)
        self.sets = Generations()
        self.steps: list[str] = []
        self.cache = folder / "cache"
        self.registry: Registry | None = None
        self._clock = clock
        self._current = b""
        """The bytes that a reader of the source would get now; empty if it gets none."""
        self._patience_s = _PATIENT_S
        self._served = 0
        self._readers: list[Reader] = []
        self.publish()
        self.open()

    # What happens

    def step(self) -> None:
        """One random event, an attempt to refresh, and a check of everything."""
        name = self.rng.choices(*zip(*self.events().items(), strict=True))[0]
        self.steps.append(name)
        getattr(self, name)()
        self.settle()

    def events(self) -> dict[str, float]:
        """The names of what may happen, by how often it does."""
        return {
            "publish": 30,
            "down": 6,
            "truncate": 8,
            "corrupt": 8,
            "make_ambiguous": 6,
            "roll_back": 8,
            "write_the_same_again": 8,
            "move_clock": 6,
            "restart": 5,
            "restart_with_damage": 4,
            "fork": 1,
            "recover": 8,
        }

    def publish(self) -> None:
        self._put(self.sets.encode(self.sets.next()))

    def recover(self) -> None:
        """The newest set is there, whole, as if nothing had been."""
        self._put(self.sets.encode(self.sets.newest))

    def down(self) -> None:
        self._remove()

    def truncate(self) -> None:
        data = self.sets.encode(self._some_generation())
        self._put(data[: self.rng.randrange(len(data))])

    def corrupt(self) -> None:
        self._put(self._flipped(self.sets.encode(self._some_generation())))

    def make_ambiguous(self) -> None:
        self._put(self.sets.ambiguous(self._some_generation(), self.rng))

    def roll_back(self) -> None:
        self._put(self.sets.encode(self.rng.randint(max(1, self.sets.newest - 5), self.sets.newest)))

    def write_the_same_again(self) -> None:
        self._put(self._current)

    def move_clock(self) -> None:
        hours = self.rng.choice([1, 24, 24 * 365 * self.rng.randint(1, 20)])
        self._clock.offset_s = 3600.0 * hours * self.rng.choice([-1, 1])

    def restart(self) -> None:
        """A process ends, and the next one starts with what the first has left on disk."""
        self.registry.close()
        self.open()

    def restart_with_damage(self) -> None:
        """The same, after something has happened to what was left on disk."""
        for path in self.cache.glob("*.bundle"):
            how = self.rng.choice(["removed", "truncated", "flipped"])
            data = path.read_bytes()
            if how == "removed":
                path.unlink()
            elif how == "truncated":
                path.write_bytes(data[: self.rng.randrange(len(data))])
            else:
                path.write_bytes(self._flipped(data))
            self.steps[-1] += f" ({how})"
        self.restart()

    def fork(self) -> None:
        """A child finds what its parent serves, and then does by itself what its parent does."""
        Child(self._be_a_child).result()

    # What must be

    def settle(self) -> None:
        """Ask the source, as often as its patience lasts, and compare everything with the model."""
        here = self.sets.meaning(self._current)
        expected = here is not None and here >= self._served
        if expected:
            self._served = here
        error = None
        try:
            self.registry.refresh(timeout_s=self._patience_s)
        except EvalkitError as raised:
            error = raised
        assert (error is None) == expected, f"refresh: {error}, and the source has {here}"
        self._check(stale=not expected)

    def _check(self, *, stale: bool) -> None:
        began = time.monotonic()
        snapshot = self.registry.snapshot()
        assert self.sets.check(snapshot, render=self.rng.random() < 0.05) == self._served
        for name in NAMES:
            config = snapshot.resolve(name, ENV)
            assert config.stale is stale, f"{name}: stale is {config.stale}, and {config.reason}"
            assert stale == bool(config.reason.partition("; stale: ")[2])
            assert config.age >= 0
        status = self.registry.status()
        assert (status.stale, bool(status.reason)) == (stale, stale)
        assert time.monotonic() - began < HIT_S
        for reader in self._readers:
            if reader.error is not None:
                raise reader.error

    def _be_a_child(self) -> int:
        self._readers = []
        assert self.sets.check(self.registry.snapshot()) == self._served
        self.settle()
        return self._served

    def open(self) -> None:
        """A new process: it starts from the source, or from the last good set that is there and whole."""
        kept = self._kept()
        here = self.sets.meaning(self._current)
        if here is None and kept is None:
            try:
                Registry.open(self.source, **self._arguments())
            except EvalkitError as error:
                assert error.problems  # noqa: PT017 - that nothing is raised is checked just below
            else:
                raise AssertionError("it starts from nothing")
            self.steps[-1] += " (nothing to start from)"
            self.recover()
            here = self.sets.meaning(self._current)
        self.registry = Registry.open(self.source, **self._arguments())
        found = self.sets.check(self.registry.snapshot())
        assert found in {kept, here}, f"it starts with {found}; kept is {kept}, the source has {here}"
        self._served = max(kept or 0, found)
        assert found == self._served, f"it starts with {found}, although {kept} is kept"
        if found != here:
            assert self.registry.status().stale

    def _kept(self) -> int | None:
        """The generation that the file on disk holds whole: after a line of its own comes a bundle."""
        found = [path.read_bytes().partition(b"\n")[2] for path in self.cache.glob("*.bundle")]
        return self.sets.meaning(found[0]) if found else None

    def _arguments(self) -> dict:
        return {"cache_dir": self.cache, "refresh_s": 3600, "timeout_s": self._patience_s}

    # Readers

    def start_readers(self, count: int) -> None:
        self._readers = [Reader(self) for _ in range(count)]
        for reader in self._readers:
            reader.start()

    def close(self) -> None:
        for reader in self._readers:
            reader.stop.set()
            reader.join(10)
        self.registry.close()

    # How a source does it

    source: str | Path

    def _put(self, data: bytes) -> None:
        raise NotImplementedError

    def _remove(self) -> None:
        raise NotImplementedError

    def _some_generation(self) -> int:
        """One that was served, or a new one that only comes broken."""
        return self.sets.next() if self.rng.random() < 0.5 else self.sets.newest

    def _flipped(self, data: bytes) -> bytes:
        changed = bytearray(data)
        changed[self.rng.randrange(len(data))] ^= self.rng.randrange(1, 256)
        return bytes(changed)


class Reader(threading.Thread):
    """A thread of the application: it resolves all the time, and keeps the first thing that is wrong."""

    def __init__(self, world: World) -> None:
        super().__init__(daemon=True)
        self.stop = threading.Event()
        self.error: BaseException | None = None
        self.hits = 0
        self._world = world

    def run(self) -> None:
        try:
            registry, last = None, 0
            while not self.stop.wait(0.004):  # or the steps would not get a turn on a small machine
                if registry is not self._world.registry:
                    registry, last = self._world.registry, 0
                began = time.monotonic()
                generation = self._world.sets.check(registry.snapshot(), render=self.hits % 50 == 0)
                config = registry.resolve(NAMES[self.hits % 3], ENV)
                assert isinstance(config.stale, bool)
                assert config.age >= 0
                assert time.monotonic() - began < HIT_S, "a hit has blocked"
                assert last <= generation <= config.params["max_tokens"], "it went backwards"
                last = config.params["max_tokens"]
                self.hits += 1
        except BaseException as error:  # noqa: BLE001 - raised by the next step
            self.error = error


class FileWorld(World):
    """The source is a bundle file, which is replaced as a whole or written over in place."""

    def __init__(self, seed: int, folder: Path, clock) -> None:
        self.source = folder / "bundle.json"
        super().__init__(seed, folder, clock)

    def events(self) -> dict[str, float]:
        return {**super().events(), "date_it_back": 4, "put_a_folder_there": 2}

    def date_it_back(self) -> None:
        """As archives and `cp -p` do."""
        if self.source.is_file():
            then = self.rng.choice([0, 1_600_000_000, 4_000_000_000])
            os.utime(self.source, (then, then))

    def put_a_folder_there(self) -> None:
        self._remove()
        self.source.mkdir()

    def open(self) -> None:
        if self.source.is_dir():
            self._remove()  # a process that starts there takes it for a registry directory
        super().open()

    def _put(self, data: bytes) -> None:
        if self.source.is_dir():
            self.source.rmdir()
        if self.rng.random() < 0.5:
            self.source.write_bytes(data)
        else:
            beside = self.source.with_suffix(".new")
            beside.write_bytes(data)
            beside.replace(self.source)
        self._current = data

    def _remove(self) -> None:
        if self.source.is_dir():
            self.source.rmdir()
        self.source.unlink(missing_ok=True)
        self._current = b""


class HttpWorld(World):
    """The source is a server, with all that servers do."""

    def __init__(self, seed: int, folder: Path, clock, server) -> None:
        self.server = server
        self.source = server.url
        self._etags = 0
        super().__init__(seed, folder, clock)

    def events(self) -> dict[str, float]:
        return {**super().events(), "slow": 1, "cut": 4, "not_modified_without_being_asked": 2}

    def slow(self) -> None:
        self.server.hang(self.rng.choice(["hang", "trickle"]))
        self.server.etag = None
        self._current, self._patience_s = b"", 0.03

    def cut(self) -> None:
        self._put(self.sets.encode(self._some_generation()))
        self.server.mode, self._current = "cut", b""

    def not_modified_without_being_asked(self) -> None:
        """The server loses its memory, and what it has published with it."""
        self._put(b"")

    def settle(self) -> None:
        super().settle()
        if self.server.mode in ("hang", "trickle"):
            self.server.go_on()
            self.server.mode, self._patience_s = "drop", _PATIENT_S

    def _put(self, data: bytes) -> None:
        self._etags += 1
        self.server.body = data
        self.server.etag = f'"{self._etags}"' if self.rng.random() < 0.9 else None
        self.server.mode = "ok"
        self._current, self._patience_s = data, _PATIENT_S

    def _remove(self) -> None:
        self.server.mode = self.rng.choice(["error", "gone", "drop"])
        self._current = b""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from evalkit.errors import WriteBackError
from evalkit.registry.writeback import apply
from evalkit.runtime import atomic

ROOT = Path(__file__).resolve().parents[2]

ENTRY = "name: x # 😀\r\nleft: 0   # of one\r\nright: 0   # of the other\r\nstatus: draft"


@contextmanager
def child(code: str, *args: object):
    """Another process. It says `ready` when it is where the test wants it."""
    command = [sys.executable, "-c", f"import sys\nfrom pathlib import Path\n{code}", *map(str, args)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_a_file_is_written_whole_and_nothing_is_left_beside_it(tmp_path):
    path = tmp_path / "v1.yaml"
    atomic.write_bytes(path, b"a: 1\r\n")
    atomic.write_bytes(path, b"b" * 100_000)
    assert path.read_bytes() == b"b" * 100_000
    assert names(tmp_path) == ["v1.yaml"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o755, 0o666])
def test_permissions_stay_as_they_are(tmp_path, mode):
    path = tmp_path / "v1.yaml"
    path.write_bytes(b"a")
    path.chmod(mode)
    atomic.write_bytes(path, b"b")
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "usual").touch()
    atomic.write_bytes(tmp_path / "new", b"")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "usual").stat().st_mode


def refusal(path: Path) -> str:
    with pytest.raises(WriteBackError) as caught:
        atomic.write_bytes(path, b"new", display="v1.yaml")
    (problem,) = caught.value.problems
    assert problem.code == "EK601"
    assert str(problem.location) == "v1.yaml"
    assert problem.message.endswith("nothing was written")
    return problem.message


def test_a_symbolic_link_is_neither_followed_nor_replaced(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "target").write_bytes(b"old")
    (inside / "v1.yaml").symlink_to(outside / "target")
    assert "symbolic link" in refusal(inside / "v1.yaml")
    assert (inside / "v1.yaml").is_symlink()
    assert (outside / "target").read_bytes() == b"old"
    assert (names(inside), names(outside)) == (["v1.yaml"], ["target"])


def test_a_link_to_nowhere_is_refused(tmp_path):
    (tmp_path / "v1.yaml").symlink_to(tmp_path / "nowhere")
    assert "symbolic link" in refusal(tmp_path / "v1.yaml")
    assert names(tmp_path) == ["v1.yaml"]


def test_a_directory_a_pipe_and_a_missing_directory_are_refused(tmp_path):
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    assert "not a file" in refusal(tmp_path / "directory")
    assert "not a file" in refusal(tmp_path / "pipe")
    assert "No such file" in refusal(tmp_path / "missing" / "v1.yaml")
    assert names(tmp_path) == ["directory", "pipe"]


def test_a_read_only_file_is_left_alone(tmp_path):
    path = tmp_path / "v1.yaml"
    path.write_bytes(b"old")
    path.chmod(0o444)
    assert "read-only" in refusal(path)
    assert path.read_bytes() == b"old"


def test_a_disk_that_is_full_leaves_the_old_file(tmp_path):
    path = tmp_path / "v1.yaml"
    path.write_bytes(b"old")
    code = """
import resource, signal
from evalkit.runtime import atomic
from evalkit.errors import WriteBackError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    atomic.write_bytes(Path(sys.argv[1]), b"x" * 1001)
except WriteBackError as error:
    print(error)
"""
    with child(code, path) as process:
        assert "cannot be written: File too large; nothing was written" in process.communicate()[0]
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["v1.yaml"]


WRITE_FOR_EVER = """
from evalkit.runtime import atomic
path, lock_dir = map(Path, sys.argv[1:])
for i in range(10**9):
    with atomic.locked(path, lock_dir):
        atomic.write_bytes(path, (b"a", b"b")[i % 2] * 300_000)
    if not i:
        print("ready", flush=True)
"""


def test_a_writer_killed_at_any_moment_leaves_the_old_file_or_the_new_one(tmp_path):
    path, lock_dir = tmp_path / "files" / "v1.yaml", tmp_path / "locks"
    path.parent.mkdir()
    path.write_bytes(b"a" * 300_000)
    whole = {b"a" * 300_000, b"b" * 300_000}
    for reads in range(12):
        with child(WRITE_FOR_EVER, path, lock_dir) as process:
            assert process.stdout.readline() == "ready\n"
            for _ in range(1 + reads * 3):
                assert path.read_bytes() in whole
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert path.read_bytes() in whole
    (path.parent / f".v1.yaml.{'0' * 16}.tmp").touch()
    (path.parent / ".v1.yaml.notes.tmp").touch()
    with atomic.locked(path, lock_dir):
        pass
    assert names(path.parent) == [".v1.yaml.notes.tmp", "v1.yaml"], (
        "what killed writers leave is swept up, no more"
    )


def test_a_write_back_killed_at_any_moment_leaves_a_whole_entry(tmp_path):
    path, lock_dir = tmp_path / "v1.yaml", tmp_path / "locks"
    path.write_bytes(ENTRY.encode())
    code = """
from evalkit.registry.writeback import apply
path, lock_dir = map(Path, sys.argv[1:])
for i in range(1, 10**9):
    apply(path, {"left": i, "status": ("draft", "staging")[i % 2]}, display="v1.yaml", lock_dir=lock_dir)
    if i == 1:
        print("ready", flush=True)
"""
    for reads in range(5):
        with child(code, path, lock_dir) as process:
            assert process.stdout.readline() == "ready\n"
            for _ in range(1 + reads * 20):
                name, left, right, status = path.read_bytes().decode().split("\r\n")
                assert (name, right) == ("name: x # 😀", "right: 0   # of the other")
                assert (int(left[6:].removesuffix("   # of one")) % 2) == (status == "status: staging")
            process.send_signal(signal.SIGKILL)
            process.wait()


def test_two_processes_that_change_one_entry_lose_nothing(tmp_path):
    path, lock_dir = tmp_path / "v1.yaml", tmp_path / "project" / ".evalkit" / "locks"
    path.write_bytes(ENTRY.encode())
    code = """
from evalkit.registry.writeback import apply
path, lock_dir, key = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
for i in range(1, 201):
    assert f"{key}: {i - 1} " in path.read_text(encoding="utf-8"), i
    assert apply(path, {key: i}, display="v1.yaml", lock_dir=lock_dir)
"""
    with child(code, path, lock_dir, "left") as one, child(code, path, lock_dir, "right") as other:
        assert (one.wait(), other.wait()) == (0, 0)
    assert path.read_bytes() == ENTRY.replace(": 0", ": 200").encode()
    assert names(tmp_path) == ["project", "v1.yaml"]


def test_processes_that_count_in_one_json_file_lose_nothing(tmp_path):
    path, lock_dir = tmp_path / "evidence.json", tmp_path / "locks"
    code = """
import json
from evalkit.runtime import atomic
path, lock_dir = map(Path, sys.argv[1:])
for i in range(100):
    with atomic.locked(path, lock_dir):
        runs = json.loads(path.read_bytes()) if path.exists() else []
        atomic.write_bytes(path, json.dumps([*runs, i]).encode())
"""
    with child(code, path, lock_dir) as one, child(code, path, lock_dir) as other:
        assert (one.wait(), other.wait()) == (0, 0)
    assert sorted(json.loads(path.read_bytes())) == sorted([*range(100)] * 2)


def test_threads_take_turns(tmp_path):
    path = tmp_path / "count"
    path.write_bytes(b"0")

    def count() -> None:
        for _ in range(50):
            with atomic.locked(path, tmp_path / "locks"):
                atomic.write_bytes(path, str(int(path.read_bytes()) + 1).encode())

    threads = [threading.Thread(target=count) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() == b"150"


def test_a_killed_process_lets_go_of_its_lock(tmp_path):
    path, lock_dir = tmp_path / "v1.yaml", tmp_path / "locks"
    code = """
from evalkit.runtime import atomic
with atomic.locked(*map(Path, sys.argv[1:])):
    print("ready", flush=True)
    sys.stdin.read()
"""
    with child(code, path, lock_dir) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
    with atomic.locked(path, lock_dir):
        assert not path.exists()


def test_files_of_one_name_have_locks_of_their_own_and_one_file_has_one(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with (
        atomic.locked(tmp_path / "a" / "v1.yaml", tmp_path / "locks"),
        atomic.locked(tmp_path / "v1.yaml", tmp_path / "locks"),
    ):
        assert len(names(tmp_path / "locks")) == 2
    with atomic.locked(tmp_path / "link" / "v1.yaml", tmp_path / "locks"):
        assert len(names(tmp_path / "locks")) == 2


def test_an_error_under_the_lock_passes_through_and_frees_it(tmp_path):
    with pytest.raises(OSError, match="mine"), atomic.locked(tmp_path / "v1.yaml", tmp_path / "locks"):
        raise OSError("mine")
    with atomic.locked(tmp_path / "v1.yaml", tmp_path / "locks"):
        pass


def test_a_lock_that_cannot_be_is_an_error_with_its_place(tmp_path):
    (tmp_path / "locks").touch()
    with (
        pytest.raises(WriteBackError, match="EK601 cannot be locked"),
        atomic.locked(tmp_path / "x", tmp_path / "locks"),
    ):
        pass


# The edit, applied to a file


def applied(path: Path, **changes) -> bool:
    return apply(path, changes, display="v1.yaml", lock_dir=path.parent / "locks")


def test_an_edit_is_applied_once(tmp_path):
    path = tmp_path / "v1.yaml"
    path.write_bytes("\ufeffname: x # ž\r\nstatus: draft".encode())
    path.chmod(0o640)
    assert applied(path, status="staging", eval={"suite": "s@v1", "score": 0.9})
    expected = "\ufeffname: x # ž\r\neval: { suite: s@v1, score: 0.9 }\r\nstatus: staging".encode()
    assert path.read_bytes() == expected
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    inode = path.stat().st_ino
    assert not applied(path, status="staging", eval={"suite": "s@v1", "score": 0.9})
    assert path.stat().st_ino == inode, "nothing to change: nothing is written"


@pytest.mark.parametrize(
    "text", [b"status: *x\n", b"a: &a x\nstatus: *a\n", b"\xff", b"", b"status: [", b"status: 1\nstatus: 2\n"]
)
def test_a_refused_edit_touches_nothing(tmp_path, text):
    path = tmp_path / "v1.yaml"
    path.write_bytes(text)
    before = path.stat()
    with pytest.raises(WriteBackError, match=r"v1\.yaml"):
        applied(path, status="staging")
    after = path.stat()
    assert path.read_bytes() == text
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert names(tmp_path) == ["locks", "v1.yaml"]


def test_a_missing_entry_and_a_linked_entry_are_refused(tmp_path):
    with pytest.raises(WriteBackError, match=r"v1\.yaml: EK601 cannot be read: No such file"):
        applied(tmp_path / "v1.yaml", status="staging")
    (tmp_path / "target").write_bytes(b"status: draft\n")
    (tmp_path / "v1.yaml").symlink_to("target")
    with pytest.raises(WriteBackError, match=r"v1\.yaml: EK601 it is a symbolic link"):
        applied(tmp_path / "v1.yaml", status="staging")
    assert (tmp_path / "target").read_bytes() == b"status: draft\n"

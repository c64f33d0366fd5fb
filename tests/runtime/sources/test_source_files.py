from __future__ import annotations

import itertools
import os
import shutil
import sys
import threading
import time
import zipfile

import pytest
from small_registry import entry, files, write

from evalkit.errors import BundleError, ConfigError, SourceError
from evalkit.runtime.sources.locate import open_source


def primary(fetched):
    return fetched.bundle.serving("support-triage", "production").primary


@pytest.fixture
def project(tmp_path):
    return write(tmp_path / "project", files(entry(13, "production")))


def test_a_directory_is_the_project_or_its_registry(project):
    for path in (project, project / "registry"):
        fetched = open_source(path).fetch(None, 5)
        assert primary(fetched) == 13
        assert fetched.bundle.commit is None


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("projekt", "project"),
        ("projekt/registry", "project/registry"),
        ("project/registy", "project/registry"),
    ],
)
def test_a_mistyped_path_gets_a_suggestion(project, tmp_path, wrong, right):
    with pytest.raises(SourceError, match="EK704") as refused:
        open_source(tmp_path / wrong)
    assert f"did you mean {tmp_path / right}?" in str(refused.value)


def test_a_mistyped_bundle_gets_a_suggestion_and_one_that_is_like_nothing_does_not(tmp_path):
    (tmp_path / "bundle.json").write_bytes(b"{}")
    for wrong, guess in (("bundel.json", True), ("elsewhere.json", False)):
        with pytest.raises(SourceError, match="EK704") as refused:
            open_source(tmp_path / wrong).fetch(None, 5)
        assert (f"did you mean {tmp_path / 'bundle.json'}?" in str(refused.value)) is guess


@pytest.mark.parametrize(
    ("wrong", "right"), [("htps://x/b.json", "https"), ("gti:main", "git"), ("pakage:a/b", "package")]
)
def test_a_mistyped_scheme_gets_a_suggestion(wrong, right):
    with pytest.raises(SourceError, match="EK708") as refused:
        open_source(wrong)
    assert f"did you mean '{right}:'?" in str(refused.value)


def test_a_directory_says_when_nothing_has_changed(project):
    source = open_source(project)
    first = source.fetch(None, 5)
    assert source.fetch(first.tag, 5) is None
    write(project, dict([entry(14, "production")]))
    assert primary(source.fetch(first.tag, 5)) == 14


def test_files_that_no_bundle_is_made_of_change_nothing(project):
    source = open_source(project)
    first = source.fetch(None, 5)
    write(
        project,
        {"registry/evidence/x/v1/y.json": b"{}", "registry/entries/README.md": b"x", "suites/a.yaml": b"x"},
    )
    assert source.fetch(first.tag, 5) is None


def test_a_directory_that_goes_away_is_an_error_and_comes_back(project):
    source = open_source(project)
    source.fetch(None, 5)
    project.rename(project.with_name("away"))
    with pytest.raises(SourceError, match="EK704"):
        source.fetch(None, 5)
    project.with_name("away").rename(project)
    assert primary(source.fetch(None, 5)) == 13


def test_a_link_that_leads_out_of_the_project_is_refused(project, tmp_path):
    prompt = project / "registry/prompts/triage-prompt/v9.yaml"
    shutil.move(prompt, tmp_path / "elsewhere.yaml")
    prompt.symlink_to(tmp_path / "elsewhere.yaml")
    with pytest.raises(ConfigError, match="EK108"):
        open_source(project).fetch(None, 5)


def config_map(root, number, content):
    """Write a state as Kubernetes does: beside the old one, then one link is exchanged."""
    write(root / f"..2026_{number}", content)
    (root / "..next").symlink_to(f"..2026_{number}")
    (root / "..next").replace(root / "..data")
    for name in {path.split("/")[0] for path in content}:
        if not (root / name).is_symlink():
            (root / name).symlink_to(f"..data/{name}")


@pytest.mark.parametrize("below", ["", "registry"])
def test_a_mounted_config_map_that_is_exchanged_is_seen(tmp_path, below):
    config_map(tmp_path / "mount", 1, files(entry(13, "production")))
    source = open_source(tmp_path / "mount" / below)
    first = source.fetch(None, 5)
    assert primary(first) == 13
    config_map(tmp_path / "mount", 2, files(entry(13, "production"), entry(14, "production")))
    assert primary(source.fetch(first.tag, 5)) == 14


def test_a_mounted_config_map_with_a_bundle_that_is_exchanged_is_seen(tmp_path, v13, v14):
    config_map(tmp_path / "mount", 1, {"registry.json": v13.encode()})
    source = open_source(tmp_path / "mount" / "registry.json")
    first = source.fetch(None, 5)
    config_map(tmp_path / "mount", 2, {"registry.json": v14.encode()})
    assert source.fetch(first.tag, 5).bundle.digest == v14.digest


def test_a_writer_at_work_never_yields_a_mixed_set(tmp_path):
    """Each state names its number in every file; a set of two states would hold two numbers."""
    root = tmp_path / "project"
    write(root, files(entry(13, "production", max_tokens=1)))
    stop, written = threading.Event(), threading.Event()

    def state(number):
        name = "registry/entries/support-triage/v13.yaml"
        prompt = files()["registry/prompts/triage-prompt/v9.yaml"].replace(b"Prompt 9", b"Prompt %d" % number)
        return {
            name: entry(13, "production", max_tokens=number)[1],
            "registry/prompts/triage-prompt/v9.yaml": prompt,
        }

    config_map(tmp_path / "mount", 0, {**files(), **state(1)})

    def work():
        for number in itertools.count(1):
            config_map(tmp_path / "mount", number, {**files(), **state(number)})
            written.set()
            if stop.is_set():
                return

    writer = threading.Thread(target=work)
    source = open_source(tmp_path / "mount")
    writer.start()
    try:
        assert written.wait(10)
        for _ in range(20):
            try:
                document = source.fetch(None, 5).bundle.document
            except SourceError:
                continue  # changed too fast, and said so
            number = document["entries"]["support-triage@v13"]["params"]["max_tokens"]
            text = document["prompts"]["triage-prompt@v9"]["messages"][0]["content"]
            assert f"Prompt {number}." in text
    finally:
        stop.set()
        writer.join(10)


def test_a_torn_bundle_file_is_refused_and_the_whole_one_taken_then(tmp_path, v13, v14):
    path = tmp_path / "bundle.json"
    path.write_bytes(v13.encode())
    source = open_source(path)
    first = source.fetch(None, 5)
    path.write_bytes(v14.encode()[:-40])
    with pytest.raises(BundleError):
        source.fetch(first.tag, 5)
    path.write_bytes(v14.encode())
    assert source.fetch(first.tag, 5).bundle.digest == v14.digest


def test_a_bundle_of_the_same_size_and_time_is_seen(tmp_path, v13, make_bundle):
    """A copy that keeps the time of the original (`cp -p`, rsync) into the same file."""
    other = make_bundle(1, entry(15, "production"))
    assert len(other.encode()) == len(v13.encode())
    path = tmp_path / "bundle.json"
    path.write_bytes(v13.encode())
    times = path.stat()
    source = open_source(path)
    first = source.fetch(None, 5)
    path.write_bytes(other.encode())
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    second = source.fetch(first.tag, 5)
    assert second is not None
    assert second.bundle.digest == other.digest


def test_a_path_that_does_not_exist_is_named_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError) as caught:
        open_source("nowhere").fetch(None, 5)
    assert str(tmp_path / "nowhere") in str(caught.value)
    assert caught.value.problems[0].hint


@pytest.mark.parametrize("text", ["ftp://host/x", "gopher:x", "redis://h/1", "gs://bucket/key"])
def test_what_is_no_source_says_what_is_one(text):
    with pytest.raises(SourceError, match="EK708") as caught:
        open_source(text)
    assert "s3://" in caught.value.problems[0].hint


def test_a_registry_starts_from_its_last_good_set_while_its_file_is_not_there(tmp_path, v13):
    from evalkit import Registry

    path = tmp_path / "bundle.json"
    path.write_bytes(v13.encode())
    cache = tmp_path / "cache"
    with Registry.open(path, cache_dir=cache):
        deadline = time.monotonic() + 10
        while not list(cache.glob("*.bundle")) and time.monotonic() < deadline:
            threading.Event().wait(0.02)
    path.unlink()
    with Registry.open(path, cache_dir=cache) as registry:
        assert registry.resolve("support-triage", "production").version == 13
        assert registry.status().stale


def test_a_large_directory_is_looked_at_less_often_from_the_start(tmp_path):
    write(tmp_path, files(*(entry(n, "retired") for n in range(1, 3000)), entry(9999, "production")))
    source = open_source(tmp_path)
    interval = source.interval_s
    began = time.perf_counter()
    source.fetch(source.fetch(None, 30).tag, 30)
    assert interval > 2
    assert began


@pytest.fixture
def package(tmp_path, monkeypatch, v13):
    """`package(name, zipped)`: a package on sys.path that holds a bundle; importing it is an error."""

    def make(name, zipped=False):
        write(
            tmp_path / "site",
            {f"{name}/__init__.py": b"raise RuntimeError('imported')", f"{name}/data/r.json": v13.encode()},
        )
        place = tmp_path / "site"
        if zipped:
            place = tmp_path / "site.zip"
            with zipfile.ZipFile(place, "w") as archive:
                for path in (tmp_path / "site").rglob("*.*"):
                    archive.write(path, path.relative_to(tmp_path / "site"))
        monkeypatch.syspath_prepend(str(place))
        return f"package:{name}/data/r.json"

    return make


@pytest.mark.parametrize("zipped", [False, True])
def test_a_package_gives_its_data_without_being_run(package, zipped, v13):
    source = open_source(package(f"held_{zipped}".lower(), zipped))
    fetched = source.fetch(None, 5)
    assert fetched.bundle.digest == v13.digest
    assert source.fetch(fetched.tag, 5) is None
    assert source.interval_s is None


def test_a_package_may_open_its_own_bundle_while_it_is_imported(tmp_path, monkeypatch, v13):
    code = (
        b"from evalkit import Registry\n"
        b"registry = Registry.open('package:selfish/r.json', timeout_s=2)\n"
        b"version = registry.resolve('support-triage', 'production').version\n"
    )
    write(tmp_path / "site", {"selfish/__init__.py": code, "selfish/r.json": v13.encode()})
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    import selfish

    assert selfish.version == 13
    selfish.registry.close()
    del sys.modules["selfish"]


@pytest.mark.parametrize(
    "text", ["package:", "package:x", "package:x/", "package:x/../y", "package:-/y", "package:x//y"]
)
def test_what_is_no_file_of_a_package_is_refused(text):
    with pytest.raises(SourceError, match="EK708"):
        open_source(text)


@pytest.mark.parametrize("text", ["package:no_such_package_here/x.json", "package:json/nothing.json"])
def test_a_package_without_the_file_is_an_error(text):
    with pytest.raises(SourceError, match="EK704"):
        open_source(text).fetch(None, 5)


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_a_wait_ends_with_a_change_or_with_its_stop(tmp_path, project, v13, v14, kind):
    path = tmp_path / "b" / "bundle.json"
    path.parent.mkdir()
    path.write_bytes(v13.encode())
    source = open_source(path if kind == "file" else project)
    for change in (True, False):
        stop = threading.Event()
        thread = threading.Thread(target=source.wait, args=(20, stop), daemon=True)
        began = time.monotonic()
        thread.start()
        while thread.is_alive() and time.monotonic() - began < 15:
            if change:
                (
                    path.write_bytes(v14.encode())
                    if kind == "file"
                    else write(project, dict([entry(14, "production")]))
                )
            else:
                stop.set()
            thread.join(0.5)
        stop.set()
        assert time.monotonic() - began < (10 if change else 3)

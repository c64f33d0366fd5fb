"""What an application installs: the wheel without extras, with PyYAML and Jinja2, and what that imports."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "runtime"))

from small_registry import entry, files, write

from evalkit.runtime.compile import compile_registry

DEPENDENCIES = ["yaml", "_yaml", "jinja2", "markupsafe"]
"""All that may be imported beside the standard library and evalkit itself."""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A folder with what `pip install evalkit` would put there, and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = (folder / "dist").glob("evalkit-*.whl")
    site = folder / "site"
    zipfile.ZipFile(wheel).extractall(site)
    for name in DEPENDENCIES:
        found = importlib.util.find_spec(name)
        if found is not None:
            shutil.copytree(
                Path(found.origin).parent, site / name, ignore=shutil.ignore_patterns("__pycache__")
            )
    return site


@pytest.fixture(scope="module")
def bundle(site) -> Path:
    path = site.parent / "bundle.json"
    content = files(entry(13, "production"), entry(14, "staging", extra="rollout: { percent: 50 }\n"))
    path.write_bytes(compile_registry(content, None, where="here").encode())
    write(site.parent / "project", content)
    package = site.parent / "apps" / "myapp"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    shutil.copy(path, package / "registry.json")
    return path


def run(site: Path, code: str) -> dict:
    """Run code that sees the site folder only; what it binds to `answer`, and the top-level modules it imported."""
    program = (
        f"import sys; sys.path[:] = [{str(site)!r}, {str(site.parent / 'apps')!r}, "
        "*(p for p in sys.path if 'site-packages' not in p)]\n"
        f"before = set(sys.modules)\n{code}\n"
        "import json\n"
        "print(json.dumps({'answer': answer, 'modules': sorted(sys.modules)}))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", "-c", program],
        cwd=site.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def foreign(modules: list[str]) -> set[str]:
    """The top-level packages among them that are neither standard nor evalkit's."""
    found = {name.partition(".")[0] for name in modules} - sys.stdlib_module_names - {"evalkit", "__main__"}
    return {name for name in found if "cython" not in name}  # what the compiled part of PyYAML calls itself


OPEN = "from evalkit import Registry\nregistry = Registry.open({source!r}, cache_dir='cache')\n"
RESOLVE = "cfg = registry.resolve('support-triage', env='production')\nanswer = cfg.version\n"


def test_a_bundle_is_resolved_with_the_standard_library_alone(site, bundle):
    found = run(site, OPEN.format(source=str(bundle)) + RESOLVE)
    assert found["answer"] == 13
    assert foreign(found["modules"]) == set()
    evalkit = {name for name in found["modules"] if name.startswith("evalkit.")}
    assert all(name.startswith(("evalkit.runtime", "evalkit.errors", "evalkit.values")) for name in evalkit)


HEAVY = {
    "asyncio",
    "http.client",
    "ssl",
    "urllib.request",
    "email",
    "inspect",
    "subprocess",
    "tempfile",
    "ctypes",
    "secrets",
}


def test_nothing_slow_of_the_standard_library_is_imported_for_a_bundle(site, bundle):
    found = run(site, OPEN.format(source=str(bundle)) + RESOLVE)
    assert HEAVY.isdisjoint(found["modules"])


def test_everything_that_an_application_does_needs_pyyaml_and_jinja2_at_most(site, bundle):
    code = OPEN.format(source=str(site.parent / "project")) + (
        "import logging\n"
        "from evalkit import JsonlHandler\n"
        "logging.getLogger('evalkit.calls').setLevel('INFO')\n"
        "logging.getLogger('evalkit.calls').addHandler(JsonlHandler('calls.jsonl', rotate=None))\n"
        "cfg = registry.resolve('support-triage', env='production').for_request()\n"
        "with cfg.call() as call:\n"
        "    request = cfg.request(ticket='x')\n"
        "    cfg.messages_request(ticket='x')\n"
        "cfg.otel_attributes({}), cfg.for_key('k'), registry.variants('support-triage', 'production')\n"
        "answer = [request['messages'][1]['content'], open('calls.jsonl').read().count('registry_version')]\n"
    )
    found = run(site, code)
    assert found["answer"] == ["x", 1]
    assert foreign(found["modules"]) <= set(DEPENDENCIES)


def test_package_data_is_resolved(site, bundle):
    found = run(site, OPEN.format(source="package:myapp/registry.json") + RESOLVE)
    assert found["answer"] == 13
    assert foreign(found["modules"]) == set()  # its data is read without running it


def test_a_url_is_resolved(site, bundle):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            content = bundle.read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        found = run(site, OPEN.format(source=f"http://127.0.0.1:{server.server_port}/bundle.json") + RESOLVE)
        server.shutdown()
    assert found["answer"] == 13
    assert foreign(found["modules"]) == set()


def test_the_command_says_what_to_install(site):
    code = (
        "import io, contextlib\n"
        "from evalkit.cli import main\n"
        "with contextlib.redirect_stderr(io.StringIO()) as said:\n"
        "    try:\n        main()\n"
        "    except SystemExit as stop:\n        answer = [stop.code, said.getvalue()]\n"
    )
    code_, said = run(site, code)["answer"]
    assert code_ == 2
    assert "pip install '.[cli]'" in said
    assert "evalkit on PyPI is another project" in said


def test_the_types_are_in_it(site):
    assert (site / "evalkit" / "py.typed").is_file()
    assert (site / "evalkit" / "runtime" / "data" / "prices.yaml").is_file()

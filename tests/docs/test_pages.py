"""What the documentation shows is true: commands run, files validate, links lead somewhere, generated pages are current."""

from __future__ import annotations

import importlib
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from evalkit.cli.main import COMMANDS
from evalkit.evals.suite import Suite
from evalkit.registry.schema import Entry, ProjectConfig, Prompt, validate
from evalkit.runtime.yaml_source import parse_yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md"), ROOT / "benchmarks/README.md"]
)
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MODELS = {
    "providers:": ProjectConfig,
    "default_provider:": ProjectConfig,
    "status:": Entry,
    "scorers:": Suite,
    "messages:": Prompt,
}


def fences(page: Path, language: str) -> list[str]:
    return [body for found, body in FENCE.findall(page.read_text(encoding="utf-8")) if found == language]


def shown_commands() -> list[str]:
    found: dict[str, None] = {}
    for page in PAGES:
        for body in fences(page, "console"):
            for line in body.splitlines():
                command = re.split(r"\s+#\s", line)[0].strip()
                if command:
                    found[command] = None
    return list(found)


def ids(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def copy_of_the_project(tmp_path_factory) -> Path:
    """The files that the commands of the documentation speak of."""
    copy = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "evalkit.yaml", copy)
    for folder in ("registry", "suites", ".github"):
        shutil.copytree(ROOT / folder, copy / folder)
    identity = ["-c", "user.name=Writer", "-c", "user.email=writer@example.com"]
    for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "First"]):
        subprocess.run(["git", *identity, *command], cwd=copy, check=True, capture_output=True)
    from evalkit.registry.bundling import bundle_of_commit

    (copy / "bundle.json").write_bytes(bundle_of_commit(copy, "HEAD").encode())
    answers = copy / ".evalkit/answers.jsonl"  # a run that is there, for what shows the newest one
    answers.parent.mkdir(exist_ok=True)
    answers.write_text('{"id": "none-01", "output": "none"}\n')
    command = [sys.executable, "-c", "from evalkit.cli import main; main()", "run", "order-extract@v2"]
    env = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    ran = subprocess.run(
        [*command, "--replay", str(answers)], cwd=copy, env=env, check=False, capture_output=True
    )
    assert ran.returncode == 3, ran.stderr
    return copy


@pytest.mark.local_model
@pytest.mark.parametrize("command", [c for c in shown_commands() if c.startswith("evalkit ")])
def test_every_command_shown_runs(command, copy_of_the_project):
    arguments = shlex.split(command)[1:]
    ran = subprocess.run(
        [sys.executable, "-c", "from evalkit.cli import main; main()", *arguments],
        check=False,
        cwd=copy_of_the_project,
        capture_output=True,
        text=True,
        env={
            "PYTHONPATH": str(ROOT),
            "PATH": "/usr/bin:/bin",
            "NO_COLOR": "1",
            "HOME": str(copy_of_the_project),
        },
        timeout=300,
    )
    # A gate may fail or be undecided (a run of ten cases is), and a doctor finds something; nothing may be mistyped.
    may_end = {"run": {0, 1, 3}, "promote": {0, 1, 3}, "doctor": {0, 1}}
    assert ran.returncode in may_end.get(arguments[0], {0}), ran.stderr
    assert "Traceback" not in ran.stderr


def test_every_make_target_shown_exists():
    makefile = (ROOT / "Makefile").read_text()
    targets = [shlex.split(c)[1] for c in shown_commands() if c.startswith("make ")]
    assert targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_only_known_programs_are_shown():
    assert {shlex.split(command)[0] for command in shown_commands()} <= {"evalkit", "make", "python"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples_and_is_in_the_reference(name):
    command = importlib.import_module(f"evalkit.cli.commands.{name}").command
    assert command.help
    assert f"evalkit {name}" in (command.epilog or "") + command.help
    assert f"## evalkit {name}\n" in (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")


def test_generated_pages_are_current():
    ran = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"], check=False, cwd=ROOT, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://", "#")):
            path = (page.parent / target.partition("#")[0]).resolve()
            assert path.exists(), f"{ids(page)}: {target}"


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs/providers.md"], ids=ids)
def test_the_files_shown_are_valid(page):
    shown = fences(page, "yaml")
    assert shown
    for body in shown:
        model = next(model for key, model in MODELS.items() if re.search(rf"^{key}", body, re.MULTILINE))
        source, problems = parse_yaml(body, ids(page))
        _, more = validate(model, source)
        assert [*map(str, problems), *map(str, more)] == []


def test_the_layers_are_those_of_the_tree():
    """Each package of evalkit has its place in the layers contract."""
    contract = (ROOT / "pyproject.toml").read_text()
    packages = {path.name for path in (ROOT / "evalkit").iterdir() if (path / "__init__.py").exists()}
    for package in packages:
        assert f"evalkit.{package}" in contract

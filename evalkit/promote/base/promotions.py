"""Rule: what is promoted has evidence that promotes, and came through its canary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalkit.errors import EvalkitError, Problem, UsageError
from evalkit.promote.base.change import at
from evalkit.promote.base.cited import suite_changed
from evalkit.promote.base.evidence import EVIDENCE, read
from evalkit.promote.base.judging import judging, scorer_files
from evalkit.promote.base.snapshot import entry_path
from evalkit.registry.project import effective_policy
from evalkit.runtime.refs import Ref
from evalkit.runtime.serving import conflicts, serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from evalkit.errors import Location
    from evalkit.evals.pool import PoolVerdict
    from evalkit.promote.base.change import Change
    from evalkit.promote.base.judging import Judge
    from evalkit.promote.base.records import Records

__all__ = ["changed_together", "promoted", "promotions"]

_RANK = {"draft": 0, "staging": 1, "production": 2}
_EVIDENCE = ("evidence", "gate")
"""What `promote --override` calls them: both say that the suites do not speak for the entry."""


def promotions(change: Change, records: Mapping[str, Records]) -> Iterator[Problem]:
    """Every promotion of the change that is not earned (EK845 to EK850)."""
    found = {name: versions for name in change.names if (versions := promoted(change, name))}
    if not found:
        return
    with judging(change) as judge:
        for name, versions in found.items():
            for version, stage in versions.items():
                yield from _suites(change, judge, Ref(name, version), stage, versions, records[name])
                if stage == "production" and not records[name].excuse(version, ("canary",)):
                    yield from _canary(change, name, version)


def promoted(change: Change, name: str) -> dict[int, str]:
    """The versions that the change moves towards production, and where to. What is retired is beyond that."""
    before, after = change.states_before(name), change.states_after(name)
    found = {}
    for version, now in sorted(after.items()):
        old = before[version].state.status if version in before else "draft"
        new = now.state.status
        if old in _RANK and new in _RANK and _RANK[new] > _RANK[old]:
            found[version] = new
    return found


def _suites(
    change: Change, judge: Judge, ref: Ref, stage: str, versions: Mapping[int, str], records: Records
) -> Iterator[Problem]:
    place = at(change, ref.name, ref.version, "status")
    lead = f"{ref} is promoted to {stage}"
    if not change.has_readable_policy:
        message = f"{lead}, and the base's evalkit.yaml is not valid: what policy asks for is not known"
        hint = "put evalkit.yaml right first, in a change of its own"
        yield Problem("EK847", message, place, hint)
        return
    required = change.policy(ref.name).suites
    if not required:
        if not records.excuse(ref.version, _EVIDENCE):
            message = f"{lead}, and the base's policy requires no suite of it: nothing says that it is good"
            hint = (
                f"name its suites in evalkit.yaml, in a change of its own: policy.entries.{ref.name}.suites"
            )
            yield Problem("EK850", message, place, hint, "warning")
        return
    for suite in required:
        problem = _judged(change, judge, ref, suite, versions, lead, place)
        if problem is not None and not records.excuse(ref.version, _EVIDENCE):
            yield problem


def _judged(
    change: Change,
    judge: Judge,
    ref: Ref,
    suite: Ref,
    versions: Mapping[int, str],
    lead: str,
    place: Location,
) -> Problem | None:
    """What keeps the evidence with one suite from promoting; None if nothing does."""
    why = changed_together(change, ref.name, suite)
    try:
        verdict = judge.verdict(ref, suite, versions, with_new_evidence=why is None)
    except EvalkitError as error:
        said = "; ".join(dict.fromkeys(one.message for one in error.problems))
        hint = "put that right first; a suite, a provider or a policy that this change brings does not count for it"
        return Problem("EK847", f"{lead}, and {suite} of the base cannot judge it: {said}", place, hint)
    if verdict.verdict == "pass":
        return None
    if why is not None and _adds_runs(change, ref, suite):
        message = (
            f"{lead} with evidence that came in the same change as {why}: such evidence does not promote"
        )
        hint = "merge that first, by itself; then evaluate the entry by it in CI"
        return Problem("EK848", message, place, hint)
    return _problem(verdict, lead, place)


def _problem(verdict: PoolVerdict, lead: str, place: Location) -> Problem:
    ref, suite = verdict.entry, verdict.suite
    run = f"evaluate it in CI: evalkit run {ref} --suite {suite} --write-back"
    reason = verdict.reasons[0]
    runs = f"{verdict.runs} run{'' if verdict.runs == 1 else 's'}"
    figure = "" if verdict.score is None else f" (score {verdict.score:.4g}, {runs})"
    if verdict.verdict == "none":
        why = " ".join(verdict.stale) or "There is none at all."
        message = f"{lead} without evidence of {suite} that counts. {why}"
        return Problem("EK845", message, place, run)
    if verdict.verdict == "fail":
        message = f"{lead}, and what CI measured fails {suite}{figure}: {reason}"
        hint = f"make a new version that passes: evalkit new {ref.name} --from {ref}"
        return Problem("EK846", message, place, hint)
    message = f"{lead}, and {suite} is inconclusive{figure}: {reason}"
    return Problem("EK847", message, place, f"{run}; runs add up")


def changed_together(change: Change, name: str, suite: Ref) -> str | None:
    """What the change does to the rules that its evidence would be judged by, in words."""
    if suite_changed(change, suite):
        return f"a change of {suite}"
    config = change.config_after
    if config is None:
        return "a broken evalkit.yaml"
    before, after = change.config_before, config
    old, new = change.policy(name), effective_policy(after, name)
    if (old.suites, old.production_gate) != (new.suites, new.production_gate):
        return f"a change of the policy for {name}"
    source = change.before.parsed(f"suites/{suite.name}/v{suite.version}/suite.yaml")
    used = _texts(source.data.get("scorers")) & before.scorers.keys() if source else set()
    if any(before.scorers[scorer] != after.scorers.get(scorer) for scorer in used):
        return f"a change of the scorers of {suite}"
    files = scorer_files({scorer: before.scorers[scorer] for scorer in used})
    if files and change.repository.changed(change.base, change.compared_head, files):
        return f"a change of the scorers of {suite}"
    return None


def _texts(value: Any) -> set[str]:
    if isinstance(value, str):
        return {value}
    if isinstance(value, dict):
        return {str(key) for key in value} | _texts(list(value.values()))
    return set().union(*map(_texts, value)) if isinstance(value, list) else set()


def _adds_runs(change: Change, ref: Ref, suite: Ref) -> bool:
    """Whether the change adds runs of CI to the evidence of an entry with a suite, in whatever version."""
    for path, file in change.files.items():
        match = EVIDENCE.fullmatch(path)
        cited = Ref.parse(match[3]) if match else None
        if match is None or cited is None or (match[1], cited.name) != (ref.name, suite.name):
            continue
        if int(match[2]) != ref.version:
            continue
        before, after = read(file.before), read(file.after)
        known = {run.run_id for run in before.runs} if before else set()
        if after and any(run.run_id not in known and run.source == "ci" for run in after.runs):
            return True
    return False


def _canary(change: Change, name: str, version: int) -> Iterator[Problem]:
    if change.policy(name).production_gate != "canary":
        return
    try:
        if _is_first_release(change, name):
            return
    except UsageError as error:
        yield from error.problems
        return
    block = change.data(change.after, name, version).get("canary")
    verdict = block.get("verdict") if isinstance(block, dict) else None
    if verdict == "clean":
        return
    place = at(change, name, version, "canary", "status") if verdict else at(change, name, version, "status")
    what = f"its canary was {verdict}" if verdict else "no canary was judged"
    message = f"{name}@v{version} is promoted to production, and {what}; policy asks for a clean one"
    hint = f"give it a slice of production (rollout: {{ percent: 5 }} in {entry_path(name, version)}) and wait for the verdict"
    if verdict == "bad":
        hint = f"retire it, and make a new version: evalkit new {name} --from {name}@v{version}"
    yield Problem("EK849", message, place, hint)


def _is_first_release(change: Change, name: str) -> bool:
    """Whether production was never served before the change."""
    states = [one.state for one in change.states_before(name).values()]
    if conflicts(states) or serving(states, "production") is not None:
        return False
    return not change.history(name).spans("production")

"""What could be evaluated: of a change, by the rules of its base; or of the files here, everything that may still move."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from evalkit.errors import EvalkitError
from evalkit.evals.cases import iter_valid_cases
from evalkit.evals.pool import Evidences
from evalkit.promote.base.cited import CITING_KEYS
from evalkit.promote.base.evidence import EVIDENCE, read
from evalkit.promote.base.judging import scorer_files
from evalkit.promote.base.promotions import changed_together
from evalkit.promote.base.snapshot import entry_path, keys_of, ref_of
from evalkit.promote.facts import NameFacts, VersionFacts
from evalkit.promote.history import place
from evalkit.promote.needs import Left, Question, Wanted
from evalkit.promote.overlay import entry_files, overlay
from evalkit.registry.lifecycle import overtaken
from evalkit.registry.project import effective_policy
from evalkit.registry.resolve import provider_of, resolve_config
from evalkit.runtime.assemble import provider_of as provider_named
from evalkit.runtime.cost import cost_usd
from evalkit.runtime.prices import price
from evalkit.runtime.refs import Ref

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from evalkit.evals.pool.facts import SuiteFacts
    from evalkit.promote.base.change import Change
    from evalkit.promote.needs import Known
    from evalkit.registry.project import Project

__all__ = ["of_change", "of_tree", "recorded_in_change", "recorded_in_tree"]

_SAMPLED = 50
"""Cases from which the cost is estimated."""
_MOVING = ("draft", "staging")


def of_tree(project: Project, again: Collection[Ref] = ()) -> Wanted:
    """Every draft and staging entry that production has not overtaken, against the suites that policy requires.

    Args:
        project: the files here.
        again: versions to ask about as well, whatever their status.

    Raises:
        SchemaError: evalkit.yaml is not valid.
    """
    evidences = Evidences(project)
    questions: list[Question] = []
    left: list[Left] = []
    for name in project.names():
        suites = project.policy_for(name).suites
        try:
            states = {state.version: VersionFacts(state) for state in project.states(name)}
        except EvalkitError as error:
            left.append(Left(name, None, _broken(error)))
            continue
        asked = {ref.version for ref in again if ref.name == name}
        for version in sorted({*NameFacts(name, states).candidates, *asked}):
            found = [_question(evidences, Ref(name, version), suite) for suite in suites]
            questions += [one for one in found if isinstance(one, Question)]
            left += [one for one in found if isinstance(one, Left)]
            if not suites:
                left.append(Left(f"{name}@v{version}", None, "policy requires no suite of it"))
    return Wanted(questions, left_out=left)


def of_change(change: Change) -> Wanted:
    """The entries whose config a change adds or alters, against the suites that the base's policy requires.

    The base's policy, suites, scorers and providers are what they are measured by. Where the change touches these as
    well, it would be measured by rules that are about to go: that is done after the merge.

    Raises:
        UsageError: EK805, git fails.
    """
    touched = list(_touched(change))
    required = {suite for ref in touched for suite in change.policy(ref.name).suites}
    rules: dict[str, bytes | None] = {"evalkit.yaml": change.before.read("evalkit.yaml")}
    for suite in required:
        rules |= {path: change.before.read(path) for path in change.before.below(_folder(suite))}
    for path in scorer_files(change.config_before.scorers):
        rules[path] = change.repository.read(change.base, path)
    new, old = dict(rules), {"evalkit.yaml": rules["evalkit.yaml"]}
    for ref in touched:
        new |= entry_files(change.after.read, ref)
        old |= entry_files(change.before.read, ref)
    workflows = _workflows_changed(change)
    questions: list[Question] = []
    after_merge: list[Left] = []
    left: list[Left] = []
    with overlay(new) as project, overlay(old) as past:
        evidences, before = Evidences(project), Evidences(past)
        for ref in touched:
            if (why := _settled(change, ref, evidences, before)) is not None:
                left.append(Left(str(ref), None, why))
                continue
            for suite in _suites(change, ref.name):
                why = workflows or _provider_changed(change, ref) or changed_together(change, ref.name, suite)
                if why is not None:
                    said = f"evaluated after the merge, because {why} comes in the same change"
                    after_merge.append(Left(str(ref), str(suite), said))
                    continue
                match _question(evidences, ref, suite):
                    case Question() as question:
                        questions.append(question)
                    case Left() as unasked:
                        left.append(unasked)
            if not _suites(change, ref.name):
                left.append(Left(str(ref), None, "policy requires no suite of it"))
    return Wanted(questions, after_merge, left)


def recorded_in_tree(project: Project) -> Known:
    """Whether the evidence here has a run of CI of two digests. Whether a run is what it says is not looked at."""
    evidences = Evidences(project)

    def known(generation: str, measurement: str) -> bool:
        runs = evidences.of_config(generation)
        return any(run.source == "ci" and run.measurement_digest == measurement for run in runs)

    return known


def recorded_in_change(change: Change) -> Known:
    """The same, of the evidence as it is after a change."""
    side = change.after
    paths = [path for path in side.below("registry/evidence") if EVIDENCE.fullmatch(path)]
    side.load(paths)

    def known(generation: str, measurement: str) -> bool:
        needle = generation.encode()
        files = (read(raw) for path in paths if needle in (raw := side.read(path) or b""))
        return any(
            (run.source, run.generation_digest, run.measurement_digest) == ("ci", generation, measurement)
            for evidence in files
            if evidence is not None
            for run in evidence.runs
        )

    return known


def _touched(change: Change) -> Iterator[Ref]:
    """The entries whose file, prompt, tools or class differs, as far as they are there after the change."""
    found: set[Ref] = set()
    components: dict[str, set[Ref]] = {}
    for path in change.files:
        if (ref := ref_of(path, "registry/entries")) is not None and path in change.after:
            found.add(ref)
        for kind, key in CITING_KEYS.items():
            if (cited := ref_of(path, f"registry/{kind}")) is not None:
                components.setdefault(key, set()).add(cited)
    needles = {ref.name.encode() for refs in components.values() for ref in refs}
    for ref, raw in change.after.all_entries() if components else ():
        if ref in found or not any(needle in raw for needle in needles):
            continue
        keys = keys_of(raw, entry_path(ref.name, ref.version)) or {}
        if any(Ref.parse(str(keys.get(key, ""))) in refs for key, refs in components.items()):
            found.add(ref)
    return iter(sorted(found, key=lambda ref: (ref.name, ref.version)))


def _settled(change: Change, ref: Ref, after: Evidences, before: Evidences) -> str | None:
    """Why there is nothing to measure about an entry that the change touches, whatever the suite."""
    states = {version: one.state for version, one in change.states_after(ref.name).items()}
    state = states.get(ref.version)
    if state is None:
        return "its file cannot be read: evalkit check says why"
    if entry_path(ref.name, ref.version) in change.before:
        try:
            if after.generation(ref) == before.generation(ref):
                return "its config is as it was"
        except EvalkitError:
            pass  # what does not resolve on one side is new, or said where it is asked about
    if state.status not in _MOVING:
        return f"it is in {state.status}: only drafts and staging entries may still move"
    newer = overtaken(ref.version, states)
    return None if newer is None else f"v{newer} serves production, and is newer"


def _suites(change: Change, name: str) -> Sequence[Ref]:
    """What the base requires; of a name for which it requires nothing yet, what the change does."""
    required = change.policy(name).suites
    if required or change.config_after is None:
        return required
    return effective_policy(change.config_after, name).suites


def _provider_changed(change: Change, ref: Ref) -> str | None:
    """What the change does to the provider of an entry, in words."""
    before, after = change.config_before, change.config_after
    if after is None:
        return "a broken evalkit.yaml"
    said = change.data(change.after, ref.name, ref.version).get("provider")
    named = said if isinstance(said, str) else None
    one, other = (provider_named(named, side.default_provider, side.providers) for side in (before, after))
    if one != other:
        return "a change of the default provider"
    if one is not None and before.providers.get(one) != after.providers.get(one):
        return f"a change of the provider {one}"
    return None


def _workflows_changed(change: Change) -> str | None:
    """Whether the change touches what runs in CI, which lies at the top of the repository."""
    where = place.find(change.root)
    folder = "../" * where.prefix.count(b"/") + ".github"
    head = [change.compared_head] if change.compared_head is not None else []
    found = where.git.run("diff", "--name-only", "--no-renames", change.base, *head, "--", folder)
    if not found and not head:
        found = where.git.run("ls-files", "--others", "--exclude-standard", "--", folder)
    return "a change of .github/" if found else None


def _folder(suite: Ref) -> str:
    return f"suites/{suite.name}/v{suite.version}"


def _question(evidences: Evidences, ref: Ref, suite: Ref) -> Question | Left:
    """The question, or why it cannot be asked."""
    project = evidences.project
    try:
        loaded = project.entry(ref)
        generation, facts = evidences.generation(ref), evidences.suite(suite)
        if (loaded.model.name, loaded.model.version) != (ref.name, ref.version):
            said = f"{loaded.model.name}@v{loaded.model.version}"
            return Left(str(ref), str(suite), f"it cannot be evaluated: its file says that it is {said}")
        return Question(
            entry=ref,
            suite=suite,
            generation_digest=generation,
            measurement_digest=facts.measurement,
            cases=facts.count,
            repeats=facts.suite.repeats,
            provider=provider_of(project.config, loaded.model) or "",
            estimated_cost_usd=_cost(project, ref, facts),
        )
    except EvalkitError as error:
        return Left(str(ref), str(suite), _broken(error))


def _cost(project: Project, ref: Ref, facts: SuiteFacts) -> float | None:
    """About what all answers cost: four characters a token, and answers as long as they may be.

    Raises:
        RenderError: a case does not fit the prompt.
    """
    config = resolve_config(project, project.entry(ref))
    each = price(config.model or "", project.config.prices, provider=config.provider_kind)
    limit = config.params.get("max_completion_tokens") or config.params.get("max_tokens")
    sampled = islice(iter_valid_cases(facts.loaded, facts.display), _SAMPLED)
    lengths = [len(str(config.request(case.vars))) for case in sampled]
    if not lengths or not isinstance(limit, int):
        return None
    cost = cost_usd(each, sum(lengths) // len(lengths) // 4, limit)
    return None if cost is None else cost * facts.count * facts.suite.repeats


def _broken(error: EvalkitError) -> str:
    said = "; ".join(dict.fromkeys(problem.message for problem in error.problems))
    return f"it cannot be evaluated: {said}"

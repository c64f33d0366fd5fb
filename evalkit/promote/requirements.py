"""What a promotion asks for beyond the lifecycle: evidence, a model that stays, no hold, a clean canary. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from evalkit.promote.plan import Refusal
from evalkit.promote.wording import score_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from evalkit.promote.facts import NameFacts, SuiteVerdict, VersionFacts

__all__ = ["Stage", "objections"]

Stage: TypeAlias = Literal["staging", "production"]
"""Where a promotion leads."""


def objections(facts: NameFacts, version: int, stage: Stage, today: date) -> Iterator[Refusal]:
    """Everything that stands against promoting a version, in the order in which it is worth putting right."""
    found = facts.versions[version]
    ref = facts.ref(version)
    if found.state.status == "retired":
        return  # what the lifecycle says is all there is to say
    if found.digest is None:
        why = "; ".join(found.broken) or "it does not resolve"
        yield Refusal(
            "broken", "EK823", f"{ref} does not resolve: {why}", f"evalkit check; evalkit show {ref}"
        )
    yield from _pin_refusals(ref_text=str(ref), version=version, found=found, today=today)
    yield from _hold_refusals(facts, version, today)
    if not facts.suites:
        message = f"policy requires no suite of {facts.name}, so nothing says that {ref} is good"
        fix = f"name its suites in evalkit.yaml: policy.entries.{facts.name}.suites"
        yield Refusal("evidence", "EK812", message, fix, version, can_override=True)
    for verdict in found.evidence:
        if (refusal := _evidence_refusal(str(ref), version, verdict)) is not None:
            yield refusal
    if len(found.evidence) < len(facts.suites):
        missing = ", ".join(facts.suites[len(found.evidence) :])
        message = f"{ref} was not judged by {missing}"
        yield Refusal("evidence", "EK812", message, f"evalkit run {ref}", version, can_override=True)
    if stage == "production" and facts.production_gate == "canary" and not facts.is_first_release():
        yield from _canary_refusals(facts, version)


def _pin_refusals(*, ref_text: str, version: int, found: VersionFacts, today: date) -> Iterator[Refusal]:
    for model in found.models:
        if model.pin == "floating":
            fix = model.hint or "name a pinned snapshot in a new version"
            message = f"{ref_text} cannot leave draft: {model.reason}"
            yield Refusal("pin", "EK814", message, fix, version)
        elif model.pin == "needs_evidence" and not found.has_exception:
            fix = model.hint or "pin the model, or add pin_exception: {reason, expires}"
            message = f"{ref_text} cannot leave draft: {model.reason}"
            yield Refusal("pin", "EK814", message, fix, version)
        elif model.pin == "needs_evidence" and found.exception_expires and found.exception_expires < today:
            message = f"the pin_exception of {ref_text} expired on {found.exception_expires}"
            fix = "say again in a new version how the model is kept fixed, or name a pinned model"
            yield Refusal("pin", "EK814", message, fix, version)
        if model.last_day and model.last_day <= today:
            message = f"{model.id}, the model of {ref_text}, was shut down on {model.last_day}"
            yield Refusal("gone", "EK814", message, "make a new version with a model that stays", version)


def _hold_refusals(facts: NameFacts, version: int, today: date) -> Iterator[Refusal]:
    digest = facts.versions[version].digest
    for hold in facts.holds:
        if hold.is_active(today) and (hold.digest is None or hold.digest == digest):
            what = (
                f"every version of {facts.name}"
                if hold.digest is None
                else f"the content of {facts.ref(version)}"
            )
            until = f" until {hold.until}" if hold.until else ""
            message = f"{hold.by} holds {what}{until}: {hold.reason}"
            target = facts.name if hold.digest is None else str(facts.ref(version))
            fix = f'when that is settled: evalkit unhold {target} --reason "…" --apply'
            yield Refusal("held", "EK815", message, fix, version)


def _evidence_refusal(ref: str, version: int, verdict: SuiteVerdict) -> Refusal | None:
    """None for a pass."""
    reason = verdict.reasons[0] if verdict.reasons else ""
    run = f"evaluate it in CI: evalkit run {ref} --suite {verdict.suite} --write-back"
    if verdict.verdict == "pass":
        return None
    if verdict.verdict == "none":
        message = f"{verdict.suite}: there is no evidence for {ref}"
        if verdict.stale:
            message = f"{verdict.suite}: no run of {ref} counts. {' '.join(verdict.stale)}"
        return Refusal("evidence", "EK812", message, run, version, can_override=True)
    figures = score_text(verdict)
    said = f"{verdict.suite}: {verdict.verdict}" + (f", {figures}" if figures else "")
    message = f"{said}. {reason}" if reason else said
    fix = (
        f"look at the worst cases and change it in a new version: evalkit new {ref.partition('@')[0]} --from {ref}"
        if verdict.verdict == "fail"
        else f"{run}; runs add up"
    )
    is_undecided = verdict.verdict == "inconclusive"
    return Refusal("gate", "EK813", message, fix, version, can_override=True, is_undecided=is_undecided)


def _canary_refusals(facts: NameFacts, version: int) -> Iterator[Refusal]:
    found = facts.versions[version]
    ref = facts.ref(version)
    if found.canary == "clean":
        return
    percent = found.state.percent or 0
    if found.canary is None:
        takes = f"; it takes {percent:g} % of production now" if percent else ""
        message = f"{ref} has no canary verdict, and policy asks for one before production{takes}"
        fix = (
            "wait until the canary is judged"
            if percent
            else f"give it a slice of production in {facts.entry_path(version)}: rollout: {{ percent: 5 }}; or, where "
            "evaluations are enough, set production_gate: eval in evalkit.yaml, for this name in "
            f"policy.entries.{facts.name} or for all in policy.defaults"
        )
    else:
        message = f"the canary of {ref} was {found.canary} (run {found.canary_run})"
        fix = (
            "let it run on"
            if found.canary == "inconclusive"
            else f"evalkit retire {ref}, and make a new version"
        )
    is_undecided = found.canary == "inconclusive" or (found.canary is None and percent > 0)
    yield Refusal("canary", "EK816", message, fix, version, can_override=True, is_undecided=is_undecided)

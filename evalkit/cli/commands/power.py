"""`evalkit power`: what a suite can decide with its cases, and how many it would need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evalkit.cli.common import find_project, format_option, line_width, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalkit.evals.power import Figures, Power

EPILOG = """\b
Examples:
  evalkit power triage-eval                what its newest version can decide
  evalkit power triage-eval@v4 --drop 0.03 a smaller drop: how many cases find it?
  evalkit power triage-eval --format json  for a script

\b
Figures are exact for pass/fail cases that are independent and asked once. No model is asked.
Exit codes: 0, also for a suite that is too small; 2 usage or configuration.
"""

SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)


@click.command(epilog=EPILOG)
@click.argument("suite")
@click.option(
    "--drop",
    type=SHARE,
    default=0.05,
    show_default=True,
    help="A true drop against the baseline that ought to be found.",
)
@click.option(
    "--discordant",
    type=SHARE,
    default=0.06,
    show_default=True,
    help="The share of cases on which a candidate and its baseline differ.",
)
@click.option(
    "--power",
    type=SHARE,
    default=0.8,
    show_default=True,
    help="The chance with which a good candidate ought to pass, and a drop ought to be found.",
)
@format_option("table", "json")
@click.pass_context
def command(
    ctx: click.Context, suite: str, drop: float, discordant: float, power: float, output_format: str
) -> None:
    """Say how many cases a suite needs to decide its own rule.

    For candidates of several true scores: how often each passes, fails or stays inconclusive. Against a baseline: the
    drop that is found, and the cases that a drop of --drop would take. See docs/gate.md for the rules.
    """
    from evalkit.errors import ConfigError
    from evalkit.evals.checks.examine import examine_cases
    from evalkit.evals.plan import cases_display
    from evalkit.evals.power import power_of
    from evalkit.evals.suite import load_suite

    project = find_project(ctx)
    loaded = load_suite(project, suite)
    cases = examine_cases(loaded, [], cases_display(project, loaded))
    if cases.problems:
        raise ConfigError(cases.problems)
    found = power_of(loaded.suite, cases, ref=str(loaded.ref), drop=drop, discordant=discordant, power=power)
    if output_format == "json":
        print_json({"schema_version": 1, **found.to_dict()})
        return
    from evalkit.report.wrapping import wrapped

    for line in _text(found):
        shown = [line] if line.startswith("  ") or not line else wrapped(line, line_width(), hang="")
        click.echo("\n".join(shown))


def _text(found: Power) -> Iterator[str]:
    asked = "once" if found.repeats == 1 else f"{found.repeats} times"
    yield f"{found.suite}: {found.cases:,} cases, each asked {asked}."
    yield ""
    yield from _score(found)
    yield ""
    yield from _baseline(found)
    for tag, (count, needed) in found.slices.items():
        yield ""
        enough = "enough" if count >= needed else f"too few: {needed - count:,} more would do"
        yield (
            f"Slice '{tag}': {count:,} cases, judged on the observed score from {needed:,} on, which is {enough}."
        )
    yield from _limits(found)


def _score(found: Power) -> Iterator[str]:
    figures, threshold = found.figures, found.min_score
    if threshold is None:
        yield f"The gate has no min_score; its other rules are judged from {found.min_cases:,} cases on."
        return
    bound = found.lower_bound_required or 0.0
    yield f"The score must reach {threshold:.10g}, and the true score must very likely not be below {bound:.10g}."
    if found.smallest_passing is None:
        yield "No number of cases is enough for that: not even a perfect score can pass."
        return
    at_all = f"A perfect score passes from {found.smallest_passing:,} cases on."
    if figures.needed_right is None:
        yield f"{at_all} With the {found.cases:,} of this suite nothing can pass."
    else:
        share = figures.needed_right / found.cases
        yield f"{at_all} With {found.cases:,} it takes {figures.needed_right:,} right ({share:.3f})."
    yield ""
    yield from _chances(figures)
    yield ""
    if figures.passes_from is not None:
        yield f"A candidate passes in {_percent(found.power)} of runs from a true score of {figures.passes_from:.3f} on."
    if found.cases_for_good is not None:
        yield (
            f"One that is truly at {found.good_truth:.10g} does so from about {found.cases_for_good:,} cases on."
        )


def _chances(figures: Figures) -> Iterator[str]:
    yield f"  {'TRUE SCORE':<12}{'PASSES':>8}{'INCONCLUSIVE':>14}{'FAILS':>9}"
    for one in figures.chances:
        shares = [f"{100 * share:.1f} %" for share in (one.passes, one.inconclusive, one.fails)]
        yield f"  {one.truth:<12.10g}{shares[0]:>8}{shares[1]:>14}{shares[2]:>9}"


def _baseline(found: Power) -> Iterator[str]:
    figures, wanted = found.figures, _percent(found.power)
    yield f"Against a baseline that differs on {_percent(found.discordant)} of the cases (exact one-sided McNemar test):"
    if figures.detectable_drop is None:
        yield f"With {found.cases:,} cases no drop, however large, is found in {wanted} of runs."
    else:
        yield f"With {found.cases:,} cases a true drop of {figures.detectable_drop:.3f} is found in {wanted} of runs."
    needed = "more than a million" if found.cases_for_drop is None else f"{found.cases_for_drop:,}"
    yield (
        f"A drop of {found.drop:.10g} is found in {_percent(figures.finds_drop)} of runs; {wanted} takes {needed} cases."
    )
    if figures.equal_is_shown is not None:
        needed = (
            "more than a million"
            if found.cases_for_non_inferior is None
            else f"{found.cases_for_non_inferior:,}"
        )
        yield (
            f"A candidate that is exactly as good passes non_inferior {found.non_inferior:.10g} in "
            f"{_percent(figures.equal_is_shown)} of runs; {wanted} takes {needed} cases."
        )


def _limits(found: Power) -> Iterator[str]:
    """What the figures do not know."""
    if found.repeats > 1:
        yield ""
        yield (
            f"The {found.repeats} answers of a case are averaged. They make its score steadier and add no case, so the "
            "figures hold at least as well; they are those of cases that are asked once."
        )
    design, worst = found.design, found.figures_at_worst
    if design is None or worst is None:
        return
    effects = ", ".join(
        f"{effect:.1f} at a correlation of {share:.10g}" for share, effect in design.effects.items()
    )
    yield ""
    yield (
        f"Cases share clusters: there are {design.clusters:,} independent units. The figures above take every case for "
        f"independent, which is the best that can be. Cases of a cluster are alike, which divides them by the design "
        f"effect: {effects}. If they stand or fall together, the suite decides as much as {worst.cases:,} cases:"
    )
    yield ""
    if found.min_score is not None:
        yield from _chances(worst)
        yield ""
    if worst.detectable_drop is None:
        yield f"No drop against a baseline is found in {_percent(found.power)} of runs."
    else:
        yield (
            f"A true drop of {worst.detectable_drop:.3f} against a baseline is found in {_percent(found.power)} of runs."
        )


def _percent(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0") + " %"

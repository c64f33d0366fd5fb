"""Who served at a moment, for people and for scripts."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from evalkit.promote.history.people import title_of
from evalkit.report.audit import Clock, commit_data, filled, iso, short_ref
from evalkit.report.neutral import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from evalkit.promote.asof import AsOf
    from evalkit.promote.standing import Standing

__all__ = ["AT_COLUMNS", "as_of_data", "as_of_lines", "as_of_text", "serving_lines", "standing_data"]

AT_COLUMNS: Final = (
    "name", "env", "version", "role", "share", "since", "since_commit", "model", "prompt", "commit", "moment",
)  # fmt: skip
_HEAD: Final[tuple[str, ...]] = ("NAME", "ENV", "VERSION", "SHARE", "MODEL", "PROMPT")
_READINGS: Final = {
    "day_end": "the end of that day",
    "now": "now",
    "commit": "when it took effect",
    "moment": "",
}


def as_of_lines(asked: AsOf, clock: Clock) -> Iterator[str]:
    """Which moment was looked at, and which commit was in effect."""
    reading = _READINGS[asked.when.reading]
    how = f'"{asked.when.text}"' + (f", {reading}" if reading and reading != asked.when.text else "")
    yield from filled(f"{_asked_text(asked, clock)}: {how}", width=clock.width)
    if asked.commit is None:
        yield f"The history of {short_ref(asked.ref)} begins later."
        return
    commit = asked.commit
    text = f"in effect: commit {commit.id[:12]} of {clock.text(commit.time)}, {title_of(commit)}"
    yield from filled(text, width=clock.width)


def as_of_text(asked: AsOf, clock: Clock) -> str:
    """The moment and its commit in one line."""
    commit = f", commit {asked.commit.id[:12]} of {clock.text(asked.commit.time)}" if asked.commit else ""
    return _asked_text(asked, clock) + commit


def _asked_text(asked: AsOf, clock: Clock) -> str:
    """The moment, always in its own zone too: it may have been asked for in that."""
    return replace(clock, both=True).text(asked.moment)


def as_of_data(asked: AsOf, zone: str) -> dict[str, Any]:
    """The moment as plain data."""
    return {
        "asked": asked.when.text,
        "moment": iso(asked.moment),
        "reading": asked.when.reading,
        "zone": zone,
        "ref": asked.ref,
        "commit": commit_data(asked.commit) if asked.commit else None,
    }


def serving_lines(
    rows: Sequence[Standing], name: str | None, clock: Clock, *, is_long: bool
) -> Iterator[str]:
    """Who served: one name at length, or a table of all names; at length, all of them."""
    if not rows:
        yield f"{name} had no entries then." if name else "There were no entries then."
    elif name is None and not is_long:
        yield from _table(rows, clock.width)
    else:
        for number, own in enumerate(_by_name(rows)):
            yield from ("",) if number else ()
            yield own[0].name
            yield from (f"  {line}" for line in _at_length(own, clock))


def _at_length(rows: Sequence[Standing], clock: Clock) -> Iterator[str]:
    """One name, environment by environment, with since when and by which commit."""
    by_env = _by_env(rows)
    for env, own in by_env.items():
        if _as_production(by_env, env):
            yield f"{env}: as production"
        elif own[0].served is None:
            yield from filled(f"{env}: {own[0].conflict or 'nobody'}", width=clock.width)
        else:
            yield env
            for row in own:
                yield from _standing(row, clock, _role(row, own))


def _table(rows: Sequence[Standing], width: int) -> Iterator[str]:
    """A line for each version; environments that are served as production is are left out.

    Where the lines would be too long, the prompt goes below the model. Nothing is cut.
    """
    cells = [_HEAD]
    for own in _by_name(rows):
        by_env = _by_env(own)
        for env, served in by_env.items():
            if not _as_production(by_env, env):
                cells += [_cells(row, _role(row, served)) for row in served]
    if _width(cells) > width:
        cells = [row for line in cells for row in _folded(line)]
    widths = [max(len(line[index]) for line in cells) for index in range(len(cells[0]))]
    for line in cells:
        yield "  ".join(cell.ljust(size) for cell, size in zip(line, widths, strict=True)).rstrip()


def _width(cells: Sequence[tuple[str, ...]]) -> int:
    columns = list(zip(*cells, strict=True))
    return sum(max(map(len, column)) for column in columns) + 2 * (len(columns) - 1)


def _folded(line: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    *first, model, prompt = line
    if line == _HEAD:
        yield (*first, f"{model}, {prompt}")
        return
    yield (*first, model)
    if prompt:
        yield (*("" for _ in first), prompt)


def _cells(row: Standing, role: str) -> tuple[str, ...]:
    who = f"v{row.served.version}" if row.served else "not clear" if row.conflict else "nobody"
    share = f"{_share(row)} {role}".strip()
    return (
        row.name,
        row.env,
        who,
        share,
        one_line(row.model or "", 200),
        one_line(row.prompt_ref or "", 200),
    )


def _role(row: Standing, own: Sequence[Standing]) -> str:
    """What a version is beside the others of its environment: only an A/B needs to say which is its primary."""
    if row.served is None:
        return ""
    in_ab = any(one.served and one.served.role == "arm" for one in own)
    return row.served.role if in_ab or row.served.role == "canary" else ""


def _by_name(rows: Sequence[Standing]) -> Iterable[Sequence[Standing]]:
    return (list(own) for _, own in groupby(rows, key=lambda row: row.name))


def _by_env(rows: Sequence[Standing]) -> dict[str, Sequence[Standing]]:
    return {env: list(own) for env, own in groupby(rows, key=lambda row: row.env)}


def _as_production(by_env: dict[str, Sequence[Standing]], env: str) -> bool:
    """Whether another environment has production's versions in their roles; a canary is production's own matter."""
    if env == "production" or "production" not in by_env:
        return False
    arms = [row.served for row in by_env["production"] if row.served and row.served.role != "canary"]
    own = [row.served for row in by_env[env] if row.served]
    return bool(own) and [(one.version, one.role) for one in own] == [(one.version, one.role) for one in arms]


def standing_data(row: Standing) -> dict[str, Any]:
    """A version that served, as plain data."""
    served, tenure = row.served, row.tenure
    return {
        "name": row.name,
        "env": row.env,
        "version": served.version if served else None,
        "role": served.role if served else None,
        "share": round(served.share, 6) if served else None,
        "since": iso(tenure.since) if tenure else None,
        "since_commit": tenure.commit_since.id if tenure else None,
        "model": row.model,
        "prompt": row.prompt_ref,
        "conflict": row.conflict,
    }


def _standing(row: Standing, clock: Clock, role: str) -> Iterator[str]:
    assert row.served is not None  # noqa: S101 - the caller has looked
    since = f"since {clock.text(row.tenure.since)}" if row.tenure else ""
    known = ", ".join(filter(None, (role, since)))
    yield f"  v{row.served.version}  {_share(row)}  {known}".rstrip()
    commit = [f"by commit {row.tenure.commit_since.id[:12]}"] if row.tenure else []
    known = ", ".join([*commit, row.model or "no model", row.prompt_ref or "no prompt"])
    yield from filled(known, "      ", width=clock.width)


def _share(row: Standing) -> str:
    return f"{100 * row.served.share:.3g} %" if row.served else ""

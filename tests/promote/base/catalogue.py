"""What a change may not do, and what is close to it and allowed. Each scene has names of its own: all fit in one change."""

from __future__ import annotations

import json

from base_material import ANN, BOB, CAT, COMMON, MODEL, Run, Scene, Step, cases, entry, prompt, suite, tools

SCENES: list[Scene] = []


def path(name: str, version: int = 1) -> str:
    return f"registry/entries/{name}/v{version}.yaml"


def prompt_path(name: str, version: int = 1) -> str:
    return f"registry/prompts/{name}-prompt/v{version}.yaml"


def evidence(name: str, version: int = 1, suite: str = COMMON) -> str:
    return f"registry/evidence/{name}/v{version}/{suite}.json"


def before(name: str, *entries: str, runs: tuple[Run, ...] = (), **files: str) -> Step:
    """Entries of a name, numbered from 1, with their prompt."""
    found = {path(name, n): text for n, text in enumerate(entries, 1)}
    return Step(
        {prompt_path(name): prompt(name), **found, **{k.replace("__", "/"): v for k, v in files.items()}},
        runs,
    )


def scene(name: str, *main: Step, change: Step, expected=(), rules=(), rules_after=None) -> None:
    SCENES.append(Scene(name, main, change, tuple(expected), tuple(rules), rules_after))


# 1. The config of what left draft

for key, old, new in (
    ("model", MODEL, "gpt-5-2025-08-07"),
    ("provider", "openai", "anthropic"),
    ("params", "{ max_tokens: 300 }", "{ max_tokens: 301 }"),
    ("params", "{ top_p: 1 }", "{ top_p: 1.0 }"),
    ("response_format", "{ type: json_object }", "{ type: text }"),
    (
        "artifact",
        "{ uri: 's3://a/b', digest: 'sha256:" + "a" * 64 + "' }",
        "{ uri: 's3://a/b', digest: 'sha256:" + "b" * 64 + "' }",
    ),
):
    name = f"edits-{key.replace('_', '-')}-{len(SCENES)}"
    scene(
        name,
        before(name, entry(name, 1, "production", **{key: old})),
        change=Step({path(name): entry(name, 1, "production", **{key: new})}),
        expected=[("EK831", path(name), f"^{key}:")],
    )
scene(
    "edits-prompt-ref",
    before("edits-prompt-ref", entry("edits-prompt-ref", 1, "retired")),
    change=Step(
        {
            prompt_path("edits-prompt-ref", 2): prompt("edits-prompt-ref", 2),
            path("edits-prompt-ref"): entry(
                "edits-prompt-ref", 1, "retired", prompt_ref="edits-prompt-ref-prompt@v2"
            ),
        }
    ),
    expected=[("EK831", path("edits-prompt-ref"), "^prompt_ref:")],
)
scene(
    "drops-tools-ref",
    Step(
        {
            prompt_path("drops-tools-ref"): prompt("drops-tools-ref"),
            "registry/tools/drops-tools-ref-tools/v1.yaml": tools("drops-tools-ref"),
            path("drops-tools-ref"): entry(
                "drops-tools-ref", 1, "staging", tools_ref="drops-tools-ref-tools@v1"
            ),
        }
    ),
    change=Step({path("drops-tools-ref"): entry("drops-tools-ref", 1, "staging")}),
    expected=[("EK831", path("drops-tools-ref"), None)],
)
scene(
    "comments-only",
    before("comments-only", entry("comments-only", 1, "production", description="Old")),
    change=Step(
        {
            path("comments-only"): "# a new remark\n"
            + entry(
                "comments-only",
                1,
                "production",
                description="New",
                owner="me",
                prompt_ref="comments-only-prompt-v1",
                params="{max_tokens: 300, stop: null}",
            ),
        }
    ),
)
scene(
    "names-the-default-provider",
    before("names-the-default-provider", entry("names-the-default-provider", 1, "production")),
    change=Step(
        {
            path("names-the-default-provider"): entry(
                "names-the-default-provider", 1, "production", provider="openai"
            )
        }
    ),
)
scene(
    "edits-a-draft",
    before("edits-a-draft", entry("edits-a-draft"), runs=(Run("edits-a-draft"),)),
    change=Step(
        {
            path("edits-a-draft"): entry("edits-a-draft", params="{ max_tokens: 5 }"),
            prompt_path("edits-a-draft"): prompt("edits-a-draft", text="Sort it."),
        }
    ),
)

# 2. What is cited

scene(
    "edits-cited-prompt",
    before("edits-cited-prompt", entry("edits-cited-prompt", 1, "production")),
    change=Step({prompt_path("edits-cited-prompt"): prompt("edits-cited-prompt", text="Sort it well.")}),
    expected=[("EK833", prompt_path("edits-cited-prompt"), "Sort it well")],
)
scene(
    "deletes-cited-prompt",
    before("deletes-cited-prompt", entry("deletes-cited-prompt", 1, "retired")),
    change=Step({prompt_path("deletes-cited-prompt"): None}),
    expected=[("EK835", prompt_path("deletes-cited-prompt"), None)],
)
scene(
    "edits-cited-tools",
    Step(
        {
            prompt_path("edits-cited-tools"): prompt("edits-cited-tools"),
            "registry/tools/edits-cited-tools-tools/v1.yaml": tools("edits-cited-tools"),
            path("edits-cited-tools"): entry(
                "edits-cited-tools", 1, "staging", tools_ref="edits-cited-tools-tools@v1"
            ),
        }
    ),
    change=Step({"registry/tools/edits-cited-tools-tools/v1.yaml": tools("edits-cited-tools", "Find it.")}),
    expected=[("EK833", "registry/tools/edits-cited-tools-tools/v1.yaml", "Find it")],
)
CLASS = (
    "name: {0}\nversion: 1\nmembers:\n  - {{ model: gpt-5-mini-2025-08-07, provider: openai, weight: {1} }}\n"
)
scene(
    "edits-cited-class",
    Step(
        {
            prompt_path("edits-cited-class"): prompt("edits-cited-class"),
            "registry/classes/edits-cited-class/v1.yaml": CLASS.format("edits-cited-class", 1),
            path("edits-cited-class"): entry(
                "edits-cited-class", 1, "production", model=None, class_ref="edits-cited-class@v1"
            ),
        }
    ),
    change=Step({"registry/classes/edits-cited-class/v1.yaml": CLASS.format("edits-cited-class", 2)}),
    expected=[("EK833", "registry/classes/edits-cited-class/v1.yaml", "weight")],
)
scene(
    "comments-on-cited-prompt",
    before("comments-on-cited-prompt", entry("comments-on-cited-prompt", 1, "production")),
    change=Step(
        {
            prompt_path("comments-on-cited-prompt"): "# why it is so\ndescription: Sorts.\n"
            + prompt("comments-on-cited-prompt").replace(
                "content: Sort this ticket.", 'content: "Sort this ticket."'
            ),
        }
    ),
)
scene(
    "edits-uncited-prompt",
    Step(
        {
            prompt_path("edits-uncited-prompt"): prompt("edits-uncited-prompt"),
            path("edits-uncited-prompt"): entry("edits-uncited-prompt"),
        }
    ),
    change=Step({prompt_path("edits-uncited-prompt"): prompt("edits-uncited-prompt", text="Another.")}),
)
scene(
    "deletes-uncited-prompt",
    Step({prompt_path("deletes-uncited-prompt"): prompt("deletes-uncited-prompt")}),
    change=Step({prompt_path("deletes-uncited-prompt"): None}),
)


def own_suite(name: str, **keys) -> dict[str, str]:
    return {
        f"suites/{name}/v1/suite.yaml": suite(name, **keys),
        f"suites/{name}/v1/cases.jsonl": cases(expected="refund"),
    }


def cited_suite(name: str, **keys) -> Step:
    files = before(name, entry(name)).files
    return Step({**files, **own_suite(name, **keys)}, (Run(name, suite=f"{name}@v1", source="local"),))


scene(
    "edits-gate-of-cited-suite",
    cited_suite("edits-gate-of-cited-suite"),
    change=Step(
        {
            "suites/edits-gate-of-cited-suite/v1/suite.yaml": suite(
                "edits-gate-of-cited-suite", gate="{ min_score: 0.7 }"
            )
        }
    ),
    expected=[("EK834", "suites/edits-gate-of-cited-suite/v1/suite.yaml", "^gate")],
)
scene(
    "edits-cited-cases",
    cited_suite("edits-cited-cases"),
    change=Step(
        {"suites/edits-cited-cases/v1/cases.jsonl": cases(expected="refund").replace('"c7"', '"d7"')}
    ),
    expected=[("EK834", "suites/edits-cited-cases/v1/cases.jsonl", '"d7"')],
)
scene(
    "deletes-cited-suite",
    cited_suite("deletes-cited-suite"),
    change=Step(
        {"suites/deletes-cited-suite/v1/suite.yaml": None, "suites/deletes-cited-suite/v1/cases.jsonl": None}
    ),
    expected=[
        ("EK835", "suites/deletes-cited-suite/v1/suite.yaml", None),
        ("EK835", "suites/deletes-cited-suite/v1/cases.jsonl", None),
    ],
)
scene(
    "edits-suite-of-an-evaluation",
    Step(
        {
            **before(
                "edits-suite-of-an-evaluation",
                entry(
                    "edits-suite-of-an-evaluation",
                    1,
                    "production",
                    eval="{ suite: edits-suite-of-an-evaluation@v1, score: 0.9 }",
                ),
            ).files,
            **own_suite("edits-suite-of-an-evaluation"),
        }
    ),
    change=Step(
        {
            "suites/edits-suite-of-an-evaluation/v1/suite.yaml": suite(
                "edits-suite-of-an-evaluation", scorers="[json_valid]"
            )
        }
    ),
    expected=[("EK834", "suites/edits-suite-of-an-evaluation/v1/suite.yaml", "^scorers")],
)
scene(
    "rewrites-cases-alike",
    cited_suite("rewrites-cases-alike"),
    change=Step(
        {
            "suites/rewrites-cases-alike/v1/cases.jsonl": "".join(
                json.dumps(dict(reversed(json.loads(row).items()))) + "\n\n"
                for row in cases(expected="refund").splitlines()
            ),
            "suites/rewrites-cases-alike/v1/suite.yaml": "# says more\n"
            + suite("rewrites-cases-alike", description="Of tickets"),
            "suites/rewrites-cases-alike/v1/README.md": "Notes",
        }
    ),
)
scene(
    "edits-uncited-suite",
    Step(own_suite("edits-uncited-suite")),
    change=Step({"suites/edits-uncited-suite/v1/cases.jsonl": cases(70)}),
)
scene(
    "adds-a-suite-version",
    cited_suite("adds-a-suite-version"),
    change=Step(
        {
            "suites/adds-a-suite-version/v2/suite.yaml": suite("adds-a-suite-version", 2),
            "suites/adds-a-suite-version/v2/cases.jsonl": cases(70),
        }
    ),
)

# 3. Numbers

scene(
    "reuses-a-number",
    before("reuses-a-number", entry("reuses-a-number"), entry("reuses-a-number", 2)),
    Step({path("reuses-a-number", 2): None}),
    change=Step({path("reuses-a-number", 2): entry("reuses-a-number", 2, params="{ max_tokens: 9 }")}),
    expected=[("EK836", path("reuses-a-number", 2), "^version")],
)
scene(
    "reuses-a-whole-name",
    before("reuses-a-whole-name", entry("reuses-a-whole-name")),
    Step({path("reuses-a-whole-name"): None}),
    change=Step({path("reuses-a-whole-name"): entry("reuses-a-whole-name")}),
    expected=[("EK836", path("reuses-a-whole-name"), "^version")],
)
scene(
    "takes-the-next-number",
    before("takes-the-next-number", entry("takes-the-next-number"), entry("takes-the-next-number", 2)),
    Step({path("takes-the-next-number", 2): None}),
    change=Step({path("takes-the-next-number", 3): entry("takes-the-next-number", 3)}),
)
scene(
    "skips-a-number",
    before("skips-a-number", entry("skips-a-number")),
    change=Step({path("skips-a-number", 7): entry("skips-a-number", 7)}),
)

# 4. Deletions, evidence

scene(
    "deletes-a-retired-entry",
    before(
        "deletes-a-retired-entry",
        entry("deletes-a-retired-entry", 1, "retired"),
        entry("deletes-a-retired-entry", 2, "production"),
    ),
    change=Step({path("deletes-a-retired-entry"): None}),
    expected=[("EK837", path("deletes-a-retired-entry"), None)],
)
scene(
    "deletes-what-is-in-staging",
    before(
        "deletes-what-is-in-staging",
        entry("deletes-what-is-in-staging", 1, "production"),
        entry("deletes-what-is-in-staging", 2, "staging"),
    ),
    change=Step({path("deletes-what-is-in-staging", 2): None}),
    expected=[("EK837", path("deletes-what-is-in-staging", 2), None)],
)
scene(
    "deletes-a-draft",
    before("deletes-a-draft", entry("deletes-a-draft", 1, "production"), entry("deletes-a-draft", 2)),
    change=Step({path("deletes-a-draft", 2): None}),
)


def measured(name: str, runs: int = 3) -> Step:
    step = before(name, entry(name, 1, "production"))
    return Step(step.files, tuple(Run(name) for _ in range(runs)))


def edited(name: str, change) -> Step:
    """The evidence as another program left it: `change` gets the runs."""
    return Step(tampering=((name, change),))


SCENES_OF_EVIDENCE = (
    ("deletes-a-run", lambda runs: runs.pop(1), [("EK842", "run_id.*-1-3")]),
    ("puts-a-run-before", lambda runs: runs.insert(1, runs[2] | {"run_id": "n"}), [("EK842", '"n"')]),
    ("deletes-the-last-run", lambda runs: runs.pop(), [("EK842", "run_id.*-1-2")]),
    ("reorders-runs", lambda runs: runs.insert(0, runs.pop()), [("EK842", "run_id.*-1-3")]),
    ("improves-a-run", lambda runs: runs[1].update(score=1.0, verdict="fail"), [("EK842", "run_id.*-1-2")]),
    ("drops-scores-for-which-there-is-room", lambda runs: runs[0].pop("scores"), [("EK842", "run_id.*-1-1")]),
    ("repeats-a-run-id", lambda runs: runs.append(dict(runs[2])), [("EK843", "run_id.*-1-3")]),
    (
        "counts-too-many",
        lambda runs: runs.append(runs[2] | {"run_id": "n", "errors": 5}),
        [("EK843", '"scored"')],
    ),
    (
        "says-a-better-score",
        lambda runs: runs.append(runs[2] | {"run_id": "n", "score": 0.5}),
        [("EK843", '"score":')],
    ),
    ("adds-a-run-by-hand-well", lambda runs: runs.append(runs[2] | {"run_id": "n"}), []),
)
for name, change, expected in SCENES_OF_EVIDENCE:
    scene(
        name,
        measured(name),
        change=edited(name, change),
        expected=[(code, evidence(name), marker) for code, marker in expected],
    )
scene(
    "deletes-evidence",
    measured("deletes-evidence"),
    change=Step({evidence("deletes-evidence"): None}),
    expected=[("EK841", evidence("deletes-evidence"), None)],
)
scene(
    "adds-runs",
    measured("adds-runs"),
    change=Step(runs=(Run("adds-runs"), Run("adds-runs", source="local", passed=3))),
)
scene(
    "writes-a-score-by-hand",
    before(
        "writes-a-score-by-hand",
        entry("writes-a-score-by-hand", 1, "production", eval=f"{{ suite: {COMMON}, score: 0.8 }}"),
    ),
    change=Step(
        {
            path("writes-a-score-by-hand"): entry(
                "writes-a-score-by-hand", 1, "production", eval=f"{{ suite: {COMMON}, score: 0.9 }}"
            )
        }
    ),
    expected=[("EK844", path("writes-a-score-by-hand"), "^eval")],
)
scene(
    "evaluates-a-draft-by-hand",
    before("evaluates-a-draft-by-hand", entry("evaluates-a-draft-by-hand")),
    change=Step(
        {
            path("evaluates-a-draft-by-hand"): entry(
                "evaluates-a-draft-by-hand", eval=f"{{ suite: {COMMON}, score: 0.9 }}"
            )
        }
    ),
)
scene(
    "evaluates-again",
    measured("evaluates-again"),
    change=Step(runs=(Run("evaluates-again", passed=59, block=True),)),
)

# 5. Transitions and overrides


def override(name: str, *records: tuple[int, str]) -> dict[str, str]:
    listed = "".join(
        f"  - version: {version}\n    change: {kind}\n    reason: It burns\n    by: Ann\n    on: 2026-03-02\n"
        for version, kind in records
    )
    return {f"registry/overrides/{name}.yaml": f"overrides:\n{listed}"}


def moves(
    name: str, *pairs: tuple[str, str], expected=(), extra: dict[str, str | None] | None = None, **keys
) -> None:
    """Versions from 1 on, each from one status to another, all with evidence and a clean canary."""
    old = [
        entry(name, n, was, canary="{ verdict: clean, run: r }", params=f"{{ max_tokens: {n} }}", **keys)
        for n, (was, _) in enumerate(pairs, 1)
    ]
    step = before(name, *old)
    runs = tuple(Run(name, n) for n in range(1, len(pairs) + 1))
    new = {
        path(name, n): entry(
            name, n, now, canary="{ verdict: clean, run: r }", params=f"{{ max_tokens: {n} }}", **keys
        )
        for n, (was, now) in enumerate(pairs, 1)
        if was != now
    }
    scene(name, Step(step.files, runs), change=Step({**new, **(extra or {})}), expected=expected)


moves(
    "skips-staging",
    ("production", "production"),
    ("draft", "production"),
    expected=[("EK838", path("skips-staging", 2), "^status")],
)
moves(
    "goes-back",
    ("production", "production"),
    ("staging", "draft"),
    expected=[("EK838", path("goes-back", 2), "^status")],
)
moves(
    "revives",
    ("production", "production"),
    ("retired", "staging"),
    expected=[("EK838", path("revives", 2), "^status")],
)
moves("empties", ("production", "retired"), expected=[("EK838", path("empties"), "^status")])
moves(
    "promotes-below",
    ("staging", "production"),
    ("production", "production"),
    expected=[("EK838", path("promotes-below"), "^status")],
)
moves(
    "overrides",
    ("production", "retired"),
    extra=override("overrides", (1, "empties")),
    expected=[("EK840", "registry/overrides/overrides.yaml", "change: empties")],
)
moves(
    "overrides-another-rule",
    ("production", "production"),
    ("draft", "production"),
    extra=override("overrides-another-rule", (2, "empties"), (1, "skips-staging")),
    expected=[("EK838", path("overrides-another-rule", 2), "^status")],
)
moves("promotes", ("production", "production"), ("staging", "production"), ("draft", "staging"))
moves("retires-a-standby", ("production", "retired"), ("production", "production"))
moves("rolls-back", ("production", "production"), ("production", "retired"))
moves("rolls-back-two", ("production", "production"), ("production", "retired"), ("production", "retired"))
moves("gives-a-draft-up", ("production", "production"), ("draft", "retired"))
scene(
    "uses-an-old-override",
    Step(
        {
            **before("uses-an-old-override", entry("uses-an-old-override", 1, "production")).files,
            **override("uses-an-old-override", (1, "empties")),
        }
    ),
    change=Step({path("uses-an-old-override"): entry("uses-an-old-override", 1, "retired")}),
    expected=[("EK838", path("uses-an-old-override"), "^status")],
)
scene(
    "edits-an-override",
    Step(
        {
            **before("edits-an-override", entry("edits-an-override", 1, "production")).files,
            **override("edits-an-override", (1, "empties")),
        }
    ),
    change=Step(
        {
            "registry/overrides/edits-an-override.yaml": override("x", (1, "empties"))[
                "registry/overrides/x.yaml"
            ].replace("It burns", "Nothing")
        }
    ),
    expected=[("EK839", "registry/overrides/edits-an-override.yaml", "version")],
)
scene(
    "deletes-overrides",
    Step(
        {
            **before("deletes-overrides", entry("deletes-overrides", 1, "production")).files,
            **override("deletes-overrides", (1, "empties")),
        }
    ),
    change=Step({"registry/overrides/deletes-overrides.yaml": None}),
    expected=[("EK839", "registry/overrides/deletes-overrides.yaml", None)],
)
scene(
    "adds-an-override-behind",
    Step(
        {
            **before("adds-an-override-behind", entry("adds-an-override-behind", 1, "production")).files,
            **override("adds-an-override-behind", (1, "below")),
        }
    ),
    change=Step(
        {
            **override("adds-an-override-behind", (1, "below"), (1, "empties")),
            path("adds-an-override-behind"): entry("adds-an-override-behind", 1, "retired"),
        }
    ),
    expected=[("EK840", "registry/overrides/adds-an-override-behind.yaml", "change: empties")],
)

# 6. Promotions


def promotes(
    name: str,
    *runs: Run,
    new: tuple[Run, ...] = (),
    stage: str = "staging",
    expected=(),
    extra=None,
    rules=(),
    rules_after=None,
    main=None,
    **keys,
) -> None:
    """A second version that is promoted, with the runs that are on the main line and those that the change adds."""
    was = "draft" if stage == "staging" else "staging"
    step = before(name, entry(name, 1, "production"), entry(name, 2, was, params="{ max_tokens: 2 }", **keys))
    scene(
        name,
        Step({**step.files, **(main or {})}, runs),
        change=Step(
            {path(name, 2): entry(name, 2, stage, params="{ max_tokens: 2 }", **keys), **(extra or {})}, new
        ),
        expected=expected,
        rules=rules,
        rules_after=rules_after,
    )


def at(name: str, code: str) -> list[tuple[str, str, str]]:
    return [(code, path(name, 2), "^status")]


promotes("has-no-evidence", expected=at("has-no-evidence", "EK845"))
promotes(
    "has-local-evidence",
    Run("has-local-evidence", 2, source="local"),
    expected=at("has-local-evidence", "EK845"),
)
promotes("has-a-replay", new=(Run("has-a-replay", 2, source="replay"),), expected=at("has-a-replay", "EK845"))
promotes(
    "has-stale-evidence",
    Run("has-stale-evidence", 2, change=(("generation_digest", "sha256:" + "0" * 64),)),
    expected=at("has-stale-evidence", "EK845"),
)
promotes("has-failed", Run("has-failed", 2, passed=20), expected=at("has-failed", "EK846"))
promotes(
    "has-failed-then-passed",
    Run("has-failed-then-passed", 2, passed=20),
    new=(Run("has-failed-then-passed", 2),),
    expected=at("has-failed-then-passed", "EK846"),
)
promotes(
    "could-not-measure",
    Run(
        "could-not-measure",
        2,
        change=(("scored", 0), ("errors", 60), ("scores", {}), ("score", None), ("verdict", "inconclusive")),
    ),
    expected=at("could-not-measure", "EK847"),
)
promotes(
    "lacks-one-of-two-suites",
    Run("lacks-one-of-two-suites", 2),
    main=own_suite("lacks-one-of-two-suites-b"),
    rules=(f"lacks-one-of-two-suites: {{ suites: [{COMMON}, lacks-one-of-two-suites-b@v1] }}",),
    expected=at("lacks-one-of-two-suites", "EK845"),
)
promotes(
    "needs-what-policy-does-not-ask-any-more",
    Run("needs-what-policy-does-not-ask-any-more", 2),
    main=own_suite("stricter"),
    rules=("needs-what-policy-does-not-ask-any-more: { suites: [stricter@v1] }",),
    rules_after=(f"needs-what-policy-does-not-ask-any-more: {{ suites: [{COMMON}] }}",),
    expected=at("needs-what-policy-does-not-ask-any-more", "EK845"),
)
promotes(
    "comes-with-its-suite",
    main=own_suite("own-gate"),
    rules=("comes-with-its-suite: { suites: [own-gate@v1] }",),
    extra={"suites/own-gate/v1/suite.yaml": suite("own-gate", gate="{ min_score: 0.5 }")},
    new=(Run("comes-with-its-suite", 2, suite="own-gate@v1", passed=40),),
    expected=at("comes-with-its-suite", "EK848"),
)
promotes(
    "comes-with-its-policy",
    rules=(f"comes-with-its-policy: {{ suites: [{COMMON}] }}",),
    rules_after=(f"comes-with-its-policy: {{ suites: [{COMMON}], production_gate: eval }}",),
    new=(Run("comes-with-its-policy", 2),),
    expected=at("comes-with-its-policy", "EK848"),
)
promotes("has-no-canary", Run("has-no-canary", 2), stage="production", expected=at("has-no-canary", "EK849"))
promotes(
    "has-a-bad-canary",
    Run("has-a-bad-canary", 2),
    stage="production",
    canary="{ verdict: bad, run: r }",
    expected=[("EK849", path("has-a-bad-canary", 2), "^canary")],
)
promotes(
    "is-required-no-suite",
    rules=("is-required-no-suite: { suites: [] }",),
    expected=at("is-required-no-suite", "EK845"),
)
promotes("has-evidence", Run("has-evidence", 2))
promotes("brings-evidence", new=(Run("brings-evidence", 2, block=True),))
promotes(
    "brings-more-evidence", Run("brings-more-evidence", 2, passed=47), new=(Run("brings-more-evidence", 2),)
)
promotes(
    "has-local-failures", Run("has-local-failures", 2), Run("has-local-failures", 2, source="local", passed=1)
)
promotes(
    "has-a-clean-canary",
    Run("has-a-clean-canary", 2),
    stage="production",
    canary="{ verdict: clean, run: r }",
)
promotes(
    "is-gated-by-evals",
    Run("is-gated-by-evals", 2),
    stage="production",
    rules=(f"is-gated-by-evals: {{ suites: [{COMMON}], production_gate: eval }}",),
)
promotes(
    "has-evidence-before-its-policy-changes",
    Run("has-evidence-before-its-policy-changes", 2),
    rules=(f"has-evidence-before-its-policy-changes: {{ suites: [{COMMON}] }}",),
    rules_after=(f"has-evidence-before-its-policy-changes: {{ suites: [{COMMON}], production_gate: eval }}",),
)
promotes(
    "overrides-the-gate",
    Run("overrides-the-gate", 2, passed=20),
    extra=override("overrides-the-gate", (2, "gate")),
    expected=[("EK840", "registry/overrides/overrides-the-gate.yaml", "change: gate")],
)
promotes(
    "overrides-the-canary",
    Run("overrides-the-canary", 2),
    stage="production",
    extra=override("overrides-the-canary", (2, "canary")),
    expected=[("EK840", "registry/overrides/overrides-the-canary.yaml", "change: canary")],
)
scene(
    "is-a-first-release",
    before(
        "is-a-first-release", entry("is-a-first-release", 1, "staging"), runs=(Run("is-a-first-release"),)
    ),
    change=Step({path("is-a-first-release"): entry("is-a-first-release", 1, "production")}),
)
scene(
    "shares-the-evidence-of-an-equal-config",
    before(
        "shares-the-evidence-of-an-equal-config",
        entry("shares-the-evidence-of-an-equal-config", 1, "production"),
        entry("shares-the-evidence-of-an-equal-config", 2),
        runs=(Run("shares-the-evidence-of-an-equal-config", 1),),
    ),
    change=Step(
        {
            path("shares-the-evidence-of-an-equal-config", 2): entry(
                "shares-the-evidence-of-an-equal-config", 2, "staging"
            )
        }
    ),
)

# 7. Approvals


def stamped(
    name: str, *, stamp: str, by: str = CAT, expected=(), writer: str = ANN, prompt_by: str | None = None
) -> None:
    """v1 serves; v2 is written, and promoted by somebody; then a change stamps it."""
    steps = [
        Step(
            {prompt_path(name): prompt(name), path(name): entry(name, 1, "production", approved_by="zoe")},
            by=BOB,
        ),
        Step({prompt_path(name, 2): prompt(name, 2)}, by=prompt_by or writer),
        Step({path(name, 2): entry(name, 2, prompt_ref=f"{name}-prompt@v2")}, by=writer),
        Step({path(name, 2): entry(name, 2, "staging", prompt_ref=f"{name}-prompt@v2")}, by=by),
    ]
    scene(
        name,
        *steps,
        change=Step(
            {
                path(name, 2): entry(
                    name, 2, "staging", prompt_ref=f"{name}-prompt@v2", approved_by=f"'{stamp}'"
                )
            }
        ),
        expected=[(code, path(name, 2), "^approved_by") for code in expected],
    )


stamped("approves-own-entry", stamp="ann", expected=["EK853"])
stamped("approves-own-prompt", stamp="dan", prompt_by="Dan D <dan@example.com>", expected=["EK853"])
stamped("approves-own-promotion", stamp="cat@example.com", expected=["EK853"])
stamped(
    "approves-as-noreply",
    stamp="@Octo-Cat",
    writer="Someone <123+octo-cat@users.noreply.github.com>",
    expected=["EK853"],
)
stamped("approves-by-name", stamp="Grace Hopper", writer="grace hopper <gh@example.com>", expected=["EK853"])
stamped("approves-with-another", stamp="dora, ann", expected=["EK853"])
stamped("is-approved", stamp="dora")
stamped("is-approved-by-who-wrote-the-version-before", stamp="bob")
stamped("is-approved-by-a-namesake", stamp="ann@elsewhere.example")
scene(
    "stamps-itself",
    before(
        "stamps-itself",
        entry("stamps-itself", 1, "production"),
        entry("stamps-itself", 2),
        runs=(Run("stamps-itself", 1),),
    ),
    change=Step({path("stamps-itself", 2): entry("stamps-itself", 2, "staging", approved_by="dora")}),
    expected=[("EK851", path("stamps-itself", 2), "^approved_by")],
)
scene(
    "is-born-stamped",
    before("is-born-stamped", entry("is-born-stamped", 1, "production")),
    change=Step({path("is-born-stamped", 2): entry("is-born-stamped", 2, approved_by="dora")}),
    expected=[("EK851", path("is-born-stamped", 2), "^approved_by")],
)
scene(
    "stamps-a-draft",
    before("stamps-a-draft", entry("stamps-a-draft")),
    change=Step({path("stamps-a-draft"): entry("stamps-a-draft", approved_by="dora")}),
    expected=[("EK851", path("stamps-a-draft"), "^approved_by")],
)
scene(
    "removes-a-stamp",
    before("removes-a-stamp", entry("removes-a-stamp", 1, "production", approved_by="dora")),
    change=Step({path("removes-a-stamp"): entry("removes-a-stamp", 1, "production")}),
    expected=[("EK852", path("removes-a-stamp"), None)],
)
scene(
    "removes-a-stamp-with-a-promotion",
    before(
        "removes-a-stamp-with-a-promotion",
        entry("removes-a-stamp-with-a-promotion", 1, "staging", approved_by="dora"),
        runs=(Run("removes-a-stamp-with-a-promotion"),),
    ),
    change=Step(
        {path("removes-a-stamp-with-a-promotion"): entry("removes-a-stamp-with-a-promotion", 1, "production")}
    ),
)
scene(
    "removes-a-stamp-with-a-canary",
    before(
        "removes-a-stamp-with-a-canary",
        entry("removes-a-stamp-with-a-canary", 1, "production"),
        entry("removes-a-stamp-with-a-canary", 2, "staging", approved_by="dora"),
    ),
    change=Step(
        {
            path("removes-a-stamp-with-a-canary", 2): entry(
                "removes-a-stamp-with-a-canary", 2, "staging", rollout="{ percent: 5 }"
            )
        }
    ),
    expected=[("EK854", path("removes-a-stamp-with-a-canary", 2), "^rollout")],
)
scene(
    "removes-a-stamp-with-a-percent-that-has-no-effect",
    before(
        "removes-a-stamp-with-a-percent-that-has-no-effect",
        entry(
            "removes-a-stamp-with-a-percent-that-has-no-effect",
            1,
            "production",
            rollout="{ percent: 5 }",
            approved_by="dora",
        ),
    ),
    change=Step(
        {
            path("removes-a-stamp-with-a-percent-that-has-no-effect"): entry(
                "removes-a-stamp-with-a-percent-that-has-no-effect",
                1,
                "production",
                rollout="{ percent: 50 }",
            )
        }
    ),
    expected=[("EK852", path("removes-a-stamp-with-a-percent-that-has-no-effect"), None)],
)
scene(
    "alters-a-stamp",
    before("alters-a-stamp", entry("alters-a-stamp", 1, "production", approved_by="dora")),
    change=Step({path("alters-a-stamp"): entry("alters-a-stamp", 1, "production", approved_by="eve")}),
    expected=[("EK852", path("alters-a-stamp"), "^approved_by")],
)
scene(
    "is-approved-for-the-next-stage",
    before(
        "is-approved-for-the-next-stage",
        entry("is-approved-for-the-next-stage", 1, "staging", approved_by="dora"),
    ),
    Step(
        {
            path("is-approved-for-the-next-stage"): entry(
                "is-approved-for-the-next-stage", 1, "production", approved_by="dora"
            )
        },
        by=CAT,
    ),
    change=Step(
        {
            path("is-approved-for-the-next-stage"): entry(
                "is-approved-for-the-next-stage", 1, "production", approved_by="eve"
            )
        }
    ),
)
scene(
    "stamped-before-by-who-approves-now",
    before("stamped-before-by-who-approves-now", entry("stamped-before-by-who-approves-now", 1, "staging")),
    Step(
        {
            path("stamped-before-by-who-approves-now"): entry(
                "stamped-before-by-who-approves-now", 1, "staging", approved_by="eve"
            )
        },
        by=BOB,
    ),
    Step(
        {
            path("stamped-before-by-who-approves-now"): entry(
                "stamped-before-by-who-approves-now", 1, "production", approved_by="eve"
            )
        },
        by=CAT,
    ),
    change=Step(
        {
            path("stamped-before-by-who-approves-now"): entry(
                "stamped-before-by-who-approves-now", 1, "production", approved_by="bob"
            )
        }
    ),
)

# 8. Exposure


def exposes(name: str, old: dict, new: dict, expected=(), status: str = "staging") -> None:
    scene(
        name,
        before(name, entry(name, 1, "production"), entry(name, 2, status, **old)),
        change=Step({path(name, 2): entry(name, 2, status, **new)}),
        expected=expected,
    )


exposes(
    "starts-a-canary", {}, {"rollout": "{ percent: 5 }"}, [("EK854", path("starts-a-canary", 2), "^rollout")]
)
exposes(
    "pauses-a-canary",
    {"rollout": "{ percent: 5 }"},
    {"rollout": "{ percent: 0 }"},
    [("EK854", path("pauses-a-canary", 2), "^rollout")],
)
exposes("ends-a-canary", {"rollout": "{ percent: 5 }"}, {}, [("EK854", path("ends-a-canary", 2), "^status")])
exposes(
    "weighs-an-arm",
    {"traffic": 30},
    {"traffic": 40},
    [("EK854", path("weighs-an-arm", 2), "^traffic")],
    "production",
)
exposes("keeps-the-percent-of-its-canary", {"rollout": "{ percent: 5 }"}, {}, (), "production")
exposes(
    "weighs-an-arm-that-was-a-canary",
    {"rollout": "{ percent: 5 }", "traffic": 30},
    {"rollout": "{ percent: 50 }", "traffic": 40},
    [("EK854", path("weighs-an-arm-that-was-a-canary", 2), "^traffic")],
    "production",
)
exposes("prepares-a-canary-in-a-draft", {}, {"rollout": "{ percent: 5 }"}, (), "draft")
exposes(
    "writes-the-same-share", {"rollout": "{ percent: 5 }"}, {"rollout": "{ percent: 5.0, unit: request }"}
)

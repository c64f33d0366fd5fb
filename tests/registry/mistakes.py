"""The table of planted mistakes."""

from __future__ import annotations

from planting import BASE, FAR, PAST, Mistake, case, cases, entry, prompt, suite, tools


def at_entry(
    what: str, text: str | bytes, *expected: tuple[str | None, str], version: int = 1, **more
) -> Mistake:
    path = f"registry/entries/{what}/v{version}.yaml"
    places = tuple((path, marker, code) for marker, code in expected)
    return Mistake(what, {path: text}, places, **more)


def at_prompt(what: str, text: str, *expected: tuple[str | None, str]) -> Mistake:
    path = f"registry/prompts/{what}/v1.yaml"
    return Mistake(what, {path: text}, tuple((path, marker, code) for marker, code in expected))


def at_tools(what: str, text: str, *expected: tuple[str | None, str]) -> Mistake:
    path = f"registry/tools/{what}/v1.yaml"
    return Mistake(what, {path: text}, tuple((path, marker, code) for marker, code in expected))


def at_suite(
    what: str, text: str, rows: str | None, *expected: tuple[str, str | None, str], **more
) -> Mistake:
    folder = f"suites/{what}/v1"
    files: dict[str, str | bytes] = {f"{folder}/suite.yaml": text}
    if rows is not None:
        files[f"{folder}/cases.jsonl"] = rows
    files |= {f"{folder}/{name}": body for name, body in more.pop("beside", {}).items()}
    return Mistake(what, files, tuple((f"{folder}/{name}", m, code) for name, m, code in expected), **more)


def assigned(name: str, rows: str, text: str, marker: str, code: str, **changes: str) -> Mistake:
    """A suite that policy assigns to an entry with a prompt of its own."""
    del changes
    folder = f"suites/{name}-eval/v1"
    files: dict[str, str | bytes] = {
        f"{folder}/suite.yaml": suite(f"{name}-eval"),
        f"{folder}/cases.jsonl": rows,
        f"registry/prompts/{name}-prompt/v1.yaml": text,
        f"registry/entries/{name}/v1.yaml": entry(name, prompt_ref=f"{name}-prompt@v1"),
    }
    rule = f"{name}: {{suites: [{name}-eval@v1]}}"
    return Mistake(name, files, ((f"{folder}/cases.jsonl", marker, code),), rule=rule)


ZEROS = "0" * 64
HOLD = f'holds:\n  - digest: "sha256:{ZEROS}"\n    reason: it erred\n    by: ops\n'
SECRET = "sk-proj-4f9a8b7c6d5e4f3a2b1c"

ENTRIES = [
    at_entry("yaml-syntax", entry("yaml-syntax", owner="[unclosed"), ("[unclosed", "EK101")),
    at_entry("yaml-flow", entry("yaml-flow").replace("300 }", "300"), ("params:", "EK101")),
    at_entry("yaml-quote", entry("yaml-quote", owner='"never closed'), ("owner:", "EK101")),
    at_entry("yaml-colon", entry("yaml-colon").replace("model:", "model"), ("model gpt", "EK101")),
    at_entry("yaml-colon-in-text", entry("yaml-colon-in-text", owner="team: search"), ("owner:", "EK101")),
    at_entry("yaml-indent", entry("yaml-indent", extra=" owner: me\n"), (" owner", "EK101")),
    at_entry("yaml-tab", "name: yaml-tab\nparams:\n\tmax_tokens: 3\n", ("\tmax_tokens", "EK101")),
    at_entry(
        "yaml-duplicate",
        entry("yaml-duplicate", extra="owner: a\nowner: second\n"),
        ("owner: second", "EK102"),
    ),
    at_entry("yaml-tag", entry("yaml-tag", owner="!!python/name:os.system x"), ("owner: !!", "EK101")),
    at_entry("yaml-merge", entry("yaml-merge", extra="<<: {owner: me}\n"), ("<<:", "EK101")),
    at_entry("yaml-empty", "", (None, "EK101")),
    at_entry("yaml-comment-only", "# nothing here\n", ("# nothing", "EK101")),
    at_entry("yaml-two-documents", entry("yaml-two-documents", extra="---\nname: b\n"), ("---", "EK101")),
    at_entry("yaml-infinity", entry("yaml-infinity", params="{ temperature: .inf }"), ("params:", "EK106")),
    at_entry("yaml-large", "# " + "x" * 1_100_000, (None, "EK103")),
    at_entry(
        "yaml-deep", entry("yaml-deep", params="{x: " + "[" * 60 + "]" * 60 + "}"), ("params:", "EK103")
    ),
    at_entry("not-utf8", b"name: not-utf8\nowner: \xff\xfe\n", ("owner:", "EK107")),
    at_entry("not-a-mapping", "- name: not-a-mapping\n", ("- name", "EK106")),
    at_entry("unknown-key", entry("unknown-key", extra="ownr: me\n"), ("ownr", "EK104")),
    at_entry("missing-model", entry("missing-model", model=None), ("name: missing-model", "EK105")),
    at_entry("missing-prompt-key", entry("missing-prompt-key", prompt_ref=None), ("name: missing", "EK105")),
    at_entry(
        "version-text", entry("version-text").replace("version: 1", 'version: "1"'), ('version: "1"', "EK106")
    ),
    at_entry("status-unknown", entry("status-unknown", status="prod"), ("status: prod", "EK106")),
    at_entry("params-list", entry("params-list", params="[max_tokens]"), ("params:", "EK106")),
    at_entry("control-yes", entry("control-yes", extra="control: yes\n"), ("control: yes", "EK106")),
    at_entry("traffic-negative", entry("traffic-negative", extra="traffic: -1\n"), ("traffic: -1", "EK106")),
    at_entry(
        "rollout-unit",
        entry("rollout-unit", extra="rollout:\n  percent: 5\n  unit: user\n"),
        ("unit: user", "EK106"),
    ),
    at_entry("name-elsewhere", entry("another-name"), ("name: another-name", "EK109")),
    at_entry("version-elsewhere", entry("version-elsewhere", version=7), ("version: 7", "EK109")),
    at_entry("bare-reference", entry("bare-reference", prompt_ref="base-prompt"), ("prompt_ref:", "EK106")),
    at_entry("no-prompt", entry("no-prompt", prompt_ref="base-promt@v1"), ("prompt_ref:", "EK201")),
    at_entry(
        "no-prompt-version", entry("no-prompt-version", prompt_ref="base-prompt@v8"), ("prompt_ref:", "EK201")
    ),
    at_entry("no-tools", entry("no-tools", tools_ref="nothing@v1"), ("tools_ref:", "EK201")),
    at_entry("no-class", entry("no-class", model=None, class_ref="nothing@v1"), ("class_ref:", "EK201")),
    at_entry("no-provider", entry("no-provider", provider="opnai"), ("provider:", "EK201")),
    at_entry(
        "no-eval-suite",
        entry("no-eval-suite", extra="eval: {suite: gone@v1, score: 0.9}\n"),
        ("eval:", "EK201"),
    ),
    at_entry("model-and-class", entry("model-and-class", class_ref="base-class@v1"), ("class_ref:", "EK106")),
    at_entry("reserved-param", entry("reserved-param", params="{ model: gpt-4 }"), ("params:", "EK106")),
    at_entry("param-text", entry("param-text", params='{ temperature: "hot" }'), ("params:", "EK218")),
    at_entry(
        "param-fraction",
        entry("param-fraction", params="\n  max_tokens: 10.5"),
        ("max_tokens: 10.5", "EK218"),
    ),
    at_entry("param-range", entry("param-range", params="\n  top_p: 7"), ("top_p: 7", "EK218")),
    at_entry("param-stop", entry("param-stop", params="\n  stop: [1, 2]"), ("stop: [1", "EK218")),
    at_entry(
        "floating-staging",
        entry("floating-staging", model="gpt-4o", status="staging"),
        ("model: gpt-4o", "EK203"),
    ),
    at_entry("floating-draft", entry("floating-draft", model="gpt-4o"), ("model: gpt-4o", "EK203")),
    at_entry(
        "needs-evidence",
        entry("needs-evidence", model="my-deployment", status="staging"),
        ("model: my-", "EK204"),
    ),
    at_entry(
        "exception-expired",
        entry(
            "exception-expired",
            model="my-deployment",
            status="staging",
            pin_exception=f"{{reason: frozen by ops, expires: {PAST}}}",
        ),
        ("pin_exception:", "EK205"),
    ),
    at_entry(
        "exception-fine-but-unverified",
        entry(
            "exception-fine-but-unverified",
            model="my-deployment",
            status="production",
            pin_exception=f"{{reason: frozen, expires: {FAR}}}",
        ),
        ("status: production", "EK207"),
        ("status: production", "EK212"),
    ),
    at_entry(
        "exception-blank",
        entry(
            "exception-blank",
            model="my-deployment",
            pin_exception=f'\n  reason: "  "\n  expires: {FAR}',
        ),
        ("reason:", "EK106"),
    ),
    at_entry(
        "model-space",
        entry("model-space", model='" gpt-5-mini-2025-08-07"', params="{ top_p: 7 }"),
        ("model:", "EK106"),
        ("params:", "EK218"),
    ),
    at_entry(
        "shut-down", entry("shut-down", model="gpt-3.5-turbo-0301", status="production"), ("model:", "EK206")
    ),
    at_entry(
        "format-name",
        entry("format-name", tools_ref="base-tools@v1", response_format="triage"),
        ("response_format:", "EK201"),
    ),
    at_entry(
        "format-type", entry("format-type", response_format="{type: xml}"), ("response_format:", "EK310")
    ),
    at_entry(
        "format-schema",
        entry(
            "format-schema",
            response_format="\n  type: json_schema\n  json_schema:\n    name: a\n    schema:\n      type: objeckt",
        ),
        ("type: objeckt", "EK307"),
    ),
    at_entry(
        "unverified",
        entry("unverified", status="production", extra="eval: {suite: base-eval@v1, score: 0.9}\n"),
        ("eval:", "EK207"),
    ),
    Mistake(
        "controls",
        {
            f"registry/entries/controls/v{v}.yaml": entry(
                "controls", v, extra="control: true\ntraffic: 50\n", status="production"
            )
            for v in (1, 2)
        },
        (("registry/entries/controls/v2.yaml", "control: true", "EK210"),),
    ),
    Mistake(
        "canaries",
        {
            f"registry/entries/canaries/v{v}.yaml": entry(
                "canaries", v, extra="rollout: {percent: 5}\n", status="staging"
            )
            for v in (1, 2)
        },
        (("registry/entries/canaries/v2.yaml", "rollout:", "EK210"),),
    ),
    Mistake(
        "overtaken",
        {
            "registry/entries/overtaken/v1.yaml": entry("overtaken", 1, status="staging"),
            "registry/entries/overtaken/v2.yaml": entry("overtaken", 2, status="production"),
        },
        (("registry/entries/overtaken/v1.yaml", "status: staging", "EK211"),),
    ),
    Mistake(
        "lonely-traffic",
        {
            "registry/entries/lonely-traffic/v1.yaml": entry(
                "lonely-traffic", 1, extra="traffic: 20\n", status="production"
            ),
            "registry/entries/lonely-traffic/v2.yaml": entry("lonely-traffic", 2, status="production"),
        },
        (("registry/entries/lonely-traffic/v1.yaml", "traffic: 20", "EK211"),),
    ),
]

PLACES = [
    Mistake(
        "yml",
        {"registry/entries/yml/v1.yml": entry("yml")},
        (("registry/entries/yml/v1.yml", None, "EK110"),),
    ),
    Mistake(
        "capital",
        {"registry/entries/capital/V3.yaml": entry("capital", 3)},
        (("registry/entries/capital/V3.yaml", None, "EK110"),),
    ),
    Mistake(
        "leading-zero",
        {"registry/prompts/leading-zero/v03.yaml": prompt("leading-zero")},
        (("registry/prompts/leading-zero/v03.yaml", None, "EK110"),),
    ),
    Mistake(
        "loose",
        {"registry/entries/loose.yaml": entry("loose")},
        (("registry/entries/loose.yaml", None, "EK110"),),
    ),
    Mistake(
        "bad-name",
        {"registry/entries/Bad_Name/v1.yaml": entry("bad")},
        (("registry/entries/Bad_Name", None, "EK110"),),
    ),
    Mistake(
        "bad-folder",
        {"registry/prompt/bad-folder/v1.yaml": prompt("a")},
        (("registry/prompt", None, "EK110"),),
    ),
    Mistake(
        "nested",
        {"registry/entries/nested/old/v1.yaml": entry("nested")},
        (("registry/entries/nested/old", None, "EK110"),),
    ),
    Mistake(
        "notes",
        {"registry/entries/base/notes.txt": "todo"},
        (("registry/entries/base/notes.txt", None, "EK110"),),
    ),
    Mistake("stray", {"registry/stray.yaml": "a: b\n"}, (("registry/stray.yaml", None, "EK110"),)),
    Mistake(
        "suite-version",
        {"suites/suite-version/4/suite.yaml": suite("suite-version")},
        (("suites/suite-version/4", None, "EK110"),),
    ),
    Mistake(
        "suite-yml",
        {"suites/suite-yml/v1/suite.yml": suite("suite-yml")},
        (("suites/suite-yml/v1/suite.yml", None, "EK110"),),
    ),
    Mistake(
        "link-out",
        expected=(("registry/entries/link-out/v1.yaml", None, "EK108"),),
        links={"registry/entries/link-out/v1.yaml": "/etc/hostname"},
    ),
    Mistake(
        "link-nowhere",
        expected=(("registry/prompts/link-nowhere/v1.yaml", None, "EK108"),),
        links={"registry/prompts/link-nowhere/v1.yaml": "gone.yaml"},
    ),
    Mistake("config-yml", {"evalkit.yml": "{}\n"}, (("evalkit.yml", None, "EK110"),)),
]

PROMPTS = [
    at_prompt(
        "template-syntax",
        prompt("template-syntax", "first line\n\n{% if ticket %}\n{{ ticket }\n{% endif %}"),
        ("{{ ticket }", "EK301"),
    ),
    at_prompt(
        "template-unclosed",
        prompt("template-unclosed", "a\n{% for x in ticket %}\n{{ x }}"),
        ("{{ x }}", "EK301"),
    ),
    at_prompt("template-tag", prompt("template-tag", "{{ ticket }}\n{% iff ticket %}"), ("{% iff", "EK301")),
    at_prompt(
        "undeclared",
        prompt("undeclared", "Dear {{ name }},\n\n  about {{ ticket }}\n"),
        ("Dear {{ name", "EK302"),
    ),
    at_prompt(
        "undeclared-folded",
        prompt("undeclared-folded", "{{ ticket }}\nis\n\nwhat {{ whoever }} says").replace("|", ">"),
        ("{{ whoever }}", "EK302"),
    ),
    at_prompt(
        "unused",
        prompt("unused", "{{ ticket }}", "\n  ticket: {type: string}\n  spare: {type: string}"),
        ("spare:", "EK303"),
    ),
    at_prompt("include", prompt("include", "{{ ticket }}\n{% include 'other' %}"), ("{% include", "EK304")),
    at_prompt("import", prompt("import", "{% import 'm' as m %}\n{{ ticket }}"), ("{% import", "EK304")),
    at_prompt("filter", prompt("filter", "{{ ticket | uppr }}"), ("uppr", "EK304")),
    at_prompt("private", prompt("private", "a\n{{ ticket.__class__ }}"), ("__class__", "EK304")),
    at_prompt("role", prompt("role").replace("role: user", "role: usr"), ("role: usr", "EK106")),
    at_prompt(
        "variable-type",
        prompt("variable-type", variables="\n  ticket: {type: text}"),
        ("type: text", "EK106"),
    ),
    at_prompt(
        "default-type",
        prompt("default-type", variables="\n  ticket: {type: integer, required: false, default: many}"),
        ("default: many", "EK106"),
    ),
    at_prompt("no-messages", "name: no-messages\nversion: 1\nmessages: []\n", ("messages:", "EK106")),
    Mistake(
        "cites-broken",
        {
            "registry/prompts/broken/v1.yaml": prompt("broken", "{{ ticket"),
            "registry/entries/cites-broken/v1.yaml": entry("cites-broken", prompt_ref="broken@v1"),
        },
        (
            ("registry/prompts/broken/v1.yaml", "{{ ticket", "EK301"),
            ("registry/entries/cites-broken/v1.yaml", "prompt_ref:", "EK209"),
        ),
    ),
]

TOOLS = [
    at_tools(
        "schema-type",
        tools(
            "schema-type",
            "  - name: a\n    parameters:\n      type: object\n      properties:\n        x: {type: sstring}\n",
        ),
        ("type: sstring", "EK307"),
    ),
    at_tools(
        "schema-not-object",
        tools("schema-not-object", "  - name: a\n    parameters: {type: array}\n"),
        ("type: array", "EK307"),
    ),
    at_tools(
        "schema-pattern",
        tools(
            "schema-pattern",
            '  - name: a\n    parameters: {type: object, properties: {x: {pattern: "(["}}}\n',
        ),
        ("pattern:", "EK307"),
    ),
    at_tools(
        "schema-several",
        tools(
            "schema-several",
            """  - name: a
    parameters:
      type: object
      required: a
      properties:
        b: {minimum: "3"}
        c: {pattern: "[a-"}
        d: {$ref: "#/$defs/gone"}
        e: {$ref: "#anchor"}
        f:
          patternProperties: {"(": {}}
        g: {$ref: "#/properties/b"}
""",
        ),
        ("required: a", "EK307"),
        ("minimum:", "EK307"),
        ("pattern:", "EK307"),
        ("$defs/gone", "EK307"),
        ("#anchor", "EK307"),
        ("patternProperties:", "EK307"),
    ),
    at_tools(
        "schema-remote",
        tools(
            "schema-remote",
            "  - name: a\n    parameters:\n      type: object\n      properties:\n"
            '        x: {$ref: "https://schemas.example/x"}\n',
        ),
        ("$ref:", "EK307"),
    ),
    at_tools("tool-name", tools("tool-name", "  - name: look up!\n"), ("look up!", "EK308")),
    at_tools("tool-twice", tools("tool-twice", "  - name: same\n  - name: same\n"), ("name: same", "EK102")),
    at_tools(
        "required",
        tools(
            "required",
            "  - name: a\n    parameters:\n      type: object\n      properties: {x: {type: string}}\n      required: [y]\n",
        ),
        ("required: [y]", "EK309"),
    ),
    at_tools("tools-empty", "name: tools-empty\nversion: 1\n", ("name: tools-empty", "EK105")),
    at_tools(
        "format",
        tools("format", formats="  f:\n    type: json_schema\n    json_schema: {name: f}\n"),
        ("json_schema: {name: f}", "EK310"),
    ),
]

CLASSES = [
    Mistake(
        "member-twice",
        {
            "registry/classes/member-twice/v1.yaml": "name: member-twice\nversion: 1\nmembers:\n"
            "  - {model: gpt-5-mini-2025-08-07, provider: openai}\n"
            "  - {model: gpt-5-mini-2025-08-07, params: {top_p: 1}}\n"
            "  - {provider: openai, model: gpt-5-mini-2025-08-07, weight: 3}\n"
        },
        (("registry/classes/member-twice/v1.yaml", "weight: 3", "EK220"),),
    ),
    Mistake(
        "member-space",
        {
            "registry/classes/member-space/v1.yaml": "name: member-space\nversion: 1\nmembers:\n"
            '  - model: "gpt-5-mini-2025-08-07 "\n'
        },
        (("registry/classes/member-space/v1.yaml", "- model:", "EK106"),),
    ),
    Mistake(
        "floating-member",
        {
            "registry/classes/floating-member/v1.yaml": "name: floating-member\nversion: 1\nmembers:\n  - model: gpt-5-mini-2025-08-07\n  - model: gpt-4o\n"
        },
        (("registry/classes/floating-member/v1.yaml", "gpt-4o", "EK203"),),
    ),
    Mistake(
        "member-provider",
        {
            "registry/classes/member-provider/v1.yaml": "name: member-provider\nversion: 1\nmembers:\n  - model: gpt-5-mini-2025-08-07\n    provider: nobody\n"
        },
        (("registry/classes/member-provider/v1.yaml", "provider: nobody", "EK201"),),
    ),
    Mistake(
        "member-needs-evidence",
        {
            "registry/classes/vague/v1.yaml": "name: vague\nversion: 1\nmembers: [{model: my-deployment}]\n",
            "registry/entries/member-needs-evidence/v1.yaml": entry(
                "member-needs-evidence", model=None, class_ref="vague@v1", status="staging"
            ),
        },
        (("registry/entries/member-needs-evidence/v1.yaml", "class_ref:", "EK204"),),
    ),
]

HOLDS = [
    Mistake(
        "hold-nobody",
        {"registry/holds/nobody.yaml": "holds: [{all: true, reason: r, by: b}]\n"},
        (("registry/holds/nobody.yaml", "holds:", "EK213"),),
    ),
    Mistake(
        "hold-digest", {"registry/holds/base.yaml": HOLD}, (("registry/holds/base.yaml", "digest:", "EK213"),)
    ),
    Mistake(
        "hold-over",
        {
            "registry/holds/held.yaml": f"all: true\nreason: r\nby: b\nuntil: {PAST}\n",
            "registry/entries/held/v1.yaml": entry("held"),
        },
        (("registry/holds/held.yaml", "until:", "EK214"),),
    ),
    Mistake(
        "hold-nothing",
        {
            "registry/holds/held-2.yaml": "holds:\n  - reason: r\n    by: b\n",
            "registry/entries/held-2/v1.yaml": entry("held-2"),
        },
        (("registry/holds/held-2.yaml", "- reason", "EK106"),),
    ),
]

EVIDENCE = [
    Mistake(
        "evidence-json",
        {"registry/evidence/base/v1/base-eval@v1.json": '{\n "entry": "base",\n "version" 1\n}\n'},
        (("registry/evidence/base/v1/base-eval@v1.json", '"version" 1', "EK208"),),
    ),
    Mistake(
        "evidence-size",
        {"registry/evidence/base/v1/large@v1.json": "{}" + " " * 300_000},
        (("registry/evidence/base/v1/large@v1.json", "{}", "EK208"),),
    ),
    Mistake(
        "evidence-copied",
        {
            "registry/evidence/copied/v1/base-eval@v1.json": '{\n "entry": "base",\n "version": 1,\n "suite": "base-eval@v1",\n "runs": []\n}\n',
            "registry/entries/copied/v1.yaml": entry("copied"),
        },
        (("registry/evidence/copied/v1/base-eval@v1.json", '"entry"', "EK109"),),
    ),
    Mistake(
        "evidence-orphan",
        {
            "registry/evidence/gone/v1/base-eval@v1.json": '{"entry": "gone", "version": 1, "suite": "base-eval@v1", "runs": []}\n'
        },
        (("registry/evidence/gone/v1/base-eval@v1.json", '"entry"', "EK201"),),
    ),
    Mistake(
        "evidence-name",
        {"registry/evidence/base/v1/results.json": "{}\n"},
        (("registry/evidence/base/v1/results.json", None, "EK110"),),
    ),
]

CONFIG = [
    Mistake(
        "provider-kind", expected=(("evalkit.yaml", "opena}", "EK106"),), provider="other: {kind: opena}"
    ),
    Mistake(
        "provider-key",
        expected=(("evalkit.yaml", SECRET, "EK216"),),
        provider=f"leaky: {{kind: openai, api_key_env: {SECRET}}}",
    ),
    Mistake(
        "provider-header",
        expected=(("evalkit.yaml", "Bearer", "EK216"),),
        provider='headed: {kind: openai, headers: {Authorization: "Bearer abcdefgh12345"}}',
    ),
    Mistake(
        "provider-command-key",
        expected=(("evalkit.yaml", "keyed:", "EK216"),),
        provider=f"keyed: {{kind: command, command: [app, --key, {SECRET}]}}",
    ),
    Mistake(
        "provider-command-key-joined",
        expected=(("evalkit.yaml", "joined:", "EK216"),),
        provider=f"joined: {{kind: command, command: [app, --key={SECRET}]}}",
    ),
    Mistake(
        "provider-url-key",
        expected=(("evalkit.yaml", "queried:", "EK216"),),
        provider='queried: {kind: http, base_url: "http://x/ans?api_key=abc123abc123abc123"}',
    ),
    Mistake(
        "provider-unknown-key",
        expected=(("evalkit.yaml", "base_ulr", "EK104"),),
        provider="misspelt: {kind: openai, base_ulr: 'https://x.example'}",
    ),
    Mistake(
        "rule-suite",
        expected=(("evalkit.yaml", "gone-eval", "EK201"),),
        rule='"ba*": {suites: [gone-eval@v1]}',
    ),
    Mistake(
        "rule-twice",
        expected=(("evalkit.yaml", '"b*"', "EK220"),),
        rule='"b*": {suites: [base-eval@v1, base-eval@v1]}',
    ),
    Mistake(
        "rule-nobody",
        expected=(("evalkit.yaml", "no-such-entry", "EK215"),),
        rule="no-such-entry: {approvals: 2}",
    ),
    Mistake(
        "rule-gate", expected=(("evalkit.yaml", "soak", "EK106"),), rule='"bas*": {production_gate: soak}'
    ),
    Mistake(
        "scorer-module",
        expected=(("evalkit.yaml", "no_such_module", "EK217"),),
        scorer="polite: no_such_module.inner:polite",
    ),
]

SUITES = [
    at_suite(
        "suite-key", suite("suite-key", extra="repeat: 3\n"), cases(), ("suite.yaml", "repeat: 3", "EK104")
    ),
    at_suite("suite-no-gate", suite("suite-no-gate", gate=None), cases(), ("suite.yaml", "name:", "EK105")),
    at_suite("suite-elsewhere", suite("other"), cases(), ("suite.yaml", "name: other", "EK109")),
    at_suite(
        "gate-key",
        suite("gate-key", gate="\n  min_score: 0.9\n  min_scroe: 0.9"),
        cases(),
        ("suite.yaml", "min_scroe", "EK104"),
    ),
    at_suite(
        "gate-percent",
        suite("gate-percent", gate="{ min_score: 90 }"),
        cases(),
        ("suite.yaml", "gate:", "EK106"),
    ),
    at_suite(
        "gate-empty", suite("gate-empty", gate="{ min_cases: 3 }"), cases(), ("suite.yaml", "gate:", "EK404")
    ),
    at_suite(
        "gate-slice",
        suite("gate-slice", gate="\n  min_score: 0.9\n  slices:\n    hrad: 0.8"),
        cases(),
        ("suite.yaml", "hrad", "EK409"),
    ),
    at_suite(
        "gate-cases",
        suite("gate-cases", gate="\n  min_score: 0.9\n  min_cases: 500"),
        cases(),
        ("suite.yaml", "min_cases: 500", "EK411"),
    ),
    at_suite(
        "gate-few",
        suite("gate-few", gate="{ min_score: 0.99 }"),
        cases(count=10),
        ("suite.yaml", "gate:", "EK412"),
    ),
    at_suite(
        "metric-floor",
        suite(
            "metric-floor",
            primary="accurac",
            gate="\n  min_scroe: 0.9\n  metrics: {f1_macr: 0.8}",
            extra="repeats: many\n",
        ),
        cases(),
        ("suite.yaml", "primary:", "EK410"),
        ("suite.yaml", "min_scroe", "EK104"),
        ("suite.yaml", "f1_macr", "EK410"),
        ("suite.yaml", "repeats:", "EK106"),
    ),
    at_suite(
        "gate-slice-and-rows",
        suite(
            "gate-slice-and-rows",
            gate="\n  min_score: 0.9\n  min_cases: 99\n  slices:\n    hrad: 0.8\n    easy: many",
        ),
        cases(case(40, tgs=["hard"]), case(41, must_pass=3), case(40)),
        ("suite.yaml", "hrad", "EK409"),
        ("suite.yaml", "easy: many", "EK106"),
        ("suite.yaml", "min_cases: 99", "EK411"),
        ("cases.jsonl", "tgs", "EK104"),
        ("cases.jsonl", "must_pass", "EK401"),
        ("cases.jsonl", '"c40"', "EK402"),
    ),
    at_suite("metric", suite("metric", primary="accurac"), cases(), ("suite.yaml", "primary:", "EK410")),
    at_suite(
        "scorer-name",
        suite("scorer-name", scorers="\n  - exact_mach"),
        cases(),
        ("suite.yaml", "exact_mach", "EK405"),
    ),
    at_suite(
        "scorer-argument",
        suite("scorer-argument", scorers="\n  - regex: {paterrn: x}"),
        cases(),
        ("suite.yaml", "paterrn", "EK406"),
    ),
    at_suite(
        "scorer-arguments",
        suite(
            "scorer-arguments",
            scorers="\n  - regex:\n      ignore_case: 3\n      pattern: 'a(b'\n"
            "  - regex_extract:\n      match: middle\n      pattern: 'a(c'",
        ),
        cases(),
        ("suite.yaml", "ignore_case:", "EK406"),
        ("suite.yaml", "a(b", "EK406"),
        ("suite.yaml", "match:", "EK406"),
        ("suite.yaml", "a(c", "EK406"),
    ),
    at_suite(
        "scorer-weight",
        suite("scorer-weight", scorers="\n  - json_path:\n      weight: -1\n      path: '$['"),
        cases(),
        ("suite.yaml", "weight:", "EK406"),
        ("suite.yaml", "path: '$['", "EK406"),
    ),
    at_suite("scorer-none", suite("scorer-none", scorers="[]"), cases(), ("suite.yaml", "scorers:", "EK404")),
    at_suite(
        "scorer-expected",
        suite("scorer-expected"),
        cases(case(40, expected=None)),
        ("cases.jsonl", '"c40"', "EK407"),
    ),
    at_suite("cases-gone", suite("cases-gone"), None, ("suite.yaml", "cases:", "EK401")),
    at_suite(
        "cases-format", suite("cases-format", cases="cases.txt"), None, ("suite.yaml", "cases:", "EK106")
    ),
    at_suite(
        "cases-outside",
        suite("cases-outside", cases="../../other.jsonl"),
        None,
        ("suite.yaml", "cases:", "EK106"),
    ),
    at_suite("cases-empty", suite("cases-empty"), "", ("suite.yaml", "cases:", "EK403")),
    at_suite("cases-json", suite("cases-json"), cases('{"id": "bad", }'), ("cases.jsonl", '"bad"', "EK401")),
    at_suite(
        "cases-no-id",
        suite("cases-no-id"),
        cases(case(1, id=None, vars={"ticket": "nameless"})),
        ("cases.jsonl", "nameless", "EK105"),
    ),
    at_suite(
        "cases-key", suite("cases-key"), cases(case(50, expeccted="x")), ("cases.jsonl", "expeccted", "EK104")
    ),
    at_suite(
        "cases-twice",
        suite("cases-twice"),
        cases(case(3, vars={"ticket": "again"})),
        ("cases.jsonl", "again", "EK402"),
    ),
    at_suite(
        "cases-tags", suite("cases-tags"), cases(case(60, tags="easy")), ("cases.jsonl", '"c60"', "EK401")
    ),
    at_suite(
        "cases-utf8",
        suite("cases-utf8"),
        cases().encode() + b'{"id": "latin \xe9"}\n',
        ("cases.jsonl", "latin", "EK107"),
    ),
    at_suite(
        "cases-unused",
        suite("cases-unused"),
        cases(),
        ("old.jsonl", None, "EK413"),
        beside={"old.jsonl": "{}\n"},
    ),
    at_suite(
        "cases-column",
        suite("cases-column", cases="cases.csv", extra="columns:\n  vars: [ticket]\n  expected: quue\n"),
        None,
        ("suite.yaml", "expected: quue", "EK401"),
        beside={"cases.csv": "id,ticket,queue\n" + "".join(f"c{n},help,billing\n" for n in range(40))},
    ),
    at_suite(
        "cases-columns",
        suite("cases-columns", cases="cases.csv", extra="columns:\n  id: idd\n  vars: [ticket]\n"),
        None,
        ("cases.csv", "id,ticket", "EK102"),
        ("suite.yaml", "id: idd", "EK401"),
        beside={"cases.csv": "id,ticket,ticket\na,help,help\n"},
    ),
    at_suite(
        "cases-csv",
        suite("cases-csv", cases="cases.csv", extra="columns: {vars: [ticket], expected: queue}\n"),
        None,
        ("cases.csv", "one, two", "EK401"),
        beside={
            "cases.csv": "id,ticket,queue\n"
            + "".join(f"c{n},help,billing\n" for n in range(40))
            + "d,one, two,billing\n"
        },
    ),
    at_suite(
        "cases-inline",
        suite("cases-inline", cases="\n  - {id: a, vars: {ticket: x}, expected: y}\n  - {id: b, var: {}}"),
        None,
        ("suite.yaml", "var: {}", "EK104"),
    ),
    Mistake(
        "inline-several",
        {
            "suites/inline-several-eval/v1/suite.yaml": suite(
                "inline-several-eval",
                cases="""
  - {id: a, vars: {ticket: x}, expected: y, tgs: [x]}
  - {id: b, vars: {ticket: x}}
  - {id: a, vars: {ticket: again}, expected: y}
  - {id: d, vars: {tickte: x}, expected: y}
  - {id: "", vars: {ticket: x}, expected: y}""",
            ),
            "registry/entries/inline-several/v1.yaml": entry("inline-several"),
        },
        tuple(
            ("suites/inline-several-eval/v1/suite.yaml", marker, code)
            for marker, code in (
                ("tgs", "EK104"),
                ("id: b", "EK407"),
                ("again", "EK402"),
                ("tickte", "EK408"),
                ('id: ""', "EK106"),
            )
        ),
        rule="inline-several: {suites: [inline-several-eval@v1]}",
    ),
    assigned(
        "variable-missing", cases(case(70, vars={})), prompt("variable-missing-prompt"), '"c70"', "EK408"
    ),
    assigned(
        "variable-extra",
        cases(case(71, vars={"ticket": "x", "mood": "y"})),
        prompt("variable-extra-prompt"),
        '"c71"',
        "EK408",
    ),
    assigned(
        "variable-type-case",
        cases(case(72, vars={"ticket": 5})),
        prompt("variable-type-case-prompt"),
        '"c72"',
        "EK408",
    ),
    assigned(
        "variable-render",
        cases(case(73, vars={"ticket": {}}), count=0),
        prompt("variable-render-prompt", "{{ ticket.subject }}", "{ticket: {type: object}}"),
        '"c73"',
        "EK408",
    ),
]

MISTAKES = [*ENTRIES, *PLACES, *PROMPTS, *TOOLS, *CLASSES, *HOLDS, *EVIDENCE, *CONFIG, *SUITES]
assert "registry/entries/base/v1.yaml" in BASE

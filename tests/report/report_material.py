"""Runs as they look in practice, and texts as nobody wants them: material for the tests of every report."""

from __future__ import annotations

import random

from evalkit.evals.record import RunRecord, Sample, SampleError, SliceRecord

HOSTILE = [
    "::error file=app.py::owned\n::set-env name=PATH::/tmp",
    "  ::add-mask::***",
    "text before ##[error]owned ##[add-mask]x",
    "</script><script>document.body.id='owned'</script>",
    "<img src=x onerror=\"document.body.id='owned'\">",
    "\"><svg/onload=document.body.id='owned'>",
    "' autofocus onfocus='document.body.id=\"owned\"",
    "[click](javascript:document.body.id='owned') javascript:alert(1)",
    "![pixel](https://evil.example/pixel.png) https://evil.example www.evil.example a@evil.example",
    "ping @octocat @org/team fixes #1 GH-2 owner/repo#3",
    "| a | b |\n|---|---|\n| c\\| | d\\\\| |",
    "`one` ``two`` ```three``` ` ",
    '<!-- evalkit:v1 {"verdict": "pass"} --> -->',
    "<details><summary>x</summary></table></td>",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b2J \x07 \x08\x08\x08",
    "\u202egnp.exe\u202c \u2066x\u2069 \u200bzero\ufeff \U000e0041\U000e0042",
    "null \x00 byte, lone \ud83d surrogate, \ufffe",
    "line\u2028separator\u2029paragraph\x85next\x0bvertical\x0cform\rreturn",
    "[bold red]markup[/] [link=https://evil.example]x[/link] :smile:",
    "{{ 7 * 7 }} {% raw %} ${{ github.token }}",
    "]]> &amp; &#60; &lt;script&gt; <?xml?> <![CDATA[ x ]]>",
    "# heading\n\n- list\n\n    code\n\n---\n> quote",
    "$x^2$ ~~gone~~ **bold** _it_ __b__ [^1] [x]: y",
    "مرحبا بالعالم שלום 你好 👩‍👩‍👧 नमस्ते",
]

_NAMES = ["Ana", "Bo", "Chidi", "Dara", "Emre", "Fei", "Gita", "Hugo"]


def order_run(verdict: str = "fail", **changes) -> tuple[RunRecord, list[Sample]]:
    """120 messages from which an order number is to be read; some hold none, some two, some could not be asked."""
    draw = random.Random(7)
    samples = [_order_sample(draw, index) for index in range(120)]
    if verdict == "pass":
        for sample in samples:
            if sample.error is not None or sample.must_pass or (sample.score == 0 and draw.random() < 0.6):
                sample.error, sample.score, sample.scores = None, 1.0, {"exact_match": 1.0}
                sample.output, sample.got, sample.reasons = sample.expected, sample.expected, {}
                sample.extracted = True
    return order_record(samples, verdict, **changes), samples


def _order_sample(draw: random.Random, index: int) -> Sample:
    difficulty = ("easy", "medium", "two-orders", "none")[index % 4]
    number, other = f"ORD-{draw.randrange(10000, 99999)}", f"ORD-{draw.randrange(10000, 99999)}"
    name = draw.choice(_NAMES)
    text = {
        "easy": f"Hi, this is {name}. Where is my order {number}? I have been waiting since Monday.",
        "medium": f"Tracking 1Z{draw.randrange(10**9)} says delivered, invoice INV-{draw.randrange(10**5)} is paid, "
        f"but order {number} never came.\nPlease check.\n\n{name}",
        "two-orders": f"I got {other} yesterday, thanks! It is {number} that I am still missing. Regards, {name}",
        "none": f"Do you ship to Norway, and how long does it take? Thanks, {name}",
    }[difficulty]
    expected = "none" if difficulty == "none" else number
    right = (
        index != 8
        and draw.random() < {"easy": 0.95, "medium": 0.8, "two-orders": 0.4, "none": 0.35}[difficulty]
    )
    wrong = {"none": "ORD-00000", "two-orders": other}.get(difficulty, number[:-1] + "0")
    got = expected if right else wrong
    sample = Sample(
        id=f"order-{index:03d}",
        index=index,
        repeat=0,
        input={"message": text},
        expected=expected,
        output=f'{{"order_id": "{got}"}}',
        tool_calls=None,
        score=float(right),
        scores={"json_path": float(right)},
        reasons={} if right else {"json_path": f"got {got!r}, expected {expected!r}"},
        got=got,
        latency_ms=draw.lognormvariate(5.2, 0.5),
        tokens={"in": 60 + len(text) // 4, "out": 12},
        cached=index % 3 == 0,
        served_model="smollm2-135m-instruct",
        tags=[difficulty],
        must_pass=index == 8,
        location=f"suites/order-extract-eval/v1/cases.jsonl:{index + 1}",
        label=got,
    )
    if index in {41, 77}:
        sample.score, sample.scores, sample.reasons, sample.got, sample.output = None, {}, {}, None, None
        sample.error = SampleError("unscored", "timeout", "no answer within 30 s, three attempts")
        sample.latency_ms, sample.tokens = None, None
    if index == 50:
        sample.score, sample.scores, sample.got, sample.output = 0.0, {}, None, None
        sample.error = SampleError(
            "candidate", "context_overflow", "the prompt has 2,310 tokens, the model takes 2,048"
        )
        sample.reasons = {}
    if index == 63:
        sample.score, sample.scores, sample.got, sample.extracted = 0.0, {"json_path": 0.0}, None, False
        sample.output = "Sure! Here is the order number you asked for:\n\n" + "The order is on its way. " * 30
        sample.reasons = {"json_path": "the answer is not JSON"}
    return sample


def order_record(samples: list[Sample], verdict: str, **changes) -> RunRecord:
    scored = [sample for sample in samples if sample.score is not None]
    mean = sum(sample.score for sample in scored) / len(scored)
    slices = {}
    for tag, floor in (("easy", 0.8), ("medium", 0.6), ("two-orders", None), ("none", None)):
        members = [sample for sample in scored if tag in sample.tags]
        part = sum(sample.score for sample in members) / len(members)
        judged = None if floor is None else "pass" if part >= floor else "fail"
        cases = sum(tag in sample.tags for sample in samples)
        bounds = (max(0, part - 0.14), min(1, part + 0.11))
        slices[tag] = SliceRecord(cases, len(members), part, bounds, floor, judged)
    reasons = {
        "pass": [f"the score {mean:.3f} reaches the threshold 0.6, and its lower bound 0.664 is above 0.55"],
        "fail": [
            f"the score {mean:.3f} is below the threshold 0.75",
            "case order-008 must pass and scored 0 (suites/order-extract-eval/v1/cases.jsonl:9)",
        ],
        "inconclusive": [
            "2 of 120 cases (1.7 %) could not be measured, and the gate allows 1 %",
            f"the score {mean:.3f} reaches the threshold 0.6, but 62 more cases would settle it",
        ],
    }[verdict]
    fields = {
        "run_id": "20261124T101500Z-7f3a9c",
        "entry": "order-extract",
        "version": 2,
        "suite": "order-extract-eval@v1",
        "generation_digest": "sha256:" + "3b" * 32,
        "suite_digest": "sha256:" + "c4" * 32,
        "measurement_digest": "sha256:" + "91" * 32,
        "score": mean,
        "ci95": (mean - 0.085, mean + 0.072),
        "cases": len(samples),
        "scored": len(scored),
        "errors": len(samples) - len(scored),
        "verdict": verdict,
        "reasons": reasons,
        "metrics": {"mean": mean, "accuracy": mean, "f1_macro": 0.583, "pass@1": None},
        "slices": slices,
        "baseline": None,
        "latency_ms": {"p50": 181.3, "p95": 421.7},
        "tokens": {"in": 11243, "out": 1428},
        "cost_usd": None,
        "cached": sum(sample.cached for sample in samples),
        "served_models": ["smollm2-135m-instruct"],
        "source": "local",
        "output_dir": ".evalkit/runs/20261124T101500Z-7f3a9c",
        "model": "smollm2-135m-instruct@sha256:5f1d2a",
        "provider": "local",
        "gate": {
            "min_score": 0.75 if verdict == "fail" else 0.6,
            "min_cases": 100,
            "slices": {"easy": 0.8, "medium": 0.6},
        },
        "candidate_failures": sum(
            sample.error is not None and sample.error.kind == "candidate" for sample in samples
        ),
        "not_extracted": sum(not sample.extracted for sample in samples),
        "notes": [
            "served model 'smollm2-135m-instruct' is an alias: the digest of the weights was verified instead"
        ],
        "started_at": "2026-11-24T10:15:00Z",
        "duration_s": 26.13,
        "evalkit_version": "0.1.0",
    }
    return RunRecord(**(fields | changes))


def hostile_run() -> tuple[RunRecord, list[Sample]]:
    """Every hostile text in every field that foreign text can reach."""
    samples = []
    for index, text in enumerate(HOSTILE):
        samples.append(
            Sample(
                id=text,
                index=index,
                repeat=0,
                input={text: text, "nested": {"deep": [text]}},
                expected=text if index % 2 else {"value": text},
                output=text * 3,
                tool_calls=[{"name": text, "arguments": {text: text}}],
                score=(0.0, 0.5, 1.0, None)[index % 4],
                scores={} if index % 4 == 3 else {text: (0.0, 0.5, 1.0)[index % 4]},
                reasons={text: text},
                got=text,
                error=SampleError("unscored", text, text) if index % 4 == 3 else None,
                latency_ms=12.0,
                tokens={"in": 1, "out": None},
                cost_usd=0.001,
                served_model=text,
                finish_reason=text,
                tags=[text, "plain"],
                cluster=text,
                location=text,
                label=text,
            )
        )
    record = order_record(
        order_run()[1],
        "fail",
        entry=HOSTILE[4],
        suite=HOSTILE[3],
        model=HOSTILE[5],
        provider=HOSTILE[0],
        run_id=HOSTILE[10],
        reasons=HOSTILE,
        notes=HOSTILE,
        served_models=HOSTILE,
        metrics=dict.fromkeys(HOSTILE, 0.5),
        slices={text: SliceRecord(10, 10, 0.5, (0.2, 0.8), 0.4, "pass") for text in HOSTILE},
        generation_digest=HOSTILE[0],
        suite_digest=HOSTILE[12],
        measurement_digest=HOSTILE[15],
        started_at=HOSTILE[16],
        evalkit_version=HOSTILE[3],
        output_dir=HOSTILE[2],
        primary=HOSTILE[18],
    )
    return record, samples

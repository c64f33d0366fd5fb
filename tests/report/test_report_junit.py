from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from report_material import hostile_run, order_run

from evalkit.evals.record import SampleError
from evalkit.report.junit import junit_xml

# Element: its children, its attributes (of Jenkins' junit-10.xsd, the strictest reader).
SHAPE = {
    "testsuites": ({"testsuite"}, {"name", "tests", "failures", "errors", "time"}),
    "testsuite": (
        {"properties", "testcase"},
        {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
    ),
    "properties": ({"property"}, set()),
    "property": (set(), {"name", "value"}),
    "testcase": ({"failure", "error", "system-out"}, {"name", "classname", "time"}),
    "failure": (set(), {"type", "message"}),
    "error": (set(), {"type", "message"}),
    "system-out": (set(), set()),
}


def document(run, **options):
    record, samples = run
    text = "".join(junit_xml([(record, lambda: iter(samples))], **options))
    return text, ET.fromstring(text)


def test_the_document_reads_as_committed(matches_golden):
    record, samples = order_run("fail")
    record.cases = 12
    text, _ = document((record, samples[36:52]))
    matches_golden("junit-fail.xml", text)


@pytest.mark.parametrize(
    "run", [order_run("fail"), order_run("pass"), hostile_run()], ids=["fail", "pass", "hostile"]
)
def test_every_document_has_the_common_shape_and_true_totals(run):
    _, root = document(run)
    for element in root.iter():
        children, attributes = SHAPE[element.tag]
        assert {child.tag for child in element} <= children
        assert set(element.keys()) <= attributes
    suite = root[0]
    assert int(suite.get("tests")) == len(suite.findall("testcase")) == len(run[1])
    assert int(suite.get("failures")) == len(suite.findall("testcase/failure"))
    assert int(suite.get("errors")) == len(suite.findall("testcase/error"))
    assert re.fullmatch(r"\d+\.\d{3}", suite.get("time"))


def test_could_not_measure_is_an_error_and_the_candidates_own_failure_is_a_failure():
    _, root = document(order_run("fail"))
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert cases["order-041"].find("error").get("type") == "timeout"
    assert cases["order-050"].find("failure").get("type") == "context_overflow"
    assert cases["order-008"].find("failure").get("type") == "wrong"
    assert len(cases["order-000"]) == 1


def test_the_verdict_and_the_score_are_properties_of_the_suite():
    _, root = document(order_run("fail"))
    found = {element.get("name"): element.get("value") for element in root.iter("property")}
    assert (found["verdict"], found["score"], found["ci95"]) == ("fail", "0.627", "0.542-0.699")
    assert found["reason.1"] == "the score 0.627 is below the threshold 0.75"


def test_repeats_of_a_case_are_one_testcase_however_they_arrive():
    record, _ = order_run("fail", repeats=3)
    repeated = []
    for repeat in (2, 0, 1):
        for sample in order_run("fail")[1][:10]:
            sample.repeat = repeat
            sample.score, sample.reasons = (1.0, {}) if repeat else (0.0, {"json_path": "wrong"})
            repeated.append(sample)
    repeated[0].score, repeated[0].error = None, SampleError("unscored", "timeout", "too slow")
    _, root = document((record, repeated))
    cases = root.findall(".//testcase")
    assert len(cases) == 10
    assert "score 0.667" in cases[-1].find("system-out").text
    first = next(case for case in cases if case.get("name") == "order-000")
    assert "score n/a" in first.find("system-out").text
    assert first.find("error").text == "repeat 3: timeout: too slow"


def test_repeats_that_are_adjacent_are_written_as_they_are_read():
    record, samples = order_run("fail")
    read = []

    def stream():
        for sample in samples:
            read.append(sample.id)
            yield sample

    pieces = junit_xml([(record, stream)])
    next(piece for piece in pieces if 'name="order-003"' in piece)
    assert read[len(samples) :] == ["order-000", "order-001", "order-002", "order-003"]


def test_no_line_of_the_document_starts_with_foreign_text():
    text, _ = document(hostile_run())
    assert all(line.startswith("<") for line in text.splitlines())
    assert "##[" not in text


def test_without_outputs_no_text_of_a_case_is_in_the_document():
    text, root = document(order_run("fail"), outputs=False)
    assert "ORD-" not in text
    assert "2,310" not in text
    assert root.find(".//testcase/failure").get("message")

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_material import HOSTILE, hostile_run, order_run

from evalkit.evals.record import Sample
from evalkit.report.cases import collect
from evalkit.report.diff import word_diff
from evalkit.report.html import html_report
from evalkit.report.templates import asset

# Everything that the page is made of.
TAG_NAMES = """
html head meta title style body main header section footer div p h1 h2 b small span svg rect circle line text ul li
dl dt dd table thead tbody tr th td form fieldset legend label input select option button details summary pre mark
code script
"""
ATTRIBUTE_NAMES = """
lang charset http-equiv content name class width height aria-hidden aria-label focusable x y x1 x2 y1 y2 rx cx cy r
text-anchor scope hidden type value checked placeholder autocomplete spellcheck id role dir
data-o data-i data-ms data-t
"""
TAGS = set(TAG_NAMES.split())
ATTRIBUTES = set(ATTRIBUTE_NAMES.split())


class Page(HTMLParser):
    """Elements of a page and the texts in them."""

    def __init__(self, html):
        super().__init__()
        self.elements = []
        self.texts = []
        self.scripts = []
        self._in = None
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._in = tag

    def handle_endtag(self, tag):
        self._in = None

    def handle_data(self, data):
        (self.scripts if self._in == "script" else self.texts).append(data)

    def count(self, tag, **attributes):
        wanted = {name.replace("_", "-"): value for name, value in attributes.items()}
        return sum(found == tag and wanted.items() <= attrs.items() for found, attrs in self.elements)


def page_of(run, **options):
    record, samples = run
    return "".join(html_report(record, collect(samples), **options))


def test_the_page_is_whole_without_its_script():
    page = Page(page_of(order_run("fail")))
    assert page.count("details") == 120
    assert page.count("details", data_o="failed") == 44
    assert ("form", {"class": "controls", "autocomplete": "off", "hidden": None}) in page.elements
    text = "".join(page.texts)
    for words in (
        "0.627",
        "95 % interval 0.542\u20130.699",
        "needs 0.75",
        "is below the threshold 0.75",
        "p95 422 ms",
    ):
        assert words in text


def test_hostile_text_is_text_wherever_it_stands():
    page = Page(page_of(hostile_run()))
    assert {tag for tag, _ in page.elements} <= TAGS
    assert {name for _, attrs in page.elements for name in attrs} <= ATTRIBUTES
    assert page.scripts == [asset("report.js").strip()]


@settings(max_examples=25)
@given(st.lists(st.one_of(st.text(max_size=40), st.sampled_from(HOSTILE)), min_size=6, max_size=6))
def test_no_text_whatever_adds_an_element_or_an_attribute(texts):
    one, two, three, four, five, six = texts
    sample = Sample(
        id=one, index=0, repeat=0, input={two: three}, expected=four, output=five,
        tool_calls=[{"name": six, "arguments": one}], score=0.5, scores={two: 0.5}, reasons={two: three},
        got=six, tags=[four], location=five, served_model=six,
    )  # fmt: skip
    record, _ = order_run(
        "fail", entry=one, suite=two, model=three, reasons=[four], notes=[five], primary=six
    )
    page = Page(page_of((record, [sample])))
    assert {tag for tag, _ in page.elements} <= TAGS
    assert {name for _, attrs in page.elements for name in attrs} <= ATTRIBUTES
    assert len(page.scripts) == 1


def test_nothing_is_fetched_and_only_our_script_and_style_are_allowed():
    html = page_of(order_run("fail"))
    assert not re.search(
        r"\b(src|href|action|srcset|poster|style|on\w+)=",
        re.sub(r"<script>.*</script>", "", html, flags=re.DOTALL),
    )
    assert not re.search(r"url\(|@import", asset("report.css"))
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", asset("report.js"))
    (policy,) = (attrs["content"] for tag, attrs in Page(html).elements if attrs.get("http-equiv"))
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        (inline,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_hidden_characters_are_spelled_out():
    html = page_of(hostile_run())
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", html)
    assert "\\u202egnp.exe" in html


def test_a_ten_megabyte_output_is_cut_with_a_note():
    record, samples = order_run("fail")
    samples[3].output = "<b>" * 3_500_000
    html = page_of((record, samples))
    assert len(html) < 600_000
    assert "10,480,000 more characters are in samples.jsonl." in html


def test_two_thousand_long_hostile_cases_stay_below_five_megabytes():
    record, samples = order_run("fail")
    many = []
    for index in range(2_500):
        sample = order_run("fail")[1][8] if index == 0 else samples[8]
        fields = {name: getattr(sample, name) for name in Sample.__slots__}
        many.append(Sample(**(fields | {"id": f"case-{index}", "index": index, "output": '<é"&' * 2_000})))
    html = page_of((record, many))
    assert len(html.encode()) < 5_000_000
    assert "2,000 answers listed, 500 more are in samples.jsonl" in html


def test_without_outputs_no_text_of_a_case_is_on_the_page():
    html = page_of(order_run("fail"), outputs=False)
    assert "ORD-" not in html
    assert "2,310 tokens" not in html
    assert "inputs and outputs are left out of this report" in html


def test_what_differs_is_marked_on_both_sides():
    html = page_of(order_run("fail"))
    assert re.search(r'ORD-<mark class="want">\d{5}</mark>', html)
    assert re.search(r'ORD-<mark class="have">\d{5}</mark>', html)


@given(st.text(max_size=60), st.text(max_size=60))
def test_the_pieces_of_a_difference_join_to_the_two_texts(one, two):
    found = word_diff(one, two)
    if found is None:
        return
    before, after = found
    assert "".join(text for text, _ in before) == one
    assert "".join(text for text, _ in after) == two
    assert [text for text, differs in before if not differs] == [
        text for text, differs in after if not differs
    ]
    assert any(differs for _, differs in before + after)


def _luminance(colour):
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_the_contrast_that_wcag_aa_asks_for(scheme):
    blocks = re.findall(r":root \{(.*?)\}", asset("report.css"), flags=re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", blocks[0 if scheme == "light" else 1]))
    pairs = [(text, ground) for text in ("ink", "muted") for ground in ("page", "card", "soft")]
    pairs += [(tone, ground) for tone in ("pass", "fail", "unsure") for ground in (f"{tone}-soft", "card")]
    pairs += [("none", "none-soft"), ("ink", "pass-soft"), ("ink", "fail-soft")]
    for text, ground in pairs:
        high, low = sorted((_luminance(colours[text]), _luminance(colours[ground])), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, (text, ground)


@pytest.mark.browser
def test_in_a_browser_the_filters_come_alive_and_follow_the_address(rendered_dom):
    html = page_of(order_run("fail"))
    dom = rendered_dom(html, "#show=failed&text=order-008&order=suite")
    (form,) = re.findall(r'<form class="controls"[^>]*>', dom)
    assert "hidden" not in form
    rows = re.findall(r"<details[^>]*>", dom)
    assert len(rows) == 120
    assert len([row for row in rows if "hidden" not in row]) == 1
    assert "1 of 120 answers" in dom
    assert re.findall(r'data-i="(\d+)"', dom) == [str(number) for number in range(120)]


@pytest.mark.browser
def test_in_a_browser_no_hostile_output_runs_or_leaves_its_place(rendered_dom):
    html = page_of(hostile_run())
    dom = rendered_dom(html)
    (body,) = re.findall(r"<body[^>]*>", dom)
    assert body == "<body>"
    page = Page(dom)
    assert page.count("details") == len(HOSTILE)
    assert {tag for tag, _ in page.elements} <= TAGS
    assert not re.search(r"<form class=\"controls\"[^>]* hidden", dom), "our own script must run"


@pytest.mark.browser
def test_in_a_browser_the_policy_stops_a_script_that_got_in(rendered_dom):
    attack = "<script>document.body.id = 'owned'</script><img src=x onerror=\"document.body.id = 'owned'\">"
    html = page_of(order_run("fail")).replace("<main>", f"<main>{attack}", 1)
    dom = rendered_dom(html)
    assert attack.partition(">")[0] in dom
    assert 'id="owned"' not in dom

from __future__ import annotations

import gzip
import socket
import time

import pytest
from loopback import Loopback, reply

from evalkit.errors import BundleError, SourceError
from evalkit.runtime.sources.http import HttpSource


@pytest.fixture
def serve():
    """`serve(answer)`: a server on loopback for as long as the test runs."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda answer: stack.enter_context(Loopback(answer))


def fetch(url, known=None, timeout_s=5.0):
    return HttpSource(url).fetch(known, timeout_s)


def problem_of(url, known=None, timeout_s=5.0):
    with pytest.raises(SourceError) as caught:
        fetch(url, known, timeout_s)
    return caught.value.problems[0]


def test_an_etag_is_asked_for_and_a_304_means_no_change(serve, v13):
    def answer(request):
        if request.headers.get("If-None-Match") == '"one"':
            reply(request, 304, ETag='"one"')
        else:
            reply(request, body=v13.encode(), ETag='"one"')

    server = serve(answer)
    first = fetch(server.url())
    assert first.bundle.digest == v13.digest
    assert fetch(server.url(), first.tag) is None
    assert server.seen[1][1]["if-none-match"] == '"one"'


def test_a_304_that_nobody_asked_for_is_an_error(serve):
    assert problem_of(serve(lambda request: reply(request, 304)).url()).code == "EK704"


def test_without_etag_the_time_of_modification_is_asked_for(serve, v13):
    when = "Mon, 23 Nov 2026 10:00:00 GMT"

    def answer(request):
        if request.headers.get("If-Modified-Since") == when:
            reply(request, 304)
        else:
            reply(request, body=v13.encode(), Last_Modified=when)

    server = serve(answer)
    assert fetch(server.url(), fetch(server.url()).tag) is None


def test_a_change_within_the_second_of_the_last_modification_is_seen(serve, v13, v14):
    """The time of modification has whole seconds: two states of one second look the same by it (RFC 9110, 8.8.2.2)."""
    bodies = [v13.encode(), v14.encode()]

    def answer(request):
        now = request.date_time_string()
        if request.headers.get("If-Modified-Since"):
            reply(request, 304)
        else:
            reply(request, body=bodies.pop(0), Last_Modified=now)

    server = serve(answer)
    second = fetch(server.url(), fetch(server.url()).tag)
    assert second is not None
    assert second.bundle.digest == v14.digest


@pytest.mark.parametrize("part", ["headers", "body"])
def test_one_deadline_holds_however_slowly_an_answer_trickles_in(serve, part):
    def answer(request):
        if part == "body":
            request.send_response(200)
            request.send_header("Content-Length", "100000")
            request.end_headers()
        else:
            request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        for _ in range(100):
            request.wfile.write(b"a")
            request.wfile.flush()
            if server.over.wait(0.1):
                return

    server = serve(answer)
    began = time.monotonic()
    problem = problem_of(server.url(), timeout_s=0.5)
    assert time.monotonic() - began < 1.5
    assert "0.5 s" in problem.message


def test_a_server_that_never_answers_is_given_up_in_time(serve):
    server = serve(lambda request: server.over.wait(10))
    began = time.monotonic()
    assert problem_of(server.url(), timeout_s=0.3).code == "EK704"
    assert time.monotonic() - began < 1.0


def test_a_cut_body_is_an_error(serve, v13):
    def answer(request):
        body = v13.encode()
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: len(body) // 2])

    assert problem_of(serve(answer).url()).code == "EK704"


def test_a_cut_chunked_body_is_an_error(serve, v13):
    def answer(request):
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        request.wfile.write(b"%x\r\n%s\r\n" % (50, v13.encode()[:50]))

    assert problem_of(serve(answer).url()).code == "EK704"


def test_a_packed_body_is_unpacked(serve, v13):
    server = serve(lambda request: reply(request, body=gzip.compress(v13.encode()), Content_Encoding="gzip"))
    assert fetch(server.url()).bundle.digest == v13.digest


def test_a_cut_packed_body_is_an_error(serve, v13):
    body = gzip.compress(v13.encode())[:-20]
    assert problem_of(serve(lambda r: reply(r, body=body, Content_Encoding="gzip")).url()).code == "EK704"


def test_a_small_body_that_unpacks_to_much_is_refused_without_unpacking_it(serve):
    bomb = gzip.compress(bytes(200 << 20), 1)
    problem = problem_of(serve(lambda r: reply(r, body=bomb, Content_Encoding="gzip")).url(), timeout_s=20)
    assert "64 MiB" in problem.message


def test_an_endless_body_is_refused(serve):
    def answer(request):
        request.send_response(200)
        request.send_header("Content-Length", str(1 << 40))
        request.end_headers()
        while not server.over.is_set():
            request.wfile.write(bytes(1 << 20))

    server = serve(answer)
    assert "64 MiB" in problem_of(server.url(), timeout_s=20).message


def test_what_is_no_bundle_is_a_broken_bundle(serve):
    with pytest.raises(BundleError, match="EK701"):
        fetch(serve(lambda request: reply(request, body=b"<html>Log in</html>")).url())


@pytest.mark.parametrize(
    ("status", "hint"),
    [(401, "EVALKIT_REGISTRY_TOKEN"), (403, "EVALKIT_REGISTRY_TOKEN"), (404, "URL"), (503, "again")],
)
def test_a_refusal_says_what_to_do(serve, status, hint):
    problem = problem_of(serve(lambda request: reply(request, status)).url())
    assert problem.code == "EK704"
    assert str(status) in problem.message
    assert hint in problem.hint


def test_what_a_server_says_of_its_refusal_cannot_write_to_the_terminal(serve):
    def answer(request):
        request.wfile.write(b"HTTP/1.1 500 \x1b[2J\x1b]0;owned\x07\r\nContent-Length: 0\r\n\r\n")

    assert "\x1b" not in problem_of(serve(answer).url()).message


def test_a_redirect_is_followed(serve, v13):
    def answer(request):
        if request.path == "/bundle.json":
            reply(request, 302, Location="/v13.json")
        else:
            reply(request, body=v13.encode())

    assert fetch(serve(answer).url()).bundle.digest == v13.digest


def test_a_redirect_without_end_is_one_line_of_message(serve):
    def answer(request):
        reply(request, 302, Location=f"/{len(server.seen)}")

    server = serve(answer)
    problem = problem_of(server.url())
    assert len(server.seen) <= 6
    assert "\n" not in problem.message


def test_a_redirect_to_another_kind_of_url_is_refused(serve, tmp_path, v13):
    (tmp_path / "bundle.json").write_bytes(v13.encode())
    for target in (f"file://{tmp_path}/bundle.json", f"ftp://127.0.0.1/{tmp_path}"):
        assert (
            problem_of(serve(lambda r, target=target: reply(r, 302, Location=target)).url()).code == "EK704"
        )


@pytest.mark.parametrize("user", ["", "ann:pass@"])
def test_a_redirect_to_another_host_takes_no_token_along(serve, v13, monkeypatch, user):
    monkeypatch.setenv("EVALKIT_REGISTRY_TOKEN", "s3cret")
    other = serve(lambda request: reply(request, body=v13.encode()))
    server = serve(lambda request: reply(request, 302, Location=other.url("/there", host="localhost")))
    fetch(server.url(user=user))
    assert "authorization" in server.seen[0][1]
    assert "authorization" not in other.seen[0][1]


def test_a_redirect_on_the_same_host_keeps_the_token(serve, v13, monkeypatch):
    monkeypatch.setenv("EVALKIT_REGISTRY_TOKEN", "s3cret")

    def answer(request):
        if request.headers.get("Authorization") != "Bearer s3cret":
            reply(request, 401)
        elif request.path == "/bundle.json":
            reply(request, 302, Location="/v13.json")
        else:
            reply(request, body=v13.encode())

    assert fetch(serve(answer).url()).bundle.digest == v13.digest


def test_a_token_is_not_sent_unencrypted_to_another_machine(monkeypatch):
    monkeypatch.setenv("EVALKIT_REGISTRY_TOKEN", "s3cret")
    assert "unencrypted" in problem_of("http://192.0.2.1/bundle.json", timeout_s=0.2).message


def test_a_token_for_loopback_goes_to_no_proxy(serve, v13, monkeypatch):
    proxy = serve(lambda request: reply(request, body=v13.encode()))
    server = serve(lambda request: reply(request, body=v13.encode()))
    monkeypatch.setenv("http_proxy", proxy.url(""))
    monkeypatch.setenv("EVALKIT_REGISTRY_TOKEN", "s3cret")
    fetch(server.url())
    assert not proxy.seen


def test_a_token_that_cannot_be_sent_is_not_shown(serve, monkeypatch):
    monkeypatch.setenv("EVALKIT_REGISTRY_TOKEN", "s3c\nret")
    assert "ret" not in problem_of(serve(lambda request: reply(request)).url()).message


def test_a_token_ends_where_its_line_does(serve, v13, monkeypatch):
    monkeypatch.setenv("EVALKIT_REGISTRY_TOKEN", "s3cret\n")
    server = serve(lambda request: reply(request, body=v13.encode()))
    fetch(server.url())
    assert server.seen[0][1]["authorization"] == "Bearer s3cret"


@pytest.mark.parametrize(
    "url",
    [
        "https://ann:s3cret@host.example/b.json",
        "https://host.example/b.json?token=s3cret&v=1",
        "https://host.example/b.json?v=1&X-Amz-Signature=s3cret",
        "https://host.example/b.json?sig=s3cret#s3cret",
    ],
)
def test_what_is_shown_of_a_url_holds_no_secret(url):
    assert "s3cret" not in HttpSource(url).display


def test_nobody_listening_is_said_at_once():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else answers there
        problem = problem_of(f"http://127.0.0.1:{taken.getsockname()[1]}/b.json")
    assert "cannot be reached" in problem.message


@pytest.mark.parametrize(
    "url", ["http://", "https:///b.json", "http://host:port/b.json", "http://[::1/b.json"]
)
def test_a_url_without_a_host_is_no_source(url):
    with pytest.raises(SourceError, match="EK708"):
        HttpSource(url)


def test_a_url_with_a_space_is_no_source_or_cannot_be_reached():
    with pytest.raises(SourceError):
        fetch("http://127.0.0.1:1/a b.json")

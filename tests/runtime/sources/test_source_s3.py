from __future__ import annotations

import time

import boto3
import pytest
from loopback import Loopback, reply
from moto.server import ThreadedMotoServer

from evalkit.errors import BundleError, SourceError
from evalkit.runtime.sources.locate import open_source


@pytest.fixture(scope="module")
def storage():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(storage, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", storage)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("s3")
    client.create_bucket(Bucket="bundles")
    yield lambda data, **more: client.put_object(Bucket="bundles", Key="a/registry.json", Body=data, **more)
    client.close()


URL = "s3://bundles/a/registry.json"


def problem_of(url, timeout_s=5.0):
    with pytest.raises(SourceError) as caught:
        open_source(url).fetch(None, timeout_s)
    return caught.value.problems[0]


def test_an_object_is_read_and_asked_for_with_its_etag(bucket, v13, v14):
    bucket(v13.encode())
    source = open_source(URL)
    first = source.fetch(None, 5)
    assert first.bundle.digest == v13.digest
    assert source.fetch(first.tag, 5) is None
    bucket(v14.encode())
    assert source.fetch(first.tag, 5).bundle.digest == v14.digest


def test_a_missing_key_or_bucket_is_said(bucket):
    assert "key" in problem_of("s3://bundles/nowhere.json").hint
    assert "bucket" in problem_of("s3://no-such-bucket/x.json").hint


def test_an_object_that_is_no_bundle_is_a_broken_bundle(bucket):
    bucket(b"{}")
    with pytest.raises(BundleError, match="EK701"):
        open_source(URL).fetch(None, 5)


def test_an_endpoint_where_nobody_listens_is_said(bucket, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    began = time.monotonic()
    assert "cannot be reached" in problem_of(URL, 2).message
    assert time.monotonic() - began < 4


@pytest.mark.parametrize("part", ["nothing", "headers", "body"])
def test_one_deadline_holds_however_slowly_an_answer_trickles_in(bucket, monkeypatch, part):
    def answer(request):
        if part == "nothing":
            server.over.wait(20)
            return
        request.wfile.write(b'HTTP/1.1 200 OK\r\nETag: "x"\r\nContent-Length: 100000\r\n')
        request.wfile.write(b"X-Slow: " if part == "headers" else b"\r\n")
        for _ in range(100):
            request.wfile.write(b"a")
            request.wfile.flush()
            if server.over.wait(0.1):
                return

    with Loopback(answer) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.port}")
        began = time.monotonic()
        assert problem_of(URL, 1.0).code == "EK704"
        assert time.monotonic() - began < 3


def test_a_refusal_says_what_to_do(bucket, monkeypatch):
    body = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
    with Loopback(lambda request: reply(request, 403, body)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.port}")
        assert "s3:GetObject" in problem_of(URL).hint


def test_without_credentials_the_hint_names_them(storage, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", storage)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    assert "credentials" in problem_of(URL).hint


@pytest.mark.parametrize("url", ["s3://", "s3://bucket", "s3://bucket/", "s3:///key"])
def test_a_url_without_bucket_or_key_is_no_source(url):
    with pytest.raises(SourceError, match="EK708"):
        open_source(url)


def test_a_bucket_name_that_none_can_have_is_an_error(bucket):
    assert problem_of("s3://UPPER case/x").code in ("EK704", "EK708")

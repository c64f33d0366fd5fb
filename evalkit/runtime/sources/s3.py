"""A bundle in S3, or in anything that speaks its API: boto3 finds credentials, region and endpoint as it always does."""

from __future__ import annotations

import contextlib

from evalkit.errors import Location, Problem, SourceError
from evalkit.runtime.bundle import read_bundle
from evalkit.runtime.forking import import_now
from evalkit.runtime.install import install_hint
from evalkit.runtime.sources.deadline import within
from evalkit.runtime.sources.fetched import Fetched

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from typing import Any

    from evalkit.runtime.sources.base import Stop

__all__ = ["S3Source"]

INTERVAL_S = 30.0
MAX_BYTES = 64 * 1024 * 1024
_CHUNK = 64 * 1024

_HINTS = {
    "NoSuchKey": "check the key, and that the bundle is published",
    "NoSuchBucket": "check the name of the bucket, the region and the endpoint",
    "AccessDenied": "the credentials need s3:GetObject on it",
    "403": "the credentials need s3:GetObject on it",
    "InvalidAccessKeyId": "check the credentials",
    "SignatureDoesNotMatch": "check the credentials and the clock",
}


class S3Source:
    """`s3://bucket/key`. A client is made for each question: none is shared with a forked child."""

    is_local = False
    interval_s: float | None = INTERVAL_S

    def __init__(self, url: str) -> None:
        """Raises SourceError: EK708, there is no bucket or no key in it."""
        self.display = self.identity = url
        self._bucket, _, self._key = url.partition("://")[2].partition("/")
        if not self._bucket or not self._key:
            hint = "write s3://bucket/path/bundle.json"
            raise SourceError(Problem("EK708", "no object of a bucket", Location(url), hint))

    def prepare(self) -> None:
        """As `BundleSource.prepare`."""
        import_now(
            "boto3.session", "botocore.config", "botocore.exceptions", "botocore.httpsession", "s3transfer"
        )

    def fetch(self, known: str | None, timeout_s: float) -> Fetched | None:
        """As `BundleSource.fetch`."""
        try:
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError:
            raise self._failed("boto3 is not installed", install_hint("s3"), "EK708") from None
        condition = {"IfNoneMatch": known} if known else {}

        def ask(given_up: threading.Event) -> tuple[bytes, str]:
            client = _client(timeout_s)
            try:
                answer = client.get_object(Bucket=self._bucket, Key=self._key, **condition)
                with contextlib.closing(answer["Body"]) as content:
                    if answer["ContentLength"] > MAX_BYTES:
                        raise self._failed(f"it is larger than {MAX_BYTES >> 20} MiB", "is it a bundle?")
                    parts = []
                    for part in content.iter_chunks(_CHUNK):
                        if given_up.is_set():
                            raise TimeoutError
                        parts.append(part)
                return b"".join(parts), answer["ETag"]
            finally:
                client.close()

        try:
            body, tag = within(timeout_s, ask)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in ("304", "NotModified") and known:
                return None
            message = f"the storage answers {code}: {error.response.get('Error', {}).get('Message', '')}"
            raise self._failed(
                message.rstrip(": "),
                _HINTS.get(
                    code, "check that it is up; an application that runs already tries again by itself"
                ),
            ) from None
        except TimeoutError:
            raise self._failed(
                f"no whole answer within {timeout_s:g} s",
                "check that it is up; an application that runs already tries again by itself",
            ) from None
        except (BotoCoreError, OSError, ValueError) as error:
            hint = "check credentials, region and AWS_ENDPOINT_URL"
            raise self._failed(f"cannot be reached: {error}", hint) from None
        return Fetched(read_bundle(body, self.display), tag)

    def wait(self, seconds: float, stop: Stop) -> None:
        """As `BundleSource.wait`."""
        stop.wait(seconds)

    def _failed(self, message: str, hint: str, code: str = "EK704") -> SourceError:
        return SourceError(Problem(code, message, Location(self.display), hint))


def _client(timeout_s: float) -> Any:
    """Two tries within the time. Buckets are addressed by path: what is not AWS may know no other way."""
    import boto3
    from botocore.config import Config

    each = max(0.1, timeout_s / 2)
    config = Config(
        connect_timeout=each,
        read_timeout=each,
        retries={"total_max_attempts": 2, "mode": "standard"},
        s3={"addressing_style": "path"},
    )
    return boto3.session.Session().client("s3", config=config)

"""One file out of an artifact's archive, without writing anything to disk. The archive may be anything at all."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

from evalkit.errors import EvalkitError, Problem

__all__ = ["MAX_ARCHIVE_BYTES", "MAX_MEMBER_BYTES", "ArchiveError", "member"]

MAX_ARCHIVE_BYTES = 64 * 1024 * 1024
MAX_MEMBER_BYTES = 1024 * 1024
"""Uncompressed. An evidence file may have a quarter of this."""

_MAX_DIRECTORY_BYTES = 1024 * 1024
"""Of the list of members, which is read whole: some ten thousand names."""
_END = struct.Struct("<4s4H2LH")
_KINDS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""What artifacts are packed with. Others may unpack to far more for a byte, or need more memory."""


class ArchiveError(EvalkitError):
    """The archive does not give the file (EK884)."""

    exit_code = 1


def member(archive: bytes, name: str, max_bytes: int = MAX_MEMBER_BYTES) -> bytes:
    """The content of the one member that has this name, as it stands.

    Nothing is extracted: names are compared, never opened, and no more than `max_bytes` is ever unpacked.

    Raises:
        ArchiveError: EK884, no zip archive, no such member or two of them, encrypted, too large, or broken.
    """
    if not _has_plain_directory(archive):
        raise _error("is no zip archive that a workflow's upload makes")
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            found = [info for info in opened.infolist() if info.filename == name]
            if len(found) != 1:
                raise _error(f"has no {name}" if not found else f"has {len(found)} files called {name}")
            info = found[0]
            if info.flag_bits & 1 or info.compress_type not in _KINDS:
                raise _error(f"has {name} encrypted, or packed in a way that uploads do not use")
            with opened.open(info) as stream:
                content = stream.read(max_bytes + 1)  # up to its end: the checksum is compared there
    except ArchiveError:
        raise
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        NotImplementedError,
        OSError,
        OverflowError,
        RuntimeError,
        ValueError,
    ) as error:
        raise _error(f"is broken: {error}") from error
    if len(content) > max_bytes:
        raise _error(f"has {name} with more than {max_bytes:,} bytes")
    return content


def _has_plain_directory(archive: bytes) -> bool:
    """Whether the archive ends as uploads end, with a list of members that is small enough to be read."""
    if len(archive) < _END.size:
        return False
    mark, *_, size, _, comment = _END.unpack_from(archive, len(archive) - _END.size)
    # The older of two ends decides for a reader that knows the 64-bit form: such an archive has two.
    is_64_bit = archive[-_END.size - 20 :].startswith(b"PK\x06\x07")
    return bool(mark == b"PK\x05\x06" and comment == 0 and size <= _MAX_DIRECTORY_BYTES and not is_64_bit)


def _error(what: str) -> ArchiveError:
    hint = "it is written by evalkit merge and uploaded by the evaluate workflow; evaluate again"
    return ArchiveError(Problem("EK884", f"the archive {what}", hint=hint))

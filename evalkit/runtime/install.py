"""How a part of evalkit that is not there gets installed: said in one place, since a wrong answer installs a stranger's code."""

from __future__ import annotations

__all__ = ["install_hint"]


def install_hint(extra: str) -> str:
    """What to type for an extra, such as `cli`.

    The name is no requirement that pip could look up: on the public index it belongs to another project.
    """
    from evalkit import __version__

    wheel = f"evalkit-{__version__}-py3-none-any.whl[{extra}]"
    return (
        f"in a clone of evalkit, pip install '.[{extra}]'; with its wheel, pip install './{wheel}' "
        "(evalkit on PyPI is another project)"
    )

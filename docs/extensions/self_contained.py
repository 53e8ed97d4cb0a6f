"""Sphinx extension: fail the build if a page loads anything from another host."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import SphinxError

HTML = re.compile(r"""<(?:script|img|iframe|source)\b[^>]*\bsrc\s*=\s*["']?\s*(?:https?:)?//[^"'\s>]+""", re.IGNORECASE)
LINK = re.compile(r"""<link\b[^>]*\bhref\s*=\s*["']?\s*(?:https?:)?//[^"'\s>]+""", re.IGNORECASE)
CSS = re.compile(r"""(?:url\(\s*["']?|@import\s+["'])\s*(?:https?:)?//[^"')]+""", re.IGNORECASE)
PATTERNS = {".html": (HTML, LINK, CSS), ".css": (CSS,), ".svg": (HTML, CSS)}


def check(app: Sphinx, error: Exception | None) -> None:
    """Raise SphinxError if a built page, style sheet or picture refers to a resource on another host."""
    if error is not None:
        return
    found = [
        f"{path.relative_to(app.outdir)}: {match[0]}"
        for path in sorted(Path(app.outdir).rglob("*"))
        for pattern in PATTERNS.get(path.suffix, ())
        for match in pattern.finditer(path.read_text(encoding="utf-8"))
    ]
    if found:
        raise SphinxError("resources on other hosts:\n" + "\n".join(found))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the check."""
    app.connect("build-finished", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

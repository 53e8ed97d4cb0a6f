"""Sphinx extension: the role `code-name`, which docstrings use by default.

Text in single backticks is shown as code. It is a link if it is the name of a documented Python object; Sphinx's own
`py:obj` would also drop the dot of a text such as `.tpkx`.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxRole

NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


class CodeName(SphinxRole):
    """A piece of code, possibly the name of a Python object."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the text as code, within a reference if it may be a name."""
        code = nodes.literal(self.rawtext, self.text)
        if not NAME.fullmatch(self.text):
            return [code], []
        reference = addnodes.pending_xref(
            self.rawtext, code, refdomain="py", reftype="obj", reftarget=self.text, refspecific=True, refwarn=False
        )
        for key in ("py:module", "py:class"):
            reference[key] = self.env.ref_context.get(key)
        return [reference], []


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the role, and exempt it from the check of references."""
    app.add_role("code-name", CodeName())
    app.connect("missing-reference", _show_as_code)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _show_as_code(app: Sphinx, env: object, node: addnodes.pending_xref, content: nodes.Node) -> nodes.Node | None:
    return content if node["reftype"] == "obj" and not node.get("refwarn", True) else None

"""The names of parameters in messages: those of the operation, replaced by names that the reader of a message uses."""

from __future__ import annotations

import re
from collections.abc import Mapping


def with_names(text: str, names: Mapping[str, str], equals: str = "=") -> str:
    """Return a message with other names of the operation's parameters.

    Some names are ordinary words too, such as `levels`. They are replaced only where a message clearly means the
    parameter: at its start, which names the place of an error, and before a value (`levels=0-6`).

    Parameters
    ----------
    text : str
    names : mapping
        The new names by those of the operation.
    equals : str
        What stands between a new name and its value.
    """
    for name, new in names.items():
        text = re.sub(rf"(?<![\w./-]){name}=", new + equals, text)
        anywhere = rf"(?<![\w./-]){name}(?![\w/-])"
        text = re.sub(rf"^{name}(?=[:,])" if name.islower() else anywhere, new, text)
    return text

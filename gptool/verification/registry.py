"""All rules, and which of them are checked."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from gptool.errors import ParameterError
from gptool.verification import (
    bundles,
    bundles_v1,
    bundles_v2,
    container,
    documents,
    extent,
    metadata_tpk,
    metadata_tpkx,
    scheme,
    source,
    spatial_reference,
    tile_rules,
)
from gptool.verification.finding import Group
from gptool.verification.profiles import PROFILES
from gptool.verification.rule import Kind, Rule

MODULES = (
    *(container, documents, metadata_tpkx, metadata_tpk, spatial_reference, scheme),
    *(bundles, bundles_v2, bundles_v1, tile_rules, source, extent),
)
RULES: dict[str, Rule] = {rule.name: rule for rule in chain.from_iterable(module.RULES for module in MODULES)}
"""All rules by name."""

SOURCE_RULES = frozenset(rule.name for rule in source.RULES)


def check_clients(clients: Sequence[str]) -> tuple[str, ...]:
    """Return the names of clients, each once, in their order. Raises ParameterError for an unknown one."""
    if isinstance(clients, str):
        raise ParameterError("is a text, not a list", where="clients", found=clients, expected=f"[{clients!r}]")
    for client in clients:
        if client not in PROFILES:
            raise ParameterError("invalid choice", where="clients", found=client, expected=", ".join(PROFILES))
    return tuple(dict.fromkeys(clients))


def checked_rules(
    kind: Kind, clients: Sequence[str], *, with_tiles: bool, with_source: bool
) -> dict[str, tuple[str, ...]]:
    """Return the rules that are checked, by name, with the clients that each affects.

    Parameters
    ----------
    kind : Kind
    clients : sequence of str
        Names of profiles whose rules are checked; without any, all general rules are.
    with_tiles : bool
        Whether tiles are read.
    with_source : bool
        Whether there is a source to compare with; its rules are checked for any client.
    """
    checked = {}
    for rule in RULES.values():
        needs_tiles = rule.group is Group.TILES and rule is not source.MISSING
        if kind not in rule.kinds or (needs_tiles and not with_tiles):
            continue
        affected = tuple(
            name
            for name, profile in PROFILES.items()
            if profile.contains(rule) and (kind in profile.kinds or rule is container.KIND)
        )
        selected = tuple(name for name in affected if name in clients)
        if rule.name in SOURCE_RULES:
            is_checked = with_source
        elif clients:
            is_checked = bool(selected)
        else:
            is_checked = rule.is_general
        if is_checked:
            checked[rule.name] = selected if clients else affected
    return checked

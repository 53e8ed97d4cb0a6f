"""Requests and plans, as tests write them and look at them."""

from __future__ import annotations

from gptool.plan import Plan
from gptool.request import Request, read_request
from helpers.bundles import Address


def make_request(**parameters: object) -> Request:
    """Return the request of parameters, under their names in Python or those of the operation."""
    return read_request(parameters)


def planned_tiles(plan: Plan) -> set[Address]:
    """Return the addresses of a plan's tiles."""
    found: set[Address] = set()
    for level in plan.levels:
        for bundle in level.bundles:
            with plan.cache.open_bundle(bundle.address) as opened:
                positions = opened.present(plan.selection.selected(level.lod, bundle.address))
                found |= {bundle.address.tile(position) for position in positions.tolist()}
    return found

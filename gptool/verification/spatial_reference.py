"""Rules of spatial references: ids of web Mercator, the coordinate domain, and that all of them are the same."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gptool.model import SpatialReference, TilingScheme
from gptool.verification.documents import is_integer, is_number, text
from gptool.verification.finding import Where
from gptool.verification.recorder import Recorder
from gptool.verification.rule import ALL, Kind, Rule

TPKX = frozenset({Kind.TPKX})

REFERENCE = Rule("scheme.reference", "Spatial references have a WKID or a well-known text.", kinds=ALL)
WEB_MERCATOR = Rule("scheme.web-mercator", "Web Mercator has the WKID 102100 and the latest WKID 3857.")
SAME_REFERENCE = Rule("scheme.same-reference", "All spatial references of a document have the same ids.")
DOMAIN = Rule("scheme.domain", "Web Mercator has a coordinate domain: tolerances, false origins and units.", kinds=TPKX)

REFERENCE_ID = Rule(
    "scheme.reference-id", "Spatial references have a WKID, not only a text.", kinds=TPKX, is_general=False
)

RULES = (REFERENCE, REFERENCE_ID, WEB_MERCATOR, SAME_REFERENCE, DOMAIN)

ALIASES = frozenset({102100, 3857, 900913, 3785, 102113})
"""WKIDs of web Mercator."""

WEB_MERCATOR_JSON = {"wkid": 102100, "latestWkid": 3857}
DOMAIN_NAMES = (
    *("xyTolerance", "zTolerance", "mTolerance", "falseX", "falseY", "xyUnits"),
    *("falseZ", "zUnits", "falseM", "mUnits"),
)
POSITIVE = ("xyTolerance", "zTolerance", "mTolerance", "xyUnits", "zUnits", "mUnits")
WORLD_EDGE, LEVEL_0 = 20037508.342787, 156543.033928
"""Of the tiling scheme of web Mercator: half the width of the world, and the resolution of a level."""


def ids(reference: SpatialReference) -> str:
    """Return the ids of a spatial reference as a text."""
    return f"wkid {reference.wkid}, latestWkid {reference.latest_wkid}"


def is_web_mercator(reference: SpatialReference) -> bool:
    """Return True if a spatial reference has an id of web Mercator."""
    return bool(ALIASES & {reference.wkid, reference.latest_wkid})


def is_web_mercator_scheme(scheme: TilingScheme) -> bool:
    """Return True for the tiling scheme of web Mercator, or some levels of it; tiles may have any size."""
    origin = (-scheme.origin_x.value, scheme.origin_y.value)
    steps = [math.log2(LEVEL_0 / lod.resolution.value) for lod in scheme.lods]
    return (
        is_web_mercator(scheme.reference)
        and all(math.isclose(side, WORLD_EDGE, abs_tol=1) for side in origin)
        and all(math.isclose(step, round(step), abs_tol=1e-6) for step in steps)
    )


def check_references(
    path: str,
    references: Mapping[str, object],
    scheme: TilingScheme | None,
    recorder: Recorder,
    *,
    with_domain: frozenset[str] = frozenset(),
) -> None:
    """Check the spatial references of a document.

    Parameters
    ----------
    path : str
        The document.
    references : mapping of str to object
        The JSON values of the references by the members that hold them; the first is what the others must agree with.
    scheme : TilingScheme or None
        None if it is unknown.
    recorder : Recorder
    with_domain : frozenset of str
        The references that have a coordinate domain.
    """
    first: tuple[object, object] | None = None
    for name, reference in references.items():
        where = Where(path, name)
        if not isinstance(reference, dict) or not (_has_id(reference) or isinstance(reference.get("wkt"), str)):
            recorder.add(REFERENCE, where, text(reference), "an object with wkid or wkt")
            continue
        recorder.require(_has_id(reference), REFERENCE_ID, where, text(reference), "an object with wkid")
        found = reference.get("wkid"), reference.get("latestWkid", reference.get("wkid"))
        mercator = scheme is not None and is_web_mercator_scheme(scheme)
        if mercator and {*found} & ALIASES:
            ideal = (WEB_MERCATOR_JSON["wkid"], WEB_MERCATOR_JSON["latestWkid"])
            recorder.require(found == ideal, WEB_MERCATOR, where, _ids_text(reference), text(WEB_MERCATOR_JSON))
            found = ideal
        if first is not None and found != first:
            recorder.add(SAME_REFERENCE, where, _ids_text(reference), f"wkid {first[0]}, latestWkid {first[1]}")
        first = found if first is None else first
        if name in with_domain and reference.get("wkid") == WEB_MERCATOR_JSON["wkid"]:
            _check_domain(where, reference, recorder)


def _has_id(reference: Mapping[str, Any]) -> bool:
    latest = reference.get("latestWkid")
    return is_integer(reference.get("wkid")) and (latest is None or is_integer(latest))


def _ids_text(reference: Mapping[str, Any]) -> str:
    return text({name: reference[name] for name in WEB_MERCATOR_JSON if name in reference})


def _check_domain(where: Where, reference: Mapping[str, Any], recorder: Recorder) -> None:
    missing = [name for name in DOMAIN_NAMES if not is_number(reference.get(name))]
    if missing:
        recorder.add(DOMAIN, where, f"no {', '.join(missing)}", "ten numbers, xyTolerance to mUnits")
        return
    wrong = [name for name in POSITIVE if reference[name] <= 0]
    recorder.require(not wrong, DOMAIN, where, ", ".join(wrong) + " not above 0", "numbers above 0")

"""The fingerprint of an export: what an interrupted one must have in common with the next run to be gone on with."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator
from importlib.metadata import version
from itertools import chain

from gptool import __version__, _jpeg, system
from gptool.jpeg.recompression import Recompression
from gptool.output.kind import OutputKind
from gptool.plan import Plan
from gptool.png.optimisation import PACKAGE
from gptool.system.store_url import StoreUrl


def export_fingerprint(
    plan: Plan, kind: OutputKind, recompression: Recompression, target_size: int | None, name: str
) -> str:
    """Return a digest of all that decides about the bytes of a result, besides those of the tiles.

    The tiles themselves are represented by their number and total size in each bundle; the times of the bundles' files
    are compared when their units of work are taken over.

    Parameters
    ----------
    name : str
        The name of the result.
    """
    digest = hashlib.sha256()
    for part in _parts(plan, kind, recompression, target_size, name):
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


def pass_key(*recompressions: Recompression, writes: bool) -> str:
    """Return a short digest of what is done to tiles in one pass over them, and whether their bundles are written."""
    return hashlib.sha256(repr((writes, recompressions)).encode()).hexdigest()[:8]


def _parts(
    plan: Plan, kind: OutputKind, recompression: Recompression, target_size: int | None, name: str
) -> Iterator[bytes]:
    programs = [__version__, _jpeg.LIBJPEG_TURBO_VERSION]
    if recompression.optimize_png:
        programs.append(version(PACKAGE))
    yield repr((programs, name, kind, recompression, target_size)).encode()
    cache, selection = plan.cache, plan.selection
    location = str(cache.location if isinstance(cache.location, StoreUrl) else system.real_path(cache.location))
    yield repr((cache.name, location, cache.scheme, cache.image, cache.storage, cache.declared_extent)).encode()
    yield from (document or b"" for document in (cache.conf_xml, cache.root_json))
    yield repr((selection.lods, selection.extent, selection.clip)).encode()
    if selection.area:
        yield selection.area.points.tobytes()
    for level in plan.levels:
        yield repr((level.lod, level.window, level.empty, level.empty_listed)).encode()
        yield array("q", chain.from_iterable((*address, *sizes) for address, *sizes in level.bundles)).tobytes()

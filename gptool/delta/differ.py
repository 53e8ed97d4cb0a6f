"""`gptool.diff`: what changed between two states of a cache, as a delta."""

from __future__ import annotations

from typing import Any

import numpy as np

from gptool.cache import TileCache, as_tile_cache
from gptool.delta.compare import Comparison, compare
from gptool.delta.document import CacheState, DeltaDocument, LevelState, ResultDocuments, document_text, domain_texts
from gptool.delta.export import Target, open_target
from gptool.delta.overlays import ChangedBundle, ChangedTiles, cache_values, pack_mask
from gptool.delta.package import delta_kind, without_extents
from gptool.delta.results import DiffResult
from gptool.delta.scheme import check_same_scheme
from gptool.errors import ParameterError
from gptool.export.functions import call_for_python
from gptool.model import PACKET_TILES, Message, Progress
from gptool.output.registry import resolve_output
from gptool.output.tpkx import TPKX
from gptool.plan import Plan, count_tiles, make_plan
from gptool.request import read_request
from gptool.request.values import read_boolean
from gptool.system.store_url import AnyLocation


def diff(
    old: TileCache | AnyLocation,
    new: TileCache | AnyLocation,
    delta: AnyLocation,
    *,
    trust_indexes: bool = False,
    overwrite: bool = False,
    resume: bool = True,
    workers: int | None = None,
    progress: Progress | bool | None = None,
) -> DiffResult:
    """Write what changed between two states of a cache into a delta.

    A delta is a tile package of the added and changed tiles, which clients can open, with the document delta.json.
    `gptool.apply` makes the new state of it and the old one.

    Parameters
    ----------
    old, new : TileCache, path or URL
        The two states: cache folders, tile packages or URLs, of any storage formats and one tiling scheme.
    delta : path
        The result, whose name ends in `.tpkx`. It appears whole or not at all.
    trust_indexes : bool
        Take the tiles of a bundle for equal if both states of it have files of one size, and the same offsets and
        sizes of tiles: those of the old state are not read then. By default, all tiles are compared by their bytes.
    overwrite : bool
        Replace an existing delta.
    resume : bool
        Go on with what an interrupted run has finished; see `gptool.export_tiles`.
    workers : int or None
        The number of threads. By default, the number of processors.
    progress : Progress, bool or None
        As of `gptool.export_tiles`.

    Returns
    -------
    DiffResult

    Raises
    ------
    ParameterError
        If a value is invalid.
    CacheError
        If a cache cannot be read, the new state has no tiles, or their tiling schemes differ.
    OutputError
        If the delta cannot be written, or exists.
    """
    restart = not read_boolean(resume, "resume")
    options = {"overwrite": overwrite, "restart": restart, "workers": workers, "progress": progress}
    result: DiffResult = call_for_python(run_diff, old, new, delta, trust_indexes=trust_indexes, **options)
    return result


def run_diff(
    old: TileCache | AnyLocation,
    new: TileCache | AnyLocation,
    delta: AnyLocation,
    *,
    trust_indexes: bool = False,
    **options: Any,
) -> DiffResult:
    """Run `diff`. The other options are those of `open_target`."""
    path, kind = resolve_output(delta, None)
    if kind is not TPKX:
        raise ParameterError("a delta is a tile package", where=path, expected=f"a name that ends in {TPKX.suffix}")
    states = as_tile_cache(old), as_tile_cache(new)
    trusts = read_boolean(trust_indexes, "trust_indexes")
    check_same_scheme(states[1].scheme, states[1].location, states[0].scheme)
    sources = {f"is the {name} state or a part of it": states[i] for i, name in enumerate(("old", "new"))}
    with open_target(path, kind, sources, **options) as target:
        return _write(target, *states, trusts=trusts)


def _write(target: Target, old: TileCache, new: TileCache, *, trusts: bool) -> DiffResult:
    request = read_request({})
    plans = count_tiles(old, request, target.progress), make_plan(new, request, target.progress)
    found = compare(
        old,
        new,
        sum(plan.tiles for plan in plans),
        workers=target.workers,
        trust_indexes=trusts,
        progress=target.progress,
    )
    messages = [Message("Warning", text) for text in plans[0].skipped]
    is_carried = not found.changed
    if is_carried:
        messages.append(Message("Informative", _carry_tile(found, plans[1])))
    document = _make_document(found, *plans)
    values = {**cache_values(new), "root_json": without_extents(new)}
    export = target.export(ChangedTiles(**values, source=new, changed=found.changed), delta_kind(document.encode()))
    return DiffResult(export.path, export.size, document, export.total.bytes_written, (*messages, *export.messages))


def _carry_tile(found: Comparison, plan: Plan) -> str:
    """Add the first tile of the new state to an empty delta: a package without tiles cannot be opened."""
    level = plan.filled_levels[0]
    address = level.bundles[0].address
    with plan.cache.open_bundle(address) as bundle:
        mask = np.arange(PACKET_TILES) == np.flatnonzero(bundle.sizes)[0]
        found.changed[address.level] = {address: ChangedBundle(pack_mask(mask), bundle.stamp)}
    tile = address.tile(int(np.flatnonzero(mask)[0]))
    nothing = "No tile was added or changed" if found.runs else "Nothing changed"
    place = f"level {tile.level}, row {tile.row}, column {tile.column}"
    return f"{nothing}: the delta has one unchanged tile, so that clients can open it: {place}"


def _make_document(found: Comparison, old: Plan, new: Plan) -> DeltaDocument:
    cache = new.cache
    documents = ResultDocuments(
        cache.declared_extent,
        document_text(cache.root_json),
        document_text(cache.conf_xml),
        domain_texts(cache.scheme.reference.domain),
    )
    base, result = _state(old, found.old_levels), _state(new, found.new_levels)
    return DeltaDocument(base, result, documents, tuple(found.levels), found.bundles, found.runs)


def _state(plan: Plan, levels: list[LevelState]) -> CacheState:
    return CacheState(plan.cache.name, plan.extent() if plan.tiles else None, tuple(levels))

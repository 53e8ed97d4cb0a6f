"""The verification of a package or cache: runs all checks and returns their findings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, get_args

from gptool.cache import TileCache, as_tile_cache
from gptool.errors import CacheError, ParameterError
from gptool.system.store_url import StoreUrl
from gptool.verification.container import KIND, MISSING, check_container
from gptool.verification.contents import Contents
from gptool.verification.extent import check_cdi, check_tile_extent, check_tpk_extents, check_tpkx_extents
from gptool.verification.finding import Group, Verification, Where
from gptool.verification.inspection import Inspection, Tiles
from gptool.verification.metadata_tpk import MAPSERVER, READABLE, check_conf, check_tpk_metadata
from gptool.verification.metadata_tpkx import STORAGE, check_tpkx_metadata
from gptool.verification.profiles import PROFILES
from gptool.verification.recorder import Recorder
from gptool.verification.registry import RULES, check_clients, checked_rules
from gptool.verification.rule import Kind
from gptool.verification.scheme import check_documents, check_filled_levels, check_scheme
from gptool.verification.source import check_source_scheme
from gptool.verification.spatial_reference import check_references
from gptool.verification.target import Target, open_target


def verify(
    location: str | os.PathLike[str],
    *,
    clients: Sequence[str] = (),
    tiles: Tiles = "all",
    source: TileCache | str | os.PathLike[str] | None = None,
) -> Verification:
    """Check whether a package or cache is what clients expect.

    No device is involved: only the rules are checked that packages of Esri's programs keep, and what is publicly known
    of clients.

    Parameters
    ----------
    location : path or URL
        A `.tpkx`, a `.tpk` or a cache folder, from any producer, on a disk or in an object store.
    clients : sequence of str
        Names of clients, whose rules are checked: `fieldmaps`, `survey123`, `arcgis-online`, `maps-sdk`, `gdal`,
        `qgis`. By default, the rules that all packages of Esri's programs keep.
    tiles : {"all", "sample", "none"}
        The tiles that are decoded: all, a few of each level, or none.
    source : TileCache or path, optional
        The cache that the package was exported from: each tile must be the source's or a coarser quantisation of it,
        and no tile within the package's levels and full extent may be missing.

    Returns
    -------
    Verification
        Damaged and hostile files yield findings.

    Raises
    ------
    ParameterError
        If a client is unknown, `tiles` is invalid, or the location is that of an MBTiles, PMTiles or GeoPackage file.
    CacheNotFoundError
        If the location or the source does not exist.
    CacheError
        If the source cannot be opened.
    """
    names = check_clients(clients)
    if tiles not in get_args(Tiles):
        raise ParameterError("invalid choice", where="tiles", found=tiles, expected=", ".join(get_args(Tiles)))
    original = None if source is None else as_tile_cache(source)
    target = open_target(location)
    rules = checked_rules(target.kind, names, with_tiles=tiles != "none", with_source=original is not None)
    for kind in target.other_kinds:
        others = checked_rules(kind, names, with_tiles=False, with_source=False)
        rules |= {name: others[name] for name in others if name not in rules and RULES[name].group is Group.BUNDLES}
    recorder = Recorder(rules, target.path)
    contents = _check(target, tiles, original, recorder, names)
    counts = recorder.omitted, contents.tiles, contents.tiles_checked
    shown = str(target.path) if isinstance(target.path, StoreUrl) else os.fspath(location)
    return Verification(shown, target.kind, names, tuple(rules), recorder.sorted(), *counts)


def _check(
    target: Target, tiles: Tiles, source: TileCache | None, recorder: Recorder, clients: Sequence[str]
) -> Contents:
    for client in clients:
        kinds = PROFILES[client].kinds
        expected = f"a kind that {PROFILES[client].title} opens: {', '.join(sorted(kinds))}"
        recorder.require(target.kind in kinds, KIND, Where(target.path.name), target.kind.value, expected)
    check_container(target, recorder, all_checksums=tiles == "all")
    if target.files is None:
        return Contents()
    try:
        return _check_content(target, tiles, source, recorder)
    except CacheError as error:  # a folder without read permission, for example
        recorder.add(READABLE, Where(target.path.name), error, "files that can be read")
        return Contents()


def _check_content(target: Target, tiles: Tiles, source: TileCache | None, recorder: Recorder) -> Contents:
    """Check documents, bundles and tiles. Raises CacheError if files cannot be listed."""
    documents = _check_documents(target, recorder)
    if target.cache is None:
        explained = recorder.has_errors(Group.METADATA, Group.TILING_SCHEME) or recorder.has_finding(MISSING)
        recorder.require(explained, READABLE, Where(target.path.name), target.error, "what readers need")
        return Contents()
    cache = target.cache
    if not recorder.has_finding(STORAGE):
        for warning in cache.warnings:
            recorder.add(STORAGE, Where(target.path.name), warning, "metadata that agree with the files")
    check_scheme(target, cache, recorder)
    comparable = source is not None and check_source_scheme(cache.scheme, source.scheme, recorder)
    contents = Inspection(cache, target.kind, tiles, source if comparable else None, recorder).run()
    check_filled_levels(documents.get("root"), contents, recorder)
    check_tile_extent(cache, contents, recorder)
    return contents


def _check_documents(target: Target, recorder: Recorder) -> dict[str, Any]:
    """Check the documents of a package or cache, and return them."""
    scheme = target.cache.scheme if target.cache else None
    if target.kind is Kind.TPKX:
        documents = check_tpkx_metadata(target, recorder)
        root = documents["root"]
        if root is not None:
            check_documents(root, recorder)
            references = _references(root, ("spatialReference", "initialExtent", "fullExtent", "tileInfo"))
            with_domain = frozenset(references) - {"tileInfo.spatialReference"}
            check_references("root.json", references, scheme, recorder, with_domain=with_domain)
        check_tpkx_extents(root, documents["item"], recorder)
        return documents
    if target.kind is Kind.TPK:
        documents = check_tpk_metadata(target, recorder)
        service = documents["service"]
        contents = service.get("contents") if isinstance(service, dict) else None
        if isinstance(contents, dict):
            references = _references(contents, ("spatialReference", "initialExtent", "fullExtent"))
            check_references(MAPSERVER, references, scheme, recorder)
        check_tpk_extents(documents, recorder)
        return documents
    documents = check_conf(target, recorder)
    check_cdi(documents, recorder)
    return documents


def _references(document: dict[str, Any], members: Sequence[str]) -> dict[str, object]:
    """Return the spatial references of a document that exist or should, by the members that hold them."""
    found: dict[str, object] = {}
    for name in members:
        if name == "spatialReference":
            if name in document:
                found[name] = document[name]
        elif isinstance(document.get(name), dict):
            found[f"{name}.spatialReference"] = document[name].get("spatialReference")
    return found

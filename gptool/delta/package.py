"""A delta as a file: a .tpkx with delta.json before the bundles, which other readers pass over."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from gptool.cache import TileCache, open_cache
from gptool.cache.conf_xml import read_conf_xml
from gptool.cache.root_json import read_root_json
from gptool.delta.document import MEMBER, DeltaDocument
from gptool.delta.overlays import AppliedCache, cache_values, pack_mask
from gptool.delta.reading import read_document
from gptool.delta.runs import Run, bundle_of, to_mask
from gptool.errors import CacheError, ParameterError
from gptool.model import BundleAddress, NumberText
from gptool.output.json_text import to_json_bytes
from gptool.output.kind import ResultInfo
from gptool.output.root_json import source_document
from gptool.output.tpkx import TPKX, Tpkx
from gptool.system.store_url import AnyLocation

EXTENTS = "initialExtent", "fullExtent"
"""Members of root.json that concern the tiles; those of another set of tiles are computed."""


@dataclass(frozen=True)
class DeltaKind(Tpkx):
    """The kind of result that is a delta.

    Attributes
    ----------
    document : bytes
        delta.json.
    """

    document: bytes = field(kw_only=True, repr=False)

    def metadata(self, info: ResultInfo) -> dict[str, bytes]:
        """Return the members other than bundles by name; see `TilePackage.metadata`."""
        return {**super().metadata(info), MEMBER: self.document}


def delta_kind(document: bytes) -> DeltaKind:
    """Return the kind of a delta with that delta.json."""
    return DeltaKind(TPKX.suffix, TPKX.storage_format, TPKX.bundle_writer, TPKX.tiles_folder, document=document)


class Delta(NamedTuple):
    """A delta that is open.

    Attributes
    ----------
    cache : TileCache
        Its tiles.
    document : DeltaDocument
    identity : str
        The SHA-256 of delta.json.
    filled : frozenset of BundleAddress
        Its bundles.
    deleted : dict of BundleAddress to bytes
        The masks of deleted tiles, see `pack_mask`.
    """

    cache: TileCache
    document: DeltaDocument
    identity: str
    filled: frozenset[BundleAddress]
    deleted: dict[BundleAddress, bytes]

    def state_of(self, base: TileCache, stamps: dict[BundleAddress, tuple[int, ...]]) -> AppliedCache:
        """Return the new state of a base.

        It has the documents of the new state, as far as that had any, and the name of the base.

        Raises
        ------
        ConfError
            If a document is invalid.
        """
        values = cache_values(self.described)
        values |= {name: getattr(base, name) for name in ("files", "tiles_folder", "name", "location", "warnings")}
        values["declared_extent"] = self.document.documents.extent
        return AppliedCache(
            **values, source=base, changes=self.cache, filled=self.filled, deleted=self.deleted, stamps=stamps
        )

    @property
    def described(self) -> TileCache:
        """The cache of the delta's tiles with the description of the new state. Raises as `state_of`."""
        documents, where = self.document.documents, self.cache.files.where(MEMBER)
        if documents.root_json is not None:
            found = read_root_json(documents.root_json.encode("utf-8", "surrogateescape"), where).description
        elif documents.conf_xml is not None:
            found = read_conf_xml(documents.conf_xml.encode("utf-8", "surrogateescape"), where)
            domain = tuple((name, NumberText(text)) for name, text in documents.domain)
            found = found.with_domain(domain)
        else:
            return replace(self.cache, root_json=None)
        return replace(
            self.cache,
            scheme=found.scheme,
            image=found.image,
            storage=found.storage,
            conf_xml=found.conf_xml,
            root_json=found.root_json,
        )


def open_delta(location: AnyLocation) -> Delta:
    """Open a delta.

    Raises
    ------
    CacheError
        If it cannot be read, is no package, or has no delta.json.
    ConfError
        If delta.json is invalid.
    """
    cache = open_cache(location)
    if cache.files.package_bytes is None or not cache.files.is_file(MEMBER):
        raise CacheError(
            f"is not a delta: it has no {MEMBER}", where=cache.location, expected="a .tpkx that gptool diff has written"
        )
    data = cache.files.read_small_file(MEMBER)
    document = read_document(data, cache.files.where(MEMBER))
    runs: dict[BundleAddress, list[Run]] = {}
    for run in document.deletions:
        runs.setdefault(bundle_of(run), []).append(run)
    deleted = {address: pack_mask(to_mask(address, found)) for address, found in runs.items()}
    filled = frozenset(address for lod in cache.scheme.lods for address in cache.bundles(lod))
    return Delta(cache, document, hashlib.sha256(data).hexdigest(), filled, deleted)


def check_base_package(since: str, base: str | os.PathLike[str] | None) -> None:
    """Check the package of an earlier export that a delta is to be made to.

    Parameters
    ----------
    since : str
        How a request names the export.
    base : path or None
        Its package; None if there is none.

    Raises
    ------
    ParameterError
        If there is none, or it is a delta itself.
    """
    if base is None:
        expected = "an export of this service to a .tpkx that is still kept"
        raise ParameterError("job not found or expired", where="since", found=since, expected=expected)
    if open_cache(base).files.is_file(MEMBER):
        raise ParameterError(
            "the earlier export is a delta itself", where="since", found=since, expected="an export of a whole package"
        )


def without_extents(cache: TileCache) -> bytes | None:
    """Return the root.json of a cache without the extents of its tiles; None if it has none.

    Raises
    ------
    ConfError
        If it is nested too deeply.
    """
    root = source_document(cache)
    return to_json_bytes({key: value for key, value in root.items() if key not in EXTENTS}) if root else None

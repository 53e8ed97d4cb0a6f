"""A .tpkx: bundles and metadata in a stored zip, in a fixed order."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from gptool.cache.compact import bundle_name
from gptool.model import BundleAddress
from gptool.package.bundle import bundle_size
from gptool.package.metadata import iteminfo_json, root_json
from gptool.package.stored_zip import StoredZip, stored_zip_size
from gptool.plan import BundlePlan, Plan


class StagedBundle(NamedTuple):
    """A finished bundle that waits for its place in the package."""

    address: BundleAddress
    path: Path
    size: int
    crc32: int


def write_tpkx(
    path: Path, name: str, plan: Plan, quality: int, thumbnail: bytes, bundles: Iterable[StagedBundle]
) -> None:
    """Write a package. Each staged bundle is removed once it is in, so that the disk holds its bytes once.

    Parameters
    ----------
    path : Path
        Where; must not exist.
    name : str
        The name that root.json and iteminfo.json state.
    quality : int
        0..100, the effective one.
    bundles : iterable of StagedBundle
        In any order; the package has them by level, row and column.

    Raises
    ------
    ConfError
        When the cache's reference has no well-known id.
    OSError
        When the package can't be written.
    """
    ordered = sorted(bundles)
    with path.open("xb") as file:
        package = StoredZip(file)
        for member, data in _metadata(name, plan, quality, thumbnail, ordered).items():
            package.add_bytes(member, data)
        for bundle in ordered:
            package.add_file(member_name(bundle.address), bundle.path, bundle.size, bundle.crc32)
            bundle.path.unlink()
        package.close()


def package_size(name: str, plan: Plan, quality: int, thumbnail: bytes, bundles: Iterable[BundlePlan]) -> int:
    """Return the bytes of the package that `write_tpkx` would write with bundles of these tiles and tile bytes."""
    members = [(member, len(data)) for member, data in _metadata(name, plan, quality, thumbnail, []).items()]
    members += [(member_name(bundle.address), bundle_size(bundle.tiles, bundle.bytes)) for bundle in bundles]
    return stored_zip_size(members)


def check_metadata(plan: Plan) -> None:
    """Find out what the metadata can't state before any tile is worked on. Raises as `write_tpkx`."""
    _metadata("", plan, 0, b"", [])


def _metadata(name: str, plan: Plan, quality: int, thumbnail: bytes, bundles: list[StagedBundle]) -> dict[str, bytes]:
    root = root_json(plan, name, quality)
    item = iteminfo_json(plan, name, _guid(root, thumbnail, bundles))
    return {"iteminfo.json": item, "root.json": root, "thumbnail.png": thumbnail}


def member_name(address: BundleAddress) -> str:
    """Return a bundle's name in the package, as in `tile/L03/R0080C0100.bundle`."""
    return f"tile/{bundle_name(address)}"


def _guid(root: bytes, thumbnail: bytes, bundles: list[StagedBundle]) -> str:
    """Return an id that follows from the content: the same content has the same, other content another."""
    digest = hashlib.sha256(root)
    digest.update(zlib.crc32(thumbnail).to_bytes(4, "little"))
    for bundle in bundles:
        digest.update(f"{bundle_name(bundle.address)} {bundle.size} {bundle.crc32}\n".encode())
    text = digest.hexdigest()[:32].upper()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))

"""conf.xml and conf.cdi of a cache folder that was brought to a new state."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gptool.cache import TileCache, open_cache
from gptool.delta.overlays import AppliedCache
from gptool.delta.updates import move_new
from gptool.output.conf_xml import conf_cdi, conf_xml
from gptool.output.kind import ResultInfo
from gptool.plan import Plan, count_tiles
from gptool.request import Selection, read_request


def update_metadata(base: TileCache, state: AppliedCache, staging: Path) -> None:
    """Write conf.xml and conf.cdi anew, as far as they differ from those of the new state.

    Parameters
    ----------
    base : TileCache
        The cache folder, all of whose bundles are in the new state.
    state : AppliedCache
        The new state.
    staging : Path
        A folder on the same disk.

    Raises
    ------
    OSError
        If a file cannot be written.
    """
    folder = Path(str(base.location))
    if (base.scheme, base.image) != (state.scheme, state.image):
        # Of the new state, but for the storage format, which is that of the base.
        described = Plan(state, Selection(state.scheme, state.scheme.lods), ())
        info = ResultInfo(described, base.name, state.image.compression_quality, b"")
        _replace(folder, "conf.xml", conf_xml(base.storage, info), staging)
        base = open_cache(base.location)
    has_extent = base.declared_extent is not None or state.declared_extent is not None
    plan = count_tiles(replace(base, declared_extent=None), read_request({}))
    extent = state.declared_extent or (plan.extent() if plan.tiles else None)
    if has_extent and extent is not None and extent != base.declared_extent:
        _replace(folder, "conf.cdi", conf_cdi(plan, extent=extent), staging)


def _replace(folder: Path, name: str, data: bytes, staging: Path) -> None:
    """Replace a file, whose name may be in capitals, in one step."""
    found = next((path for path in folder.iterdir() if path.name.lower() == name), folder / name)
    new = staging / name
    new.write_bytes(data)
    move_new(new, found)

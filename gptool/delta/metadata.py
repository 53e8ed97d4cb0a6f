"""conf.xml and conf.cdi of a cache folder that was brought to a new state."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gptool.cache import TileCache, open_cache
from gptool.delta.conf_update import updated_conf_xml
from gptool.delta.overlays import AppliedCache
from gptool.delta.updates import move_new
from gptool.output.conf_xml import conf_cdi
from gptool.plan import count_tiles
from gptool.request import read_request


def update_metadata(base: TileCache, state: AppliedCache, staging: Path) -> None:
    """Write conf.xml and conf.cdi anew, as far as the new state has other levels, image formats or extents.

    A conf.cdi is added only if the new state declares another extent than that of its tiles.

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
    changed = updated_conf_xml(base, state)
    if changed is not None:
        _replace(folder, "conf.xml", changed, staging)
        base = open_cache(base.location)
    plan = count_tiles(replace(base, declared_extent=None), read_request({}))
    of_tiles = plan.extent() if plan.tiles else None
    extent = state.declared_extent or of_tiles
    if extent is not None and extent != (base.declared_extent or of_tiles):
        _replace(folder, "conf.cdi", conf_cdi(plan, extent=extent), staging)


def _replace(folder: Path, name: str, data: bytes, staging: Path) -> None:
    """Replace a file, whose name may be in capitals, in one step."""
    found = next((path for path in folder.iterdir() if path.name.lower() == name), folder / name)
    new = staging / name
    new.write_bytes(data)
    move_new(new, found)

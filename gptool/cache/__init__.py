"""Tile cache readers.

`open_cache` reads the documents that describe a cache and returns the `TileCache` of its storage format. Three kinds of
modules do the work; each format, and each place that bytes can be read from, is one file:

* **File stores** provide the names, sizes and bytes of the files of a cache: `folder_store` (a folder on a disk),
  `zip_store` (a `.tpkx` or `.tpk`), `object_store` and `object_zip` (the same on a server) implement the interface in
  `file_store`. To add one, subclass `FileStore` in a module of its own and return it from `open.open_store`.
* **A database** is a file store in which there are no files: `database` opens connections to it. `mbtiles` is the
  storage format; `mbtiles_open`, `mbtiles_table`, `mbtiles_sample` and `mbtiles_metadata` are its parts.
* **Storage formats** define how tiles are laid out in files: `compact_v2`, `compact_v1` (what they share is in
  `compact`) and `exploded` implement `TileCache` and `Bundle` in `base`. To add one, subclass them in a module of its
  own and add it to the table `open.STORAGES`.
* **Documents** state the tiling scheme, image format and storage format: `conf_xml` and `root_json` read them into the
  `CacheDescription` in `description`.

Reading is safe with damaged and hostile files: each raises an exception of `gptool.errors` that names the file, and
memory is bounded.
"""

from gptool.cache.base import Bundle, TileBatch, TileCache
from gptool.cache.byte_source import ReadBuffer
from gptool.cache.open import as_tile_cache, open_cache

__all__ = ("Bundle", "ReadBuffer", "TileBatch", "TileCache", "as_tile_cache", "open_cache")

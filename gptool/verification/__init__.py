"""Verification of packages and caches: whether they are what clients expect.

`operation.verify` runs the checks. Rules have names and groups. Each module has those of one subject in its `RULES`,
which `registry` collects: the container (`container`), the metadata (`documents`, `metadata_tpkx`, `metadata_tpk`), the
tiling scheme (`scheme`, `spatial_reference`), bundles (`bundles`, `bundles_v1`, `bundles_v2`), tiles (`tile_rules` with
`png` and `lerc`, and `source`) and extents (`extent`). `profiles` says which of them each client is known to need.

Nothing here uses the code that writes results: the records of zips, the bytes of bundles and the values of documents
are read anew.
"""

from gptool.verification.finding import Finding, Group, Severity, Verification, Where
from gptool.verification.operation import verify

__all__ = ("Finding", "Group", "Severity", "Verification", "Where", "verify")

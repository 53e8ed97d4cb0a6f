"""Verification of real caches and packages, if the folder of samples exists, and of their exports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gptool import export_tiles, verify
from gptool.verification import Finding
from helpers.samples import SAMPLES

DAMAGED = {"esri-usa.tpkx": {(0, 0, 0), (1, 0, 0)}}
"""Tiles that lack their first bytes."""

OUTPUTS: dict[str, dict[str, Any]] = {
    "x.tpkx": {},
    "x.tpk": {},
    "v2": {"storage_format_type": "compactV2"},
    "v1": {"storage_format_type": "compact"},
}


def tiles_of(findings: list[Finding]) -> set[tuple[int | None, int | None, int | None]]:
    return {(finding.where.level, finding.where.row, finding.where.column) for finding in findings}


@pytest.mark.parametrize("name", [name for name in SAMPLES if name != "nonstandard_zoom_levels.tpk"])
def test_sample_has_no_finding_but_its_damaged_tiles(samples: Path, name: str) -> None:
    result = verify(samples / name)
    assert tiles_of(result.findings) == DAMAGED.get(name, set())
    assert {finding.rule for finding in result.findings} <= {"tiles.format"}
    assert result.tiles == result.tiles_checked == sum(SAMPLES[name].levels.values())


def test_package_that_was_packed_again_is_found(samples: Path) -> None:
    """By a program that compresses, on a Mac."""
    rules = {finding.rule for finding in verify(samples / "nonstandard_zoom_levels.tpk").findings}
    assert {"container.stored", "container.unexpected", "container.order", "container.system"} <= rules
    assert not any(rule.startswith(("tiles.", "bundles.", "scheme.")) for rule in rules)


@pytest.mark.parametrize("options", [{}, {"compression_quality": 50}], ids=["copied", "recompressed"])
@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("name", SAMPLES)
def test_export_has_no_finding_that_its_source_does_not_have(
    samples: Path, name: str, output: str, options: dict[str, Any], tmp_path: Path
) -> None:
    source = samples / name
    export_tiles(source, tmp_path / output, **OUTPUTS[output], **options)
    known = tiles_of(verify(source).findings) - {(None, None, None)}
    result = verify(tmp_path / output, source=source)
    assert [str(finding) for finding in result.findings if not tiles_of([finding]) <= known] == []


@pytest.mark.parametrize("client", ["fieldmaps", "survey123", "arcgis-online", "maps-sdk"])
def test_package_of_arcgis_pro_passes_for_clients_of_esri(samples: Path, client: str) -> None:
    result = verify(samples / "arcgis-pro-googlemaps.tpkx", clients=[client], tiles="none")
    assert result.passed
    assert result.tiles_checked == 0

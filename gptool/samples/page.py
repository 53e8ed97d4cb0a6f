"""The page of sample compressions: one file of HTML that needs no network and no other file.

Its policy (Content-Security-Policy) allows its own style sheet and script, by their digests, and images within it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import NamedTuple

from gptool.samples.figures import WORST, QualityFigures, SampledTile, SampleFigures, TileResult
from gptool.samples.plot import size_plot, steps_strip
from gptool.text import format_bytes, format_count

STATIC = Path(__file__).parent / "static"
ZOOMS = 1, 2, 4, 8

SCALE = (
    "SSIMULACRA 2 compares a recompressed tile with the tile in the cache: 100 no pixel differs, 90 no difference is "
    "seen even if both alternate, 80 none side by side, 70 high quality, 50 medium, 30 low. PSNR-Y is the "
    "signal-to-noise ratio of luma."
)

POLICY_BYTES = 1024
"""The policy is within the first bytes of a page."""

POLICY = re.compile(rb'http-equiv="Content-Security-Policy" content="([ !#-~]*)"')

LEADS = '<p class="help service">Each quality leads to the form of an export with it.</p>'

PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header>{way_back}
<h1>{title}</h1>
<p>{selection}</p>
</header>
<main>
<section class="card advice" aria-label="Recommendation">{advice}</section>
<div class="columns">
<section class="card" aria-labelledby="plot-title"><h2 id="plot-title">Size and score</h2>{plot}
<h2>Steps</h2>{strip}
<p class="help">The scored tiles change where a new step begins; all qualities of one step make the same tiles.</p>
</section>
<section class="card" aria-labelledby="table-title"><h2 id="table-title">Qualities</h2>{table}
<p class="help">{scale}</p>{leads}</section>
</div>
<h2>Tiles</h2>
<form class="tools" aria-label="What the tiles show">{tools}</form>
<div class="tiles">{tiles}</div>
</main>
<footer>{footer}</footer>
<script>{script}</script>
</body>
</html>
"""


class PageLinks(NamedTuple):
    """Where a page leads to that a service shows; a page that is opened as a file hides the links.

    Attributes
    ----------
    job : str
        The URL of the job that made the page, relative to the page.
    form : str
        The URL of the form of an export with the inputs of the job, up to the quality that it begins with.
    """

    job: str
    form: str


def stated_policy(start: bytes) -> str:
    """Return the policy that a page states, from its first bytes; if there is none, one that allows nothing."""
    found = POLICY.search(start)
    return found[1].decode("ascii") if found else "default-src 'none'"


def make_page(samples: SampleFigures, links: PageLinks | None = None) -> str:
    """Return the page."""
    style, script = (STATIC.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    return PAGE.format(
        policy=f"default-src 'none'; img-src data:; style-src {_source(style)}; script-src {_source(script)}; "
        "base-uri 'none'; form-action 'none'",
        way_back=f'<nav class="service"><a href="{escape(links.job)}">Back to the job</a></nav>' if links else "",
        title=f"Sample compressions of {escape(samples.name)}",
        style=style,
        selection=_selection(samples),
        advice=_advice(samples, links),
        plot=size_plot(samples),
        strip=steps_strip(samples),
        table=_quality_table(samples, links),
        scale=escape(SCALE),
        leads=LEADS if links else "",
        tools=_tools(samples),
        tiles="".join(_figure(samples, tile, i) for i, tile in enumerate(samples.tiles)),
        footer="Made by <code>gptool samples</code>. Images are shown at one pixel of the tile for one of the page.",
        script=script,
    )


def _source(text: str) -> str:
    """Return the source of a policy that allows a style sheet or script within the page."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _selection(samples: SampleFigures) -> str:
    scored, shown = format_count(samples.scored_tiles, "tile"), len(samples.tiles)
    return escape(
        f"{format_count(samples.total_tiles, 'tile')} selected, {format_bytes(samples.copied_size)} as "
        f"{samples.result} with every tile as it is. {scored} scored, {shown:,} of them shown; {samples.tables} tables."
    )


def _advice(samples: SampleFigures, links: PageLinks | None) -> str:
    best = samples.recommended
    low, high = best.interval
    about = "" if low == high else f" ({format_bytes(low)} to {format_bytes(high)})"
    notes = "".join(f"<li>{escape(message.line)}</li>" for message in samples.messages)
    listed = f'<ul class="notes">{notes}</ul>' if notes else ""
    use = f'<p class="service">{_use(links, best.quality, f"Use quality {best.quality}")}</p>' if links else ""
    return (
        f"<p><strong>Quality {best.quality} is recommended.</strong></p><p>It is the lowest at which the worst of the "
        f"scored tiles reaches {samples.threshold:g}: it scores {best.worst_score:.1f}. The result has "
        f"{format_bytes(best.total_size)}{about}, {100 * best.total_size / samples.copied_size:.0f} % of that with "
        f"every tile as it is.</p>{use}{listed}"
    )


def _use(links: PageLinks, quality: int, text: str) -> str:
    """Return the link to the form with a quality."""
    return f'<a href="{escape(links.form)}{quality}" aria-label="Use quality {quality}">{text}</a>'


def _quality_table(samples: SampleFigures, links: PageLinks | None) -> str:
    rows = (_quality_row(figures, figures == samples.recommended, links) for figures in samples.all_figures)
    size = f'<td title="{samples.copied_size:,} bytes">{format_bytes(samples.copied_size)}</td>'
    copied = f'<tr><th scope="row">as it is</th>{size}<td>100.0</td><td>100.0</td><td>-</td></tr>'
    return _table(("Quality", "Result", "Worst", "Mean", "PSNR-Y"), (*rows, copied), "Figures of the qualities")


def _quality_row(figures: QualityFigures, is_recommended: bool, links: PageLinks | None) -> str:
    name = ' class="recommended"' if is_recommended else ""
    quality = _use(links, figures.quality, str(figures.quality)) if links else figures.quality
    return (
        f'<tr{name}><th scope="row">{quality}</th><td title="{figures.total_size:,} bytes">'
        f"{format_bytes(figures.total_size)}</td><td>{figures.worst_score:.1f}</td><td>{figures.mean_score:.1f}</td>"
        f"<td>{_decibels(figures.mean_psnr)}</td></tr>"
    )


def _table(columns: Iterable[str], rows: Iterable[str], label: str) -> str:
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(label)}"><table><thead><tr>{head}</tr>'
        f"</thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _decibels(psnr: float | None) -> str:
    return "-" if psnr is None else f"{psnr:.1f} dB"


def _tools(samples: SampleFigures) -> str:
    best = samples.recommended.quality
    qualities = ((figures.quality, str(figures.quality)) for figures in samples.all_figures)
    return (
        _choice("quality", "Quality", qualities, best)
        + _choice("zoom", "Zoom", ((zoom, f"{zoom}&times;") for zoom in ZOOMS), 1)
        + '<label class="all">All sliders <input type="range" id="all" min="0" max="100" value="50"></label>'
    )


def _choice(name: str, legend: str, choices: Iterable[tuple[int, str]], checked: int) -> str:
    inputs = "".join(
        f'<input type="radio" id="{name}-{value}" name="{name}" value="{value}"{" checked" * (value == checked)}>'
        f'<label for="{name}-{value}">{label}</label>'
        for value, label in choices
    )
    return f"<fieldset><legend>{legend}</legend>{inputs}</fieldset>"


def _figure(samples: SampleFigures, tile: SampledTile, number: int) -> str:
    """Return a tile: before and after, the slider between them, and the figures of each quality."""
    level, row, column = tile.address
    where, best = f"Level {level}, row {row}, column {column}", samples.recommended.quality
    own = "of an unknown quality" if tile.own_quality is None else f"of quality {tile.own_quality}"
    return (
        f'<figure class="tile"><figcaption><h3>{where}</h3><span class="help">{_roles(tile)}; {own}, '
        f"{format_bytes(len(tile.data))} as it is</span></figcaption>"
        f'<div class="pictures"><div class="view" role="region" tabindex="0" aria-label="{where}: images">'
        '<div class="stack">'
        f"{_image(tile, 'before', tile.data, 'as it is', '')}{''.join(_afters(tile, best))}"
        f'<div class="line"></div></div></div><div class="slide"><div class="side"><span>as it is</span>'
        f'<span class="right">quality {best}</span></div><label class="help" for="slider-{number}">Before and after'
        f'</label><input type="range" id="slider-{number}" min="0" max="100" value="50"></div></div>'
        + _table(
            ("Quality", "Bytes", "Score", "PSNR-Y"),
            (_result_row(result, result.quality == best) for result in tile.results),
            f"{where}: figures",
        )
        + "</figure>"
    )


def _roles(tile: SampledTile) -> str:
    """Return why a tile is shown."""
    of_level = [f"{role} of its level" for role in tile.roles if role != WORST]
    return ", ".join([*of_level, "among the worst scores"] if WORST in tile.roles else of_level)


def _afters(tile: SampledTile, shown: int) -> Iterable[str]:
    """Yield an image for each different result, once; those of other qualities than that shown first are hidden."""
    by_data: dict[bytes, list[int]] = {}
    for result in tile.results:
        by_data.setdefault(result.data, []).append(result.quality)
    for data, qualities in by_data.items():
        names = " ".join(map(str, qualities))
        hidden = "" if shown in qualities else " hidden"
        yield _image(tile, "after", data, f"quality {names}", f' data-qualities="{names}"{hidden}')


def _image(tile: SampledTile, name: str, data: bytes, text: str, more: str) -> str:
    return (
        f'<img class="{name}" width="{tile.width}" height="{tile.height}" alt="{text}"{more} '
        f'src="data:image/jpeg;base64,{b64encode(data).decode()}">'
    )


def _result_row(result: TileResult, is_shown: bool) -> str:
    name = ' class="current"' if is_shown else ""
    return (
        f'<tr{name} data-quality="{result.quality}"><th scope="row">{result.quality}</th><td>{result.size:,}</td>'
        f"<td>{result.score:.1f}</td><td>{_decibels(result.psnr)}</td></tr>"
    )

"""The data card's plots, as SVG whose bytes hang on the figures alone.

Each function takes rows as the catalog gives them and returns one picture. Colours are Okabe and Ito's, which
colour-blind readers tell apart. Titles are left to the card, which describes each picture beside it.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Rows = Sequence[dict[str, Any]]

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#595959"
TARGETS = {"10k": 10_000, "100k": 100_000, "1M": 1_000_000}
MAX_RATERS = 10
MAX_BARS = 20
SNR_BIN_DB = 5
MAX_AREA_PT2 = 150
AREA_STEPS = 12
POINTS_AN_INCH = 72  # what an SVG counts in
STYLE = {
    "svg.hashsalt": "open-empathic",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "font.size": 10,
    "text.parse_math": False,  # a name may hold what matplotlib takes for mathematics
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#E3E3E3",
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": "black",
    "ytick.labelcolor": "black",
}


def _svg(draw: "Callable[[Axes], None]", height_in: float = 3.2) -> bytes:
    """One picture of 6.4 inches by `height_in`, with nobody's own matplotlib settings."""
    import matplotlib
    from matplotlib.figure import Figure

    with _style(matplotlib):
        figure = Figure(figsize=(6.4, height_in), layout="constrained")
        draw(figure.add_subplot())
        return _saved(figure)


def _saved(figure: "Figure") -> bytes:
    """A figure as SVG: no date, no random ids.

    Laid out, then drawn: savefig() draws all once more in between, for nobody, which takes a fifth of the time.
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    canvas = FigureCanvasSVG(figure)
    figure.dpi = POINTS_AN_INCH
    engine = figure.get_layout_engine()
    assert engine is not None  # each figure here is made with one
    engine.execute(figure)
    figure.set_layout_engine("none")
    buffer = io.BytesIO()
    canvas.print_svg(buffer, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


@contextmanager
def _style(matplotlib: Any) -> Iterator[None]:
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def _say_empty(axes: "Axes", text: str) -> None:
    """Fill axes that have nothing to show with a word on it."""
    axes.grid(False)
    axes.set(xticks=[], yticks=[])
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=GREY)


def _thousands(axis: Any, *, is_whole: bool = True) -> None:
    """Few ticks with thousands set apart; whole ones where the axis counts."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins=6, integer=is_whole, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def emotion_families(families: Rows) -> bytes:
    """Bars: mass of each family over the soft labels of all clips. Rows: `family`, `soft_mass` (clips)."""
    ordered = sorted(families, key=lambda row: (row["soft_mass"], row["family"]))

    def draw(axes: "Axes") -> None:
        if not ordered:
            return _say_empty(axes, "no emotion votes")
        names = [row["family"].replace("_", " ") for row in ordered]
        axes.barh(names, [row["soft_mass"] for row in ordered], color=BLUE, height=0.7)
        axes.grid(False, axis="y")
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("soft label mass (clips)")
        axes.set_xlim(0, max(row["soft_mass"] for row in ordered) * 1.05 or 1)
        _thousands(axes.xaxis, is_whole=False)
        return None

    return _svg(draw, height_in=max(1.6, 0.8 + 0.24 * len(ordered)))


def arousal_valence(points: Rows) -> bytes:
    """Circles whose area is the number of clips. Rows: `arousal` (0 to 10), `valence` (−5 to +5), `n_clips`."""
    most = max((row["n_clips"] for row in points), default=1)

    def draw(axes: "Axes") -> None:
        if not points:
            return _say_empty(axes, "no clip has both arousal and valence")
        # Circles of one size share one path in the SVG, so a few sizes keep it small.
        by_size: dict[int, Rows] = {}
        for row in points:
            size = -(-AREA_STEPS * row["n_clips"] // most)
            by_size[size] = [*by_size.get(size, []), row]
        axes.axvline(0, color=GREY, linewidth=0.8)
        axes.axhline(5, color=GREY, linewidth=0.8)
        for size, rows in sorted(by_size.items()):
            valence, arousal = ([row[name] for row in rows] for name in ("valence", "arousal"))
            area_pt2 = max(MAX_AREA_PT2 * size / AREA_STEPS, 10)
            axes.scatter(valence, arousal, s=area_pt2, color=BLUE, alpha=0.6, linewidths=0)
        axes.set(xlim=(-5.4, 5.4), ylim=(-0.6, 10.6), xticks=range(-5, 6), yticks=range(0, 11, 2), aspect="equal")
        axes.set_xlabel("mean valence (−5 unpleasant to +5 pleasant)")
        axes.set_ylabel("mean arousal (0 calm to 10 excited)")
        axes.text(1.02, 1, _largest(most), transform=axes.transAxes, va="top", color=GREY, fontsize=9)
        return None

    return _svg(draw, height_in=4.4)


def _largest(n_clips: int) -> str:
    return f"largest circle:\n{n_clips:,} clip{'s' if n_clips > 1 else ''}"


def durations(counted: Rows) -> bytes:
    """Histogram of lengths in bins of 1 s. Rows: `duration_s` (lower edge), `n_clips`."""

    def draw(axes: "Axes") -> None:
        if not counted:
            return _say_empty(axes, "no clips")
        _draw_bins(axes, [row["duration_s"] for row in counted], counted, 1)
        axes.set(xlim=(0, 30.2), xticks=range(0, 31, 5))
        axes.set_xlabel("duration (s)")
        return None

    return _svg(draw)


def _draw_bins(axes: "Axes", edges: list[Any], counted: Rows, width: float) -> None:
    """Bars of `n_clips` from each lower edge on, with a gap between bins."""
    axes.bar(edges, [row["n_clips"] for row in counted], width=width * 0.92, align="edge", color=BLUE)
    axes.grid(False, axis="x")
    axes.set_ylabel("clips")
    _thousands(axes.yaxis)


def raters(counted: Rows) -> bytes:
    """Bars: clips by number of raters, ten and more together. Rows: `n_raters`, `n_clips`."""
    together = dict.fromkeys(range(1, MAX_RATERS + 1), 0)
    for row in counted:
        # A clip without any rater is released only where the setting asks for none.
        n_raters = min(row["n_raters"], MAX_RATERS)
        together[n_raters] = together.get(n_raters, 0) + row["n_clips"]

    def draw(axes: "Axes") -> None:
        if not counted:
            return _say_empty(axes, "no clips")
        shown = sorted(together)
        axes.bar(shown, [together[n] for n in shown], width=0.7, color=BLUE)
        axes.grid(False, axis="x")
        axes.set_xticks(shown, [f"{n}+" if n == MAX_RATERS else str(n) for n in shown])
        axes.set_xlabel("raters per clip")
        axes.set_ylabel("clips")
        _thousands(axes.yaxis)
        return None

    return _svg(draw)


def growth(releases: Rows) -> bytes:
    """Clips of each release by its day, against the project's targets. Rows: `version`, `n_clips`."""
    days = [date(*map(int, row["version"].split(".")[:3])) for row in releases]
    sizes = [max(row["n_clips"] or 0, 1) for row in releases]

    def draw(axes: "Axes") -> None:
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
        from matplotlib.ticker import FuncFormatter, NullLocator

        if not days:
            return _say_empty(axes, "no releases")
        for name, n_clips in TARGETS.items():
            axes.axhline(n_clips, color=ORANGE, linewidth=1.2, linestyle="--")
            axes.text(0.995, n_clips * 0.9, f"target {name}", color=ORANGE, fontsize=9, ha="right", va="top",
                      transform=axes.get_yaxis_transform())  # fmt: skip
        axes.plot([date2num(day) for day in days], sizes, color=BLUE, marker="o", markersize=5, linewidth=1.6)
        pad = max((days[-1] - days[0]) * 0.08, timedelta(days=15))
        axes.set_xlim(date2num(days[0] - pad), date2num(days[-1] + pad))
        axes.set_yscale("log")
        axes.set_ylim(0.8, 2_000_000)
        axes.set_yticks([10**n for n in range(7)])
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        locator = AutoDateLocator(minticks=3, maxticks=7)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        axes.set_xlabel("day of the release")
        axes.set_ylabel("clips in the release")
        return None

    return _svg(draw)


def snr(counted: Rows) -> bytes:
    """Histogram of signal-to-noise ratios in bins of 5 dB. Rows: `snr_db` (lower edge), `n_clips`."""

    def draw(axes: "Axes") -> None:
        if not counted:
            return _say_empty(axes, "no clip has a measured signal-to-noise ratio")
        edges = [row["snr_db"] for row in counted]
        _draw_bins(axes, edges, counted, SNR_BIN_DB)
        first, last = min(0, *edges), max(60, *(edge + SNR_BIN_DB for edge in edges))
        axes.set(xlim=(first, last + 0.5), xticks=range(first, last + 1, 10))
        axes.set_xlabel("signal-to-noise ratio (dB)")
        return None

    return _svg(draw)


def languages(counted: Rows) -> bytes:
    """Bars: hours by language. Rows: `name`, `duration_s`, the largest first."""
    ordered = list(reversed(counted[:MAX_BARS]))

    def draw(axes: "Axes") -> None:
        if not ordered:
            return _say_empty(axes, "no language is spoken in five speaker groups or more")
        hours = [row["duration_s"] / 3600 for row in ordered]
        axes.barh([row["name"] for row in ordered], hours, color=BLUE, height=0.7)
        axes.grid(False, axis="y")
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("hours")
        axes.set_xlim(0, max(hours) * 1.05 or 1)
        _thousands(axes.xaxis, is_whole=False)
        return None

    return _svg(draw, height_in=max(1.6, 0.8 + 0.24 * len(ordered)))


def people(counted: Rows, genders: Sequence[str], age_groups: Sequence[str], accents: Sequence[str]) -> bytes:
    """Circles whose area is the number of clips: age group by accent, a panel a gender.

    Rows: `gender`, `age_group`, `accent`, `n_clips`, each in the given orders.
    """
    import matplotlib
    from matplotlib.figure import Figure

    most = max((row["n_clips"] for row in counted), default=1)
    with _style(matplotlib):
        figure = Figure(figsize=(6.4, 1.6 + 0.26 * len(accents)), layout="constrained")
        panels = figure.subplots(1, len(genders), sharey=True, squeeze=False)[0]
        for panel, gender in zip(panels, genders, strict=True):
            rows = [row for row in counted if row["gender"] == gender]
            x, y = ([order.index(row[name]) for row in rows]
                    for name, order in (("age_group", age_groups), ("accent", accents)))  # fmt: skip
            panel.scatter(
                x, y, s=[max(MAX_AREA_PT2 * row["n_clips"] / most, 4) for row in rows], color=BLUE, linewidths=0
            )
            panel.set_title(gender, fontsize=10)
            panel.set(xlim=(-0.7, len(age_groups) - 0.3), ylim=(len(accents) - 0.4, -0.6))
            panel.set_xticks(range(len(age_groups)), age_groups, rotation=90, fontsize=8)
            panel.set_yticks(range(len(accents)), accents, fontsize=9)
        figure.supxlabel(f"perceived age group; {_largest(most).replace(chr(10), ' ')}", fontsize=9)
        return _saved(figure)


def agreement(measured: Rows) -> bytes:
    """Krippendorff's alpha of each field. Rows: `field`, `alpha` (None: not to be told), `n_clips`."""
    ordered = sorted(measured, key=lambda row: (row["alpha"] is not None, row["alpha"] or 0))

    def draw(axes: "Axes") -> None:
        if not ordered:
            return _say_empty(axes, "agreement was not measured")
        axes.axvline(0, color=GREY, linewidth=0.8)
        for alpha in (0.667, 0.8):
            axes.axvline(alpha, color=ORANGE, linewidth=1.2, linestyle="--")
            axes.text(alpha, 1.01, f"{alpha:g}", transform=axes.get_xaxis_transform(), color=ORANGE, fontsize=9,
                      ha="center", va="bottom")  # fmt: skip
        for n, row in enumerate(ordered):
            if row["alpha"] is None:
                axes.text(0.02, n, "too few ratings, or all alike", color=GREY, fontsize=9, va="center")
            else:
                axes.plot([0, row["alpha"]], [n, n], color=BLUE, linewidth=1.6)
                axes.plot([row["alpha"]], [n], color=BLUE, marker="o", markersize=7)
        names = [f"{row['field'].replace('_', ' ')} ({row['n_clips']:,} clips)" for row in ordered]
        axes.set_yticks(range(len(ordered)), names)
        axes.set_ylim(-0.6, len(ordered) - 0.4)
        axes.grid(False, axis="y")
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(min(-0.1, *((row["alpha"] or 0) - 0.1 for row in ordered)), 1.03)
        axes.set_xlabel("Krippendorff's alpha (0 as by chance, 1 alike)")
        return None

    return _svg(draw, height_in=3.2)


def drift(moved: Rows) -> bytes:
    """Each group's share of the clips in the last release and in this one. Rows: `name`, `share_then`, `share_now`."""
    ordered = list(reversed(sorted(moved, key=lambda row: -abs(row["share_now"] - row["share_then"]))[:MAX_BARS]))

    def draw(axes: "Axes") -> None:
        if not ordered:
            return _say_empty(axes, "no group to compare")
        for n, row in enumerate(ordered):
            axes.plot([100 * row["share_then"], 100 * row["share_now"]], [n, n], color=GREY, linewidth=1.6, zorder=1)
        axes.scatter([100 * row["share_then"] for row in ordered], range(len(ordered)), s=46, facecolors="white",
                     edgecolors=ORANGE, linewidths=1.6, zorder=2, label="last release", clip_on=False)  # fmt: skip
        axes.scatter([100 * row["share_now"] for row in ordered], range(len(ordered)), s=22, color=BLUE, zorder=3,
                     label="this release", clip_on=False)  # fmt: skip
        axes.set_yticks(range(len(ordered)), [row["name"] for row in ordered])
        axes.set_ylim(-0.6, len(ordered) - 0.4)
        axes.grid(False, axis="y")
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(left=0)
        axes.margins(x=0.08)
        axes.set_xlabel("share of the clips (%)")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False, fontsize=9)
        return None

    return _svg(draw, height_in=max(1.9, 1.2 + 0.26 * len(ordered)))

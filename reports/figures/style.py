"""The look of all figures: mplhep's ROOT style at the size of a page, and how a figure is saved.

A figure is about 4.4 inches wide, so that its text is still 10 pixels high on a phone.
"""

from __future__ import annotations

import io
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import mplhep
import numpy as np
from matplotlib.figure import Figure

from massgap.reports.html.html import Image

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes

WIDTH = 4.4
DOTS_PER_INCH = 200

_OVERRIDES: dict[str, Any] = {
    "font.family": ["TeX Gyre Heros", "DejaVu Sans"],
    "font.size": 10,
    "axes.labelsize": 10.5,
    "axes.linewidth": 0.9,
    "axes.titlesize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 8.5,
    "legend.handlelength": 1.3,
    "legend.columnspacing": 1.1,
    "legend.handletextpad": 0.5,
    "legend.labelspacing": 0.3,
    "lines.linewidth": 1.4,
    "xtick.major.size": 5,
    "xtick.minor.size": 2.5,
    "xtick.major.pad": 4,
    "ytick.major.size": 5,
    "ytick.minor.size": 2.5,
    "hatch.linewidth": 0.4,
    # Minor ticks on four sides cost half of the drawing time.
    "xtick.minor.top": False,
    "ytick.minor.right": False,
    "axes.formatter.limits": (-3, 4),
    "axes.formatter.use_mathtext": True,
    # The same figure gives the same bytes.
    "svg.hashsalt": "massgap",
    "svg.fonttype": "path",
}


@contextmanager
def style() -> Iterator[None]:
    """Draw in the project's style; what was set before holds again afterwards."""
    settings: dict[Any, Any] = {**mplhep.style.ROOT, **_OVERRIDES}
    with mpl.rc_context(settings):
        yield


class StyledFigure(Figure):
    """A figure that is also drawn in the project's style, whenever a notebook or `savefig` draws it.

    Fonts of formulas are looked up at that time, outside of the functions that made the figure.
    """

    def draw(self, renderer: Any) -> None:
        """Draw all that is in the figure."""
        with style():
            super().draw(renderer)

    def get_tightbbox(self, *args: Any, **kwargs: Any) -> Any:
        """Find the room that all that is in the figure takes."""
        with style():
            return super().get_tightbbox(*args, **kwargs)

    def _repr_png_(self) -> bytes:
        """Show it in a notebook, also where nobody has imported pyplot, which tells notebooks of figures."""
        return render(self, "png").data


def new_figure(
    height: float = 3.6, *, rows: Sequence[float] = (1,), width: float = WIDTH, left: float = 0.16
) -> tuple[Figure, list[Axes]]:
    """Return an empty figure with panels of the given relative heights above each other.

    The room above the panels, 0.55 inch, is for the legend: it never covers what is drawn.
    """
    figure = StyledFigure(figsize=(width, height))
    figure.subplots_adjust(
        left=left, right=0.965, bottom=0.5 / height, top=1 - 0.55 / height, hspace=0.1 if len(rows) > 1 else 0
    )
    axes = figure.subplots(len(rows), 1, sharex=True, height_ratios=list(rows), squeeze=False)[:, 0]
    return figure, list(axes)


def legend_above(figure: Figure, handles: Sequence[Any], labels: Sequence[str], columns: int = 5) -> None:
    """Put the legend above the panels and make the room that it needs."""
    if not handles:
        return
    columns = min(columns, len(handles))
    rows = -(-len(handles) // columns)
    height = figure.get_figheight()
    extra = 0.19 * max(0, rows - 2)
    if extra:
        figure.set_figheight(height + extra)
        bottom = figure.subplotpars.bottom * height
        figure.subplots_adjust(bottom=bottom / (height + extra), top=1 - (0.55 + extra) / (height + extra))
    top = figure.subplotpars.top
    figure.legend(
        handles,
        labels,
        loc="lower center",
        bbox_to_anchor=(0.54, top + 0.05 / figure.get_figheight()),
        ncols=columns,
        borderpad=0,
        borderaxespad=0,
    )


def log_range(arrays: Sequence[np.ndarray], decades: float = 7) -> tuple[float, float] | None:
    """Return a range for a logarithmic axis that shows every positive number, or None if none is.

    At most `decades` below the largest number, so that one tiny bin does not flatten the rest.
    """
    positive = np.concatenate([np.ravel(array)[np.ravel(array) > 0] for array in arrays] or [np.zeros(0)])
    positive = positive[np.isfinite(positive)]
    if not len(positive):
        return None
    top = float(positive.max())
    bottom = max(float(positive.min()), top * 10**-decades)
    return bottom / 2, top * 2.5


def thin_log_ticks(axes: Axes, *, minor: bool = True) -> None:
    """Show a handful of powers of ten on a logarithmic y axis, however many it spans."""
    from matplotlib.ticker import LogLocator, NullLocator

    low, high = axes.get_ylim()
    decades = np.log10(high / low)
    axes.yaxis.set_major_locator(LogLocator(numticks=7))
    if decades > 5 or not minor:
        axes.yaxis.set_minor_locator(NullLocator())


def nothing(axes: Axes, text: str) -> None:
    """Say in an empty panel why it is empty."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="#56606a")
    axes.set_yticks([])


def render(figure: Figure, kind: str = "svg") -> Image:
    """Save a figure as bytes; the same figure gives the same bytes.

    Parameters
    ----------
    kind
        ``svg`` or ``png``.
    """
    stream = io.BytesIO()
    metadata = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}[kind]
    with style(), warnings.catch_warnings():
        # Names in scripts that the fonts do not have are drawn as boxes; the page has the text.
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        quick: dict[str, Any] = {"pil_kwargs": {"compress_level": 0}} if kind == "png" else {}
        figure.savefig(stream, format=kind, dpi=DOTS_PER_INCH, metadata=metadata, **quick)
    width, height = figure.get_size_inches()
    content = _with_a_palette(stream) if kind == "png" else stream.getvalue()
    return Image(content, kind, round(110 * width), round(110 * height))


def _with_a_palette(stream: io.BytesIO) -> bytes:
    """The picture in 256 colours, at 40 % of the size: a page holds hundreds of them."""
    from PIL import Image as Pillow

    picture = Pillow.open(stream).convert("RGB")
    few = picture.quantize(256, method=Pillow.Quantize.FASTOCTREE, dither=Pillow.Dither.NONE)
    palette = few.getpalette() or []
    if picture.getpixel((0, 0)) == (255, 255, 255):
        # Colours are rounded, the paper's white too: it must not differ from the page's.
        background: Any = few.getpixel((0, 0))
        palette[3 * background : 3 * background + 3] = [255, 255, 255]
        few.putpalette(palette)
    out = io.BytesIO()
    few.save(out, "png")
    return out.getvalue()

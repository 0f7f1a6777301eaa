"""Events of a hard process as a Les Houches file: colour flow, spectrum, weights of scales and parton densities."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from massgap.contracts.writing import replacing
from massgap.samples.lhe.weights import PDF_GROUP
from massgap.samples.lhe.weights import SCALES as _SCALES
from massgap.samples.physics.reweight import PDF_SETS, alpha_s, pdf_weights, scale_weights

if TYPE_CHECKING:
    import os

    from massgap.samples.matrix_elements.fusion import FusionGenerator, HardEvents, Integral

__all__ = ["LHAPDF_NUMBERS", "key_of_file", "write_event_file"]

#: LHAPDF's number of each of Pythia's sets.
LHAPDF_NUMBERS = {13: 247000, 14: 246800, 17: 315200, 18: 315000, 5: 21000, 8: 10042, 20: 325100}
_KEY = "massgap key:"


def write_event_file(
    path: str | os.PathLike[str],
    generator: FusionGenerator,
    events: HardEvents,
    integral: Integral,
    *,
    slha: str = "",
    key: str = "",
) -> Path:
    """Write the events; the mean of their weights is the cross section (strategy -4 of hep-ph/0109068, pb).

    Each quark line carries a colour of its own, for no colour is exchanged.  Weights of the scales have muF only: there is no
    strong coupling.  Those of the parton densities are central members of different sets.

    Parameters
    ----------
    path
        A gzip file, which appears when it is complete; the same events give the same bytes.
    generator
        What made the events.
    events, integral
        As :meth:`massgap.samples.matrix_elements.fusion.FusionGenerator.events` gives them.
    slha
        Spectrum and decays for the header.
    key
        Hash of what decides the content, found again by :func:`key_of_file`.

    Returns
    -------
    pathlib.Path
    """
    text = io.StringIO()
    text.write(_head(generator, events, integral, slha, key))
    _write_events(text, generator, events, integral.xsec_fb * 1e-3)
    text.write("</LesHouchesEvents>\n")
    path = Path(path)
    # no name and no time in it: the same events are the same bytes
    packed = gzip.compress(text.getvalue().encode(), compresslevel=4, mtime=0)
    with replacing(path) as part:
        part.write_bytes(packed)
    return path


def key_of_file(path: Path) -> str:
    """The hash that a complete file carries; "" for any other file, or none."""
    try:
        with gzip.open(path, "rt") as stream:
            for _, line in zip(range(20), stream, strict=False):
                if line.startswith(_KEY):
                    return line.removeprefix(_KEY).strip()
    except (OSError, EOFError, UnicodeDecodeError):
        return ""
    return ""


def _others(pdf_set: int) -> list[int]:
    return [number for number in PDF_SETS if number != pdf_set]


def _head(generator: FusionGenerator, events: HardEvents, integral: Integral, slha: str, key: str) -> str:
    cuts = generator.cuts
    number = LHAPDF_NUMBERS.get(generator.pdf_set, 0)
    beam = 500.0 * generator.sqrt_s_tev
    shares = (
        np.bincount(events.state, weights=events.weight, minlength=len(generator.states))
        / events.weight.sum()
    )
    described = (
        f"m = {generator.m:g} GeV; pT(j) > {cuts.pt:g}, abs(eta(j)) < {cuts.eta:g}, abs(deta(jj)) > {cuts.deta:g}, "
        f"m(jj) > {cuts.mass:g} GeV{', eta1 eta2 < 0' if cuts.opposite else ''}"
    )
    lines = [
        '<LesHouchesEvents version="3.0">',
        "<header>",
        "<!--",
        "q q' > chi chi q q' by fusion of electroweak bosons, pure winos, lowest order",
        f"{_KEY} {key}",
        described,
        f"cross section {integral.xsec_fb:.6g} +- {integral.error_fb:.2g} fb",
        f"Number of Events : {len(events)}",
        "-->",
        "<initrwgt>",
        '<weightgroup name="scale variation">',
        *(
            f'<weight id="{_scale_id(r, f)}" MUR="{r:g}" MUF="{f:g}" PDF="{number}"> </weight>'
            for r, f in _SCALES
        ),
        "</weightgroup>",
        f'<weightgroup name="{PDF_GROUP}">',
        *(
            f'<weight id="pdf{other}" PDF="{LHAPDF_NUMBERS[other]}"> {PDF_SETS[other]} </weight>'
            for other in _others(generator.pdf_set)
        ),
        "</weightgroup>",
        "</initrwgt>",
        *(["<slha>", slha.rstrip(), "</slha>"] if slha else []),
        "</header>",
        "<init>",
        f"2212 2212 {beam:.8e} {beam:.8e} 0 0 {number} {number} -4 {len(generator.states)}",
    ]
    xsec, error = 1e-3 * integral.xsec_fb, 1e-3 * integral.error_fb
    for i, share in enumerate(shares.tolist(), 1):
        lines.append(f"{xsec * share:.8e} {error * share**0.5:.4e} {xsec:.8e} {i}")
    lines += ["<generator name='massgap' version='vbf_wino'> </generator>", "</init>"]
    return "\n".join(lines) + "\n"


def _scale_id(mur: float, muf: float) -> str:
    return f"MUR{mur:g}_MUF{muf:g}"


def _write_events(text: io.StringIO, generator: FusionGenerator, events: HardEvents, xsec_pb: float) -> None:
    info = {
        "id1": events.pdg[:, 0],
        "id2": events.pdg[:, 1],
        "x1": events.x[:, 0],
        "x2": events.x[:, 1],
        "Q2Fac": events.scale**2,
    }
    weights = events.weight * (xsec_pb / events.weight.mean())
    scales = scale_weights(info, 0, pdf_set=generator.pdf_set) * weights[:, None]
    others = pdf_weights(info, (generator.pdf_set, *_others(generator.pdf_set)))[:, 1:] * weights[:, None]
    names = [
        *(_scale_id(r, f) for r, f in _SCALES),
        *(f"pdf{number}" for number in _others(generator.pdf_set)),
    ]
    rows = "".join(f"<wgt id='{name}'> {{:+.7e}} </wgt>\n" for name in names)
    strong = alpha_s(info["Q2Fac"]).tolist()
    alpha = 1.0 / generator.model.inverse_alpha
    # order of a file: incoming, then the pair, then the quarks
    order = [0, 1, 4, 5, 2, 3]
    masses = [0.0, 0.0, 0.0, 0.0, generator.m, generator.m]
    colours = _colours(events.pdg)
    together = np.concatenate([scales, others], axis=1).tolist()
    momenta, kinds = events.momenta.tolist(), events.pdg.tolist()
    for i, (weight, scale) in enumerate(zip(weights.tolist(), events.scale.tolist(), strict=True)):
        text.write(
            f"<event>\n 6 {events.state[i] + 1} {weight:+.7e} {scale:.8e} {alpha:.8e} {strong[i]:.8e}\n"
        )
        for k in order:
            status, mothers = (-1, "0 0") if k < 2 else (1, "1 2")
            e, x, y, z = momenta[i][k]
            text.write(
                f"{kinds[i][k]:9d} {status:2d} {mothers} {colours[i][k]} {x:+.10e} {y:+.10e} {z:+.10e} {e:.10e} "
                f"{masses[k]:.10e} 0.0 9.0\n"
            )
        text.write("<rwgt>\n" + rows.format(*together[i]) + "</rwgt>\n</event>\n")


def _colours(pdg: np.ndarray) -> list[list[str]]:
    """Colour and anticolour of each particle: 501 along line 1, 502 along line 2."""
    out = []
    for kinds in pdg.tolist():
        own = ["0 0"] * 6
        for line in range(2):
            number = 501 + line
            for place in (line, 2 + line):
                own[place] = f"{number} 0" if kinds[place] > 0 else f"0 {number}"
        out.append(own)
    return out

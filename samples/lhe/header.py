"""The header of an event file: beams, processes, weight groups, and what the run card says about matching."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from massgap.samples.errors import LheError
from massgap.samples.lhe.merging import find_merging, real
from massgap.samples.lhe.stream import CutShortError
from massgap.samples.lhe.weights import LheWeight, pdf_weights, read_weights, scale_weights

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: A header larger than this is none.
MAX_HEADER = 256 << 20
_EVENT = re.compile(rb"^[ \t]*<event[ \t\r\n>]", re.MULTILINE)
_INIT = re.compile(rb"^[ \t]*<init[^>\n]*>(.*?)</init>", re.MULTILINE | re.DOTALL)
_CARD_LINE = re.compile(r"^[ \t]*([^\n#!=]+?)[ \t]*=[ \t]*([a-z_]\w*)", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True)
class LheProcess:
    """One line of the init block: IDPRUP and its cross section in pb."""

    number: int
    xsec_pb: float
    error_pb: float
    max_pb: float


@dataclass(frozen=True)
class LheHeader:
    """What an event file declares before its first event.

    Attributes
    ----------
    version : str
        Of the format, such as ``3.0``.
    beams : tuple
        PDG number and energy (GeV) of both beams.
    pdf : tuple
        LHAPDF numbers of both beams (0 if not given).
    idwtup : int
        Weighting strategy.
    processes : tuple of LheProcess
        Lines of the init block.
    generator : str
        Name and version of the program.
    process : str
        Process as the generator was asked for it, or the header's comment.
    run_card : dict
        Entries of MadGraph's run card by name.
    matching : str
        How the sample was made to be combined with a shower: a kind of :mod:`massgap.samples.lhe.merging`, or empty.
    matching_told_by : str
        What in the file says so.
    xqcut : float
        MadGraph's matching cut in GeV; 0 without one.
    max_jet_flavour : int
        Heaviest quark that counts as a light jet.
    slha_masses : dict
        Masses (GeV) in the header's spectrum by PDG number.
    has_slha : bool
        Whether the header carries a spectrum, which Pythia would read.
    n_declared : int or None
        Number of events that the header declares.
    weights : tuple of LheWeight
        Per-event weights as declared.
    scale_ids : tuple of str
        Weight ids in NanoAOD's order of LHEScaleWeight; empty without a complete set. An empty id means XWGTUP.
    pdf_ids : tuple of str
        Weight ids of LHEPdfWeight, nominal first.
    pdf_set : int
        LHAPDF number of the set's first member.
    weight_block : bytes
        The declaration of the weights, as it stands in the file.
    slha : bytes
        The spectrum, as it stands in the file.
    init : bytes
        The content of the init block.
    notes : tuple of str
        Anything unusual.
    """

    version: str
    beams: tuple[tuple[int, float], tuple[int, float]]
    pdf: tuple[int, int]
    idwtup: int
    processes: tuple[LheProcess, ...]
    generator: str
    process: str
    run_card: dict[str, str] = field(repr=False)
    matching: str
    matching_told_by: str
    xqcut: float
    max_jet_flavour: int
    slha_masses: dict[int, float] = field(repr=False)
    has_slha: bool
    n_declared: int | None
    weights: tuple[LheWeight, ...] = field(repr=False)
    scale_ids: tuple[str, ...]
    pdf_ids: tuple[str, ...] = field(repr=False)
    pdf_set: int
    weight_block: bytes = field(repr=False)
    slha: bytes = field(repr=False)
    init: bytes = field(repr=False)
    notes: tuple[str, ...]


def read_header(path: Path, stream: Iterator[bytes]) -> tuple[LheHeader, bytes, int]:
    """Read up to the first event.

    Returns
    -------
    LheHeader, bytes, int
        The header, what was read beyond it, and the position in the file where that begins.

    Raises
    ------
    LheError
        If this is no event file, or its init block cannot be understood.
    """
    text, found, ended = b"", None, ""
    try:
        for piece in stream:
            text += piece
            if not ended:
                _check_kind(path, text)
                ended = "checked"
            found = _EVENT.search(text, max(0, len(text) - len(piece) - 64))
            if found or len(text) > MAX_HEADER:
                break
    except CutShortError as error:
        msg = f"{path} is cut short within its header ({error}): get the whole file"
        raise LheError(msg) from None
    if not text.strip():
        msg = f"{path} is empty"
        raise LheError(msg)
    end = found.start() if found else text.find(b"</LesHouchesEvents>")
    if end < 0:
        msg = f"{path} is cut short within its header: get the whole file"
        raise LheError(msg)
    return _parse(path, text[:end]), text[end:], end


def _check_kind(path: Path, text: bytes) -> None:
    start = text[:65536].lower()
    if b"<leshouchesevents" in start:
        return
    if b"<html" in start or b"<!doctype html" in start:
        msg = f"{path} is a web page, not an event file: the download went wrong (a login page, or a page about the file)"
        raise LheError(msg)
    msg = f"{path} is not a Les Houches event file: it does not begin with <LesHouchesEvents version=...>"
    raise LheError(msg)


def _parse(path: Path, text: bytes) -> LheHeader:
    # comments and run cards may mention tags: the init block is the one after the header
    after = text.rfind(b"</header>")
    init = _INIT.search(text, max(after, 0))
    if init is None:
        msg = f"{path} has no complete <init> block before its first event"
        raise LheError(msg)
    beams, pdf, idwtup, processes = _parse_init(path, init.group(1))
    head = text[: init.start()].decode("utf-8", "replace")
    tail = init.group(1).decode("utf-8", "replace")
    card = _run_card(head)
    weight_block = _block(text, b"initrwgt")
    weights = read_weights(weight_block.decode("utf-8", "replace"))
    nominal = pdf[0] if pdf[0] > 0 else _integer(card.get("lhaid", ""))
    scale_ids, scale_notes = scale_weights(weights, nominal)
    pdf_ids, pdf_set = pdf_weights(weights, nominal)
    slha = _block(text, b"slha")
    merging = find_merging(card, head, tail)
    declared = re.search(r"Number of Events\s*:\s*(\d+)", head)
    return LheHeader(
        version=_first(r"<LesHouchesEvents[^>]*version\s*=\s*[\"']([^\"']+)", head),
        beams=beams,
        pdf=pdf,
        idwtup=idwtup,
        processes=processes,
        generator=_generator(head, tail),
        process=_process(head),
        run_card=card,
        matching=merging.kind,
        matching_told_by=merging.told_by,
        xqcut=merging.xqcut,
        max_jet_flavour=_integer(card.get("maxjetflavor", "")) or 5,
        slha_masses=_masses(slha.decode("utf-8", "replace")),
        has_slha=bool(slha) or re.search(r"^\s*BLOCK\s+\w", head, re.MULTILINE | re.IGNORECASE) is not None,
        n_declared=int(declared.group(1)) if declared else None,
        weights=weights,
        scale_ids=scale_ids,
        pdf_ids=pdf_ids,
        pdf_set=pdf_set,
        weight_block=weight_block,
        slha=slha,
        init=init.group(1),
        notes=(*merging.notes, *scale_notes),
    )


def _parse_init(
    path: Path, text: bytes
) -> tuple[tuple[tuple[int, float], tuple[int, float]], tuple[int, int], int, tuple[LheProcess, ...]]:
    lines = [line.decode("utf-8", "replace") for line in numbers_of_init(text)]
    try:
        words = lines[0].split()
        ids, energies = (int(words[0]), int(words[1])), (number(words[2]), number(words[3]))
        pdf, idwtup, n_processes = (int(words[6]), int(words[7])), int(words[8]), int(words[9])
        rows = [[number(word) for word in line.split()[:4]] for line in lines[1 : 1 + n_processes]]
        processes = tuple(LheProcess(int(row[3]), row[0], row[1], row[2]) for row in rows)
    except (IndexError, ValueError):
        msg = f"{path}: the <init> block cannot be understood: {' / '.join(lines)[:200]!r}"
        raise LheError(msg) from None
    if not all(math.isfinite(energy) and energy > 0 for energy in energies):
        msg = f"{path}: beam energies {energies[0]:g} and {energies[1]:g} GeV in the <init> block are impossible"
        raise LheError(msg)
    if abs(idwtup) not in (1, 2, 3, 4):
        msg = f"{path}: IDWTUP = {idwtup} in the <init> block is none of +-1, 2, 3, 4"
        raise LheError(msg)
    if n_processes < 1 or len(processes) != n_processes:
        msg = f"{path}: the <init> block announces {n_processes} processes and has {len(processes)}"
        raise LheError(msg)
    if not all(math.isfinite(value) for row in rows for value in row):
        msg = f"{path}: a cross section in the <init> block is not a number"
        raise LheError(msg)
    return ((ids[0], energies[0]), (ids[1], energies[1])), pdf, idwtup, processes


def numbers_of_init(text: bytes) -> list[bytes]:
    """Lines of an init block without blank ones, comments and elements, which may stand anywhere in it."""
    return [
        line for line in text.splitlines() if line.strip() and line.lstrip()[:1] not in (b"#", b"!", b"<")
    ]


def number(word: str) -> float:
    """Read a number, also with Fortran's exponent."""
    return float(word.lower().replace("d", "e"))


def _block(text: bytes, tag: bytes) -> bytes:
    found = re.search(rb"<" + tag + rb"[^>\n]*>.*?</" + tag + rb">", text, re.DOTALL | re.IGNORECASE)
    return found.group(0) if found else b""


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.IGNORECASE)
    return found.group(1).strip() if found else ""


def _integer(text: str) -> int:
    try:
        return int(float(text))
    except ValueError:
        return 0


def _masses(slha: str) -> dict[int, float]:
    block = _first(
        r"(?ms)^[ \t]*block[ \t]+mass\b[^\n]*\n(.*?)(?=^[ \t]*(?:block|decay)\b|^[ \t]*<|\Z)", slha
    )
    rows = re.findall(r"^\s*(\d+)\s+(\S+)", block, re.MULTILINE)
    # Fermions of a spectrum may have negative masses, a sign that belongs to their mixing.
    return {int(pdg): abs(real(value)) for pdg, value in rows}


def _run_card(head: str) -> dict[str, str]:
    card = _first(r"(?s)<MGRunCard>(.*?)</MGRunCard>", head)
    return {name.lower(): value.strip("'\"") for value, name in _CARD_LINE.findall(card)}


def _generator(head: str, init: str) -> str:
    for text in (init, head):
        found = re.search(r"<generator([^>]*)>([^<]*)", text)
        if found:
            name, version = (
                _first(rf"\b{key}\s*=\s*[\"']([^\"']+)", found.group(1)) for key in ("name", "version")
            )
            return f"{name} {version}".strip() or found.group(2).strip()
    if version := _first(r"<MGVersion>\s*(?:#[^\n]*\n\s*)*([^\s<]+)", head):
        return f"MadGraph5_aMC@NLO {version}"
    for name in ("POWHEG", "Sherpa", "MadGraph", "Whizard", "VBFNLO", "CalcHEP", "Herwig", "Pythia"):
        if re.search(name, head[:4000], re.IGNORECASE):
            version = _first(rf"{name}(?:[ -]BOX)?[ -]*[vV]?(\d[\w.]*)", head[:4000])
            return f"{name} {version}".strip()
    return "unknown"


def _process(head: str) -> str:
    card = _first(r"(?s)<MG5ProcCard>(.*?)</MG5ProcCard>", head).replace("\\\n", "")
    lines = re.findall(r"^\s*(?:generate|add process)\s+(.+?)\s*$", card, re.MULTILINE)
    if lines:
        return "; ".join(" ".join(line.split()) for line in lines)
    comment = _first(r"(?s)<!--(.*?)-->", head)
    return " ".join(comment.split())[:300]

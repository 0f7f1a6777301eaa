"""The events of an event file, many at a time: totals and checks without a loop over events.

Some files have events without particles: NUP = 0, or rows of zeros. Generators write them where all trials of an event
failed (Sherpa and Pepper after a largest number of trials, 1905.05120, with a weight of zero), or where a later step
took the event away. Such an event is one of those that the cross section is the mean of, and its weight, mostly zero,
is of phase space that gave nothing: left out, the mean would be too large. So it counts in the number of events and in
the sum of weights, and is as good as refused by every selection. Files whose cross section was normalised to the
events with particles are the other case, and only their maker knows: see :data:`EMPTY_EVENTS`.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from massgap.samples.errors import LheError
from massgap.samples.lhe.stream import CutShortError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from massgap.samples.lhe.header import LheHeader

#: Columns of an event's first line and of its particles (hep-ph/0609017).
EVENT_COLUMNS, PARTICLE_COLUMNS = 6, 13
STRIDE = 1000
#: What can be done with events without particles.
EMPTY_EVENTS = ("count", "drop", "refuse")
#: Largest imbalance of energy or momentum, relative to the energy of the collision.
IMBALANCE = 1e-3
_WEIGHT_ID = re.compile(rb"<wgt\s[^>]*?\bid\s*=\s*[\"']?\s*([^\"'\s>]+)")
_EVENT_START = re.compile(rb"^[ \t]*<event[\s>]", re.MULTILINE)  # comments may mention one
_EVENT_END = b"</event>"
_FILE_END = b"</LesHouchesEvents"
_BLANK = np.zeros(256, dtype=bool)
_BLANK[[9, 11, 12, 13, 32]] = True


class Tally:
    """Totals of all events, filled piece by piece.

    ``n_events`` are all events of the file, ``n_empty`` those without particles, whose weights are in ``sum_empty`` and
    not in the other totals.
    """

    def __init__(self, path: Path, header: LheHeader, empty_events: str = "count") -> None:
        self.path, self.header = path, header
        self.empty_events = empty_events
        self.n_events = self.n_empty = self.n_negative = self.n_vbf = 0
        self.sum_empty = 0.0
        self.sum_weights = self.sum_squares = 0.0
        self.per_process: Counter[int] = Counter()
        self.per_jets: Counter[int] = Counter()
        self.new_masses: dict[int, float] = {}
        self.offsets: list[int] = []
        self.stride = STRIDE
        self.weight_ids: tuple[str, ...] = ()
        self._ids: list[bytes] | None = None
        self._smallest, self._largest = np.inf, 0.0

    @property
    def n_full(self) -> int:
        """Events with particles."""
        return self.n_events - self.n_empty

    @property
    def weight_kind(self) -> str:
        """Whether weights are ``constant``, ``signed`` or ``varying``."""
        if self._largest - self._smallest > 1e-6 * self._largest:
            return "varying"
        return "signed" if 0 < self.n_negative < self.n_full else "constant"

    def read(self, text: bytes, stream: Iterable[bytes], position: int) -> tuple[bool, str]:
        """Read all events.

        Parameters
        ----------
        text : bytes
            What was read beyond the header.
        stream : iterable of bytes
            The rest of the file.
        position : int
            Position of ``text`` in the decompressed file.

        Returns
        -------
        bool, str
            Whether the file is complete, and if not, why.
        """
        reason = ""
        stream = iter(stream)
        while True:
            end = text.rfind(_EVENT_END)
            if end >= 0:
                end += len(_EVENT_END)
                self._add(text[:end], position)
                text, position = text[end:], position + end
            try:
                piece = next(stream)
            except StopIteration:
                break
            except CutShortError as error:
                reason = str(error)
                break
            text += piece
        if _FILE_END in text:
            after = text[text.index(_FILE_END) :]
            if _EVENT_START.search(after):
                msg = (
                    f"{self.path} holds several event files one after the other: give them one by one, "
                    "or join them with their headers merged"
                )
                raise LheError(msg)
            if _EVENT_START.search(text[: text.index(_FILE_END)]) is None:
                return True, ""
        return False, reason or "the last event or the closing tag </LesHouchesEvents> is missing"

    def _fail(self, index: int, what: str) -> LheError:
        return LheError(f"{self.path}: event {self.n_events + index + 1} {what}")

    def _add(self, text: bytes, position: int) -> None:
        if _FILE_END in text:
            msg = f"{self.path} holds several event files one after the other: give them one by one"
            raise LheError(msg)
        if b"<eventgroup" in text:
            msg = f"{self.path} groups its events (<eventgroup>), which Pythia cannot shower one by one"
            raise LheError(msg)
        lines = _Lines(text)
        opened = lines.tag(b"<event")
        closed = lines.tag(_EVENT_END)
        if len(opened) != len(closed) or np.any(closed <= opened) or np.any(opened[1:] <= closed[:-1]):
            n = min(len(opened), len(closed))
            following = np.append(opened[1:n], closed[-1:] + 1)[:n]
            wrong = np.flatnonzero((closed[:n] <= opened[:n]) | (following <= closed[:n]))
            what = "has no <event> or </event> tag of its own, on a line of its own"
            raise self._fail(int(wrong[0]) if len(wrong) else n, what)
        # numbers end where the first tag or comment begins
        marks = np.flatnonzero(np.isin(lines.text[lines.first], np.frombuffer(b"<#", dtype=np.uint8)))
        counts = marks[np.searchsorted(marks, opened + 1)] - opened - 2
        bad = np.flatnonzero((counts < 2) & (counts != 0))
        if len(bad):
            line = lines.line(opened[bad[0]] + 1)
            raise self._fail(int(bad[0]), f"has less than two particles: its first line is {line[:100]!r}")
        starts = np.cumsum(counts) - counts
        event = np.repeat(np.arange(len(counts)), counts)
        heads, particles = self._numbers(lines, opened, counts, starts)
        bad = np.flatnonzero(counts != heads[:, 0])
        if len(bad):
            i = int(bad[0])
            raise self._fail(i, f"announces {heads[i, 0]:g} particles and has {counts[i]} lines")
        full = np.bincount(event, weights=particles[:, 0] != 0, minlength=len(counts)) > 0
        if not full.all():
            self._set_aside(heads, full)
            text = b"".join(
                text[lines.start[a] : lines.end[b]] for a, b in zip(opened[full], closed[full], strict=True)
            )
            heads, particles, counts = heads[full], particles[full[event]], counts[full]
            starts = np.cumsum(counts) - counts
            event = np.repeat(np.arange(len(counts)), counts)
        if full.any():
            self._check(heads, particles, event, starts, np.flatnonzero(full))
            self._note_weights(text, len(heads))
            self._count(heads, particles, event, starts)
        first = -self.n_events % self.stride
        self.offsets += (position + lines.start[opened[first :: self.stride]]).tolist()
        self.n_events += len(opened)

    def _set_aside(self, heads: np.ndarray, full: np.ndarray) -> None:
        """Count the events without particles."""
        if self.empty_events == "refuse":
            what = "has no particles (--empty-events count takes it as one that gave nothing, drop leaves it out)"
            raise self._fail(int(np.flatnonzero(~full)[0]), what)
        self.n_empty += int((~full).sum())
        self.sum_empty += float(heads[~full, 2].sum())

    def _numbers(
        self, lines: _Lines, opened: np.ndarray, counts: np.ndarray, starts: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the events' first lines (n, 6) and of their particles (particles, 13)."""
        values = _parse(lines.join(opened + 1, opened + 1 + counts))
        n, n_particles = len(opened), int(counts.sum())
        if values.size != EVENT_COLUMNS * n + PARTICLE_COLUMNS * n_particles or not np.isfinite(values).all():
            raise self._bad_line(lines, opened, counts)
        first = EVENT_COLUMNS * np.arange(n) + PARTICLE_COLUMNS * starts
        is_head = np.zeros(values.size, dtype=bool)
        is_head[first[:, None] + np.arange(EVENT_COLUMNS)] = True
        return values[is_head].reshape(n, EVENT_COLUMNS), values[~is_head].reshape(
            n_particles, PARTICLE_COLUMNS
        )

    def _bad_line(self, lines: _Lines, opened: np.ndarray, counts: np.ndarray) -> LheError:
        """Find the one line that spoils a piece."""
        for index, (start, count) in enumerate(zip(opened.tolist(), counts.tolist(), strict=True)):
            for k in range(count + 1):
                columns = PARTICLE_COLUMNS if k else EVENT_COLUMNS
                line = lines.line(start + 1 + k)
                values = _parse(line.encode())
                if values.size != columns or not np.isfinite(values).all():
                    return self._fail(index, f"has {line[:100]!r} where {columns} finite numbers should be")
        return self._fail(0, "or one after it cannot be understood")

    def _check(
        self,
        heads: np.ndarray,
        particles: np.ndarray,
        event: np.ndarray,
        starts: np.ndarray,
        places: np.ndarray,
    ) -> None:
        """Refuse events that cannot be; ``places`` are those of the events within the piece."""
        status = particles[:, 1]
        incoming = status == -1
        bad = np.flatnonzero((status[starts] != -1) | (status[starts + 1] != -1))
        if len(bad):
            raise self._fail(int(places[bad[0]]), "does not begin with its two incoming partons (status -1)")
        beam = max(energy for _, energy in self.header.beams)
        bad = np.flatnonzero(incoming & ((particles[:, 9] > beam * (1 + 1e-6)) | (particles[:, 9] <= 0)))
        if len(bad):
            i = int(bad[0])
            what = f"has an incoming parton of {particles[i, 9]:g} GeV in a beam of {beam:g} GeV"
            raise self._fail(int(places[event[i]]), what)
        sign = np.where(incoming, 1.0, np.where(status == 1, -1.0, 0.0))
        sums = np.stack([np.bincount(event, weights=sign * particles[:, k]) for k in range(6, 10)], axis=1)
        scale = np.bincount(event, weights=np.where(incoming, particles[:, 9], 0.0))
        bad = np.flatnonzero(np.abs(sums).max(axis=1) > IMBALANCE * scale)
        if len(bad):
            i = int(bad[0])
            what = f"does not conserve energy and momentum: {np.abs(sums[i]).max():g} GeV are missing"
            raise self._fail(int(places[i]), what)
        known = {process.number for process in self.header.processes}
        bad = np.flatnonzero(~np.isin(heads[:, 1], list(known)))
        if len(bad):
            i = int(bad[0])
            raise self._fail(
                int(places[i]), f"belongs to process {heads[i, 1]:g}, which the <init> block does not list"
            )

    def _note_weights(self, text: bytes, n: int) -> None:
        # Pythia tells weights by their place in the event
        ids = _WEIGHT_ID.findall(text) if b"<wgt" in text else []
        if self._ids is None:
            self._ids = ids[: len(ids) // n]
            if len(set(self._ids)) < len(self._ids):
                raise self._fail(0, "carries two weights (<wgt>) of one id")
            self.weight_ids = tuple(name.decode("utf-8", "replace") for name in self._ids)
        if ids != self._ids * n:
            what = "or one after it carries other weights (<wgt>), or in another order, than the first event"
            raise self._fail(0, what)

    def _count(self, heads: np.ndarray, particles: np.ndarray, event: np.ndarray, starts: np.ndarray) -> None:
        n = len(heads)
        weight = heads[:, 2]
        size = np.abs(weight)
        self.sum_weights += float(weight.sum())
        self.sum_squares += float((weight**2).sum())
        self.n_negative += int((weight < 0).sum())
        self._smallest = min(self._smallest, float(size.min()))
        self._largest = max(self._largest, float(size.max()))
        kinds, counts = np.unique(heads[:, 1].astype(np.int64), return_counts=True)
        self.per_process.update(dict(zip(kinds.tolist(), counts.tolist(), strict=True)))
        ids, status, mother = np.abs(particles[:, 0]), particles[:, 1], particles[:, 2]
        # mothers 1 and 2 are the incoming partons: decay products are not jets of the hard process
        quark = ids <= 5
        made = (status == 1) & (mother <= 2)
        gluon = ids == 21
        jets = np.bincount(event, weights=made & (quark | gluon), minlength=n).astype(np.int64)
        sizes, counts = np.unique(jets, return_counts=True)
        self.per_jets.update(dict(zip(sizes.tolist(), counts.tolist(), strict=True)))
        # quarks and leptons, then bosons of the Standard Model and the gluon: whatever else is new
        new = np.flatnonzero(~((ids <= 6) | ((ids >= 11) & (ids <= 16)) | ((ids >= 21) & (ids <= 25))))
        kinds, where = np.unique(ids[new].astype(np.int64), return_index=True)
        for kind, mass in zip(kinds.tolist(), particles[new[where], 10].tolist(), strict=True):
            self.new_masses.setdefault(kind, mass)
        self.n_vbf += int(_is_vbf(particles, event, starts, jets, made & quark).sum())


def _parse(text: bytes) -> np.ndarray:
    """Numbers separated by white space; nothing if there is anything else."""
    for fortran in (False, True):
        with warnings.catch_warnings():
            # NumPy warns where it meets something that is no number, and will raise in future
            warnings.simplefilter("error")
            try:
                plain = text.lower().replace(b"d", b"e") if fortran else text
                return np.fromstring(plain.decode("ascii"), sep=" ")
            except (ValueError, DeprecationWarning):
                continue
    return np.empty(0)


def _is_vbf(
    particles: np.ndarray, event: np.ndarray, starts: np.ndarray, jets: np.ndarray, quark: np.ndarray
) -> np.ndarray:
    """Whether two quarks come in, the same number goes out, and colour flows from in to out only."""
    n = len(starts)
    n_quarks = np.bincount(event, weights=quark, minlength=n)
    good = (jets == 2) & (n_quarks == 2)
    good &= (np.abs(particles[starts, 0]) <= 5) & (np.abs(particles[starts + 1, 0]) <= 5)
    # with colour (positive) and anticolour (negative) counted together, both tags of the incoming quarks must leave
    tag = particles[:, 4] - particles[:, 5]
    arriving, leaving = tag[starts] + tag[starts + 1], np.bincount(event, weights=quark * tag, minlength=n)
    squares = np.bincount(event, weights=quark * tag**2, minlength=n)
    good &= (arriving == leaving) & (squares == tag[starts] ** 2 + tag[starts + 1] ** 2)
    # a colour line between the two incoming quarks is an annihilation
    return good & (tag[starts] != -tag[starts + 1])


class _Lines:
    """Lines of a piece of text that are not blank, by numbers of bytes."""

    def __init__(self, text: bytes) -> None:
        self.text = np.frombuffer(text + b"\n", dtype=np.uint8)
        ends = np.flatnonzero(self.text == 10)
        start = np.concatenate([[0], ends[:-1] + 1])
        first = start.copy()
        # skip the spaces in front of all lines at once
        todo = np.arange(len(start))
        while len(todo := todo[_BLANK[self.text[first[todo]]]]):
            first[todo] += 1
        full = first < ends
        self.start, self.first, self.end = start[full], first[full], ends[full]

    def tag(self, name: bytes) -> np.ndarray:
        """Numbers of the lines that begin with a tag."""
        found = np.flatnonzero(self.text[self.first] == name[0])
        for k, letter in enumerate(name[1:], 1):
            found = found[self.text[np.minimum(self.first[found] + k, len(self.text) - 1)] == letter]
        return found

    def line(self, number: int) -> str:
        """Text of one line."""
        text = self.text[self.first[number] : self.end[number]].tobytes()
        return text.decode("utf-8", "replace").strip()

    def join(self, first: np.ndarray, last: np.ndarray) -> bytes:
        """Text of several stretches of lines, each from a first line to a last one, in order."""
        steps = np.zeros(len(self.text) + 1, dtype=np.int8)
        steps[self.first[first]] = 1
        steps[self.end[last] + 1] -= 1
        return self.text[np.cumsum(steps[:-1], dtype=np.int8).view(bool)].tobytes()

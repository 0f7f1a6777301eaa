"""What a process asks of the matrix elements computed here: plain data, and the file that they make of it."""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from massgap.source_code import package_digest

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ChainRequest", "WinoFusion"]

_CODE = ("samples/matrix_elements", "samples/physics", "physical_constants.py")
"""Where the code lies that decides what is in a file."""


@dataclass(frozen=True)
class ChainRequest:
    """X chi with X -> muon Y, Y -> muon Z, Z -> photon chi, which is made at parton level.

    Attributes
    ----------
    masses : four floats
        Of X, Y, Z and chi, GeV.
    scalar : bool
        Whether X, Z and chi are scalars.
    """

    masses: tuple[float, float, float, float]
    scalar: bool


@dataclass(frozen=True)
class WinoFusion:
    """Pairs of winos from the fusion of electroweak bosons.

    Attributes
    ----------
    m : float
        Mass of the winos, GeV.
    jet_pt, jet_eta, deta, m_jj : float
        Cuts on the two quarks (GeV): those of the vbf-electroweakino paper, section III.
    states : tuple of str
        Names of the pairs to make (:data:`massgap.samples.matrix_elements.couplings.FINAL_STATES`); all six by default.
    """

    m: float
    jet_pt: float = 20.0
    jet_eta: float = 5.0
    deta: float = 2.5
    m_jj: float = 200.0
    states: tuple[str, ...] = ()

    def describe(self) -> str:
        """In words."""
        return (
            f"helicity amplitudes of massgap, pT(j) > {self.jet_pt:g}, abs(eta(j)) < {self.jet_eta:g}, abs(deta(jj)) > {self.deta:g}, "
            f"m(jj) > {self.m_jj:g} GeV"
        )

    def write(self, path: Path, name: str, events: int, sqrt_s_tev: float, seed: int, slha: str) -> Path:
        """Make the event file, unless it is there.

        Parameters
        ----------
        path
            Where it goes.
        name
            Name of the process: each has events of its own.
        events
            Number of unweighted events.
        sqrt_s_tev
            Energy, TeV.
        seed
            The same seed gives the same events.
        slha
            Spectrum and decays for the header.

        Raises
        ------
        GenerationError
            If the mass is impossible or out of reach.
        """
        content = [asdict(self), name, events, sqrt_s_tev, seed, slha, package_digest(only=_CODE)]
        key = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
        from massgap.samples.matrix_elements.event_file import key_of_file, write_event_file

        if key_of_file(path) == key:
            return path
        from massgap.samples.matrix_elements.couplings import FINAL_STATES
        from massgap.samples.matrix_elements.fusion import FusionGenerator
        from massgap.samples.matrix_elements.phase_space import JetCuts

        cuts = JetCuts(self.jet_pt, self.jet_eta, self.deta, self.m_jj)
        states = tuple(state for state in FINAL_STATES if not self.states or state.name in self.states)
        own = (seed << 32) | zlib.crc32(name.encode())
        generator = FusionGenerator(self.m, sqrt_s_tev, cuts, states=states, seed=own)
        made, integral = generator.events(events)
        path.parent.mkdir(parents=True, exist_ok=True)
        return write_event_file(path, generator, made, integral, slha=slha, key=key)

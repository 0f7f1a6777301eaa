"""What a process asks of the matrix elements computed here: plain data, and the file that they make of it."""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Protocol

from massgap.source_code import package_digest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from massgap.samples.matrix_elements.chain import ChainEvents
    from massgap.samples.matrix_elements.fusion import Integral

__all__ = ["ChainRequest", "PartonRequest", "PhotonRequest", "WinoFusion"]

_CODE = ("samples/matrix_elements", "samples/physics", "physical_constants.py")
"""Where the code lies that decides what is in a file."""


class PartonGenerator(Protocol):
    """Makes unweighted events of a positive muon, a negative one and a photon."""

    def integrate(self) -> Integral:
        """Cross section of what is made."""

    def events(self, n: int) -> ChainEvents:
        """So many events."""


class PartonRequest(Protocol):
    """A process at parton level."""

    def generator(
        self, sqrt_s_tev: float, seed: Sequence[int], mediator: float, chiral: bool
    ) -> PartonGenerator:
        """What makes its events."""

    def describe(self, mediator: float, chiral: bool) -> str:
        """In words."""


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

    def generator(
        self, sqrt_s_tev: float, seed: Sequence[int], mediator: float, chiral: bool
    ) -> PartonGenerator:
        """What makes the events; the mediator of this mass (GeV) couples to right-handed quarks alone if ``chiral``."""
        from massgap.samples.matrix_elements.chain import ChainGenerator

        return ChainGenerator(
            self.masses, self.scalar, mediator, chiral=chiral, sqrt_s_tev=sqrt_s_tev, seed=seed
        )

    def describe(self, mediator: float, chiral: bool) -> str:
        """In words."""
        return (
            f"u ubar -> X chi by exchange of a {'fermion' if self.scalar else 'scalar'} of {mediator:g} GeV, "
            f"couplings 1 {'to right-handed quarks' if chiral else 'to both chiralities'}"
        )


@dataclass(frozen=True)
class PhotonRequest:
    """Two muons, a photon and neutrinos, which are made at parton level from all diagrams of a final state.

    Attributes
    ----------
    final : str
        One of :data:`massgap.samples.matrix_elements.photon.generator.FINAL_STATES`.
    """

    final: str

    def generator(
        self, sqrt_s_tev: float, seed: Sequence[int], mediator: float, chiral: bool
    ) -> PartonGenerator:
        """What makes the events; nothing here has a mediator."""
        del mediator, chiral
        from massgap.samples.matrix_elements.photon.generator import PhotonGenerator

        return PhotonGenerator(self.final, sqrt_s_tev=sqrt_s_tev, seed=seed)

    def describe(self, mediator: float, chiral: bool) -> str:
        """In words."""
        del mediator, chiral
        from massgap.samples.matrix_elements.photon.channels import PhotonCuts

        cuts = PhotonCuts()
        return (
            f"all tree diagrams, pT > {cuts.muon_pt:g} (muons) and {cuts.photon_pt:g} GeV (photon), abs(eta) < {cuts.eta:g}, "
            f"dR(muon, photon) > {cuts.distance:g}, {cuts.m_low:g} < m(mu mu) < {cuts.m_high:g} GeV before the resolution"
        )


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

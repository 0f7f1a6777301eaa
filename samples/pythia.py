"""Drive Pythia: one block of one tranche, in batches, with the numbers that normalise it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.samples.errors import GenerationError, GeneratorMissingError
from massgap.samples.record import Record, from_batch
from massgap.samples.slicing import Counters, make_hook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from massgap.samples.catalogue import Process, Tranche

#: Settings of every sample. Particles that live longer than 10 mm reach the detector.
COMMON = (
    "Print:quiet = on",
    "SLHA:verbose = 0",
    "Random:setSeed = on",
    "ParticleDecays:limitTau0 = on",
    "ParticleDecays:tau0Max = 10.",
)
BATCH = 500
# seeds 1 to 9e8 are legal: every user seed gets a stretch of its own
_SLICES_PER_SEED = 32
_BLOCKS_PER_SLICE = 8192
MAX_SEED = 900_000_000 // (_SLICES_PER_SEED * _BLOCKS_PER_SLICE) - 1


def require() -> Any:
    """Import pythia8mc, or say how to get it.

    Raises
    ------
    GeneratorMissingError
        If pythia8mc or fastjet is not installed.
    """
    try:
        import fastjet  # noqa: F401
        import pythia8mc
    except ImportError as error:
        msg = f'event generation needs {error.name}, which is not installed: pip install "massgap[generator]"'
        raise GeneratorMissingError(msg) from None
    return pythia8mc


def block_seed(seed: int, tranche_index: int, block: int) -> int:
    """Pythia seed of a block; no two blocks of a process share one, for any pair of user seeds.

    Raises
    ------
    GenerationError
        If the seed is out of range.
    """
    if not 0 <= seed <= MAX_SEED:
        msg = f"seed {seed} is out of range: choose one from 0 to {MAX_SEED}"
        raise GenerationError(msg)
    if not 0 <= block < _BLOCKS_PER_SLICE:
        msg = f"more than {_BLOCKS_PER_SLICE} blocks of one tranche: use another seed for the rest"
        raise GenerationError(msg)
    return 1 + (seed * _SLICES_PER_SEED + tranche_index) * _BLOCKS_PER_SLICE + block


@dataclass
class Generated:
    """Totals of a block after its last batch."""

    counters: Counters = field(default_factory=Counters)
    events: int = 0
    sum_weights: float = 0.0
    sigma_gen_fb: float = 0.0
    #: Branching ratio of decays that were forced in every event.
    tau_factor: float = 1.0


def settings_of(
    process: Process, tranche: Tranche, *, mpi: bool = False, sqrt_s_tev: float = 13.0
) -> list[str]:
    """All Pythia settings of a tranche but the seed and the spectrum file."""
    beam = [f"Beams:eCM = {1000 * sqrt_s_tev:g}", f"PartonLevel:MPI = {'on' if mpi else 'off'}"]
    return [*COMMON, *beam, *process.settings, *tranche.settings]


def start(lines: list[str], seed: int, slha: str | None, hook: Any = None, pythia: Any = None) -> Any:
    """Make a Pythia object ready to generate.

    Raises
    ------
    GenerationError
        Naming the setting that Pythia refuses.
    """
    pythia = pythia if pythia is not None else new()
    with tempfile.TemporaryDirectory(prefix="massgap-") as folder:
        extra = []
        if slha is not None:
            spectrum = Path(folder) / "spectrum.slha"
            spectrum.write_text(slha)
            extra = [f"SLHA:file = {spectrum}"]
        for line in [*lines, f"Random:seed = {seed}", *extra]:
            if not pythia.readString(line, False):
                msg = f"Pythia does not know the setting {line!r}"
                raise GenerationError(msg)
        if hook is not None and not pythia.setUserHooksPtr(hook):
            msg = "Pythia refuses the event filter"
            raise GenerationError(msg)
        if not pythia.init():
            msg = "Pythia cannot start with these settings: " + "; ".join(lines)
            raise GenerationError(msg)
    return pythia


def new() -> Any:
    """Return a silent Pythia object without settings."""
    return require().Pythia("", False)


def generate_block(
    process: Process,
    tranche_index: int,
    n_events: int,
    seed: int,
    block: int,
    totals: Generated,
    *,
    mpi: bool = False,
    sqrt_s_tev: float = 13.0,
) -> Iterator[Record]:
    """Generate a block in batches; ``totals`` is complete after the last one.

    Parameters
    ----------
    process, tranche_index : Process, int
        What to generate.
    n_events : int
        Number of events after the early filters.
    seed, block : int
        User seed and number of the block.
    totals : Generated
        Filled while generating.
    mpi : bool
        Simulate multiparton interactions (ten times slower).
    sqrt_s_tev : float
        Centre-of-mass energy.

    Raises
    ------
    GenerationError
        If Pythia refuses a setting or produces no events.
    """
    tranche = process.tranches[tranche_index]
    pythia = new()
    number = block_seed(seed, tranche_index, block)
    hook = None
    tau_to_mu = _tau_to_mu(pythia)
    if process.ditau:
        totals.tau_factor = tau_to_mu**2
    if process.dimuon:
        random = np.random.Generator(np.random.PCG64([number, 7]))
        hook, totals.counters = make_hook(
            process.edges,
            tranche_index if process.edges else None,
            top=process.top,
            drop_leptonic=process.drop_leptonic,
            on_peak=process.on_peak,
            tau_to_mu=1.0 if process.ditau or process.taus_in_xsec else tau_to_mu,
            force_taus=lambda on: _force_taus(pythia, on),
            uniform=random.random,
        )
    start(settings_of(process, tranche, mpi=mpi, sqrt_s_tev=sqrt_s_tev), number, process.slha, hook, pythia)
    charges: dict[int, float] = {}
    empty = 0
    while totals.events < n_events and empty < 3:
        # a skipped event is not replaced, so ask again for what is missing
        batch = pythia.nextBatch(min(BATCH, n_events - totals.events), errorMode="skip")
        if not len(batch) or not batch.fields:
            empty += 1
            continue
        record = from_batch(batch, charges, pythia.particleData.charge)
        totals.events += record.n_events
        totals.sum_weights += float(record.info["weight"].sum())
        yield record
    if totals.events < n_events:
        msg = f"Pythia produced {totals.events} of {n_events} events of {process.name} {tranche.name}: every event fails"
        raise GenerationError(msg)
    totals.sigma_gen_fb = pythia.infoPython().sigmaGen() * 1e12


def measure_xsec(process: Process, tranche_index: int, n_events: int, seed: int = 1) -> tuple[float, float]:
    """Cross section of the hard process (fb) and its statistical error, without shower and filters."""
    lines = settings_of(process, process.tranches[tranche_index])
    pythia = start([*lines, "PartonLevel:all = off"], block_seed(seed, tranche_index, 0), process.slha)
    for _ in range(n_events):
        pythia.next()
    info = pythia.infoPython()
    return info.sigmaGen() * 1e12, info.sigmaErr() * 1e12


def _tau_to_mu(pythia: Any) -> float:
    """Branching ratio of tau to mu in Pythia's own decay table."""
    tau = pythia.particleData.particleDataEntryPtr(15)
    channels = [tau.channel(i) for i in range(tau.sizeChannels())]
    total = sum(channel.bRatio() for channel in channels)
    return float(sum(channel.bRatio() for channel in channels if channel.contains(13)) / total)


def _force_taus(pythia: Any, on: bool) -> None:
    pythia.readString(f"15:onMode = {'off' if on else 'on'}")
    if on:
        pythia.readString("15:onIfAny = 13")

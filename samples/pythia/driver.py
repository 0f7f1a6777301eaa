"""Drive Pythia: one block of one tranche, in batches, with the numbers that normalise it."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.samples.errors import GenerationError
from massgap.samples.extra import require
from massgap.samples.physics.scalar_decays import decayed, keep_stable
from massgap.samples.physics.tau_spin import with_tau_spin
from massgap.samples.processes.filters import DimuonFilter, ObjectFilter
from massgap.samples.pythia.hard_slices import HardSlice, hard_slice
from massgap.samples.pythia.hooks import Counters, add_hooks, user_hook
from massgap.samples.pythia.leptonic import BranchingWeights, OffShell, force_new
from massgap.samples.pythia.met_slices import MetSlices
from massgap.samples.pythia.muon_pairs import MuonPairs
from massgap.samples.pythia.object_filter import WantedObjects
from massgap.samples.record import Record, from_batch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from massgap.samples.processes.process import Process, Tranche

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


def block_seed(seed: int, tranche_index: int, block: int) -> int:
    """Pythia seed of a block; no two blocks of a process share one, for any pair of user seeds.

    Raises
    ------
    GenerationError
        If the seed is out of range.
    """
    if not 0 <= seed <= MAX_SEED:
        msg = f"seed {seed} is out of range: choose one from 0 to {MAX_SEED} (seed=..., --seed)"
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
    #: Weights of the events that the filters saw and kept: their ratio is the filters' efficiency.
    tried_weights: float = 0.0
    accepted_weights: float = 0.0
    #: The generator's own cross section of the accepted events, and its statistical error.
    sigma_gen_fb: float = 0.0
    sigma_err_fb: float = 0.0
    #: CPU time of arranging records as arrays, since it was last set to 0.
    record_s: float = 0.0
    #: Events that the generator could not handle.
    failed: int = 0
    #: Events of a file that have no particles.
    empty: int = 0
    #: Branching ratio of decays that were forced in every event.
    tau_factor: float = 1.0
    #: Hard processes, and those in the slice of an observable.
    hard_tried: int = 0
    hard_passed: int = 0
    #: Mean fraction of the decays that forcing leptons has left, where it is in the events' weights.
    branching_fraction: float = 1.0


def settings_of(
    process: Process, tranche: Tranche, *, mpi: bool = False, variations: bool = False
) -> list[str]:
    """All Pythia settings of a tranche but the seed and the spectrum and event files."""
    beam = [f"Beams:eCM = {1000 * process.sqrt_s_tev:g}", f"PartonLevel:MPI = {'on' if mpi else 'off'}"]
    taus = ["15:onMode = off", "15:onIfAny = 13"] if _all_taus_to_muons(process) else []
    shower: tuple[str, ...] = ()
    if variations:
        from massgap.samples.physics.reweight import shower_settings

        shower = shower_settings()
    return [*COMMON, *beam, *taus, *shower, *process.settings, *tranche.settings]


def _all_taus_to_muons(process: Process) -> bool:
    return isinstance(process.filter, ObjectFilter) and process.filter.ditau


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
    variations: bool = False,
    leptonic: tuple[str, ...] = (),
    repeat: int = 1,
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
    variations : bool
        Also give the weights of shower variations (two and a half times slower). Those of scales and PDFs, which cost
        20 microseconds per event, are always there.
    leptonic : tuple of str
        Leptons that new particles decay to; for W and Z the settings of the process say so already.
    repeat : int
        Above 1, the process' scalars decay so many times after the shower, each copy a record of its own.

    Raises
    ------
    GenerationError
        If Pythia refuses a setting or produces no events.
    """
    import awkward as ak

    tranche = process.tranches[tranche_index]
    pythia = new()
    number = block_seed(seed, tranche_index, block)
    decides = _event_filter(process, tranche_index, number, pythia, totals)
    totals.counters = decides.counters
    lines = settings_of(process, tranche, mpi=mpi, variations=variations)
    branching = BranchingWeights() if leptonic and process.slha is not None else None
    sliced = hard_slice(process, tranche)
    hooks = [user_hook(decision) for decision in (branching, sliced, decides) if decision is not None]
    add_hooks(pythia, hooks)
    start(lines, number, process.slha, None, pythia)
    if branching is not None:
        branching.fractions = force_new(pythia, leptonic)
        offshell = OffShell(pythia)
    if repeat > 1 and process.scalars is not None:
        keep_stable(pythia, process.scalars)
    reader = BatchReader(pythia, totals)
    turns = np.random.Generator(np.random.PCG64([number, 15]))
    empty = 0
    n_events *= repeat
    while totals.events < n_events and empty < 3:
        # a skipped event is not replaced, so ask again for what is missing
        found = reader.read(min(BATCH, (n_events - totals.events) // repeat))
        if found is None:
            empty += 1
            continue
        batch, record = found
        if process.fast_taus:
            record = with_tau_spin(record, turns)
        totals.events += repeat * record.n_events
        # without the decay weights: their mean is 1 over all decays, not over those that pass a filter
        totals.sum_weights += float(record.info["weight"].sum())
        record.info["weight"] = record.info["weight"] * decay_weights(process, record)
        if branching is not None:
            record.info["weight"] *= branching.take(record.n_events) * offshell.weights(record)
        record.info |= _slicing_variable(tranche, record, sliced or decides)
        record.info |= _hard_process_weights(process, record)
        if variations:
            record.info |= shower_weights(
                pythia, np.asarray(ak.to_numpy(batch.info.weights), dtype=np.float64)
            )
        yield from _copies(process, record, totals.events, number, repeat)
    if totals.events < n_events:
        msg = f"Pythia produced {totals.events} of {n_events} events of {process.name} {tranche.name}: every event fails"
        raise GenerationError(msg)
    if branching is not None:
        totals.branching_fraction = branching.sum_tried / max(branching.tried, 1)
    if sliced is not None:
        count_slice(totals, sliced)
    totals.tried_weights, totals.accepted_weights = totals.counters.tried, totals.counters.accepted
    totals.sigma_gen_fb = pythia.infoPython().sigmaGen() * 1e12
    totals.sigma_err_fb = pythia.infoPython().sigmaErr() * 1e12


def _copies(process: Process, record: Record, n_after: int, seed: int, repeat: int) -> Iterator[Record]:
    """The record, or copies of it whose scalars decay; ``n_after`` counts the copies up to this batch."""
    if repeat == 1 or process.scalars is None:
        yield record
        return
    first = n_after // repeat - record.n_events
    for copy in range(repeat):
        rng = np.random.Generator(np.random.PCG64([seed, first, copy]))
        found = decayed(record, process.scalars, rng)
        found.info["weight"] = record.info["weight"] / repeat
        found.info["number"] = first + np.arange(record.n_events)
        yield found


def count_slice(totals: Generated, sliced: HardSlice) -> None:
    """Count what a slice in an observable has dropped before the other filters."""
    totals.hard_tried, totals.hard_passed = sliced.tried, sliced.passed
    totals.counters.tried += sliced.tried - sliced.passed
    totals.counters.dropped += sliced.tried - sliced.passed


class BatchReader:
    """Asks Pythia for batches of events and arranges them as records; the time of arranging goes into the totals."""

    def __init__(self, pythia: Any, totals: Generated) -> None:
        self._pythia, self._totals = pythia, totals
        self._charges: dict[int, float] = {}

    def read(self, n: int) -> tuple[Any, Record] | None:
        """Up to ``n`` events, as Pythia gives them and as a record; None if all of them failed."""
        batch = self._pythia.nextBatch(n, errorMode="skip")
        if not len(batch) or not batch.fields:
            return None
        begin = time.process_time()
        record = from_batch(batch, self._charges, self._pythia.particleData.charge)
        self._totals.record_s += time.process_time() - begin
        return batch, record


def _event_filter(
    process: Process, tranche_index: int, number: int, pythia: Any, totals: Generated
) -> MuonPairs | WantedObjects:
    """What decides on the events of a tranche; branching ratios of forced decays go into the totals."""
    wanted = process.filter
    mixed = isinstance(wanted, DimuonFilter) and wanted.mixed
    tau_to = {kind: _tau_to(pythia, kind) for kind in ((11, 13) if mixed else (13,))}
    all_of_them = sum(tau_to.values())
    if wanted is not None and wanted.ditau:
        totals.tau_factor = all_of_them**2
    if not isinstance(wanted, DimuonFilter):
        return WantedObjects(wanted)
    if wanted.ditau or wanted.taus_in_xsec:
        tau_to = {kind: ratio / all_of_them for kind, ratio in tau_to.items()}
    options: dict[str, Any] = {
        "tau_to": tau_to,
        "force_taus": lambda kinds: _force_taus(pythia, kinds),
        "uniform": np.random.Generator(np.random.PCG64([number, 7])).random,
    }
    if wanted.edges is None:
        return MuonPairs(wanted, **options)
    return MetSlices(wanted, tranche_index, **options)


def _slicing_variable(tranche: Tranche, record: Record, decides: Any) -> dict[str, np.ndarray]:
    """Value of the slicing variable of each event, which becomes Generator_binvar."""
    if tranche.variable == "m_hat":
        return {"binvar": record.info["mHat"]}
    if not hasattr(decides, "values"):
        return {}
    values, decides.values = decides.values, []
    if len(values) != record.n_events:
        msg = f"the filter has seen {len(values)} events come out where there are {record.n_events}"
        raise GenerationError(msg)
    return {"binvar": np.array(values)}


def decay_weights(process: Process, record: Record) -> Any:
    """Weights of mean 1 for decays whose matrix element Pythia does not have."""
    return 1.0 if process.decay_weight is None else process.decay_weight(record)


def _hard_process_weights(process: Process, record: Record) -> dict[str, np.ndarray]:
    """Weights of scale and PDF variations, relative to the nominal, under NanoAOD's names."""
    from massgap.samples.physics.reweight import pdf_weights, scale_weights

    return {
        "LHEScaleWeight": scale_weights(record.info, process.qcd_order),
        "LHEPdfWeight": pdf_weights(record.info),
    }


def shower_weights(pythia: Any, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Weights of shower variations of a batch, relative to the nominal, as NanoAOD's PSWeight."""
    from massgap.samples.physics.reweight import ps_weights, weight_names

    return {"PSWeight": ps_weights(weight_names(pythia, weights.shape[1]), weights)}


def measure_xsec(process: Process, tranche_index: int, n_events: int, seed: int = 1) -> tuple[float, float]:
    """Cross section of the hard process (fb) and its statistical error, without shower and filters."""
    lines = settings_of(process, process.tranches[tranche_index])
    pythia = start([*lines, "PartonLevel:all = off"], block_seed(seed, tranche_index, 0), process.slha)
    for _ in range(n_events):
        pythia.next()
    info = pythia.infoPython()
    return info.sigmaGen() * 1e12, info.sigmaErr() * 1e12


def _tau_to(pythia: Any, kind: int) -> float:
    """Branching ratio of tau to a lepton in Pythia's own decay table."""
    tau = pythia.particleData.particleDataEntryPtr(15)
    channels = [tau.channel(i) for i in range(tau.sizeChannels())]
    total = sum(channel.bRatio() for channel in channels)
    return float(sum(channel.bRatio() for channel in channels if channel.contains(kind)) / total)


def _force_taus(pythia: Any, kinds: tuple[int, ...]) -> None:
    pythia.readString(f"15:onMode = {'off' if kinds else 'on'}")
    if kinds:
        pythia.readString(f"15:onIfAny = {' '.join(map(str, kinds))}")

"""Other programs that fit workspaces, each in a process of its own; those that are no dependency in an environment of the benchmark."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["ELSEWHERE", "Answer", "Opponent", "python_with_opponents"]

ELSEWHERE = ("pyhf-jax", "nextstat")
"""Names that need the environment: jax is large, and NextStat's licence (AGPL) is none for a dependency."""
_PACKAGES = ("pyhf==0.7.6", "jax", "nextstat", "iminuit")
_PLACE = "MASSGAP_BENCH_OPPONENTS"


class Answer(NamedTuple):
    """What an opponent found, and the CPU seconds that it took."""

    observed: float
    expected: list[float]
    cpu: float


def python_with_opponents() -> Path | None:
    """The Python of the environment that ``--opponents FOLDER`` names, made on first use; None without the option."""
    folder = os.environ.get(_PLACE)
    if not folder:
        return None
    python = Path(folder) / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *_PACKAGES], check=True)
    return python


class Opponent:
    """A running program that answers, one question at a time.

    Parameters
    ----------
    name : str
        As the driver knows it.

    Raises
    ------
    RuntimeError
        If the program ends.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        python = python_with_opponents() if name in ELSEWHERE else Path(sys.executable)
        driver = Path(__file__).with_name("fit_opponent_driver.py")
        # Threads of jax belong to no library of linear algebra.
        flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        self._process = subprocess.Popen(
            [str(python), str(driver), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "RAYON_NUM_THREADS": "1"},
        )
        self.versions = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream(self._process.stdin).close()
        self._process.wait()
        self._stream(self._process.stdout).close()

    def ask(self, workspace: Path, what: str, mu: float = 1.0) -> Answer:
        """CLs of a signal strength (``"cls"``), or the limit."""
        return self._ask({"workspace": str(workspace), "what": what, "mu": mu})

    def above(self, workspace: Path, pars: dict[str, float]) -> float:
        """How far -2 ln L at the end of its free fit lies above that at other parameters (pyhf only)."""
        return self._ask({"workspace": str(workspace), "what": "above", "pars": pars}).observed

    def _ask(self, question: dict[str, Any]) -> Answer:
        to = self._stream(self._process.stdin)
        to.write(json.dumps(question) + "\n")
        to.flush()
        line = self._stream(self._process.stdout).readline()
        if not line:
            message = f"{self.name} ended when it was asked for {question['what']} of {question['workspace']}"
            raise RuntimeError(message)
        answer: dict[str, Any] = json.loads(line)
        self.versions = ", ".join(f"{package} {version}" for package, version in answer["versions"].items())
        return Answer(answer["observed"], answer["expected"], answer["cpu"])

    @staticmethod
    def _stream(stream: IO[str] | None) -> IO[str]:
        if stream is None:
            message = "the process has no pipes"
            raise RuntimeError(message)
        return stream

"""Whatever changes a number is noticed wherever it lies: in a copy of the repository, one line is changed at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import eventfiles
import pytest

ROOT = Path(__file__).parent.parent

OWN = """
from massgap.processors.base.analysis import Analysis
from massgap.processors.base.axes import Integer
from massgap.processors.base.histograms import HistogramSpec

PT = 5

class Mine(Analysis):
    name = "mine"
    channel = "muons"

    def histograms(self):
        return (HistogramSpec("n", Integer(0, 5, name="n")),)

    def select(self, event, flow):
        event = flow.keep(event, "a muon", event.muons.any(event.muons.pt > PT))
        flow.fill("n", event.muons.counts)
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package, links and compiled code included."""
    folder = tmp_path_factory.mktemp("clone")
    rooms = sorted(path.readlink().name for path in (ROOT / "massgap").iterdir() if path.is_symlink())
    for name in ("massgap", *rooms):
        subprocess.run(["cp", "-RPp", str(ROOT / name), str(folder / name)], check=True)
    (folder / "examples").mkdir()
    eventfiles.write_nano(folder / "events.root", eventfiles.make_events(300, 3))
    return folder


def python(clone: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(clone)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [sys.executable, *arguments], cwd=clone, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def cutflow(clone: Path, analysis: str, out: str) -> list[int]:
    """Raw numbers of the cutflow of a run; a second run with the same ``out`` may take finished chunks again."""
    python(clone, "-m", "massgap", "run", analysis, "events.root", "--out", out, "--executor", "iterative")
    content = json.loads((clone / out / "cutflow.json").read_text())
    (rows,) = content["processes"].values()
    return [row["raw"] for row in rows]


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, f"{path} does not hold {old!r} once"
    path.write_text(text.replace(old, new))


def test_a_changed_cut_of_an_own_analysis_inside_the_clone(clone: Path) -> None:
    (clone / "examples" / "mine.py").write_text(OWN)
    before = cutflow(clone, "./examples/mine.py:Mine", "runs/own")
    change(clone / "examples" / "mine.py", "PT = 5", "PT = 50")
    after = cutflow(clone, "./examples/mine.py:Mine", "runs/own")
    assert after == cutflow(clone, "./examples/mine.py:Mine", "runs/own_fresh")
    assert after[1] < before[1]


# What is changed in the package: a selection, a kernel called from another folder, a reader.
CHANGES = {
    "selection": ("selections/objects/definitions.py", "out[i] = pt[i] > min_pt and abs(eta[i]) < max_eta and identified[i]",
                  "out[i] = pt[i] > min_pt + 20.0 and abs(eta[i]) < max_eta and identified[i]"),
    "kernel": ("massgap/arrays/kernels/momenta.py", "nearest = delta_r * delta_r",
               "nearest = 4.0 * delta_r * delta_r"),
    "reader": ("events/formats/nanoaod.py", "return columns.flat(name, tagger) > threshold",
               "return columns.flat(name, tagger) > -1e9"),
}  # fmt: skip


def test_a_changed_selection_kernel_or_reader(clone: Path) -> None:
    """One line after the other, in one output folder: each time the numbers are those of a run from nothing."""
    numbers = [cutflow(clone, "slepton", "runs/slepton")]
    for what, (file, old, new) in CHANGES.items():
        change(clone / file, old, new)
        numbers.append(cutflow(clone, "slepton", "runs/slepton"))
        assert numbers[-1] != numbers[-2], what
        assert numbers[-1] == cutflow(clone, "slepton", f"runs/fresh_{what}"), what
    for file, old, new in CHANGES.values():
        change(clone / file, new, old)
    assert cutflow(clone, "slepton", "runs/slepton") == numbers[0]


def test_a_changed_recipe_of_the_package(clone: Path) -> None:
    fileset = {}
    for name, seed in (("signal", 5), ("background", 6)):
        path = eventfiles.write_nano(
            clone / f"{name}.root", eventfiles.make_events(2500, seed, negative=False)
        )
        metadata = {"process": name, "xsec_fb": 10.0, "is_signal": name == "signal"}
        fileset[name] = {"files": {str(path): "Events"}, "metadata": metadata}
    (clone / "fileset.json").write_text(json.dumps(fileset))
    run = (
        "-m",
        "massgap",
        "run",
        "slepton",
        "--fileset",
        "fileset.json",
        "--out",
        "runs/trained",
        "--executor",
        "iterative",
    )
    python(clone, *run)

    def model() -> bytes:
        python(clone, "-m", "massgap", "train", "runs/trained", "--out", "runs/model", "--region", "topology")
        return (clone / "runs" / "model" / "slepton.onnx").read_bytes()

    before = model()
    assert model() == before
    change(clone / "models" / "recipes" / "slepton.py", '"max_depth": 5,', '"max_depth": 2,')
    assert model() != before


def test_a_changed_kernel_in_another_folder(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    kernel = "from massgap.arrays.compiled import compiled\n\n@compiled\ndef inner(x):\n    return x + {}\n"
    (tmp_path / "a" / "inner_kernel.py").write_text(kernel.format("1.0"))
    (tmp_path / "b" / "outer_kernel.py").write_text(
        "import sys\nsys.path.insert(0, '../a')\nfrom inner_kernel import inner\n"
        "from massgap.arrays.compiled import compiled\n\n"
        "@compiled\ndef outer(x):\n    return 10.0 * inner(x)\n\nprint(outer(1.0))\n"
    )

    def answer() -> str:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "outer_kernel.py"]
        return subprocess.run(
            command, cwd=tmp_path / "b", env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()

    assert answer() == "20.0"
    (tmp_path / "a" / "inner_kernel.py").write_text(kernel.format("2.0"))
    assert answer() == "30.0"


def test_a_changed_sample_module_in_a_subfolder(clone: Path) -> None:
    """The key of a block of events, without making events."""
    pytest.importorskip("pythia8mc", reason="needs Pythia, which is in the extra massgap[generator]")
    code = "from massgap.samples.production.plan import _digest_of; print(_digest_of({}))"
    before = python(clone, "-c", code)
    assert python(clone, "-c", code) == before
    change(
        clone / "samples" / "detector" / "jets.py",
        "from __future__ import annotations\n",
        "from __future__ import annotations\n\nNEW = 1\n",
    )
    assert python(clone, "-c", code) != before
    before = python(clone, "-c", code)
    (clone / "samples" / "deeper").mkdir()
    (clone / "samples" / "deeper" / "response.py").write_text("SCALE = 1.0\n")
    with_folder = python(clone, "-c", code)
    assert with_folder != before
    change(clone / "samples" / "deeper" / "response.py", "1.0", "1.1")
    assert python(clone, "-c", code) not in (before, with_folder)


def test_a_changed_analysis_of_the_same_size_and_time(tmp_path: Path) -> None:
    # An edit within the second that a file system keeps: compiled code beside the file would be taken for fresh.
    file = tmp_path / "mine.py"
    for value in ("5", "3"):
        file.write_text(OWN.replace("PT = 5", f"PT = {value}"))
        os.utime(file, (1_700_000_000, 1_700_000_000))
        words = f"from massgap.processors.registry import find_processor as f; print(f('{file}:Mine').__module__);"
        words += "import sys; print(sys.modules['massgap_user_mine'].PT)"
        assert python(ROOT, "-c", words).split()[-1] == value

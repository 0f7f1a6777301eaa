from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path

import pytest

from massgap.contracts.errors import FolderError, ModelFolderError
from massgap.contracts.model_folder import (
    check_model_file,
    finished_model_folder,
    model_file,
    write_model_folder,
)

CONTENT = b"not really a model"
TRAINING = {
    "model_file": "low.onnx",
    "model_sha256": hashlib.sha256(CONTENT).hexdigest(),
    "request_hash": "abc",
    "folds": [{"auc_eval": 0.75}, {"auc_eval": 0.5}],
}


@pytest.fixture
def made(tmp_path):
    return write_model_folder(tmp_path / "model", TRAINING, CONTENT, "# Card\n")


def test_there_and_back(made):
    assert sorted(path.name for path in made.folder.iterdir()) == ["card.md", "low.onnx", "training.json"]
    assert json.loads(made.training_file.read_text()) == {"format": "massgap-training/1", **TRAINING}
    again = finished_model_folder(made.folder, "abc")
    assert (made.reused, again.reused) == (False, True)
    assert again.training == made.training
    assert again.auc_eval == [0.75, 0.5]
    assert model_file(made.folder) == model_file(made.model_file) == made.model_file
    check_model_file(made.model_file, CONTENT)


@pytest.mark.parametrize("spoil", ["another request", "model", "card", "training", "format"])
def test_a_folder_that_is_not_whole_is_not_finished(made, spoil):
    if spoil == "model":
        made.model_file.write_bytes(CONTENT[1:])
    elif spoil == "card":
        made.card_file.unlink()
    elif spoil == "training":
        made.training_file.write_text("[")
    elif spoil == "format":
        made.training_file.write_text(json.dumps({**made.training, "format": "massgap-training/0"}))
    assert finished_model_folder(made.folder, "abd" if spoil == "another request" else "abc") is None


def test_another_model_than_the_one_described(made):
    with pytest.raises(
        ModelFolderError, match=r"low.onnx has the SHA-256 .*training.json beside it describes"
    ):
        check_model_file(made.model_file, b"another")
    other = made.model_file.with_name("other.onnx")
    check_model_file(other, b"another")  # is not the one that is described
    other.write_bytes(b"another")
    with pytest.raises(ModelFolderError, match=r"should hold one .onnx file; it holds low.onnx, other.onnx"):
        model_file(made.folder)


def test_a_description_without_its_model_is_an_interrupted_training(made):
    made.model_file.unlink()
    with pytest.raises(
        ModelFolderError, match=r"has lost its .onnx file, or the training was interrupted; train again"
    ):
        model_file(made.folder)


def test_what_json_cannot_say_is_refused_and_nothing_looks_finished(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_model_folder(tmp_path / "model", {**TRAINING, "folds": [float("nan")]}, CONTENT, "")
    assert finished_model_folder(tmp_path / "model", "abc") is None
    assert not list((tmp_path / "model").iterdir())


@pytest.mark.parametrize("full_at", ["low.onnx", "card.md", "training.json"])
def test_a_full_disk_leaves_no_model_that_looks_like_one_from_elsewhere(made, tmp_path, monkeypatch, full_at):
    replace = os.replace

    def full(source, target):
        if Path(target).name == full_at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    other = b"another model"
    training = {**TRAINING, "model_sha256": hashlib.sha256(other).hexdigest(), "request_hash": "abd"}
    for folder in (tmp_path / "new", made.folder):
        with pytest.raises(
            FolderError, match=r"Cannot write the model folder .*No space left on device.*--out"
        ):
            write_model_folder(folder, training, other, "")
        assert finished_model_folder(folder, "abd") is None
    assert not list((tmp_path / "new").iterdir())
    # The older model is whole, or gone: never another one beside its description.
    whole = finished_model_folder(made.folder, "abc") is not None
    assert whole == (full_at == "low.onnx")
    assert made.model_file.exists() == whole


def test_below_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderError, match=r"Cannot write the model folder .*file.*--out"):
        write_model_folder(tmp_path / "file" / "model", TRAINING, CONTENT, "")

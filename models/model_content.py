"""The content of a model, wherever it is: a file, a model folder, a model of the zoo by name, a published one by its description."""

from __future__ import annotations

from pathlib import Path

from massgap.contracts.model_folder import check_model_file, model_file
from massgap.models.errors import ModelFileError

__all__ = ["read_content"]


def read_content(path: str | Path) -> tuple[str, bytes]:
    """Where a model is, as messages call it, and its content as one ONNX file.

    Parameters
    ----------
    path
        An ONNX file, or a model folder that ``massgap train`` wrote; the name of a model of the zoo (`massgap.models.zoo`), if there
        is no such file; or a description (.toml) of a model that others have published (`massgap.models.published`).

    Raises
    ------
    ModelFolderError
        If a folder does not hold one model, or the file is not the one that its ``training.json`` describes.
    ModelFileError
        If there is none, or it cannot be read.
    """
    place = Path(path)
    if place.suffix == ".toml":
        from massgap.models.published.graph import published_bytes

        return str(place), published_bytes(place)
    if not place.exists():
        from massgap.models.zoo.shelf import zoo_folder

        place = zoo_folder(str(path)) or place
    file = model_file(place)
    try:
        content = file.read_bytes()
    except OSError as error:
        msg = (
            f"Cannot read the model {file}: {error.strerror or error}. {_near(path)}massgap train RUN_FOLDER writes one, massgap models "
            "lists those that come with massgap."
        )
        raise ModelFileError(msg) from error
    check_model_file(file, content)
    return str(file), content


def _near(path: str | Path) -> str:
    """Where a model is that a run folder holds, of which the place within the run alone was given."""
    if Path(path).is_absolute():
        return ""
    found = [place for pattern in ("*", "*/*") for place in sorted(Path().glob(f"{pattern}/{path}"))]
    return f"There is {found[0]}: --model {found[0]}. " if found else ""

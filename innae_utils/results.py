"""One run is one flat row: write it, gather rows, and tell which code made them.

A run's folder holds `train.ipynb`, `history.parquet`, `model.safetensors`, `reconstructions.npz` and, written last,
`result.json`: the row, and the only proof that the run finished.
"""

import ast
import datetime
import hashlib
import json
import math
import os
import platform
import re
import subprocess
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from innae_utils.parameters import Run
from innae_utils.settings import (
    PROJECT,
    QUICK,
    STUDIED,
    ParameterError,
    find_recipe,
    recipes_of,
    run_dir,
    size_of,
    size_suffix,
    spec_of,
    split_name,
)

ROW: dict[str, type] = {
    "dataset": str, "model": str, "recipe": str, "bottleneck": int, "seed": int, "preset": str, "epochs": int,
    "image_size": str, "train_images": int, "test_images": int, "train_l1": float, "test_l1": float, "n_params": int,
    "seconds": float, "peak_memory_mb": float, "device": str, "machine": str, "threads": int, "precision": str,
    "torch": str, "freia": str, "commit": str, "finished_at": str,
}  # fmt: skip


PLACE = ["dataset", "model", "recipe", "bottleneck", "seed"]  # of one run, whatever the size of its images


class ResultError(RuntimeError):
    """A row or a run's folder is not what it should be; the message names the file."""


# ---- files of a run --------------------------------------------------------------------------------------------


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Keep a second process out of a run's folder. The lock goes with the process, however that ends.

    Raises ResultError if another process works there.
    """
    try:
        import fcntl
    except ImportError:  # Windows has none: there nothing keeps two runs of the same folder apart
        yield
        return
    with open(folder / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ResultError(
                f"another process is training in {folder}; wait for it, or give another run_dir"
            ) from error
        yield


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name to write to; it becomes `path` when the block ends well, and vanishes when it does not."""
    part = path.with_name(f"{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_history(folder: Path, history: list[dict[str, float]]) -> None:
    """`history.parquet`: one row an epoch, with the learning rate it ran at."""
    import pyarrow
    import pyarrow.parquet

    with replacing(folder / "history.parquet") as part:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(history), part)


def finish(
    run: Run, model, history: list[dict[str, float]], samples: Mapping[str, Any], row: Mapping[str, Any]
) -> None:
    """Write all files of a finished run, `result.json` last, and drop the checkpoint.

    Args:
        run: the run.
        model: the trained network.
        history: the records of `train.fit`.
        samples: `x` and `x_hat` (n, C, H, W) of a few test images, for figure 6.
        row: from `make_row`.
    """
    from safetensors.torch import save_file

    check_row(row, "the row")
    (run.run_dir / "result.json").unlink(missing_ok=True)
    write_history(run.run_dir, history)
    weights = {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
    with replacing(run.run_dir / "model.safetensors") as part:
        save_file(weights, part)
    write_samples(run.run_dir, samples)
    write_row(run.run_dir, row)
    run.checkpoint.unlink(missing_ok=True)


def write_samples(folder: Path, samples: Mapping[str, Any]) -> None:
    """`reconstructions.npz`: `x` and `x_hat` (n, C, H, W), tensors on the CPU, of a few test images."""
    import numpy as np

    with replacing(folder / "reconstructions.npz") as part:
        np.savez_compressed(part, **{name: tensor.numpy() for name, tensor in samples.items()})


def write_row(folder: Path, row: Mapping[str, Any]) -> None:
    """`result.json`, written last. Raises ResultError if a column is missing, unknown or of the wrong type."""
    check_row(row, "the row")
    with replacing(folder / "result.json") as part:
        part.write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")


def check_row(row: Any, name: str) -> None:
    """Raise ResultError unless this is a row: every column there, of its type, and no other.

    Example:
        >>> check_row({"dataset": "digits"}, "result.json")
        Traceback (most recent call last):
        ...
        innae_utils.results.ResultError: result.json is not a row: model is missing
    """
    if not isinstance(row, Mapping):
        raise ResultError(f"{name} is not a row: it holds a {type(row).__name__}")
    for column, kind in ROW.items():
        if column not in row:
            raise ResultError(f"{name} is not a row: {column} is missing")
        if type(row[column]) is not kind:
            raise ResultError(f"{name} is not a row: {column} is {row[column]!r}, not {kind.__name__}")
        if kind is float and column != "peak_memory_mb" and not math.isfinite(row[column]):
            raise ResultError(f"{name} is not a row: {column} is {row[column]}")
    unknown = [column for column in row if column not in ROW]
    if unknown:
        raise ResultError(f"{name} is not a row: unknown column {', '.join(unknown)}")


def read_row(path: Path) -> dict[str, Any]:
    """The row in a `result.json`; one from before rows told it has the machine "not recorded".

    Raises ResultError if there is no row in it.
    """
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResultError(f"{path} is not a row: {error}") from error
    if isinstance(row, dict):
        row.setdefault("machine", "not recorded")
    check_row(row, str(path))
    return {column: row[column] for column in ROW}


def gather(root: str | os.PathLike = "runs"):
    """All rows under a folder as a tidy DataFrame, one row a finished run, sorted.

    A `result.json` that is half-written or not a row is reported by a warning, and left out.
    """
    import pandas as pd

    rows = []
    for path in sorted(Path(root).rglob("result.json")):
        try:
            row = read_row(path)
            if row["model"] != "pca" and split_name(row["recipe"])[0] not in STUDIED:  # a study need not be published
                find_recipe(row["dataset"], row["model"], row["recipe"])
            rows.append(row)
        except (ResultError, ParameterError) as error:
            warnings.warn(f"{path}: {error}; left out", stacklevel=2)
    frame = pd.DataFrame(rows, columns=list(ROW))
    return frame.sort_values(list(ROW)[:5], ignore_index=True)


def uncut(frame):
    """The rows that ran for as many epochs as their recipe's name says; a quick row's own number counts as that.

    PCA has no epochs and stays. What is left out is reported by a warning.
    """
    import pandas as pd

    whole = [row.model == "pca" or row.epochs == _epochs(row) for row in frame.itertuples()]
    for row in frame[[not kept for kept in whole]].itertuples() if not all(whole) else ():
        place = f"{row.dataset} {row.model} {row.recipe} k={row.bottleneck} seed={row.seed}"
        warnings.warn(f"{place} ran for {row.epochs} epochs instead of {_epochs(row)}; left out", stacklevel=2)
    return frame[pd.Series(whole, index=frame.index, dtype=bool)]


def at_size(rows, dataset: str, image_size: str = ""):
    """The rows of a data set whose images had the size that `image_size` means for their model (PCA: for the INN)."""
    rows = rows[rows["dataset"] == dataset]
    wanted = [
        size == size_of(spec_of(dataset, "inn" if model == "pca" else model, image_size))
        for model, size in zip(rows["model"], rows["image_size"], strict=True)
    ]
    return rows.loc[wanted]  # with .loc also of no rows at all


def _epochs(row) -> int:
    plain, own = split_name(row.recipe)
    if plain in STUDIED and plain not in recipes_of(row.dataset, row.model):
        return row.epochs  # nothing to hold it against
    usual = QUICK["epochs"] if row.preset == "quick" else find_recipe(row.dataset, row.model, plain).epochs
    return own.get("epochs", usual)


def read_samples(row, root: str | os.PathLike) -> dict[str, Any]:
    """`x` and `x_hat` (n, C, H, W) that the run of a row has recorded, from the data set's folder of runs."""
    import numpy as np

    with open(folder_of(row, root) / "reconstructions.npz", "rb") as file, np.load(file) as stored:
        return dict(stored)


def folder_of(row, root: str | os.PathLike) -> Path:
    """The folder of a row's run, in the data set's folder of runs."""
    return Path(root) / sized(row) / row["recipe"] / f"k{row['bottleneck']:04d}" / f"seed{row['seed']}"


def learning_curves(rows, root: str | os.PathLike):
    """The loss terms of every epoch of these rows' runs under a folder of runs; runs without a history are left out.

    Returns:
        dataset, model, recipe, bottleneck, seed, then the columns of `history.parquet` but for the seconds.
    """
    import pandas as pd

    found = []
    for row in rows.to_dict("records"):
        place = {name: row[name] for name in (*PLACE, "preset", "image_size")}
        path = run_dir(**place, root=root) / "history.parquet"
        if path.exists():
            history = pd.read_parquet(path).drop(columns="seconds")
            found.append(pd.DataFrame({name: row[name] for name in PLACE}, index=history.index).join(history))
    nothing = pd.DataFrame(columns=[*PLACE, "epoch", "lr", "loss", "reconstruction"])
    return pd.concat(found, ignore_index=True) if found else nothing


def sized(row) -> str:
    """A model's name, with the size of its images where the data set has several: what its folder is called."""
    return row["model"] + size_suffix(row["dataset"], row["model"], row["image_size"])


def preview(samples: Mapping[str, Any], width: int = 640):
    """A PIL image of x above x_hat (n, C, H, W): enough for a look, without loading a plotting library."""
    import numpy as np
    from PIL import Image

    above, below = (strip(np.asarray(samples[name])) for name in ("x", "x_hat"))
    pixels = np.concatenate((above, np.ones_like(above[:1]), below))
    picture = Image.fromarray((pixels * 255).round().astype(np.uint8))
    return picture.resize((width, width * picture.height // picture.width), Image.Resampling.NEAREST)


def strip(images, gap: int = 1):
    """Images (n, C, H, W) side by side, white between them: (H, n W + (n - 1) gap) or with a last axis of 3.

    Example:
        >>> import numpy as np
        >>> strip(np.zeros((3, 1, 8, 8))).shape, strip(np.zeros((2, 3, 4, 4))).shape
        ((8, 26), (4, 9, 3))
    """
    import numpy as np

    n, channels, height, width = images.shape
    canvas = np.ones((height, n * (width + gap) - gap, channels))
    for i, image in enumerate(images):
        canvas[:, i * (width + gap) : i * (width + gap) + width] = np.clip(image, 0, 1).transpose(1, 2, 0)
    return canvas[..., 0] if channels == 1 else canvas


# ---- reading curves -----------------------------------------------------------------------------------------

SATURATION_TOLERANCE = 0.05


def saturation(losses: Mapping[int, float], tolerance: float = SATURATION_TOLERANCE) -> int:
    """Where a curve stops improving: the smallest bottleneck whose loss is within `tolerance` of the largest's.

    Args:
        losses: bottleneck -> loss, at least one.
        tolerance: a share of the loss at the largest bottleneck; 0.05 means 5 %.

    Returns:
        A bottleneck; the largest one means that the curve has not been seen to saturate.

    Example:
        >>> saturation({4: 0.060, 8: 0.041, 12: 0.0358, 32: 0.0370, 64: 0.0355})
        12
        >>> saturation({4: 0.060, 8: 0.041, 12: 0.035, 32: 0.0225, 64: 0.0186})
        64
    """
    if not losses:
        raise ResultError("an empty curve saturates nowhere; give at least one bottleneck and its loss")
    goal = (1 + tolerance) * losses[max(losses)]
    return min(bottleneck for bottleneck, loss in losses.items() if loss <= goal)


# ---- what made a row -------------------------------------------------------------------------------------------


def processor() -> str:
    """The name of this machine's processor, as it gives it itself; "unknown processor" if it does not."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine() or "unknown processor"


def machine(device: str) -> str:
    """What a run on a device was computed on: the card, if it is one, the processor, and all its cores.

    Example:
        >>> machine("cpu").endswith("cores)")
        True
    """
    import torch

    host = f"{processor()} ({os.cpu_count()} cores)"
    return f"{torch.cuda.get_device_name(device)}, {host}" if device.startswith("cuda") else host


def make_row(place: Mapping[str, Any], images: Mapping[str, Any], **measured: Any) -> dict[str, Any]:
    """The row of a finished run.

    Args:
        place: dataset, model, recipe, bottleneck, seed, preset, epochs; other keys are passed over.
        images: the `data.Images` of the splits `train` and `test`; their size (height x width) and number are noted.
        measured: train_l1, test_l1, n_params, seconds, device, precision, and commit, read before training.

    Returns:
        These and what this process knows of itself: machine, memory, threads, versions, time.
    """
    import torch

    known = {**place, **measured, **versions(), "threads": torch.get_num_threads()}
    known["machine"] = machine(measured["device"])
    known["image_size"] = "x".join(str(side) for side in images["train"].shape[1:])
    known |= {f"{split}_images": len(images[split]) for split in ("train", "test")}
    known["peak_memory_mb"] = round(peak_memory_mb(measured["device"]), 1)
    known["seconds"] = round(measured["seconds"], 3)
    known["finished_at"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {column: known[column] for column in ROW}


def versions() -> dict[str, str]:
    """The versions of torch and FrEIA, without importing them."""
    from importlib.metadata import version

    return {"torch": version("torch"), "freia": version("FrEIA")}


def peak_memory_mb(device: str) -> float:
    """The most memory used so far in MiB: of the GPU's tensors, or of this process on a CPU (NaN where unknown)."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.max_memory_allocated(device) / 2**20
    try:
        import resource
    except ImportError:
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def is_commit(text: str) -> bool:
    """Whether a row's `commit` names one: not `unknown`, nor ending in `-dirty`.

    Example:
        >>> is_commit("dc0176163d497bc17d6561cad5714fd8f8e22ba2"), is_commit("dc01761-dirty")
        (True, False)
    """
    return bool(re.fullmatch(r"[0-9a-f]{40}", text))


def commit() -> str:
    """The commit of the project's checkout, with `-dirty` if it does not hold the code; `unknown` outside git.

    A notebook that git does not know is somebody's own and decides nothing; a module or a tuned recipe does.
    """
    try:
        head = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", *CODE)
        new = _git("status", "--porcelain", "--untracked-files=all", "--", *(set(CODE) - {"notebooks"}))
        return head + ("-dirty" if changed or new else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


CODE = (
    "innae_utils",
    "notebooks",
    "workflow",
    "results/tuned.json",
)  # what decides a row; a new figure or README does not make it dirty


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(PROJECT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def identity(run: Run, precision: str) -> str:
    """What a checkpoint belongs to: the run's parameters, its recipe, the code, and the precision that "auto" is here.
    Paths do not matter."""
    places = ("run_dir", "data_root") if run.dataset != "images" else ("run_dir",)
    what = {name: str(value) for name, value in vars(run).items() if name not in places}
    if run.dataset == "images":  # pictures come and go in a folder
        from innae_utils import prepare

        what["pictures"] = prepare.files(run.data_root, None).fingerprint
    return json.dumps({**what, "precision": precision, "code": code_digest()})


# ---- digests: rerun when code changes, not when words do ----------------------------------------------------


def code_digest(files: Iterable[Path] | None = None) -> str:
    """A digest of what code does: comments, docstrings, layout, and a notebook's prose and outputs do not count.

    Args:
        files: `.py` and `.ipynb` files; None means every module of the package that a training run imports.
    """
    if files is None:
        files = modules_of(PROJECT / "notebooks" / "10_train.ipynb")
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.name.encode())
        for source in _sources(path):
            digest.update(_bare(source).encode())
    return digest.hexdigest()[:16]


def modules_of(path: Path) -> list[Path]:
    """The package's modules that a notebook or module imports, directly or through each other, sorted.

    Example:
        >>> [path.name for path in modules_of(PROJECT / "innae_utils" / "losses.py")]
        ['settings.py']
    """
    package = PROJECT / "innae_utils"
    known = {module.stem: module for module in package.glob("*.py")}
    found: set[Path] = set()
    todo = [path]
    while todo:
        trees = [ast.parse(source) for source in _sources(todo.pop())]
        for node in (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)):
            inside, _, module = (node.module or "").partition(".")
            names = [module] if module else [alias.name for alias in node.names]
            new = {known[name] for name in names if inside == package.name and name in known} - found
            found |= new
            todo += new
    return sorted(found)


def _sources(path: Path) -> list[str]:
    if path.suffix != ".ipynb":
        return [path.read_text(encoding="utf-8")]
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def _bare(source: str) -> str:
    """Source without comments and docstrings; as it is if it is no plain Python (a notebook's magic)."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return source
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)

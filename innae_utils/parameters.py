"""The check of a run's parameters: every value, before anything heavy is loaded, and what is allowed instead.

For notebooks: `given_parameters` finds what papermill gave, misspelt names too; `check_run` makes a `Run` of it.
"""

import ast
import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from innae_utils.settings import (
    DATASETS,
    MODELS,
    PRECISIONS,
    PRESETS,
    QUICK,
    SOURCES,
    WEIGHTS,
    ParameterError,
    Recipe,
    check_image_size,
    check_number,
    data_root,
    dim_of,
    family,
    find_recipe,
    place_of,
    quick_of,
    recipe_name,
    recipes_of,
    run_dir,
    spec_of,
    stop_if,
)


@dataclass(frozen=True)
class Run:
    """The checked parameters of one run; `epochs` and `recipe_settings` are resolved, paths are absolute."""

    dataset: str
    model: str
    recipe: str
    bottleneck: int
    seed: int
    preset: str
    epochs: int
    data_root: Path
    run_dir: Path
    device: str
    precision: str
    recompute: bool
    image_size: str
    strict: bool
    recipe_settings: Recipe

    @property
    def spec(self) -> Any:
        """The model's spec at the run's image size."""
        return spec_of(self.dataset, self.model, self.image_size)

    @property
    def checkpoint(self) -> Path:
        """Written after every epoch, gone when the run has finished."""
        return self.run_dir / "checkpoint.pt"

    @property
    def limits(self) -> dict[str, int | None]:
        """How many images of each split are used; None is all of them."""
        few = quick_of(self.spec)
        return {split: few[f"{split}_images"] if self.preset == "quick" else None for split in ("train", "test")}


# What 10_train declares; a test compares the two.
RUN_PARAMETERS = (
    "dataset", "model", "recipe", "bottleneck", "seed", "preset", "epochs", "data_root", "run_dir", "device",
    "precision", "recompute", "image_size", "strict", "weight_reconstruction", "weight_zero_padding", "weight_mmd",
    "weight_kl",
)  # fmt: skip


def given_parameters(namespace: Mapping[str, Any], declared: tuple[str, ...], checked: str) -> dict[str, Any]:
    """The parameters in a notebook's namespace, unknown names included when its check runs for the first time.

    papermill only warns of a name that the notebook does not declare, then trains with the defaults. Before anything
    is imported the namespace holds nothing but parameters, so a stray name is a misspelt one; once `checked` is
    there, the notebook has been run, and only the declared names are looked at.
    """
    plain = (str, int, float, bool, list, tuple, dict, type(None))
    names = [n for n, v in namespace.items() if isinstance(v, plain) and not n.startswith("_") and n not in IPYTHON]
    again = checked in namespace and not isinstance(namespace[checked], plain)
    return {n: namespace[n] for n in names if not again or n in declared}


IPYTHON = ("In", "Out")


def refuse_unknown(names: Any, declared: Any, what: str) -> None:
    """Raise ParameterError if a name is not declared.

    Example:
        >>> refuse_unknown(["seeds"], ("seed", "epochs"), "10_train")
        Traceback (most recent call last):
        ...
        innae_utils.settings.ParameterError: 10_train has no parameter 'seeds'; allowed: seed, epochs
    """
    unknown = [name for name in names if name not in declared]
    if unknown:
        raise ParameterError(f"{what} has no parameter {', '.join(map(repr, unknown))}; allowed: {', '.join(declared)}")


def declared_parameters(notebook: Path) -> tuple[str, ...]:
    """The names in a notebook's cell tagged `parameters`.

    Example:
        >>> from innae_utils.settings import PROJECT
        >>> declared_parameters(PROJECT / "notebooks" / "10_train.ipynb") == RUN_PARAMETERS
        True
    """
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    (cell,) = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    return tuple(line.target.id for line in ast.parse("".join(cell["source"])).body if isinstance(line, ast.AnnAssign))


def check_names(dataset: Any, models: Any, recipes: Any, preset: Any) -> list[str]:
    """What is wrong with the names of a data set, its models and recipes, and a preset: a list of sentences."""
    wrong = []
    if preset not in PRESETS:
        wrong.append(f"preset: {preset!r} is not known; allowed: {', '.join(PRESETS)}")
    if not isinstance(dataset, str) or dataset not in DATASETS:
        alone = "; all of them are drawn from published rows alone: ROWS=published DATASET=all" * (dataset == "all")
        return [*wrong, f"dataset: {dataset!r} is not known; allowed: {', '.join(DATASETS)}{alone}"]
    for model in models:
        if model not in (allowed := MODELS.get(dataset, DATASETS[dataset].models)):
            allowed = ", ".join(allowed)
            wrong.append(f"model: {model!r} is not known for {dataset}; allowed: {allowed}")
            continue
        known = recipes_of(dataset, model)
        why = " (the INN's own schedule already falls late)" if family(model) == "inn" else ""
        wrong += [
            f"recipe: {recipe!r} is not known for {model} on {dataset}; allowed: {', '.join(known)}"
            + (why if recipe == "late" else "")
            for recipe in recipes
            if recipe not in known
        ]
    return wrong


def check_source(rows: Any, preset: Any) -> list[str]:
    """What is wrong with where rows are to come from: an empty list or one sentence.

    Example:
        >>> check_source("published", "quick")
        ["rows: 'published' rows are full ones; give preset full, or rows local"]
    """
    if rows not in SOURCES:
        return [f"rows: {rows!r} is not known; allowed: {', '.join(SOURCES)}"]
    if (rows, preset) == ("published", "quick"):
        return ["rows: 'published' rows are full ones; give preset full, or rows local"]
    return []


def check_weight(name: str, value: Any, model: Any) -> list[str]:
    """What is wrong with a weight of the loss, where -1 stands for the recipe's: an empty list or one sentence.

    Example:
        >>> check_weight("kl", 0.1, "inn_vae"), check_weight("mmd", 0.1, "inn_vae")
        (['weight_kl: inn_vae has no such term; allowed: -1'], [])
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not (value == -1 or 0 <= value < float("inf")):
        return [f"weight_{name}: {value!r} is not known; allowed: a number from 0, or -1 for the recipe's own"]
    has = {"zero_padding": str(model).startswith("inn"), "kl": model == "classic_vae"}
    return [] if value == -1 or has.get(name, True) else [f"weight_{name}: {model} has no such term; allowed: -1"]


def check_writable(name: str, folder: Path) -> list[str]:
    """What is wrong with a folder that results are to be written into; makes it if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        return [f"{name}: cannot write into {folder} ({error.strerror}); give a folder that you may write to"]
    return []


def check_run(parameters: Mapping[str, Any]) -> Run:
    """Check every parameter of a training run and resolve the defaults.

    `epochs` 0 and weights of -1 mean the recipe's; others become part of its name. `data_root` and `run_dir` "" mean
    the usual places; `precision` and `device` "auto" are resolved when torch is there.
    Raises ParameterError that lists all that is wrong and what is allowed.
    """
    refuse_unknown(parameters, RUN_PARAMETERS, "10_train")
    p = {"image_size": "", "strict": False, **{f"weight_{name}": -1 for name in WEIGHTS}, **parameters}  # seldom given
    stop_if([f"{name}: is missing" for name in RUN_PARAMETERS if name not in p], "The run")
    wrong = check_names(p["dataset"], [p["model"]], [p["recipe"]], p["preset"])
    wrong += check_image_size(p["dataset"], p["image_size"]) if not wrong else []
    dim = dim_of(spec_of(p["dataset"], p["model"], p["image_size"])) if not wrong else None
    wrong += check_number("bottleneck", p["bottleneck"], 1, dim, f"1 to D = {dim}" if dim else "1 to D = C H W")
    wrong += check_number("seed", p["seed"], 0, 2**31 - 1, "0 to 2147483647")
    wrong += check_number("epochs", p["epochs"], 0, None, "1 or more, or 0 for the recipe's own")
    wrong += [
        f"{name}: {p[name]!r} is a {type(p[name]).__name__}; allowed: a string"
        for name in ("data_root", "run_dir", "device")
        if not isinstance(p[name], str)
    ]
    wrong += [
        f"{name}: {p[name]!r} is a {type(p[name]).__name__}; allowed: true, false"
        for name in ("recompute", "strict")
        if not isinstance(p[name], bool)
    ]
    if p["precision"] not in PRECISIONS:
        wrong.append(f"precision: {p['precision']!r} is not known; allowed: {', '.join(PRECISIONS)}")
    if isinstance(p["device"], str) and not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", p["device"]):
        wrong.append(f"device: {p['device']!r} is not known; allowed: auto, cpu, cuda, cuda:N, mps")
    wrong += [sentence for name in WEIGHTS for sentence in check_weight(name, p[f"weight_{name}"], p["model"])]
    stop_if(wrong, "The run")

    plain = find_recipe(p["dataset"], p["model"], p["recipe"])
    own = {n: p[f"weight_{n}"] for n in WEIGHTS if p[f"weight_{n}"] not in (-1, getattr(plain, f"weight_{n}"))}
    usual = QUICK["epochs"] if p["preset"] == "quick" else plain.epochs
    own |= {"epochs": p["epochs"]} if p["epochs"] not in (0, usual) else {}
    p["recipe"] = recipe_name(p["recipe"], own)
    recipe = find_recipe(p["dataset"], p["model"], p["recipe"])
    epochs = p["epochs"] or usual
    place = {n: p[n] for n in ("dataset", "model", "recipe", "bottleneck", "seed", "preset", "image_size")}
    named = {**place, "dataset": place_of(p["dataset"], p["data_root"])}
    folder = Path(p["run_dir"]).expanduser().absolute() if p["run_dir"] else run_dir(**named)
    stop_if(check_own_folder(p["dataset"], p["data_root"]) + check_writable("run_dir", folder), "The run")
    return Run(
        **place, epochs=epochs, data_root=data_root(p["data_root"]), run_dir=folder, device=p["device"],
        precision=p["precision"], recompute=p["recompute"], strict=p["strict"], recipe_settings=recipe.scaled(epochs),
    )  # fmt: skip


def check_own_folder(dataset: str, root: str) -> list[str]:
    """What is wrong with the folder of own images: an empty list or one sentence."""
    if dataset != "images" or (root and Path(root).expanduser().is_dir()):
        return []
    what = f"{root!r} is no folder" if root else "is missing"
    return [f"data_root: {what}; allowed: the folder that holds your images"]

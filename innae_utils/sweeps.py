"""Sweeps: the check of what a command line asks for, and the list of the runs.

No training imports this, so that no network's row is made again when it changes.
"""

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from innae_utils.parameters import check_names, check_run, refuse_unknown
from innae_utils.settings import (
    DATASETS,
    LARGE,
    MODELS,
    PROJECT,
    check_image_size,
    check_number,
    data_root,
    dim_of,
    place_of,
    preset_folder,
    recipes_of,
    run_dir,
    size_suffix,
    spec_of,
    split_name,
    stop_if,
)

SWEEP_PARAMETERS = (
    "dataset", "models", "recipes", "bottlenecks", "seeds", "preset", "data_root", "runs", "figures", "device",
    "precision", "recompute", "image_size", "strict", "threads", "slots",
)  # fmt: skip


class Job(NamedTuple):
    """One run of a sweep."""

    model: str
    recipe: str
    bottleneck: int
    seed: int


@dataclass(frozen=True)
class Sweep:
    """The checked parameters of a sweep; `threads` 0 means: share the cores among the jobs; `slots` are runs at
    once on one GPU."""

    dataset: str
    preset: str
    jobs: tuple[Job, ...]
    bottlenecks: tuple[int, ...]
    data_root: Path
    runs: Path
    figures: Path
    device: str
    precision: str
    recompute: bool
    image_size: str
    strict: bool
    threads: int
    slots: int

    def threads_each(self, cores: int) -> int:
        """Threads of one run: what was asked for, else the cores are shared among the runs that go on at once."""
        return self.threads or max(1, cores // max(1, len(self.jobs)))

    @property
    def run_folder(self) -> Path:
        """The folder of all runs of the data set."""
        return preset_folder(self.runs, self.preset) / self.place

    @property
    def place(self) -> str:
        """The name of the data set's folder of runs."""
        return place_of(self.dataset, self.data_root)

    def spec(self, model: str) -> Any:
        """The spec of a model at the sweep's image size."""
        return spec_of(self.dataset, model, self.image_size)

    @property
    def images(self) -> list[Any]:
        """What `data.prepare` takes, as JSON has it: data set, data root, all sizes that the sweep needs, strict."""
        sizes = {self.spec(model).shape[1:] for model in [*(job.model for job in self.jobs), "inn"]}
        return [self.dataset, str(self.data_root), [list(size) for size in sorted(sizes)], self.strict]

    def result(self, job: Job) -> Path:
        """The file that says that a job is done."""
        return run_dir(self.place, *job, self.preset, self.runs, self.image_size) / "result.json"

    def model_folder(self, model: str) -> str:
        """The name of the folder that holds a model's runs; it tells an unusual image size."""
        return model + size_suffix(self.dataset, model, self.image_size)

    @property
    def image_list(self) -> Path:
        """The note of what was made ready; each size of own images has one, as making one is a reason to train."""
        return self.run_folder / f"data{size_suffix(self.dataset, 'inn', self.image_size)}.json"

    @property
    def figure_folder(self) -> Path:
        """The folder of the data set's figures; another image size, and each folder of own images, has its own."""
        shared = self.image_size == "common"  # the INN's own size, which has no suffix
        suffix = "_common" if shared else size_suffix(self.dataset, "inn", self.image_size)
        return preset_folder(self.figures, self.preset) / (self.place + suffix)


def read_pairs(arguments: Sequence[str]) -> dict[str, str]:
    """The parameters on a command line, each as name=value.

    Raises ParameterError for one that is not of this form, or is there twice.

    Example:
        >>> read_pairs(["dataset=mnist", "data_root=/a=b"])
        {'dataset': 'mnist', 'data_root': '/a=b'}
    """
    wrong = [f"{argument!r} is not of the form name=value" for argument in arguments if "=" not in argument]
    names = [argument.partition("=")[0] for argument in arguments]
    wrong += [f"{name!r} is given {names.count(name)} times" for name in dict.fromkeys(names) if names.count(name) > 1]
    stop_if(wrong, "The command line")
    return dict(argument.partition("=")[::2] for argument in arguments)


def check_sweep(parameters: Mapping[str, Any], declared: tuple[str, ...] = SWEEP_PARAMETERS) -> Sweep:
    """Check a sweep's parameters, as they come from a command line, and list its jobs.

    `models`, `recipes`, `bottlenecks` and `seeds` are lists with commas; what is left out is the data set's own choice.
    A model takes those of the recipes that it has. Raises ParameterError that lists all that is wrong.

    Example:
        >>> sweep = check_sweep({"dataset": "mnist", "models": "inn,classic", "bottlenecks": "12,32"})
        >>> [tuple(job) for job in sweep.jobs][:3]
        [('inn', 'paper', 12, 0), ('inn', 'paper', 32, 0), ('classic', 'paper', 12, 0)]
    """
    refuse_unknown(parameters, declared, "the sweep")
    given = {name: str(value) for name, value in parameters.items()}
    dataset, preset = given.get("dataset", "digits"), given.get("preset", "full")
    stop_if(check_names(dataset, [], [], preset), "The sweep")
    known = DATASETS[dataset]
    models = tuple(split_list(given.get("models"))) or known.models
    recipes = tuple(split_list(given.get("recipes"))) or known.recipes
    image_size = given.get("image_size", "")
    wrong = check_names(dataset, models, [], preset) + check_image_size(dataset, image_size)
    stop_if(wrong, "The sweep")
    dim = min(dim_of(spec_of(dataset, model, image_size)) for model in models)
    usual = known.bottlenecks if preset == "full" or dim <= LARGE else (known.bottlenecks[3:5] or known.bottlenecks[:2])
    bottlenecks, faults = _numbers(given, "bottlenecks", usual, 1, dim, f"1 to D = {dim}")
    seeds, more = _numbers(given, "seeds", known.seeds, 0, 2**31 - 1, "0 to 2147483647")
    threads, yet_more = _numbers(given, "threads", (0,), 0, None, "1 or more, or 0 to share the cores")
    slots, faults_of_slots = _numbers(given, "slots", (1,), 1, None, "1 or more runs at once on a GPU")
    wrong += faults + more + yet_more + faults_of_slots
    reach = {model: [r for r in recipes if r in recipes_of(dataset, model)] for model in models}
    for recipe in recipes if given.get("recipes") else ():
        if not any(recipe in have for have in reach.values()):
            allowed = sorted({r for model in models for r in recipes_of(dataset, model)})
            wrong.append(f"recipe: {recipe!r} is not known for {', '.join(models)}; allowed: {', '.join(allowed)}")
    if given.get("device", "").startswith("cuda:"):
        wrong.append(
            f"device: {given['device']!r} is not for a sweep, whose runs take places on all cards they see; allowed: "
            f"auto, cpu, cuda, mps. For one card set the environment's CUDA_VISIBLE_DEVICES={given['device'][5:]}"
        )
    stop_if(wrong, "The sweep")
    jobs = [Job(m, r, k, s) for s in seeds for m in models for r in reach[m] for k in bottlenecks]
    names = {"device": given.get("device", "auto"), "precision": given.get("precision", "auto")}
    for name in ("recompute", "strict"):
        value = given.get(name, "false").lower()
        names[name] = {"true": True, "false": False}.get(value, value)
    nowhere = "" if "data_root" in declared else str(PROJECT)  # who reads no images need not say where they are
    names |= {"image_size": image_size, "data_root": given.get("data_root", nowhere)}
    first = {"dataset": dataset, "preset": preset, "epochs": 0, **jobs[0]._asdict(), **names}
    with tempfile.TemporaryDirectory() as folder:  # the rest of the checks is a run's own
        check_run({**first, "run_dir": folder})
    return Sweep(
        dataset, preset, tuple(jobs), bottlenecks, data_root(given.get("data_root", "")),
        Path(given.get("runs") or PROJECT / "runs").expanduser().absolute(),
        Path(given.get("figures") or PROJECT / "figures").expanduser().absolute(),
        names["device"], names["precision"], names["recompute"], image_size, names["strict"], threads[0], slots[0],
    )  # fmt: skip


VAE_BOTTLENECK = 16


VAE_RECIPES = {"inn_vae": "paper", "inn": "paper", "classic_vae": "late", "classic_mmd": "late"}  # what 31 compares


def vae_jobs(sweep: Sweep) -> list[Job]:
    """The runs that 31_inn_vae looks at, for the first bottleneck and the seeds of a sweep; none if there are none."""
    if "inn_vae" not in MODELS.get(sweep.dataset, ()):
        return []
    seeds = dict.fromkeys(job.seed for job in sweep.jobs)
    return [Job(m, r, sweep.bottlenecks[0], seed) for seed in seeds for m, r in VAE_RECIPES.items()]


def check_vae(p: Mapping[str, Any]) -> None:
    """Check the parameters of 31_inn_vae that a sweep has not. Raises ParameterError that lists all that is wrong."""
    wrong = check_names(p["dataset"], ["inn_vae"], [split_name(str(p["recipe"]))[0]], p["preset"])
    wrong += check_names(p["dataset"], ["classic_vae"], [p["classic_recipe"]], p["preset"])
    top = dim_of(spec_of(p["dataset"], "inn_vae")) - 1 if not wrong else None  # a z is needed
    wrong += check_number("bottleneck", p["bottleneck"], 1, top, f"1 to D - 1 = {top}" if top else "1 to D - 1")
    wrong += check_number("permutations", p["permutations"], 19, None, "19 or more")
    width = p["z_scale"]
    if isinstance(width, bool) or not isinstance(width, int | float) or not 0 <= width < float("inf"):
        wrong.append(f"z_scale: {width!r} is not known; allowed: a width above 0, or 0 to measure it")
    stop_if(list(dict.fromkeys(wrong)), "The notebook")


def split_list(text: str | None) -> list[str]:
    """The parts of a list with commas, in brackets or not, without repeats."""
    return list(dict.fromkeys(part.strip() for part in (text or "").strip("[]()").split(",") if part.strip()))


def _numbers(given, name: str, default: tuple[int, ...], low: int, high: int | None, why: str):
    """The whole numbers in a list with commas, and what is wrong with them."""
    parts = split_list(given.get(name))
    words = [part for part in parts if not re.fullmatch(r"-?[0-9]+", part)]
    values = [int(part) for part in parts if part not in words]
    hint = "; a list has commas: 1,2,3" if any("-" in word or " " in word for word in words) else ""
    wrong = [f"{name}: {word!r} is no whole number; allowed: {why}{hint}" for word in words]
    wrong += [sentence for value in values for sentence in check_number(name, value, low, high, why)]
    return tuple(values) or default, wrong

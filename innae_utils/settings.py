"""The experiments as data: data sets, models, training recipes, and the check of a run's parameters.

Imports nothing heavy, so that a notebook can refuse a wrong parameter before torch is loaded.
Every value of a recipe is tagged with where it comes from: `paper`, `authors` (the authors' published code, where
the paper is silent) or `ours`.

References: section 3 of the paper (architecture, training).
"""

import ast
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

PROJECT = Path(__file__).resolve().parent.parent
PRESETS = ("full", "quick")
PRECISIONS = ("auto", "fp32", "bf16")
SOURCES = ("local", "published")  # of the rows that a figure is drawn from: runs/ or results/*.csv
QUICK = {"epochs": 2, "train_images": 256, "test_images": 64}  # enough to walk through every line of code
QUICK_LARGE = {"epochs": 2, "train_images": 32, "test_images": 10}  # images of more numbers than LARGE
LARGE = 10_000


class ParameterError(ValueError):
    """A parameter of a run is wrong; the message says what is allowed."""


# ---- models ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class InnSpec:
    """An INN: for each Haar level its convolutional couplings, then one dense coupling over the flattened image."""

    shape: tuple[int, int, int]
    conv_hidden: tuple[tuple[int, ...], ...]  # one tuple a Haar level: hidden channels of each coupling
    dense_hidden: int


@dataclass(frozen=True)
class DenseSpec:
    """A fully connected autoencoder: hidden widths of the encoder; the decoder mirrors it."""

    shape: tuple[int, int, int]
    widths: tuple[int, ...]
    gaussian: bool = False  # the encoder gives a mean and a log variance of every number


@dataclass(frozen=True)
class ConvSpec:
    """A convolutional autoencoder: (channels, padding) of each encoder layer or "pool"; the decoder mirrors it."""

    shape: tuple[int, int, int]
    kernel: int
    stride: int
    layers: tuple[Any, ...]
    gaussian: bool = False


# Halves 156 x 128 five times and comes back exactly, with the paper's kernel, stride and channels.
COMMON_LAYERS = ((128, 1), (256, (0, 1)), (512, (0, 1)), (1024, (0, 1)), (1024, 1))

MODELS: dict[str, dict[str, Any]] = {
    "digits": {
        "inn": InnSpec((1, 8, 8), ((32, 32, 32),), 64),
        "classic": DenseSpec((1, 8, 8), (512, 256, 128)),
    },
    "mnist": {
        "inn": InnSpec((1, 28, 28), ((100, 100, 100),), 180),
        "classic": DenseSpec((1, 28, 28), (512, 256, 128)),
        "classic_1024": DenseSpec((1, 28, 28), (1024, 1024, 1024)),
        "classic_2048": DenseSpec((1, 28, 28), (2048, 2048, 2048)),
        "classic_deep": DenseSpec((1, 28, 28), (1024, 1024, 1024, 1024)),
    },
    "cifar10": {
        "inn": InnSpec((3, 32, 32), ((128, 128, 128),), 1000),
        "classic": ConvSpec((3, 32, 32), 3, 1, ((64, 0), (128, 0), "pool", (256, 0), (512, 0), "pool", (1024, 0))),
    },
    "celeba": {
        "inn": InnSpec((3, 156, 128), ((128, 128, 128), (128, 128, 128)), 200),
        "classic": ConvSpec((3, 218, 178), 4, 2, ((128, 0), (256, 1), (512, (0, 1)), (1024, 0), (1024, 0))),
    },
}
MODELS["lfw"] = MODELS["celeba"]
# `image_size: common`: the classic model at the INN's size, so that both see the same images; the authors' do not.
COMMON: dict[str, dict[str, Any]] = {
    name: {"inn": MODELS[name]["inn"], "classic": ConvSpec((3, 156, 128), 4, 2, COMMON_LAYERS)}
    for name in ("celeba", "lfw")
}
OWN_MODELS = ("inn", "classic")  # of a folder of images, at any size: `own_spec`
OWN_LEVELS = 2  # Haar steps of its INN, as for CelebA
VARIATIONAL = ("inn_vae", "classic_mmd", "classic_vae")  # equation (6) and its peers: a distribution is asked of y
for _dataset in ("digits", "mnist", "cifar10"):
    _known = MODELS[_dataset]
    _known |= {"inn_vae": _known["inn"], "classic_mmd": _known["classic"]}  # the very same networks
    _known["classic_vae"] = replace(_known["classic"], gaussian=True)
MODEL_TITLES = {
    "inn": "INN",
    "classic": "classic",
    "classic_1024": "classic 1024",
    "classic_2048": "classic 2048",
    "classic_deep": "classic deep",
    "inn_vae": "INN VAE",
    "classic_mmd": "classic MMD",
    "classic_vae": "classic VAE",
    "pca": "PCA",
}


def family(model: str) -> str:
    """`inn` or `classic`: the half of the paper that a model belongs to.

    Example:
        >>> family("classic_deep"), family("inn_vae")
        ('classic', 'inn')
    """
    return model.split("_")[0]


# ---- data sets -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Dataset:
    """What the package knows of a data set without opening it.

    `shape` is that of the stored images, `images` are the sizes of its training and test split (None: whatever the
    folder holds), `max_value` is the stored value that means white, `models` are those of a sweep that names none.
    """

    name: str
    title: str
    shape: tuple[int, int, int] | None
    images: tuple[int, int] | None
    max_value: int
    bottlenecks: tuple[int, ...]
    seeds: tuple[int, ...]
    models: tuple[str, ...]
    recipes: tuple[str, ...]


MNIST_BOTTLENECKS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
CIFAR10_BOTTLENECKS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
FACES_BOTTLENECKS = (1, 4, 16, 64, 256, 1024, 4096)
FACES = (3, 218, 178)
DATASETS = {
    "digits": Dataset(
        "digits", "digits (8 x 8)", (1, 8, 8), (1437, 360), 16, (2, 4, 8, 16, 32), (0, 1),
        ("inn", "classic"), ("paper", "late"),
    ),
    "mnist": Dataset(
        "mnist", "MNIST", (1, 28, 28), (60_000, 10_000), 255, MNIST_BOTTLENECKS, (0,),
        tuple(model for model in MODELS["mnist"] if model not in VARIATIONAL), ("paper",),
    ),
    "cifar10": Dataset(
        "cifar10", "CIFAR-10", (3, 32, 32), (50_000, 10_000), 255, CIFAR10_BOTTLENECKS, (0,),
        ("inn", "classic"), ("paper",),
    ),
    "celeba": Dataset(
        "celeba", "CelebA", FACES, (162_079, 40_520), 255, FACES_BOTTLENECKS, (0,), ("inn", "classic"), ("paper",),
    ),
    "lfw": Dataset(
        "lfw", "LFW", FACES, (10_586, 2_647), 255, FACES_BOTTLENECKS, (0,), ("inn", "classic"), ("paper",),
    ),
    "images": Dataset(
        "images", "own images", None, None, 255, (16, 64, 256), (0,), OWN_MODELS, ("paper",),
    ),
}  # fmt: skip


# ---- image sizes -----------------------------------------------------------------------------------------------

SIZES = ("authors", "common")


def spec_of(dataset: str, model: str, image_size: str = "") -> Any:
    """The spec of a model on a data set, at an image size.

    Args:
        dataset: a name in `DATASETS`.
        model: one of its models.
        image_size: for faces `authors` (or "": classic at 218 x 178, INN at 156 x 128) or `common` (both at 156 x 128);
            for own images H,W. A row's HxW does for every data set, and "" is the one size of all others.

    Raises:
        ParameterError: an unknown name, or a size that there is no such model for.

    Example:
        >>> [spec_of("lfw", "classic", size).shape for size in ("authors", "common", "156x128")]
        [(3, 218, 178), (3, 156, 128), (3, 156, 128)]
        >>> spec_of("images", "inn", "48,64").shape
        (3, 48, 64)
    """
    if dataset == "images":
        if model not in OWN_MODELS:
            raise ParameterError(f"model: {model!r} is not known for images; allowed: {', '.join(OWN_MODELS)}")
        stop_if(check_image_size(dataset, image_size), "The model")
        return own_spec(model, *parse_size(image_size))
    if dataset not in MODELS:
        raise ParameterError(f"dataset: {dataset!r} is not known; allowed: {', '.join([*MODELS, 'images'])}")
    if model not in MODELS[dataset]:
        raise ParameterError(f"model: {model!r} is not known for {dataset}; allowed: {', '.join(MODELS[dataset])}")
    spec = MODELS[dataset][model]
    known = {"": spec, size_of(spec): spec}
    if dataset in COMMON:
        common = COMMON[dataset].get(model, spec)
        known |= {"authors": spec, "common": common, size_of(common): common}
    size = re.sub(r"\s*[,x]\s*", "x", image_size) if isinstance(image_size, str) else image_size
    if size not in known:
        allowed = ", ".join(f"{name!r}" for name in known)
        raise ParameterError(f"image_size: {image_size!r} is not known for {model} on {dataset}; allowed: {allowed}")
    return known[size]


def size_of(spec: Any) -> str:
    """The image size of a spec as a row has it, height x width.

    Example:
        >>> size_of(spec_of("celeba", "classic"))
        '218x178'
    """
    return f"{spec.shape[1]}x{spec.shape[2]}"


def sizes_of(dataset: str) -> list[tuple[int, int]]:
    """The sizes (H, W) that a data set's images are used at, its own first; own images have any and are not asked for.

    Example:
        >>> sizes_of("lfw"), sizes_of("mnist")
        ([(218, 178), (156, 128)], [(28, 28)])
    """
    specs = [*MODELS[dataset].values(), *COMMON.get(dataset, {}).values()]
    return list(dict.fromkeys([DATASETS[dataset].shape[1:], *(spec.shape[1:] for spec in specs)]))


def dim_of(spec: Any) -> int:
    """D = C H W, the size of an image and of the INN's latent.

    Example:
        >>> dim_of(spec_of("mnist", "inn"))
        784
    """
    channels, height, width = spec.shape
    return channels * height * width


def size_suffix(dataset: str, model: str, image_size: str) -> str:
    """What tells a run at another size than the data set's own, in the name of its folder; "" for its own.

    PCA has the size of the INN.

    Example:
        >>> size_suffix("lfw", "classic", "common"), size_suffix("lfw", "inn", "common")
        ('_156x128', '')
    """
    if dataset not in COMMON and dataset != "images":
        return ""
    model = "inn" if model == "pca" else model
    size = size_of(spec_of(dataset, model, image_size))
    return "" if dataset in COMMON and size == size_of(MODELS[dataset][model]) else f"_{size}"


def parse_size(text: str) -> tuple[int, int]:
    """H,W (or HxW) as two numbers. Raises ParameterError if it is anything else.

    Example:
        >>> parse_size("96, 128")
        (96, 128)
    """
    found = re.fullmatch(r"\s*(\d+)\s*[,x]\s*(\d+)\s*", text) if isinstance(text, str) else None
    if not found:
        raise ParameterError(f"image_size: {text!r} is not a size; allowed: height,width in pixels, as in 96,128")
    return int(found[1]), int(found[2])


def check_image_size(dataset: str, image_size: Any) -> list[str]:
    """What is wrong with an image size: an empty list or one sentence.

    Example:
        >>> check_image_size("images", "50,64")
        ["image_size: '50,64' cannot be halved 2 times without a remainder; the nearest good size is 52,64"]
        >>> check_image_size("mnist", "32,32")
        ["image_size: '32,32' is not for mnist, whose images have one size; allowed: ''"]
    """
    if dataset in COMMON:
        good = image_size in ("", *SIZES)
        return [] if good else [f"image_size: {image_size!r} is not known for {dataset}; allowed: {', '.join(SIZES)}"]
    if dataset != "images":
        wrong = f"image_size: {image_size!r} is not for {dataset}, whose images have one size; allowed: ''"
        return [wrong] if image_size != "" else []
    try:
        sides = parse_size(image_size)
    except ParameterError as error:
        return [str(error)]
    step = 2**OWN_LEVELS
    near = [max(2 * step, step * round(side / step + 1e-9)) for side in sides]
    if list(sides) == near:
        return []
    if all(side % step == 0 for side in sides):
        return [f"image_size: {image_size!r} is too small; allowed: {2 * step} pixels a side or more"]
    nearest = f"the nearest good size is {near[0]},{near[1]}"
    return [f"image_size: {image_size!r} cannot be halved {OWN_LEVELS} times without a remainder; {nearest}"]


def own_spec(model: str, height: int, width: int) -> Any:
    """A model for colour images of any size: CelebA's couplings, and its convolutions while a side is 8 pixels or more.

    Example:
        >>> [channels for channels, _ in own_spec("classic", 32, 48).layers]
        [128, 256, 512]
    """
    shape = (3, height, width)
    if model == "inn":
        return InnSpec(shape, ((128, 128, 128),) * OWN_LEVELS, 200)
    halvings = 0
    while halvings < 5 and min(height, width) >> halvings >= 8:
        halvings += 1
    return ConvSpec(shape, 4, 2, tuple((channels, 1) for channels in (128, 256, 512, 1024, 1024)[:halvings]))


# ---- recipes ---------------------------------------------------------------------------------------------------


class Tagged(NamedTuple):
    """A value and where it comes from: `paper`, `authors` or `ours`."""

    value: Any
    source: str


def paper(value: Any) -> Tagged:
    """Tag a value that the paper states."""
    return Tagged(value, "paper")


def authors(value: Any) -> Tagged:
    """Tag a value that only the authors' code states."""
    return Tagged(value, "authors")


def ours(value: Any) -> Tagged:
    """Tag a value chosen here."""
    return Tagged(value, "ours")


@dataclass(frozen=True)
class Recipe:
    """How a model is trained. `milestones` are epochs, counted from 1, after which the learning rate falls."""

    epochs: int
    batch_size: int
    lr: float
    lr_factor: float
    milestones: tuple[int, ...]
    betas: tuple[float, float]
    eps: float
    weight_decay: float
    drop_last: bool
    weight_reconstruction: float
    weight_zero_padding: float
    weight_mmd: float
    weight_kl: float
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)

    def learning_rate(self, epoch: int) -> float:
        """The learning rate during `epoch`, counted from 1.

        Example:
            >>> [find_recipe("mnist", "inn", "paper").learning_rate(epoch) for epoch in (1, 8, 9)]
            [0.001, 0.001, 0.0001]
        """
        drops = sum(milestone < epoch for milestone in self.milestones)
        return float(f"{self.lr * self.lr_factor**drops:.9g}")  # 0.001 * 0.1 alone is 1.0000000000000002e-04

    def described(self) -> str:
        """Every value with where it comes from, a line each.

        Example:
            >>> print(find_recipe("mnist", "inn", "paper").described().splitlines()[0])
            epochs                 10            paper
        """
        return "\n".join(f"{name:22} {getattr(self, name)!s:13} {source}" for name, source in self.sources.items())

    def scaled(self, epochs: int) -> "Recipe":
        """The same recipe over another number of epochs, its milestones at the same fractions of the whole.

        Milestones that fall on one epoch count once.

        Example:
            >>> find_recipe("mnist", "inn", "paper").scaled(5).milestones
            (4,)
        """
        milestones = tuple(dict.fromkeys(max(1, round(m * epochs / self.epochs)) for m in self.milestones))
        return replace(self, epochs=epochs, milestones=milestones)

    def with_values(self, **tagged: "Tagged") -> "Recipe":
        """The same recipe with other values, each with where it comes from."""
        values = {name: entry.value for name, entry in tagged.items()}
        sources = {name: entry.source for name, entry in tagged.items()}
        return replace(self, **values, sources={**self.sources, **sources})


def _recipe(**tagged: Tagged) -> Recipe:
    values = {name: entry.value for name, entry in tagged.items()}
    return Recipe(**values, sources={name: entry.source for name, entry in tagged.items()})


INN = dict(
    lr=paper(1e-3), lr_factor=paper(0.1), betas=authors((0.8, 0.8)), eps=authors(1e-4), weight_decay=paper(1e-6),
    drop_last=authors(True), weight_reconstruction=authors(1.0), weight_zero_padding=authors(1.0),
    weight_mmd=paper(0.0), weight_kl=paper(0.0),
)  # fmt: skip
CLASSIC = dict(
    lr=paper(1e-3), lr_factor=paper(0.1), betas=authors((0.9, 0.999)), eps=authors(1e-8), weight_decay=paper(1e-5),
    drop_last=authors(True), weight_reconstruction=authors(1.0), weight_zero_padding=ours(0.0),
    weight_mmd=ours(0.0), weight_kl=ours(0.0),
)  # fmt: skip
EVERY_TENTH = tuple(range(10, 100, 10))

RECIPES: dict[tuple[str, str, str], Recipe] = {
    # (data set, family or model, recipe)
    ("mnist", "inn", "paper"): _recipe(epochs=paper(10), batch_size=paper(128), milestones=paper((8,)), **INN),
    ("mnist", "classic", "paper"): _recipe(
        epochs=paper(100), batch_size=paper(128), milestones=paper(EVERY_TENTH), **CLASSIC
    ),
    ("mnist", "classic", "late"): _recipe(epochs=paper(100), batch_size=paper(128), milestones=ours((80,)), **CLASSIC),
    ("cifar10", "inn", "paper"): _recipe(epochs=paper(15), batch_size=paper(128), milestones=paper((10,)), **INN),
    ("cifar10", "classic", "paper"): _recipe(
        epochs=paper(100), batch_size=paper(128), milestones=paper((60, 85)), **CLASSIC
    ),
    ("cifar10", "classic", "late"): _recipe(
        epochs=paper(100), batch_size=paper(128), milestones=ours((80,)), **CLASSIC
    ),
    ("celeba", "inn", "paper"): _recipe(epochs=paper(8), batch_size=paper(32), milestones=paper((6, 7)), **INN),
    ("celeba", "classic", "paper"): _recipe(
        epochs=paper(10), batch_size=paper(32), milestones=paper((8, 9)), **CLASSIC
    ),
    # LFW in CelebA's place, with CelebA's schedules; its epochs are fifteen times shorter.
    ("lfw", "inn", "paper"): _recipe(epochs=ours(8), batch_size=ours(32), milestones=ours((6, 7)), **INN),
    ("lfw", "classic", "paper"): _recipe(epochs=ours(10), batch_size=ours(32), milestones=ours((8, 9)), **CLASSIC),
    # A folder may hold few images: more epochs, and no image is left out of an epoch.
    ("images", "inn", "paper"): _recipe(
        epochs=ours(30), batch_size=ours(32), milestones=ours((24, 27)), **{**INN, "drop_last": ours(False)}
    ),
    ("images", "classic", "paper"): _recipe(
        epochs=ours(100), batch_size=ours(32), milestones=ours((80, 90)), **{**CLASSIC, "drop_last": ours(False)}
    ),
    # The paper has no digits: its MNIST schedules, over epochs and batches that suit 1,437 small images. Twice the
    # paper's learning rate, for both families: the INN needs half the time so, the classic model ends where it did.
    ("digits", "inn", "paper"): _recipe(
        epochs=ours(30), batch_size=ours(32), milestones=ours((24,)), **{**INN, "lr": ours(2e-3)}
    ),
    ("digits", "classic", "paper"): _recipe(
        epochs=ours(100), batch_size=ours(64), milestones=ours(EVERY_TENTH), **{**CLASSIC, "lr": ours(2e-3)}
    ),
    ("digits", "classic", "late"): _recipe(
        epochs=ours(100), batch_size=ours(64), milestones=ours((80,)), **{**CLASSIC, "lr": ours(2e-3)}
    ),
}


# Equation (6) and its peers are trained like their families, with one more term. The KL divergence is a sum over y and
# the reconstruction a mean over D pixels: with a Laplace likelihood of scale b the two add up to the evidence lower
# bound, divided by D / b, if the weight is b / D. b is about the mean absolute error that the model ends with.
LAPLACE_SCALE = 0.05


def _more_terms(dataset: str, model: str) -> dict[str, Tagged]:
    if model == "classic_vae":
        return {"weight_kl": ours(LAPLACE_SCALE / dim_of(MODELS[dataset][model]))}
    return {"weight_mmd": paper(1.0) if model == "inn_vae" else ours(1.0)}  # equation (6) adds its terms unweighted


RECIPES |= {
    (dataset, model, name): recipe.with_values(**_more_terms(dataset, model))
    for (dataset, family_, name), recipe in RECIPES.items()
    for model in VARIATIONAL
    if family(model) == family_ and model in MODELS.get(dataset, ())
}


# Weights of the loss that a run sets itself become part of its recipe's name, so that no row passes for the recipe's.
WEIGHTS = ("reconstruction", "zero_padding", "mmd", "kl")
_OWN_WEIGHT = re.compile(rf"-({'|'.join(WEIGHTS)})([0-9.]+(?:e[+-]?[0-9]+)?)")


def recipe_name(recipe: str, weights: Mapping[str, float]) -> str:
    """The name of a recipe with weights of a run's own; without any it is the recipe's.

    Example:
        >>> recipe_name("paper", {"mmd": 0.1}), recipe_name("paper", {})
        ('paper-mmd0.1', 'paper')
    """
    return recipe + "".join(f"-{name}{float(weights[name])!r}" for name in WEIGHTS if name in weights)


def split_name(recipe: str) -> tuple[str, dict[str, float]]:
    """The recipe and the weights that a name of `recipe_name` is made of.

    Example:
        >>> split_name("paper-zero_padding0.0-mmd1e-05"), split_name("late")
        (('paper', {'zero_padding': 0.0, 'mmd': 1e-05}), ('late', {}))
    """
    return _OWN_WEIGHT.sub("", recipe), {name: float(value) for name, value in _OWN_WEIGHT.findall(recipe)}


def _in_recipes(model: str) -> str:
    """The name that a model's recipes stand under: its own, or that of its family."""
    return model if model in VARIATIONAL else family(model)


RECIPES |= {  # the ablation: section 2.2 says that the INN can do without the zero-padding loss
    (dataset, "inn", "no_padding"): recipe.with_values(weight_zero_padding=ours(0.0))
    for (dataset, kind, name), recipe in RECIPES.items()
    if (kind, name) == ("inn", "paper")
}
RECIPE_TITLES = {"late": "late decay", "no_padding": "no zero-padding loss", "tuned": "tuned"}
TUNED = "tuned"  # the paper's recipe with what a study found (notebook 22); the published studies' winners lie here:
TUNED_FILE = PROJECT / "results" / "tuned.json"


def tuned(base: Recipe, epochs: int, lr: float, milestones: Any, weight_decay: float) -> Recipe:
    """A recipe with the four settings that a study looks for replaced, and these tagged `ours`."""
    found = {"epochs": epochs, "lr": lr, "milestones": tuple(milestones), "weight_decay": weight_decay}
    return base.with_values(**{name: ours(value) for name, value in found.items()})


def published_tuned(dataset: str, model: str) -> Recipe | None:
    """The recipe `tuned` of a model, from `results/tuned.json`; None if no study of it is published."""
    entries = json.loads(TUNED_FILE.read_text()) if TUNED_FILE.exists() else {}
    if (entry := entries.get(dataset, {}).get(model)) is None:
        return None
    found = {name: entry[name] for name in ("epochs", "lr", "milestones", "weight_decay")}
    return tuned(RECIPES[dataset, family(model), "paper"], **found)


def recipes_of(dataset: str, model: str) -> tuple[str, ...]:
    """The names of the recipes that a model has on a data set, `tuned` among them where a study is published.

    Example:
        >>> recipes_of("mnist", "inn"), recipes_of("digits", "inn_vae"), recipes_of("cifar10", "classic")
        (('paper', 'no_padding'), ('paper',), ('paper', 'late'))
    """
    named = tuple(recipe for d, f, recipe in RECIPES if (d, f) == (dataset, _in_recipes(model)))
    return (*named, TUNED) if published_tuned(dataset, model) else named


def quick_of(spec: Any) -> Mapping[str, int]:
    """The quick preset of a spec: fewer images if they are large.

    Example:
        >>> quick_of(spec_of("mnist", "inn"))["train_images"], quick_of(spec_of("lfw", "inn"))["train_images"]
        (256, 32)
    """
    return QUICK_LARGE if dim_of(spec) > LARGE else QUICK


def find_recipe(dataset: str, model: str, recipe: str) -> Recipe:
    """The recipe of that name for a model on a data set. Raises ParameterError if there is none.

    Example:
        >>> [find_recipe("digits", "inn_vae", recipe).weight_mmd for recipe in ("paper", "paper-mmd0.1")]
        [1.0, 0.1]
    """
    plain, weights = split_name(recipe)
    found = published_tuned(dataset, model) if plain == TUNED else RECIPES.get((dataset, _in_recipes(model), plain))
    if found is None:
        known = ", ".join(recipes_of(dataset, model)) or "none"
        raise ParameterError(
            f"{model} on {dataset} has no recipe {recipe!r}; allowed: {known} (the INN's own schedule already falls "
            "late, so it has no `late`; `tuned` is there for models whose study lies in results/tuned.json)"
        )
    return found.with_values(**{f"weight_{name}": ours(value) for name, value in weights.items()})


def curve_title(model: str, recipe: str) -> str:
    """The label of a curve, the same in every figure and table.

    Example:
        >>> curve_title("inn", "paper"), curve_title("classic", "late")
        ('INN', 'classic, late decay')
    """
    plain, weights = split_name(recipe)
    own = [RECIPE_TITLES[plain]] if plain in RECIPE_TITLES else []
    own += [f"{name.replace('_', ' ')} x {value:g}" for name, value in weights.items()]
    return ", ".join((MODEL_TITLES[model], *own))


# ---- one run ---------------------------------------------------------------------------------------------------


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


def data_root(given: str | os.PathLike = "") -> Path:
    """Where the images lie: the path given, else $INNAE_DATA, else `data/` beside the package."""
    return Path(given or os.environ.get("INNAE_DATA") or PROJECT / "data").expanduser().absolute()


def run_dir(
    dataset: str, model: str, recipe: str, bottleneck: int, seed: int, preset: str, root: Any = "", image_size: str = ""
) -> Path:
    """The folder of a run; quick runs lie apart, under `quick/`, and the model's name tells an unusual image size.

    Example:
        >>> run_dir("mnist", "inn", "paper", 12, 0, "full", "runs").as_posix()
        'runs/mnist/inn/paper/k0012/seed0'
    """
    folder = preset_folder(Path(root or PROJECT / "runs"), preset)
    model += size_suffix(dataset.split("/")[0], model, image_size)
    return folder / dataset / model / recipe / f"k{bottleneck:04d}" / f"seed{seed}"


def own_name(folder: Any) -> str:
    """The name that the images of a folder of one's own go by: the folder's, and a digest of where it is.

    Example:
        >>> own_name("/home/me/holiday")
        'holiday-e92a231e'
    """
    path = Path(folder).expanduser().absolute()
    return f"{path.name}-{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"


def place_of(dataset: str, root: Any) -> str:
    """The name of a data set's folder of runs; own images have one for each folder that they lie in."""
    return f"{dataset}/{own_name(root)}" if dataset == "images" else dataset


def preset_folder(root: Path, preset: str) -> Path:
    """Where a preset's files lie under a root: full ones in it, quick ones apart, in `quick/`."""
    return root / "quick" if preset == "quick" else root


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


def check_number(name: str, value: Any, low: int, high: int | None, why: str) -> list[str]:
    """What is wrong with a whole number: an empty list or one sentence.

    Example:
        >>> check_number("bottleneck", "12", 1, 64, "1 to D = 64")
        ["bottleneck: '12' is a str; allowed: a whole number, 1 to D = 64"]
    """
    if isinstance(value, bool) or not isinstance(value, int):
        return [f"{name}: {value!r} is a {type(value).__name__}; allowed: a whole number, {why}"]
    if value < low or (high is not None and value > high):
        return [f"{name}: {value} is out of range; allowed: {why}"]
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


def stop_if(wrong: list[str], what: str) -> None:
    """Raise one ParameterError that lists everything that is wrong; nothing happens for an empty list."""
    if wrong:
        raise ParameterError(f"{what} was not started:\n" + "\n".join(f"  - {sentence}" for sentence in wrong))


def check_run(parameters: Mapping[str, Any]) -> Run:
    """Check every parameter of a training run and resolve the defaults.

    `epochs` 0 and weights of -1 mean the recipe's; other weights become part of its name. `data_root` and `run_dir` ""
    mean the usual places; `precision` and `device` "auto" are resolved when torch is there.
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
    p["recipe"] = recipe_name(p["recipe"], own)
    recipe = find_recipe(p["dataset"], p["model"], p["recipe"])
    epochs = p["epochs"] or (QUICK["epochs"] if p["preset"] == "quick" else recipe.epochs)
    place = {n: p[n] for n in ("dataset", "model", "recipe", "bottleneck", "seed", "preset", "image_size")}
    usual = {**place, "dataset": place_of(p["dataset"], p["data_root"])}
    folder = Path(p["run_dir"]).expanduser().absolute() if p["run_dir"] else run_dir(**usual)
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


# ---- many runs -------------------------------------------------------------------------------------------------

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
    models = tuple(_listed(given.get("models"))) or known.models
    recipes = tuple(_listed(given.get("recipes"))) or known.recipes
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


def _listed(text: str | None) -> list[str]:
    """The parts of a list with commas, in brackets or not, without repeats."""
    return list(dict.fromkeys(part.strip() for part in (text or "").strip("[]()").split(",") if part.strip()))


def _numbers(given, name: str, default: tuple[int, ...], low: int, high: int | None, why: str):
    """The whole numbers in a list with commas, and what is wrong with them."""
    parts = _listed(given.get(name))
    values = [int(part) if re.fullmatch(r"-?[0-9]+", part) else part for part in parts]
    wrong = [sentence for value in values for sentence in check_number(name, value, low, high, why)]
    return tuple(values) or default, wrong

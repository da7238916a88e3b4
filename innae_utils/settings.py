"""The experiments as data: data sets, models, training recipes, and where their files lie.

Imports nothing heavy, so that a notebook can refuse a wrong parameter before torch is loaded.
Every value of a recipe is tagged with where it comes from: `paper`, `authors` (the authors' published code, where
the paper is silent) or `ours`.

References: section 3 of the paper (architecture, training).
"""

import hashlib
import json
import os
import re
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


def stop_if(wrong: list[str], what: str) -> None:
    """Raise one ParameterError that lists everything that is wrong; nothing happens for an empty list."""
    if wrong:
        raise ParameterError(f"{what} was not started:\n" + "\n".join(f"  - {sentence}" for sentence in wrong))


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


# ---- models ----------------------------------------------------------------------------------------------------


LEAK = 0.1  # the slope below zero of the activation in the INN's convolutions


@dataclass(frozen=True)
class InnSpec:
    """An INN: for each Haar level its convolutional couplings, then one dense coupling over the flattened image."""

    shape: tuple[int, int, int]
    conv_hidden: tuple[tuple[int, ...], ...]  # one tuple a Haar level: hidden channels of each coupling
    dense_hidden: int
    leak: float = LEAK  # of the convolutions; 0 is a ReLU
    laid: tuple[int, int, int] | None = None  # what the vector is laid into before the last Haar steps; None: as it was


@dataclass(frozen=True)
class DenseSpec:
    """A fully connected autoencoder: hidden widths of the encoder; the decoder mirrors it."""

    shape: tuple[int, int, int]
    widths: tuple[int, ...]
    gaussian: bool = False  # the encoder gives a mean and a log variance of every number
    leak: float = 0.0  # slope of the activation below zero; 0 is a ReLU
    residual: bool = False  # a hidden layer as wide as the one before it is x + layer(x) in place of layer(x)


@dataclass(frozen=True)
class ConvSpec:
    """A convolutional autoencoder: (channels, padding) of each encoder layer or "pool"; the decoder mirrors it."""

    shape: tuple[int, int, int]
    kernel: int
    stride: int
    layers: tuple[Any, ...]
    gaussian: bool = False
    leak: float = 0.0


# Halves 156 x 128 five times and comes back exactly, with the paper's kernel, stride and channels.
COMMON_LAYERS = ((128, 1), (256, (0, 1)), (512, (0, 1)), (1024, (0, 1)), (1024, 1))


def double_depth(spec: InnSpec | DenseSpec, residual: bool = False) -> InnSpec | DenseSpec:
    """A spec with every convolutional coupling, or every hidden layer of encoder and decoder, there twice in a row.

    `residual` is of the second of two hidden layers; an INN has none.

    Example:
        >>> double_depth(DenseSpec((1, 8, 8), (512, 128))).widths
        (512, 512, 128, 128)
    """
    if isinstance(spec, InnSpec):
        return replace(spec, conv_hidden=tuple(tuple(h for h in level for _ in range(2)) for level in spec.conv_hidden))
    return replace(spec, widths=tuple(width for width in spec.widths for _ in range(2)), residual=residual)


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
LEAKY = {f"{name}_leaky": name for name in ("classic", "classic_1024", "classic_deep")}  # with the INN's activation
DOUBLE_DEPTH = {  # on digits and MNIST, each with the same at half the depth
    "inn_double_depth": "inn", "classic_double_depth": "classic", "classic_leaky_double_depth": "classic_leaky",
    "classic_residual_double_depth": "classic",
}  # fmt: skip
VARIANTS = (*LEAKY, "inn_relu", *DOUBLE_DEPTH)  # ours: the other family's activation, or twice the depth
# The paper's INN for CIFAR-10 with its vector laid out as in a version of it of the first author's thesis
# (github.com/Xenovortex/Bachelor-Thesis at 41f8317, architecture/INN.py, cifar_inn_com). The code that the authors
# published with the paper has (12, 16, 16) there; for the other data sets the two do not differ.
THESIS = "inn_thesis"
BY_NAME = (*VARIATIONAL, *VARIANTS, THESIS)  # in no sweep that does not name them; no claim is about them
for _dataset in ("digits", "mnist", "cifar10"):
    _known = MODELS[_dataset]
    _known |= {"inn_vae": _known["inn"], "classic_mmd": _known["classic"]}  # the very same networks
    _known["classic_vae"] = replace(_known["classic"], gaussian=True)
    _known |= {leaky: replace(_known[name], leak=LEAK) for leaky, name in LEAKY.items() if name in _known}
    _known["inn_relu"] = replace(_known["inn"], leak=0.0)
    if _dataset != "cifar10":  # a second convolution there would shrink the picture
        _known |= {deeper: double_depth(_known[name], "residual" in deeper) for deeper, name in DOUBLE_DEPTH.items()}
MODELS["cifar10"][THESIS] = replace(MODELS["cifar10"]["inn"], laid=(48, 8, 8))
MODEL_TITLES = {
    "inn": "INN",
    "classic": "classic",
    "classic_1024": "classic 1024",
    "classic_2048": "classic 2048",
    "classic_deep": "classic deep",
    "classic_leaky": "classic leaky",
    "classic_1024_leaky": "classic 1024 leaky",
    "classic_deep_leaky": "classic deep leaky",
    "inn_relu": "INN with ReLUs",
    "inn_thesis": "INN, order of the thesis",
    "inn_double_depth": "INN double depth",
    "classic_double_depth": "classic double depth",
    "classic_leaky_double_depth": "classic leaky double depth",
    "classic_residual_double_depth": "classic residual double depth",
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


def is_classic(model: str) -> bool:
    """Whether this is one of the paper's classic autoencoders; variational ones and our variants are not.

    Example:
        >>> is_classic("classic_deep"), is_classic("classic_vae"), is_classic("classic_leaky"), is_classic("inn")
        (True, False, False, False)
    """
    return family(model) == "classic" and model not in BY_NAME


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
        tuple(model for model in MODELS["mnist"] if model not in BY_NAME), ("paper",),
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
# The noise of y that a VAE starts with, as a log variance: a standard deviation of 0.05, about as far as the means of
# digits and MNIST images lie apart then. With the usual 1 it drowns them, and on MNIST the decoder draws one picture
# for all images from the first epoch on. (It has not been trained on CIFAR-10.)
LOG_VARIANCE_START = -6.0


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


# Epochs and weights of the loss that a run sets itself become part of its recipe's name: no row passes for the recipe's
# own, and none takes its place.
WEIGHTS = ("reconstruction", "zero_padding", "mmd", "kl")
_OWN = re.compile(rf"-(epochs(?=[1-9][0-9]*(?:-|$))|{'|'.join(WEIGHTS)})([0-9.]+(?:e[+-]?[0-9]+)?)")


def recipe_name(recipe: str, own: Mapping[str, float]) -> str:
    """The name of a recipe with epochs or weights of a run's own; without any it is the recipe's.

    Example:
        >>> recipe_name("paper", {"mmd": 0.1, "epochs": 5}), recipe_name("paper", {})
        ('paper-epochs5-mmd0.1', 'paper')
    """
    length = f"-epochs{own['epochs']}" if "epochs" in own else ""
    return recipe + length + "".join(f"-{name}{float(own[name])!r}" for name in WEIGHTS if name in own)


def split_name(recipe: str) -> tuple[str, dict[str, float]]:
    """The recipe, and the epochs and weights of a run's own, that a name of `recipe_name` is made of.

    Example:
        >>> split_name("paper-epochs5-zero_padding0.0-mmd1e-05"), split_name("late")
        (('paper', {'epochs': 5, 'zero_padding': 0.0, 'mmd': 1e-05}), ('late', {}))
    """
    own = {name: int(value) if name == "epochs" else float(value) for name, value in _OWN.findall(recipe)}
    return _OWN.sub("", recipe), own


def _in_recipes(model: str) -> str:
    """The name that a model's recipes stand under: its own, or that of its family."""
    return model if model in VARIATIONAL else family(model)


RECIPES |= {
    (dataset, "inn", name): recipe.with_values(**changed)
    for (dataset, kind, base), recipe in RECIPES.items()
    if (kind, base) == ("inn", "paper")
    for name, changed in {
        "no_padding": {"weight_zero_padding": ours(0.0)},  # section 2.2: the INN can do without the zero-padding loss
        "double_lr": {"lr": ours(2 * recipe.lr)},  # of `paper`, which on digits has twice the paper's rate already
    }.items()
}
RECIPES |= {
    (dataset, "classic", "double_schedule"): recipe.with_values(
        epochs=ours(2 * recipe.epochs), milestones=ours(recipe.scaled(2 * recipe.epochs).milestones)
    )
    for (dataset, kind, base), recipe in RECIPES.items()
    if (kind, base) == ("classic", "paper")
}
RECIPE_TITLES = {
    "late": "late decay", "no_padding": "no zero-padding loss", "double_lr": "twice the learning rate",
    "double_schedule": "twice the schedule", "tuned": "tuned", "borrowed": "tuned for classic",
}  # fmt: skip
TUNED = "tuned"  # the paper's recipe with what a study found (notebook 22); the published studies' winners lie here:
BORROWED = "borrowed"  # the winner of `classic`, on its wider, deeper and leaky kin
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


def borrowed(dataset: str, model: str) -> Recipe | None:
    """The recipe `tuned` of `classic` for its wider, deeper and leaky kin; None for others, or if there is no study."""
    kin = family(model) == "classic" and model not in ("classic", *VARIATIONAL)
    return published_tuned(dataset, "classic") if kin else None


STUDIED = {TUNED: published_tuned, BORROWED: borrowed}  # recipes that are there if a study is


def recipes_of(dataset: str, model: str) -> tuple[str, ...]:
    """The names of the recipes that a model has on a data set, `tuned` and `borrowed` where a study is published.

    Example:
        >>> recipes_of("mnist", "inn"), recipes_of("digits", "inn_vae"), recipes_of("cifar10", "classic")
        (('paper', 'no_padding', 'double_lr'), ('paper',), ('paper', 'late', 'double_schedule'))
    """
    named = [recipe for d, f, recipe in RECIPES if (d, f) == (dataset, _in_recipes(model))]
    return (*named, *(recipe for recipe, of_study in STUDIED.items() if of_study(dataset, model)))


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
        >>> find_recipe("digits", "inn", "paper-epochs10").milestones
        (8,)
    """
    plain, own = split_name(recipe)
    of_study = STUDIED.get(plain)
    found = of_study(dataset, model) if of_study else RECIPES.get((dataset, _in_recipes(model), plain))
    found = found if recipe_name(plain, own) == recipe else None  # a name that no run gives itself
    if found is None:
        known = ", ".join(recipes_of(dataset, model)) or "none"
        raise ParameterError(
            f"{model} on {dataset} has no recipe {recipe!r}; allowed: {known} (the INN's own schedule already falls "
            "late, so it has no `late`; `tuned` is there for models whose study lies in results/tuned.json, `borrowed` "
            "for the wider, deeper and leaky ones where there is one of classic)"
        )
    if length := own.pop("epochs", None):
        found = found.scaled(length)
        found = found.with_values(epochs=ours(length), milestones=ours(found.milestones))
    return found.with_values(**{f"weight_{name}": ours(value) for name, value in own.items()})


def curve_title(model: str, recipe: str) -> str:
    """The label of a curve, the same in every figure and table.

    Example:
        >>> curve_title("inn", "paper"), curve_title("classic", "late")
        ('INN', 'classic, late decay')
    """
    plain, own = split_name(recipe)
    said = [RECIPE_TITLES[plain]] if plain in RECIPE_TITLES else []
    said += [f"{own.pop('epochs')} epochs"] if "epochs" in own else []
    said += [f"{name.replace('_', ' ')} x {value:g}" for name, value in own.items()]
    return ", ".join((MODEL_TITLES[model], *said))


# ---- where things lie ------------------------------------------------------------------------------------------


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

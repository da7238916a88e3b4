"""The eleven claims of the paper, each judged by what has been measured: holds, does not hold, undecided, not yet.

No verdict is typed. Every claim has one function, which says what it needs, computes its evidence from the rows of
finished runs, and names what is missing if there are too few. The paper's own printed curves are judged by the same
functions. Tolerances are the constants below; what "small" and "large" bottlenecks are is `border`.

A verdict that another seed could turn is none: claims 1 to 7, which compare test losses of different runs, are judged
again with the losses redrawn as other seeds might have left them, and are "undecided" if the verdict changes too often
(`steady`). The printed curves, of one run a point as far as the paper says, are judged as they are drawn.

References: sections 2.2, 3 and 4 of the paper.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from innae_utils import publishing, results, settings
from innae_utils.results import SATURATION_TOLERANCE, saturation
from innae_utils.sensitivity import pooled_deviation
from innae_utils.settings import BORROWED, MODEL_TITLES, PROJECT, TUNED, is_classic

HOLDS, FAILS, OPEN = "holds", "does not hold", "not yet measured"
UNDECIDED = "undecided"  # it holds, or does not, but with other seeds might not, or might
UNPRINTED = "not printed"  # what OPEN is for the printed curves

# ---- tolerances: each a share of a loss, unless `TOLERANCES` says otherwise ---------------------------------------

COMPARABLE = 0.10  # "comparable", "relatively small": the printed curves below saturation differ by up to 9 %
SIGNIFICANT = 0.10  # "significantly better": further apart than what counts as comparable
MARGIN = 0.02  # closer than that, two losses count as level; what chance may do to them is the matter of SURE
DIVERGENCE = 0.05  # "no significant divergence" of test and training loss: too little to make a curve flat
SLIGHT = 0.01  # "slightly improves convergence rate": the mean training loss before the learning rate falls
ABOUT = 2**0.5  # "at about": a factor either way, half of a doubling of the bottleneck
LOG_DET_ERROR = 1e-8  # in float64
MIN_POINTS = 2
MIN_SEEDS = 2  # both effects are as small as the scatter between seeds
MIN_TRIALS = 20
SURE = 0.9
REDRAWS = 1000
MIN_FREEDOM = 5  # runs, less the points they belong to
TOLERANCES = {  # what each is, for claims.md and 21_claims
    "COMPARABLE": "the share by which two losses that are about equal differ at most",
    "SIGNIFICANT": "the share by which a loss lies below another at least, to be clearly better",
    "MARGIN": "the share by which a loss must lie below another, to be below it",
    "SATURATION_TOLERANCE": "the share up to which what a curve still falls counts as flat",
    "DIVERGENCE": "how far a test loss may lie above the training loss without overfitting",
    "SLIGHT": "the share of the training loss, before the learning rate falls, that is a slightly faster convergence",
    "ABOUT": 'a bottleneck is "at about" another up to this factor, either way',
    "LOG_DET_ERROR": "how far a log-determinant may be off, in nats",
    "MIN_POINTS": "bottlenecks that a comparison needs",
    "MIN_SEEDS": "seeds that the ablation needs, and a curve that falls and rises again",
    "MIN_TRIALS": "trials that make a tuning study",
    "SURE": "the share of redraws that must agree with the means, or a claim is undecided",
    "REDRAWS": "how often a claim is judged again, every loss moved by the scatter between seeds",
    "MIN_FREEDOM": "degrees of freedom that an estimate of that scatter needs",
}
# Those of them that say how large a difference counts; the others say how much evidence a verdict needs.
VARIED = ("COMPARABLE", "SIGNIFICANT", "MARGIN", "SATURATION_TOLERANCE", "DIVERGENCE", "SLIGHT", "ABOUT")


@dataclass(frozen=True)
class Panel:
    """What the paper's figure 5 and section 4 say of a data set: bottlenecks drawn, and where classic saturates."""

    bottlenecks: tuple[int, ...]
    saturates: tuple[int, int] | None = None  # "about" from, to; None: the paper does not have this data set

    @property
    def largest(self) -> int:
        """The bottleneck that a curve must reach: saturation is told against its loss."""
        return max(self.bottlenecks)


PAPER = {
    "mnist": Panel(settings.MNIST_BOTTLENECKS, (12, 12)),
    "cifar10": Panel(settings.CIFAR10_BOTTLENECKS, (250, 250)),
    "celeba": Panel(settings.FACES_BOTTLENECKS, (200, 250)),
}
QUOTED = {  # beside claim 3: what else becomes of the classic network, with less than a study
    "late decay": ("classic", "late"), "the INN's leaky ReLU": ("classic_leaky", "paper"),
    "the INN's leaky ReLU and late decay": ("classic_leaky", "late"),
}  # fmt: skip
ABLATION = ("paper", "no_padding")  # the INN's recipes with and without the zero-padding loss: claim 10
DENSE = ("classic", "classic_1024", "classic_2048", "classic_deep")  # the paper's four classic models on MNIST


def panel(dataset: str) -> Panel:
    """The panel of a data set, with its own bottlenecks and no stated saturation if the paper does not have it."""
    return PAPER.get(dataset) or Panel(settings.DATASETS[dataset].bottlenecks)


def title(dataset: str) -> str:
    """How tables call a data set.

    Example:
        >>> title("cifar10"), title("digits")
        ('CIFAR-10', 'digits')
    """
    return settings.DATASETS[dataset].title.split(" (")[0]


# ---- what has been measured --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """The tables that verdicts are computed from.

    Args:
        rows: finished runs, columns `results.ROW`; quick and cut-short ones are left out here.
        studies: trials of tuning studies, columns `tuning.COLUMNS`.
        curves: learning curves: dataset, model, recipe, bottleneck, seed, epoch, lr, and the loss terms.
        tolerances: other values for some of `VARIED`, to see what hangs on them; `by` gives a table such ones.

    Raises:
        KeyError: a tolerance is none of `VARIED`.
    """

    rows: pd.DataFrame
    studies: pd.DataFrame | None = None
    curves: pd.DataFrame | None = None
    tolerances: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self):
        if unknown := set(self.tolerances) - {*VARIED}:
            raise KeyError(f"no such tolerance: {', '.join(sorted(unknown))}; allowed: {', '.join(VARIED)}")
        rows = self.rows[self.rows["preset"] == "full"]
        rows = results.uncut(rows) if "epochs" in rows else rows
        own = [bool(settings.split_name(recipe)[1]) for recipe in rows["recipe"]]  # no claim is about those
        rows = rows[~pd.Series(own, index=rows.index, dtype=bool)]
        rows = rows.dropna(subset="test_l1").reset_index(drop=True)
        sizes = rows["image_size"] if "image_size" in rows else [""] * len(rows)
        curves: dict[tuple[str, str, str], list[int]] = {}
        for n, (*curve, size) in enumerate(zip(rows["dataset"], rows["model"], rows["recipe"], sizes, strict=True)):
            if settings.size_suffix(*curve[:2], size) == "":
                curves.setdefault(tuple(curve), []).append(n)
        object.__setattr__(self, "rows", rows)
        object.__setattr__(self, "_curves", curves)  # where each curve's rows are
        object.__setattr__(self, "_means", {})
        object.__setattr__(self, "_kept", {})  # what was found in studies and learning curves, which no redraw changes

    def of(self, dataset: str, model: str, recipe: str = "paper") -> pd.DataFrame:
        """The rows of one curve, at the image size that the authors gave the model."""
        return self.rows.iloc[self._curves.get((dataset, model, recipe), [])]

    def curve(self, dataset: str, model: str, recipe: str = "paper") -> dict[int, float]:
        """Bottleneck -> test L1, the mean over seeds, in order; empty if nothing has been measured."""
        key = dataset, model, recipe
        if key not in self._means:  # without pandas: `steady` asks some ten thousand times
            losses: dict[int, list[float]] = {}
            rows = self._curves.get(key, [])
            for k, loss in zip(*(self.rows[name].to_numpy()[rows] for name in ("bottleneck", "test_l1")), strict=True):
                losses.setdefault(int(k), []).append(float(loss))
            self._means[key] = {k: float(np.mean(losses[k])) for k in sorted(losses)}
        return dict(self._means[key])

    def tolerance(self, name: str) -> float:
        """One of `VARIED`: the constant of that name, unless these tables are judged by another value."""
        return self.tolerances.get(name, globals()[name])

    def by(self, tolerances: Mapping[str, float]) -> "Measured":
        """The same, to be judged by other values of some tolerances."""
        return Measured(self.rows, self.studies, self.curves, {**self.tolerances, **tolerances})

    def kept(self, find: Callable, name: str, *place: Any) -> Any:
        """What a function finds in `studies` or `curves` (name), computed once for all redraws."""
        if (find, name, place) not in self._kept:
            self._kept[find, name, place] = find(getattr(self, name), *place)
        return self._kept[find, name, place]

    def times(self, factors: np.ndarray) -> "Measured":
        """The same with the losses of each row, in training and in the test, multiplied by its factor."""
        losses = {name: self.rows[name] * factors for name in ("test_l1", "train_l1") if name in self.rows}
        other = copy(self)
        object.__setattr__(other, "rows", self.rows.assign(**losses))
        object.__setattr__(other, "_means", {})
        return other


def printed(table: pd.DataFrame) -> Measured:
    """The paper's digitised curves (results/paper_figure5.csv) as if they were rows: no training loss, one seed."""
    return Measured(table.assign(recipe="paper", seed=0, preset="full"))


def published(folder: Path = PROJECT / "results") -> Measured:
    """What is published: rows, tuning studies and learning curves; tables are told apart by their columns."""
    tables = [pd.read_csv(path) for path in sorted(Path(folder).glob("*.csv")) if path.name != "paper_figure5.csv"]

    def of_kind(columns: set[str]) -> pd.DataFrame | None:
        chosen = [table for table in tables if columns <= set(table.columns)]
        return pd.concat(chosen, ignore_index=True) if chosen else None

    rows = of_kind(set(results.ROW))
    nothing = pd.DataFrame(columns=list(results.ROW))
    return Measured(nothing if rows is None else rows, of_kind({"trial", "held_out_l1"}), of_kind({"epoch", "loss"}))


def published_ledger(folder: Path = PROJECT / "results") -> pd.DataFrame:
    """The `ledger` of what is published: every claim judged by its rows, beside the printed curves."""
    return ledger(published(folder), printed(publishing.read_printed(folder)))


def published_varied(folder: Path = PROJECT / "results") -> pd.DataFrame:
    """`at_other_tolerances` of what is published."""
    return at_other_tolerances(published(folder), printed(publishing.read_printed(folder)))


def local(root: str | Path) -> Measured:
    """What has been measured under a folder of runs."""
    rows = results.gather(root)
    studies = [pd.read_csv(path) for path in sorted((Path(root) / "tuning").rglob("trials.csv"))]
    inn = rows[(rows["model"] == "inn") & (rows["preset"] == "full")]
    return Measured(rows, pd.concat(studies) if studies else None, results.learning_curves(inn, root))


class Verdict(NamedTuple):
    """A verdict, the numbers it rests on, what is missing where nothing can be said yet, and where it is undecided
    in what share of the redraws it holds and does not (the rest cannot be judged)."""

    verdict: str
    evidence: str = ""
    missing: str = ""
    leaning: str = ""


def lacking(missing: Iterable[str]) -> Verdict | None:
    """The verdict that something is missing; None if nothing is."""
    missing = list(missing)
    return Verdict(OPEN, missing=", ".join(missing)) if missing else None


def judged(holds: bool, evidence: str) -> Verdict:
    """The verdict that a claim holds or does not."""
    return Verdict(HOLDS if holds else FAILS, evidence)


# ---- what another seed might have done ----------------------------------------------------------------------------


def scatter(rows: pd.DataFrame) -> float | None:
    """The standard deviation of the logarithm of the test L1 between seeds, pooled over all points with several runs.

    Args:
        rows: of `Measured`. A point is a data set, model, recipe, image size and bottleneck.

    Returns:
        About the relative standard deviation of a run, 0.03 for 3 %; None with fewer degrees of freedom than
        MIN_FREEDOM.
    """
    place = [name for name in ("dataset", "model", "recipe", "image_size", "bottleneck") if name in rows]
    logs = np.log(rows["test_l1"].astype(float))
    deviation, freedom = pooled_deviation(logs, [rows[name] for name in place])
    return deviation if freedom >= MIN_FREEDOM else None


def scatter_of_families(measured: Measured, dataset: str) -> dict[str, float | None]:
    """`scatter` of the INN and of the classic models on a data set.

    A family with too few seeds gets that of the data set, and a data set that of all of them; None where all have too
    few. Variational models and our variants, which no claim is about, do not count.
    """
    rows = measured.rows[~measured.rows["model"].isin((*settings.BY_NAME, "pca"))]
    here = rows[rows["dataset"] == dataset]
    families = here["model"].map(settings.family)
    found = {}
    for name in ("inn", "classic"):
        every = (scatter(part) for part in (here[families == name], here, rows))
        found[name] = next((s for s in every if s is not None), None)
    return found


def steady(claim: "Claim", measured: Measured, dataset: str) -> Verdict:
    """A claim's verdict, UNDECIDED where the scatter between seeds could turn it.

    Every run's losses are multiplied by exp(s n), n from N(0, 1), and the claim judged again, REDRAWS times, by the
    same random numbers each time; a redraw that cannot be judged counts against it. s is the `scatter` of the run's
    family; where none is known, the verdict stays and the evidence says so. This takes s to be the same at all
    bottlenecks, and it asks how often a verdict comes back, not how probable it is. The losses that are redrawn have
    chance in them already, so it counts twice: a claim that every one of many points must meet (1 and 6) is hardly ever
    sure to hold with one seed a point, however true it is, and "does not hold" is the easier verdict. What does not
    change with single losses is not redrawn: claims 9 and 11; claim 8, of the ratio of two losses of one run; claim 10,
    of learning curves.
    """
    found = claim.judge(measured, dataset)
    if found.verdict == OPEN or not claim.scatters:
        return found
    s = scatter_of_families(measured, dataset)
    if None in s.values():
        return found._replace(evidence=f"{found.evidence}; how far seeds scatter is not known")
    shares = redrawn(claim, measured, dataset, s)
    most, none = max((HOLDS, FAILS), key=lambda verdict: shares[verdict]), shares[OPEN]
    said = f'{found.evidence}; "{most}" in {percent(shares[most])} of redraws'
    said += f" ({percent(none)} cannot be judged)" if none >= 0.005 else ""
    said += "" if most == found.verdict else f', where the means say "{found.verdict}"'
    if shares[found.verdict] >= SURE:
        return Verdict(found.verdict, said)
    each = [f"{percent(shares[verdict])} {SIGNS[verdict].strip('*')}" for verdict in (HOLDS, FAILS)]
    return Verdict(UNDECIDED, said, leaning=", ".join(each))


def redrawn(claim: "Claim", measured: Measured, dataset: str, s: Mapping[str, float]) -> dict[str, float]:
    """The share of REDRAWS, 0 to 1, in which a claim gets each verdict; s is the scatter of `inn` and of `classic`.

    A run is redrawn by the same numbers whatever others there are: rows that a claim does not ask for move none of its
    redraws, but by s.
    """
    asked = ("dataset", "model", "recipe", "bottleneck", "seed", "preset", "image_size", "test_l1", "train_l1")
    columns = [name for name in asked if name in measured.rows]  # no more, for speed
    here = measured.rows[(measured.rows["dataset"] == dataset) & (measured.rows["model"] != "pca")]
    mine = Measured(here[columns], measured.studies, measured.curves, measured.tolerances)
    place = [name for name in columns if name not in ("preset", "test_l1", "train_l1")]
    noise = [  # each run has its own numbers, whatever else is published
        np.random.default_rng(zlib.crc32(" ".join(map(str, run)).encode())).standard_normal(REDRAWS)
        for run in here[place].itertuples(index=False)
    ]
    factors = np.exp(np.array(noise).T * [s[settings.family(model)] for model in here["model"]])
    found = [claim.judge(mine.times(each), dataset).verdict for each in factors]
    return {verdict: found.count(verdict) / REDRAWS for verdict in (HOLDS, FAILS, OPEN)}


# ---- small and large bottlenecks ---------------------------------------------------------------------------------


def border(measured: Measured, dataset: str) -> float | None:
    """Up to here bottlenecks are small, above it large: where the paper says that classic saturates.

    For a data set that the paper does not have it is where the measured classic curve saturates; None if that curve
    does not reach the largest bottleneck.
    """
    here, curve = panel(dataset), measured.curve(dataset, "classic")
    if here.saturates:
        return here.saturates[1]
    return saturation(curve, measured.tolerance("SATURATION_TOLERANCE")) if here.largest in curve else None


def large(measured: Measured, dataset: str, *curves: Mapping[int, float]) -> list[int]:
    """The large bottlenecks at which all of these curves have been measured; the largest is always a large one."""
    limit, last = border(measured, dataset), panel(dataset).largest
    common = sorted(set.intersection(*(set(curve) for curve in curves)))
    return [k for k in common if k == last or (limit is not None and k > limit)]


def _large_missing(measured: Measured, dataset: str, *models: str) -> list[str]:
    """What curves of these models lack to be compared at large bottlenecks: the largest one and a second."""
    last, limit = panel(dataset).largest, border(measured, dataset)
    curves = {model: measured.curve(dataset, model) for model in models}
    missing = [f"{MODEL_TITLES[model]} at k = {last}" for model, curve in curves.items() if last not in curve]
    wanted = [k for k in panel(dataset).bottlenecks if k == last or k > (limit or 0)]
    if not missing and len(large(measured, dataset, *curves.values())) < min(MIN_POINTS, len(wanted)):
        missing.append(f"{' and '.join(MODEL_TITLES[model] for model in models)} at a second k above {limit:g}")
    return missing


def below(
    lower: Mapping[int, float], upper: Mapping[int, float], ks: list[int], margin: float, by: float | None = None
) -> bool:
    """Whether a curve lies below another: at the largest of `ks` by more than `by`, and nowhere above by the margin.

    Without `by`, that is the margin, too.

    Example:
        >>> low, high = {32: 0.020, 64: 0.015}, {32: 0.020, 64: 0.016}
        >>> below(low, high, [32, 64], 0.02), below(low, high, [32, 64], 0.02, by=0.1)
        (True, False)
    """
    never_above = all(lower[k] < (1 + margin) * upper[k] for k in ks)
    return never_above and lower[max(ks)] < (1 - (margin if by is None else by)) * upper[max(ks)]


def percent(share: float) -> str:
    """A share in words.

    Example:
        >>> percent(-0.123), percent(0.0049)
        ('12 %', '0.5 %')
    """
    return f"{abs(share):.0%}".replace("%", " %") if abs(share) >= 0.0995 else f"{abs(share):.1%}".replace("%", " %")


def at(curve: Mapping[int, float], k: int) -> str:
    """A loss of a curve, as evidence quotes it."""
    return f"{curve[k]:.4f}"


# ---- the claims --------------------------------------------------------------------------------------------------


def claim_1(measured: Measured, dataset: str) -> Verdict:
    """Holds if INN and classic differ by at most COMPARABLE at every small bottleneck where both are measured.

    Needs: both at MIN_POINTS small bottlenecks. One at which they differ by more refutes it.
    """
    limit = border(measured, dataset)
    inn, classic = measured.curve(dataset, "inn"), measured.curve(dataset, "classic")
    ks = sorted(k for k in set(inn) & set(classic) if limit is not None and k <= limit)
    apart = {k: inn[k] / classic[k] - 1 for k in ks}
    worst, comparable = max(apart, key=lambda k: abs(apart[k]), default=None), measured.tolerance("COMPARABLE")
    if len(ks) < MIN_POINTS and (worst is None or abs(apart[worst]) <= comparable):
        where = f"up to {limit:g}" if limit is not None else f"and classic at k = {panel(dataset).largest}"
        return lacking([f"INN and classic at {MIN_POINTS} bottlenecks {where}"])
    side = "above" if apart[worst] > 0 else "below"
    evidence = f"{len(ks)} bottlenecks up to {ks[-1]}: INN at most {percent(apart[worst])} {side} classic (k = {worst})"
    if len(ks) == 1:
        evidence = f"at {worst} alone: INN {percent(apart[worst])} {side} classic"
    return judged(abs(apart[worst]) <= comparable, evidence)


def claim_2(measured: Measured, dataset: str) -> Verdict:
    """Holds if the classic curve saturates before the largest bottleneck, about where the paper says.

    Saturation is `results.saturation`: beyond it nothing is gained; a curve that rises there has saturated too. "About"
    is a factor of ABOUT; on a data set that the paper does not have, any place before the largest bottleneck will do. A
    curve that falls by more than 5 % (the tolerance of saturation) after that place, only to rise again, does not
    saturate there, if at one such place most of the seeds that all three places have show it, MIN_SEEDS at least.
    Needs: classic at the largest bottleneck, at one of about the stated size, at one below that, and at one between
    that and the largest; to be said to saturate later, every one of about the stated size that might be the place.
    """
    return saturates(measured, dataset, "classic")


def saturates(measured: Measured, dataset: str, model: str) -> Verdict:
    """Whether a model's curve saturates about where the paper says that it does; see `claim_2`."""
    here, curve, name = panel(dataset), measured.curve(dataset, model), MODEL_TITLES[model]
    low, high = here.saturates or (min(here.bottlenecks), here.largest)
    about, flat = measured.tolerance("ABOUT"), measured.tolerance("SATURATION_TOLERANCE")
    low, high = low / about, high * about
    missing = [] if here.largest in curve else [f"{name} at k = {here.largest}"]
    if here.saturates:
        near = [k for k in here.bottlenecks if low <= k <= high]
        small = [k for k in here.bottlenecks if k < low]
        missing += [] if any(low <= k <= high for k in curve) else [f"{name} at k = {' or '.join(map(str, near))}"]
        missing += [] if any(k < low for k in curve) else [f"{name} at k = {max(small)} or less"]
        between = [k for k in here.bottlenecks if high < k < here.largest]
        enough = not between or any(high < k < here.largest for k in curve)
        missing += [] if enough else [f"{name} at a k between {max(near)} and {here.largest}"]
    elif len(curve) <= MIN_POINTS:
        missing.append(f"{name} at more than {MIN_POINTS} bottlenecks")
    if missing:
        return lacking(missing)
    found, last = saturation(curve, flat), f"{at(curve, here.largest)} at {here.largest}"
    if found == here.largest:
        return judged(False, f"{name} still falls at the largest bottleneck ({last})")
    unsure = []
    for low_k in dips(curve, flat):
        fall = f"{name} falls from {at(curve, found)} at {found} to {at(curve, low_k)} at {low_k}, and has {last}"
        places = sorted({found, low_k, here.largest})
        seeds = _seeds_at(measured, dataset, model, places)
        showing = sum(one[low_k] < (1 - flat) * one[found] for one in seeds.values())
        if len(seeds) >= MIN_SEEDS and 2 * showing > len(seeds):
            return judged(False, fall)
        wanted = MIN_SEEDS if len(seeds) < MIN_SEEDS else len(seeds) + 1
        more = f"{wanted} seeds of {name} at k = {', '.join(map(str, places))} (the curve is not monotonic: {fall}"
        unsure.append(more + (")" if len(seeds) < MIN_SEEDS else f", but in {showing} of {len(seeds)} seeds only)"))
    if unsure:
        return lacking(unsure[:1])
    before = max((k for k in curve if k < found), default=0)
    skipped = [k for k in here.bottlenecks if before < k < found and low <= k <= high] if here.saturates else []
    if found > high and skipped:
        where = f"{name} at k = {', '.join(map(str, skipped))}"
        return lacking([f"{where} (of those that have been run it saturates at {found}, {at(curve, found)})"])
    ks = f"{len(curve)} of {len(here.bottlenecks)} bottlenecks"
    return judged(low <= found <= high, f"{name} saturates at {found} ({at(curve, found)}, and {last}; {ks})")


def dips(curve: Mapping[int, float], tolerance: float = SATURATION_TOLERANCE) -> list[int]:
    """Where a curve that seems to have saturated falls by more than the tolerance all the same, the lowest place first.

    Example:
        >>> dips({8: 0.046, 12: 0.040, 32: 0.036, 48: 0.0355, 64: 0.039}), dips({12: 0.040, 32: 0.0385, 64: 0.039})
        ([48, 32], [])
    """
    found = saturation(curve, tolerance)
    lower = [k for k in curve if k > found and curve[k] < (1 - tolerance) * curve[found]]
    return sorted(lower, key=curve.__getitem__)


def _seeds_at(measured: Measured, dataset: str, model: str, ks: list[int]) -> dict[int, dict[int, float]]:
    """Seed -> bottleneck -> test L1, of the seeds that have been run at all of these bottlenecks."""
    rows = measured.of(dataset, model)
    every = {int(seed): part.groupby("bottleneck")["test_l1"].mean().to_dict() for seed, part in rows.groupby("seed")}
    return {seed: curve for seed, curve in every.items() if set(ks) <= set(curve)}


def claim_3(measured: Measured, dataset: str) -> Verdict:
    """Holds if the INN's curve falls to the end and lies below the classic one at large bottlenecks, at last clearly.

    Falls to the end: by more than 5 %, the tolerance of saturation, over the last doubling of the bottleneck, and
    nowhere before lower than at the end by more than MARGIN. The last doubling begins at half of the largest, or, as on
    CelebA, at the next smaller bottleneck of the figure. Clearly: by more than SIGNIFICANT at the largest.
    Needs: both at the largest bottleneck and at a second large one; the INN at one more, and where the doubling begins.
    """
    if missing := lacking(_large_missing(measured, dataset, "inn", "classic")):
        return missing
    inn, classic = measured.curve(dataset, "inn"), measured.curve(dataset, "classic")
    if len(inn) <= MIN_POINTS:
        return lacking([f"INN at more than {MIN_POINTS} bottlenecks"])
    ks, since = large(measured, dataset, inn, classic), doubling(dataset, inn)
    last = max(ks)
    if since is None:
        return lacking([f"INN at k = {halfway(dataset)}"])
    falls, lowest, margin = _falls(measured, dataset, inn), min(inn, key=inn.__getitem__), measured.tolerance("MARGIN")
    evidence = f"INN {at(inn, last)} and classic {at(classic, last)} at {last}; the INN's curve "
    against = lowest if inn[lowest] < (1 - margin) * inn[last] else since
    evidence += "falls to the end" if falls else f"no longer falls ({at(inn, against)} at {against})"
    ahead = [k for k in ks if classic[k] < inn[k]]
    evidence += f"; classic is better at {', '.join(map(str, ahead))}" if ahead else ""
    for how, curve in QUOTED.items():
        other = measured.curve(dataset, *curve)
        evidence += f"; with {how} classic has {at(other, last)}" if last in other else ""
    return judged(falls and below(inn, classic, ks, margin, measured.tolerance("SIGNIFICANT")), evidence)


def halfway(dataset: str) -> int:
    """Where the last doubling of a figure's bottlenecks begins: at half of the largest, or the next smaller one.

    Example:
        >>> [halfway(dataset) for dataset in ("mnist", "cifar10", "celeba", "digits")]
        [32, 512, 1024, 16]
    """
    here = panel(dataset)
    return max(k for k in here.bottlenecks if 2 * k <= here.largest)


def doubling(dataset: str, curve: Mapping[int, float]) -> int | None:
    """The bottleneck that the largest is compared with: the last from `halfway` to half the largest; None for none."""
    here = panel(dataset)
    return max((k for k in curve if halfway(dataset) <= k <= here.largest / 2), default=None)


def _falls(measured: Measured, dataset: str, curve: Mapping[int, float]) -> bool:
    """Whether a curve falls over the last doubling by more than the tolerance of saturation, and rises nowhere."""
    last = curve[panel(dataset).largest]
    fallen = last < (1 - measured.tolerance("SATURATION_TOLERANCE")) * curve[doubling(dataset, curve)]
    return fallen and (1 - measured.tolerance("MARGIN")) * last <= min(curve.values())


def claim_4(measured: Measured, dataset: str) -> Verdict:
    """Holds if both wide models lie below classic at large bottlenecks, are comparable, and the INN lies below both.

    Needs: all four models at the largest bottleneck and at a second large one.
    """
    names = ("classic", "classic_1024", "classic_2048", "inn")
    if missing := lacking(_large_missing(measured, dataset, *names)):
        return missing
    classic, narrow, wide, inn = curves = [measured.curve(dataset, model) for model in names]
    ks, margin = large(measured, dataset, *curves), measured.tolerance("MARGIN")
    better = below(narrow, classic, ks, margin) and below(wide, classic, ks, margin)
    close = max(abs(wide[k] / narrow[k] - 1) for k in ks)
    behind = below(inn, narrow, ks, margin) and below(inn, wide, ks, margin)
    losses = ", ".join(f"{MODEL_TITLES[m]} {at(c, max(ks))}" for m, c in zip(names, curves, strict=True))
    evidence = f"at {max(ks)}: {losses}; 1024 and 2048 differ by up to {percent(close)}"
    return judged(better and close <= measured.tolerance("COMPARABLE") and behind, evidence)


def claim_5(measured: Measured, dataset: str) -> Verdict:
    """Holds if classic_deep has saturated with the highest loss of all models at the largest bottleneck.

    Highest: by more than MARGIN. Saturated: it does not fall to the end, in the sense of claim 3.
    Needs: the four classic models and the INN at the largest bottleneck, classic_deep also where the last doubling
    begins. One model that is not below refutes it.
    """
    last = panel(dataset).largest
    found = {model: measured.curve(dataset, model).get(last) for model in (*DENSE, "inn")}
    missing = [f"{MODEL_TITLES[model]} at k = {last}" for model, loss in found.items() if loss is None]
    curve, deep = measured.curve(dataset, "classic_deep"), found.pop("classic_deep")
    known = {model: loss for model, loss in found.items() if loss is not None}
    highest = deep is not None and all(loss < (1 - measured.tolerance("MARGIN")) * deep for loss in known.values())
    since = doubling(dataset, curve)
    missing += [] if since else [f"{MODEL_TITLES['classic_deep']} at k = {halfway(dataset)}"]
    if deep is None or (missing and highest):
        return lacking(missing)
    losses = ", ".join(f"{MODEL_TITLES[model]} {loss:.4f}" for model, loss in {"classic_deep": deep, **known}.items())
    evidence = f"at {last}: {losses}"
    if highest and _falls(measured, dataset, curve):
        return judged(False, f"{evidence}; but it still falls ({at(curve, since)} at {since})")
    return judged(highest, evidence)


def claim_6(measured: Measured, dataset: str) -> Verdict:
    """Holds if each of the four classic curves saturates about where the paper says that all do.

    Needs: what claim 2 needs, of all four. One curve that saturates elsewhere refutes it.
    """
    verdicts = [saturates(measured, dataset, model) for model in DENSE]
    known = [verdict for verdict in verdicts if verdict.verdict != OPEN]
    evidence = "; ".join(verdict.evidence for verdict in known)
    if any(verdict.verdict == FAILS for verdict in known):
        unjudged = [MODEL_TITLES[m] for m, verdict in zip(DENSE, verdicts, strict=True) if verdict.verdict == OPEN]
        return judged(False, evidence + f"; not judged: {', '.join(unjudged)}" * bool(unjudged))
    missing = [verdict.missing for verdict in verdicts if verdict.missing]
    return lacking(missing) or judged(True, evidence)


def tuned_at(dataset: str) -> int:
    """The bottleneck of claim 7: 64, or the data set's largest if that is smaller."""
    return min(64, panel(dataset).largest)


def contenders(measured: Measured, dataset: str) -> dict[tuple[str, str], float]:
    """The classic models that claim 7 asks, whatever their settings: (model, recipe) -> test L1 at its bottleneck."""
    k = tuned_at(dataset)
    return {
        (model, recipe): curve[k]
        for model in settings.MODELS[dataset] if is_classic(model)
        for recipe in ("paper", "late", "double_schedule", TUNED, BORROWED)
        if k in (curve := measured.curve(dataset, model, recipe))
    }  # fmt: skip


def claim_7(measured: Measured, dataset: str) -> Verdict:
    """Holds if all classic models stay above the INN by more than MARGIN at the tuned bottleneck, whatever the recipe.

    That is `paper`, `late`, `double_schedule`, `tuned` (of a study of its own) or `borrowed` (of that of `classic`).

    Needs: a study of at least MIN_TRIALS finished trials at 64 (or the data set's largest), its winner's row, not worse
    than with the paper's settings (else nothing has been tuned), and the INN's there. One classic model that is not
    above the INN, of whatever settings, refutes it. The INN is taken at the paper's settings; its tuned loss, if
    published, is quoted and not judged.
    """
    k = tuned_at(dataset)
    studied = measured.kept(_studied, "studies", dataset, k)
    inn = measured.curve(dataset, "inn")
    losses = contenders(measured, dataset)
    missing = [] if k in inn else [f"INN at k = {k}"]
    missing += [] if studied else [f"a study of classic at k = {k} with {MIN_TRIALS} trials"]
    for model in studied:
        tuned, plain = losses.get((model, TUNED)), losses.get((model, "paper"))
        winner = f"the winner of the study of {MODEL_TITLES[model]} at k = {k}"
        missing += [winner] if tuned is None else []
        if tuned is not None and plain is not None and tuned > plain:
            missing.append(f"{winner} that is better than the paper's settings ({tuned:.4f}, and {plain:.4f})")
    margin = measured.tolerance("MARGIN")
    behind = [key for key, loss in losses.items() if k in inn and inn[k] < (1 - margin) * loss]
    if k not in inn or (missing and len(behind) == len(losses)):
        return lacking(missing)
    evidence = [f"at {k}: INN {at(inn, k)}"]
    own = measured.curve(dataset, "inn", TUNED)
    evidence += [f"the INN tuned, too, {at(own, k)} (not judged)"] if k in own else []
    for (model, recipe), loss in losses.items():
        if recipe == TUNED:
            before = f" (paper's settings {losses[model, 'paper']:.4f})" if (model, "paper") in losses else ""
            trials = f" of {studied[model]} trials" if model in studied else ""
            evidence.append(f"tuned {MODEL_TITLES[model]} {loss:.4f}{before}{trials}")
        elif recipe == BORROWED or (model, recipe) not in behind:
            evidence.append(f"{settings.curve_title(model, recipe)} {loss:.4f}")
    models = [m for m in settings.MODELS[dataset] if is_classic(m)]
    untuned = ", ".join(MODEL_TITLES[m] for m in models if (m, TUNED) not in losses)
    evidence += [f"no study of: {untuned}"] if untuned else []
    return judged(len(behind) == len(losses), "; ".join(evidence))


def _studied(studies: pd.DataFrame | None, dataset: str, k: int) -> dict[str, int]:
    """Classic models with a full study at a bottleneck, and how many trials have finished: of one seed, the most."""
    if studies is None:
        return {}
    here = studies[(studies["dataset"] == dataset) & (studies["bottleneck"] == k) & (studies["preset"] == "full")]
    counts = here[here["state"] == "finished"].groupby(["model", "seed"]).size().groupby("model").max().to_dict()
    return {m: int(n) for m, n in counts.items() if n >= MIN_TRIALS and is_classic(m)}


def claim_8(measured: Measured, dataset: str) -> Verdict:
    """Holds if the test L1 of every classic run that should have saturated is within DIVERGENCE of its training L1.

    The paper says it of all runs, in order to rule out that overfitting makes the curves flat; runs below the border
    cannot do that, and are named alone.
    Needs: a row with both, of the paper's recipe and at or above the border, of every classic model that the paper has
    on the data set. One run that diverges refutes it.
    """
    limit = border(measured, dataset)
    limit = panel(dataset).largest if limit is None else limit
    models = [m for m in settings.MODELS[dataset] if is_classic(m)]
    rows = pd.concat([measured.of(dataset, model) for model in models], ignore_index=True)
    rows = rows.dropna(subset="train_l1") if "train_l1" in rows else rows[:0].assign(train_l1=0.0)
    rows = rows.assign(gap=rows["test_l1"] / rows["train_l1"] - 1)
    small, rows = rows[rows["bottleneck"] < limit], rows[rows["bottleneck"] >= limit]
    there = set(rows["model"])
    missing = [f"training and test loss of {MODEL_TITLES[m]} at a k from {limit:g}" for m in models if m not in there]
    if not there:
        return lacking(missing)

    def farthest(some: pd.DataFrame) -> tuple[pd.Series, str, str]:
        """The run whose losses are farthest apart, by how much, and which run it is."""
        one = some.loc[some["gap"].abs().idxmax()]
        far = f"up to {percent(one['gap'])} {'above' if one['gap'] > 0 else 'below'}"
        return one, far, f"{MODEL_TITLES[one['model']]} at {one['bottleneck']}"

    worst, far, where = farthest(rows)
    evidence = (
        f"{len(rows)} run{'s' * (len(rows) > 1)} from k = {rows['bottleneck'].min()}: "
        f"test L1 {far} training L1 ({where}: {worst['train_l1']:.4f} in training, {worst['test_l1']:.4f} in the test)"
    )
    divergence = measured.tolerance("DIVERGENCE")
    if (small["gap"].abs() > divergence).any():
        _, far, where = farthest(small)
        evidence += f"; at smaller k {far} it ({where})"
    close = abs(worst["gap"]) <= divergence
    if close and missing:
        return lacking(missing)
    return judged(close, evidence)


def claim_9(measured: Measured, dataset: str) -> Verdict:
    """Holds if every classic model has more trainable parameters than the INN at every bottleneck of the figure.

    Counted from the networks themselves, which have the authors' counts: it needs no row, and is exact.
    """
    here, models = panel(dataset), [m for m in settings.MODELS[dataset] if is_classic(m)]
    inn = count("inn", dataset, 1)
    fewer = {m: [k for k in here.bottlenecks if count(m, dataset, k) <= inn] for m in models}
    least, most = (count("classic", dataset, k) for k in (min(here.bottlenecks), here.largest))
    evidence = f"INN {inn:,}; classic {least:,} (k = {min(here.bottlenecks)}) to {most:,} (k = {here.largest})"
    for model, ks in fewer.items():
        evidence += f"; {MODEL_TITLES[model]} has fewer up to k = {max(ks)}" if ks else ""
    return judged(not any(fewer.values()), evidence)


def count(model: str, dataset: str, bottleneck: int) -> int:
    """Trainable parameters of a network, from two that are built: the count is linear in the bottleneck.

    Example:
        >>> count("classic", "cifar10", 64), count("inn", "cifar10", 64)
        (13729091, 13235176)
    """
    one, two = _counts(model, dataset)
    return one + (bottleneck - 1) * (two - one)


@cache
def _counts(model: str, dataset: str) -> tuple[int, int]:
    """Trainable parameters at bottlenecks 1 and 2, of networks without memory for their weights."""
    import torch

    from innae_utils import models

    with torch.device("meta"):
        return tuple(models.n_params(models.build(model, dataset, bottleneck)) for bottleneck in (1, 2))


def claim_10(measured: Measured, dataset: str) -> Verdict:
    """Holds if the INN is as good without the zero-padding loss, but learns more slowly.

    As good: at every bottleneck the mean test L1 without the loss is within COMPARABLE of that with it: the loss is
    neither needed nor does it harm. More slowly: over the epochs before the learning rate falls, the reconstruction
    loss without is higher by more than SLIGHT, as a mean over epochs and runs. That it steadies training, as the paper
    says too, is not judged.
    Needs: rows and learning curves of the recipes `paper` and `no_padding` with MIN_SEEDS seeds in common at one k.
    """
    runs = _ablation(measured, dataset)
    seeds = runs.groupby("bottleneck").size()
    seeds = seeds[seeds >= MIN_SEEDS]
    runs = runs[runs["bottleneck"].isin(seeds.index)]
    if runs.empty:
        return lacking([f"INN with and without the loss at one k, {MIN_SEEDS} seeds, with learning curves"])
    losses = runs.groupby("bottleneck")[["with", "without"]].mean()
    quality = losses["without"] / losses["with"] - 1
    slower = runs["slower"].mean()
    worst = quality.abs().idxmax()
    comparable, faster = measured.tolerance("COMPARABLE"), slower > measured.tolerance("SLIGHT")
    dispensable, harmless = quality.max() <= comparable, quality.min() >= -comparable
    ks = ", ".join(map(str, seeds.index))
    evidence = (
        f"{len(runs)} pairs of runs at k = {ks}; "
        f"{'harms' if not harmless else 'not needed' if dispensable else 'needed'}: test L1 "
        f"{losses.loc[worst, 'without']:.4f} without, {losses.loc[worst, 'with']:.4f} with it (k = {worst}); "
        f"{'speeds' if faster else 'does not speed'} convergence: while the learning rate is high, the training loss "
        f"without is {percent(slower)} {'higher' if slower > 0 else 'lower'}"
    )
    return judged(dispensable and harmless and faster, evidence)


def _ablation(measured: Measured, dataset: str) -> pd.DataFrame:
    """One row a pair of runs: bottleneck, seed, test L1 `with` and `without`, and `slower`, a share of the loss."""
    pair = ["bottleneck", "seed"]
    rows = (measured.of(dataset, "inn", recipe) for recipe in ABLATION)
    with_loss, without = (dict(zip(map(tuple, r[pair].to_numpy()), r["test_l1"], strict=True)) for r in rows)
    found = []
    for key in sorted(set(with_loss) & set(without)):
        if (slower := measured.kept(_slower, "curves", dataset, *key)) is not None:
            found.append((*key, with_loss[key], without[key], slower))
    return pd.DataFrame(found, columns=[*pair, "with", "without", "slower"])


def _slower(curves: pd.DataFrame | None, dataset: str, bottleneck: int, seed: int) -> float | None:
    """By how much the loss without the term lies above that with it, before the rate falls; None without curves."""
    if curves is None:
        return None
    here = curves[(curves["dataset"] == dataset) & (curves["model"] == "inn") & (curves["seed"] == seed)]
    here = here[(here["bottleneck"] == bottleneck) & (here["lr"] == here["lr"].max())]
    by_recipe = here.pivot_table(index="epoch", columns="recipe", values="reconstruction")
    if not set(ABLATION) <= set(by_recipe):
        return None
    with_it, without = (by_recipe[recipe] for recipe in ABLATION)
    return float((without / with_it).mean() - 1)


def claim_11(measured: Measured, dataset: str) -> Verdict:
    """Holds if log |det J| of the INN, forwards and backwards, is that of autograd's Jacobian, within LOG_DET_ERROR.

    Computed here and now, in float64, on the data set's INN with random weights. Needs no row.
    """
    forwards, backwards = log_det_errors(dataset)
    worst = max(forwards, backwards)
    said = "within" if worst <= LOG_DET_ERROR else "further apart than"
    evidence = f"both directions against autograd's Jacobian, random weights, float64: {said} {LOG_DET_ERROR:g} nats"
    return judged(worst <= LOG_DET_ERROR, evidence)


@cache
def log_det_errors(dataset: str = "digits", images: int = 2) -> tuple[float, float]:
    """The largest error, in nats, of log |det J| of x -> [y, z] and of [y, z] -> x, against autograd's Jacobian."""
    import torch

    from innae_utils import models

    generator = torch.Generator().manual_seed(0)
    network = models.build("inn", dataset, bottleneck=1, seed=0).double().eval()
    for parameter in network.parameters():  # at the initial identity the log-determinant is 0, and proves nothing
        if parameter.requires_grad:
            scale = 0.3 / max(1, parameter[0].numel()) ** 0.5
            parameter.data = scale * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    x = torch.rand(images, *network.shape, generator=generator, dtype=torch.float64)
    latent, forwards = network.inn(x)
    _, backwards = network.inn(latent, rev=True)
    errors = []
    for inputs, found, rev in ((x, forwards, False), (latent.detach(), backwards, True)):
        for one, log_det in zip(inputs, found, strict=True):
            jacobian = torch.autograd.functional.jacobian(lambda a, rev=rev: network.inn(a[None], rev=rev)[0][0], one)
            exact = torch.linalg.slogdet(jacobian.reshape(network.dim, network.dim)).logabsdet
            errors.append(float((log_det.detach() - exact).abs()))
    return max(errors[:images]), max(errors[images:])


# ---- the ledger --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Claim:
    """A claim: what the paper says and where, in short, and the function that judges it for one data set."""

    number: int
    short: str
    sentence: str
    section: str
    judge: Callable[[Measured, str], Verdict]
    datasets: tuple[str, ...] = tuple(PAPER)
    elsewhere: bool = True  # whether it can be asked of data sets that the paper does not have
    scatters: bool = True  # whether it compares test losses of different runs, which scatter with the seed
    varies: bool = True  # whether it asks for any of `VARIED`

    @property
    def how(self) -> str:
        """How it is judged, and what that needs: the docstring of its function."""
        return " ".join(self.judge.__doc__.split())


CLAIMS = (
    Claim(
        1, "INN about equal to classic at small bottlenecks",
        "across all three datasets, the INN autoencoder delivers results comparable to its classical counterpart for "
        "small bottleneck sizes", "4", claim_1,
    ),
    Claim(
        2, "classic saturates, at about 12, 250 and 200 to 250",
        "The saturation sets in at about bottleneck sizes of 12 (MNIST), 250 (CIFAR-10) and 200-250 (CelebA)",
        "4", claim_2,
    ),
    Claim(
        3, "the INN does not saturate, and is clearly better at large ones",
        "Since the INN autoencoder reconstruction loss does not saturate, it performs significantly better for larger "
        "bottleneck sizes than the classical autoencoder", "4", claim_3,
    ),
    Claim(
        4, "classic 1024 and 2048: better than classic, close, behind the INN",
        "Even though the reconstruction loss of model classic 1024 and classic 2048 improves for larger bottleneck "
        "sizes compared to model classic, it still does not reach the same performance as our INN model. The "
        "difference in performance between model classic 1024 and classic 2048 is relatively small",
        "4", claim_4, ("mnist",), False,
    ),
    Claim(
        5, "classic deep saturates at the highest loss",
        "Model classic deep saturates at an even higher reconstruction loss than all other models, despite being "
        "deeper",
        "4", claim_5, ("mnist",), False,
    ),
    Claim(
        6, "all four classic models saturate at about 12",
        "Despite all the models being different, the saturation still sets in at about the same bottleneck size of 12 "
        "for all four classical models", "4", claim_6, ("mnist",), False,
    ),
    Claim(
        7, "tuning the classic models at 64 does not close the gap",
        "for our MNIST classical models, we additionally optimized the hyperparameters for bottleneck size 64. Even "
        "with optimal hyperparameters, we could not reach the same performance as with our INN model",
        "4", claim_7, ("mnist",),
    ),
    Claim(
        8, "no overfitting of the classic models",
        "We also checked the reconstruction loss of our classical models on both the train- and testset and found no "
        "significant divergence which rules out the possibility of overfitting", "4", claim_8, scatters=False,
    ),
    Claim(
        9, "the classic models have more parameters",
        "all classical models were given an advantage in number of trainable parameters", "1", claim_9,
        elsewhere=False, scatters=False, varies=False,
    ),
    Claim(
        10, "the zero-padding loss is not needed, but slightly speeds convergence",
        "the zero-padding loss slightly improves convergence rate and stability during training without negatively "
        "affecting the reconstruction quality [...] the INN autoencoder can be successfully trained without using the "
        "zero-padding loss", "2.2", claim_10, scatters=False,
    ),
    Claim(
        11, "the INN's Jacobian is tractable in both directions",
        "all the advantages of INNs such as tractable Jacobian for both forward and inverse mapping [...] are still "
        "preserved", "5", claim_11, ("digits",), False, scatters=False, varies=False,
    ),
)  # fmt: skip
NOT_PRINTED = {  # what the printed curves can never decide
    7: "the paper prints no tuned losses", 8: "the paper prints no training losses",
    10: "the paper prints no run without the loss", 11: "the paper prints no Jacobian",
}  # fmt: skip


def ledger(measured: Measured, paper: Measured) -> pd.DataFrame:
    """Every claim for every data set that it can be asked of.

    Args:
        measured: ours, of `published` or `local`.
        paper: the printed curves, of `printed`.

    Returns:
        number, claim, section, dataset, ours, leaning, evidence, missing (a verdict from our rows), and paper,
        paper_evidence, paper_missing (one from the printed curves).
    """
    found = []
    for claim, dataset in _asked(measured):
        place = {"number": claim.number, "claim": claim.short, "section": claim.section, "dataset": dataset}
        ours = steady(claim, measured, dataset)
        theirs = _of_the_paper(claim, paper, dataset)
        found.append({**place, "ours": ours.verdict, "leaning": ours.leaning})
        found[-1] |= {"evidence": ours.evidence, "missing": ours.missing}
        printed_verdict = UNPRINTED if theirs.verdict == OPEN else theirs.verdict
        found[-1] |= {"paper": printed_verdict, "paper_evidence": theirs.evidence, "paper_missing": theirs.missing}
    return pd.DataFrame(found)


def _asked(measured: Measured) -> Iterator[tuple[Claim, str]]:
    """Every claim with every data set that it can be asked of: the paper's, and others that have been measured."""
    others = [d for d in settings.DATASETS if d not in (*PAPER, "images") and (measured.rows["dataset"] == d).any()]
    for claim in CLAIMS:
        yield from ((claim, dataset) for dataset in (*claim.datasets, *(others if claim.elsewhere else ())))


def at_other_tolerances(measured: Measured, paper: Measured) -> pd.DataFrame:
    """What hangs on a tolerance: the verdicts of the means with one of `VARIED` at half and at twice its value.

    ABOUT is a factor: its root and its square stand for half and twice. Nothing is redrawn: a claim that the ledger
    calls undecided has the verdict here that the means have. Claims that ask for none of `VARIED` are left out.

    Args:
        measured, paper: as for `ledger`.

    Returns:
        A line each tolerance, value, claim and data set, ours and the paper's: tolerance, value, number, dataset, whose
        ("ours" or "printed"), usual (the verdict by the usual value), verdict; OPEN where it cannot be judged. Those
        that cannot be judged by either value are left out.
    """

    def verdicts(tables: Mapping[str, Measured]) -> dict[tuple, str]:
        found = {}
        for claim, dataset in _asked(measured):
            if claim.varies:
                place = claim.number, dataset
                found[*place, "ours"] = claim.judge(tables["ours"], dataset).verdict
                found[*place, "printed"] = _of_the_paper(claim, tables["printed"], dataset).verdict
        return found

    tables = {"ours": measured, "printed": paper}
    usual, lines = verdicts(tables), []
    for name in VARIED:
        value = measured.tolerance(name)
        for other in (value**0.5, value**2) if name == "ABOUT" else (value / 2, value * 2):
            there = verdicts({whose: table.by({name: other}) for whose, table in tables.items()})
            lines += [
                (name, other, *place, usual[place], verdict)
                for place, verdict in there.items() if {usual[place], verdict} != {OPEN}
            ]  # fmt: skip
    return pd.DataFrame(lines, columns=["tolerance", "value", "number", "dataset", "whose", "usual", "verdict"])


def _of_the_paper(claim: Claim, paper: Measured, dataset: str) -> Verdict:
    if claim.number in NOT_PRINTED:
        return Verdict(OPEN, missing=NOT_PRINTED[claim.number])
    if dataset not in PAPER:
        return Verdict(OPEN, missing="the paper does not have this data set")
    return claim.judge(paper, dataset)


def turned(varied: pd.DataFrame) -> pd.DataFrame:
    """The verdicts of `at_other_tolerances` that are not the usual ones."""
    return varied[varied["verdict"] != varied["usual"]]


def turned_table(varied: pd.DataFrame) -> str:
    """The verdicts that turn with a tolerance, as a Markdown table: a line each.

    Args:
        varied: of `at_other_tolerances`.

    Returns:
        Lines without a last newline.
    """
    lines = ["| tolerance | usual value | other value | claim | of | usual verdict | verdict by the other value |"]
    lines.append("|---" * 7 + "|")
    told = {HOLDS: HOLDS, FAILS: FAILS, OPEN: "cannot be judged"}
    for row in turned(varied).itertuples():
        of = title(row.dataset) + (", the printed curves" if row.whose == "printed" else "")
        values = f"{globals()[row.tolerance]:.3g} | {row.value:.3g}"
        lines.append(
            f"| {row.tolerance} | {values} | {row.number} | {of} | {told[row.usual]} | {told[row.verdict]} |"
        )  # fmt: skip
    return "\n".join(lines)


def count_turned(varied: pd.DataFrame, whose: str) -> str:
    """How many of the verdicts there are turn somewhere: "6 of 16"; `whose` is "ours" or "printed"."""
    judged_here = varied[(varied["usual"] != OPEN) & (varied["whose"] == whose)]
    turn, every = (len(part[["number", "dataset"]].drop_duplicates()) for part in (turned(judged_here), judged_here))
    return f"{turn} of {every}"


def _of_tolerances(varied: pd.DataFrame) -> list[str]:
    """The section of `written_out` on what hangs on the tolerances."""
    *losses, factor = VARIED
    without = " and ".join(str(claim.number) for claim in CLAIMS if not claim.varies)
    said = (
        f"The tolerances of losses ({', '.join(losses)}), each alone, at half and at twice its value, and {factor} at "
        "its root and its square; not what a claim needs (seeds, points, trials, SURE). Judged by the means, without "
        "redraws: where a verdict above is undecided, that of the means is compared. Claims "
        f"{without} ask for none of these. Of the others {count_turned(varied, 'ours')} verdicts on our rows turn "
        f"somewhere, and {count_turned(varied, 'printed')} on the printed curves; what cannot be judged by the "
        "usual value is not counted."
    )
    return ["", "## What hangs on the tolerances", "", said, "", turned_table(varied)]


def written_out(found: pd.DataFrame, varied: pd.DataFrame) -> str:
    """The ledger with all of its evidence in Markdown: a section a claim, and in it a line a data set.

    Args:
        found: of `ledger`.
        varied: of `at_other_tolerances`, for the section at the end.
    """
    lines = [
        "# The paper's claims, with the evidence", "",
        "Made by `make publish` from the files in this folder; `notebooks/21_claims.ipynb` draws it. *The printed "
        "curves* are those of the plots stored in the authors' notebooks (the paper's own figure may differ: its text "
        "finds `classic_deep` there, the stored plot has none). A share of redraws is no probability: the losses that "
        "are moved have chance in them already, so that it counts twice. So the verdict of the means comes back too "
        'seldom, and where every one of many points must meet a condition (claims 1 and 6), "holds" above all. '
        "The words in capitals:", "", "| tolerance | value | what it is |", "|---|---|---|",
        *(f"| {name} | {globals()[name]:g} | {told} |" for name, told in TOLERANCES.items()),
    ]  # fmt: skip
    for claim in CLAIMS:
        lines += ["", f"## {claim.number}. {claim.short}", "", f"> {claim.sentence} (section {claim.section})", ""]
        lines += [claim.how, ""]
        for row in found[found["number"] == claim.number].itertuples():
            lines.append(f"- **{title(row.dataset)}: {row.ours}.** {row.evidence or f'Missing: {row.missing}'}")
            if row.paper != UNPRINTED:
                lines.append(f"  - The printed curves: {row.paper}. {row.paper_evidence}")
    return "\n".join([*lines, *_of_tolerances(varied)]) + "\n"


SIGNS = {HOLDS: "holds", FAILS: "**does not hold**", UNDECIDED: "undecided", OPEN: "not yet"}


def table(found: pd.DataFrame) -> str:
    """The ledger as a Markdown table: a line a claim, a column a data set, and the printed curves at the end.

    Args:
        found: of `ledger`.

    Returns:
        Lines without a last newline. An empty cell: not asked of that data set.
    """
    columns = list(dict.fromkeys(found["dataset"]))
    lines = ["| | claim | " + " | ".join(map(title, columns)) + " | the printed curves |"]
    lines.append("|---" * (len(columns) + 3) + "|")
    for (number, claim), rows in found.groupby(["number", "claim"], sort=False):
        ours = {row.dataset: ": ".join(filter(None, (SIGNS[row.ours], row.leaning))) for row in rows.itertuples()}
        told = [
            f"{title(row.dataset)} {SIGNS[row.paper]}" for row in rows.itertuples() if row.paper != UNPRINTED
        ]  # fmt: skip
        cells = [str(number), claim, *(ours.get(dataset, "") for dataset in columns), ", ".join(told) or UNPRINTED]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)

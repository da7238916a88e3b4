"""Published rows: those of full runs, kept in `results/` with what figure 6 needs of them, and beside the paper's.

Nothing that makes a row imports this, so that none is made again when it changes.
"""

import math
import os
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import compress
from pathlib import Path
from typing import Any

from innae_utils import results
from innae_utils.results import (
    PLACE,
    ROW,
    ResultError,
    check_row,
    is_commit,
    learning_curves,
    read_samples,
    replacing,
    sized,
)
from innae_utils.settings import (
    COMMON,
    DATASETS,
    MODEL_TITLES,
    PROJECT,
    THESIS,
    VARIANTS,
    VARIATIONAL,
    curve_title,
    find_recipe,
    split_name,
)

KEY = [*PLACE, "image_size"]  # what no two published rows share
PUBLISHED = PROJECT / "results"
AGAIN = 0.01  # a run made again on another machine may end so far away, relatively; the INN on digits by 0.007
NOT_TRAINED = "not trained"  # in the place of the time when a run finished
# What numpy raises for a file that should hold arrays, and does not.
UNREADABLE = (OSError, KeyError, ValueError, TypeError, EOFError, zlib.error, zipfile.BadZipFile)


def publish(rows, path: str | os.PathLike):
    """Add rows to a published CSV, replacing those of the same run; the whole table as it then is.

    Args:
        rows: of `gather`.
        path: the CSV; made if it is not there.

    Raises:
        ResultError: a row is quick, cut short, of other weights in the loss than its recipe's, or made by code that
            no commit holds; or the CSV has other columns than a row. Nothing is written then.
    """
    import pandas as pd

    _check_publishable(rows)
    path = Path(path)
    known = [read_table(path, ROW, "rows")] if path.exists() else []
    table = pd.concat([*known, rows[list(ROW)]]).drop_duplicates(KEY, keep="last").sort_values(KEY, ignore_index=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        table.to_csv(part, index=False)
    return table


def _check_publishable(rows) -> None:
    for row in rows.to_dict("records"):
        name = " ".join(str(row[column]) for column in PLACE)
        check_row({column: row[column] for column in ROW if column in row}, name)
        if row["preset"] != "full":
            raise ResultError(f"{name} is a {row['preset']} row and not a result; publish full ones alone")
        if not is_commit(row["commit"]):
            raise ResultError(f"{name} was made by code that no commit holds; commit it and run again")
        if split_name(row["recipe"])[1]:
            raise ResultError(f"{name} has epochs or weights of its own; publish rows of a recipe as it is alone")
        if row["model"] != "pca" and row["epochs"] != find_recipe(*(row[c] for c in KEY[:3])).epochs:
            raise ResultError(f"{name} ran for {row['epochs']} epochs, not the recipe's; publish whole runs alone")
        images = DATASETS[row["dataset"]].images
        if images and row["dataset"] not in COMMON and row["train_images"] != images[0]:  # of faces a part may be there
            raise ResultError(
                f"{name} saw {row['train_images']} training images, not the {images[0]} there are; train it on all"
            )


def check_of_published_runs(table, folder: str | os.PathLike, again: bool = False) -> None:
    """Refuse records of runs that were measured after training, unless the runs are the published ones.

    Args:
        table: columns `PLACE`, preset, commit and run_finished_at (with `again` own_test_l1, too), a line or more a
            run. Where it finished is `NOT_TRAINED` there was no run to be published.
        folder: where published rows lie.
        again: a published run that was made again, and ended with the same test L1 but for `AGAIN`, counts as that run.

    Raises:
        ResultError: a record is quick, made by code that no commit holds, or of a run that is not the published one.
    """
    if not (table["preset"] == "full").all():
        raise ResultError("quick records are no result; publish full ones alone")
    if not table["commit"].map(is_commit).all():
        raise ResultError("no commit holds the code that made these records; commit it and run again")
    there = published(folder).set_index(list(PLACE))
    runs = table[table["run_finished_at"] != NOT_TRAINED].drop_duplicates(list(PLACE))
    for record in runs.to_dict("records"):
        place = tuple(record[name] for name in PLACE)
        if again:
            same = math.isclose(there["test_l1"].get(place, math.nan), record["own_test_l1"], rel_tol=AGAIN)
        else:
            same = there["finished_at"].get(place) == record["run_finished_at"]
        if not same:
            raise ResultError(f"{' '.join(map(str, place))} is not the run that is published; publish its row first")


def merged(
    table,
    kind: str,
    columns: Sequence[str],
    place: Sequence[str],
    what: str,
    folder: str | os.PathLike,
    again: bool = False,
):
    """What a file of records measured after training would hold with these: `<kind>_<dataset>.csv`.

    Args:
        table: the new records, of one data set.
        kind: what the file's name begins with.
        columns: of the file; others of the table are left out.
        place: the columns that no two records share; the file is sorted by them, but layers stay in their order.
        what: the records, for messages.
        folder: where published rows lie.
        again: as for `check_of_published_runs`.

    Returns:
        The file's path, and its table: the new records and those of other places that are published.

    Raises:
        ResultError: no record, several data sets, what `check_of_published_runs` refuses, or a file of other columns.
    """
    import pandas as pd

    if table["dataset"].nunique() != 1:
        raise ResultError(f"these {what} are of {table['dataset'].nunique()} data sets; publish those of one")
    check_of_published_runs(table, folder, again)
    path = Path(folder) / f"{kind}_{table['dataset'].iloc[0]}.csv"
    known = read_table(path, columns, what)
    both = pd.concat([known, table[list(columns)]]) if len(known) else table[list(columns)]
    both = both.drop_duplicates(list(place), keep="last")
    return path, both.sort_values([name for name in place if name != "layer"], kind="stable")


def publish_curves(rows, root: str | os.PathLike, path: str | os.PathLike):
    """Add the learning curves of these rows' runs to a published CSV; the whole table as it then is.

    Losses are kept to six significant digits. Raises ResultError for what `publish` refuses. Nothing is written then.
    """
    import pandas as pd

    _check_publishable(rows)
    path = Path(path)
    known = [pd.read_csv(path)] if path.exists() else []
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pd.concat([*known, learning_curves(rows, root)]).drop_duplicates([*PLACE, "epoch"], keep="last")
    with replacing(path) as part:
        table.sort_values([*PLACE, "epoch"]).to_csv(part, index=False, float_format="%.6g")
    return table


def publish_samples(rows, root: str | os.PathLike, folder: str | os.PathLike = PUBLISHED) -> list[Path]:
    """Copy what figure 6 needs of published runs: for each row ten images and their reconstructions, as uint8.

    Args:
        rows: published rows, PCA's among them.
        root: the data set's folder of runs that they come from.
        folder: where published rows lie; the files go to `reconstructions/<dataset>/` in it.

    Returns:
        The files written. What lies outside [0, 1] is cut off: no picture shows it. Each file tells when its run
        finished, so that it is never shown beside the row of another.

    Raises:
        ResultError: a run's reconstructions are not there; the message names the file.
    """
    import numpy as np

    written = []
    for row, samples in _all_samples(rows, root):
        path = samples_path(row, folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        stored = {name: np.rint(np.clip(samples[name], 0, 1) * 255).astype(np.uint8) for name in ("x", "x_hat")}
        with replacing(path) as part:
            np.savez_compressed(part, **stored, finished_at=row["finished_at"])
        written.append(path)
    return written


def check_samples(rows, root: str | os.PathLike) -> None:
    """Raise ResultError if `publish_samples` would, before anything is written."""
    for _ in _all_samples(rows, root):
        pass


def _all_samples(rows, root: str | os.PathLike) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for row in rows.to_dict("records"):
        try:
            yield row, read_samples(row, root)
        except UNREADABLE as error:
            said = f"the run's reconstructions are missing or broken ({error}); copy them or run again"
            raise ResultError(said) from error


def samples_path(row, folder: str | os.PathLike = PUBLISHED) -> Path:
    """Where a published row's reconstructions lie."""
    name = f"{sized(row)}_{row['recipe']}_k{row['bottleneck']:04d}_seed{row['seed']}.npz"
    return Path(folder) / "reconstructions" / row["dataset"] / name


def published_samples(row, folder: str | os.PathLike = PUBLISHED) -> dict[str, Any]:
    """`x` and `x_hat` (n, C, H, W) in [0, 1] of a published row.

    Raises ResultError if there are none, or if they are of another run than the row.
    """
    import numpy as np

    path = samples_path(row, folder)
    try:
        with open(path, "rb") as file, np.load(file) as stored:  # numpy leaves a broken file open
            if str(stored["finished_at"]) != row["finished_at"]:
                raise ResultError(f"{path} is of another run than the published row; publish both together")
            return {name: stored[name] / np.float32(255) for name in ("x", "x_hat")}
    except UNREADABLE as error:
        raise ResultError(f"{path} holds no reconstructions ({error})") from error


def published(folder: str | os.PathLike = PUBLISHED):
    """All published rows, of every data set. Raises ResultError if a table has other columns than a row."""
    import pandas as pd

    tables = [pd.DataFrame(columns=list(ROW))]
    for path in (Path(folder) / f"{dataset}.csv" for dataset in DATASETS):
        if path.exists():
            tables.append(read_table(path, ROW, "rows"))
    return pd.concat(tables[1:] or tables, ignore_index=True)


def read_table(path: str | os.PathLike, columns: Sequence[str], what: str):
    """A CSV of these columns, of `what`; empty if there is no such file.

    Raises ResultError if it has other columns.
    """
    import pandas as pd

    table = pd.read_csv(path) if os.path.exists(path) else pd.DataFrame(columns=list(columns))
    if list(table.columns) != list(columns):
        raise ResultError(f"{path} is no table of {what}; its columns should be {', '.join(columns)}; move it away")
    return table


def write_table(table, path: str | os.PathLike) -> None:
    """Write a table as a CSV, whole or not at all."""
    with replacing(Path(path)) as part:
        table.to_csv(part, index=False)


class Kept:
    """A CSV of records that are measured once each, written as soon as they are there.

    Args:
        path: of the CSV; made with the first record.
        columns: of a record.
        what: the records, for messages.
        files: the code that measures; a record is measured again when it has changed.
    """

    def __init__(self, path: str | os.PathLike, columns: Sequence[str], what: str, files: Iterable[Path]):
        self.path, self.columns, self.what = Path(path), columns, what
        self.code, self.made_by = results.code_digest(files), results.commit()

    def record(self, asked: Mapping[str, Any], measure: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        """The record of what is asked for: as kept, or measured and written.

        It is measured if none of this code is kept, or if no commit held that code and one does now.

        Args:
            asked: what tells it from other records; no value is missing.
            measure: gives the other columns, without `code` and `commit`.

        Raises:
            ResultError: the CSV has other columns.
        """
        import pandas as pd

        asked = {**asked, "code": self.code}
        _, same = self._parted(asked)
        if same and (is_commit(same[-1]["commit"]) or not is_commit(self.made_by)):
            return same[-1]
        found = {**asked, **measure(), "commit": self.made_by}
        record = {name: found[name] for name in self.columns}
        others, _ = self._parted(asked)  # another process may have added some
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_table(pd.DataFrame([*others, record], columns=list(self.columns)), self.path)
        return record

    def _parted(self, asked: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The other records, and those of what is asked for."""
        records = read_table(self.path, self.columns, self.what).to_dict("records")
        same = [all(record[name] == value for name, value in asked.items()) for record in records]
        return [r for r, is_same in zip(records, same, strict=True) if not is_same], list(compress(records, same))


def read_printed(folder: str | os.PathLike = PUBLISHED):
    """The paper's printed curves, read off: panel, dataset, model, bottleneck, test_l1, read_error."""
    import pandas as pd

    return pd.read_csv(Path(folder) / "paper_figure5.csv", comment="#")


# ---- ours beside the paper's -----------------------------------------------------------------------------------


def table(rows, printed, pca: bool = False):
    """Ours beside the paper's printed curves: one row for every point that either has.

    Args:
        rows: of `gather` or `published`.
        printed: of `read_printed`.
        pca: whether PCA, which is no trained model, has its points, too.

    Returns:
        dataset, model, image_size ("" where it is the paper's), recipe, bottleneck, seeds (0: not run), ours (mean test
        L1 over seeds), smallest, largest, noted (what is unusual about our runs: another number of images, a precision
        other than fp32), paper, read_error, difference (ours - paper); NaN where there is none. hidden: the paper has
        the curve, and this bottleneck, but the point could not be read. The INN in the order of the thesis stands
        beside the printed INN, too, where it has been run.
    """
    import pandas as pd

    key = ["dataset", "model", "image_size", "recipe", "bottleneck"]
    mine = rows if pca else rows[rows["model"] != "pca"]
    sizes = [sized(row).removeprefix(row["model"]).strip("_") for row in mine.to_dict("records")]
    mine = mine.assign(image_size=pd.Series(sizes, index=mine.index, dtype=object))
    mine = mine.assign(noted=pd.Series(map(_noted, mine.to_dict("records")), index=mine.index, dtype=object))
    mine = mine.groupby(key).agg(
        seeds=("test_l1", "size"), ours=("test_l1", "mean"), smallest=("test_l1", "min"), largest=("test_l1", "max"),
        noted=("noted", _noted_of_all),
    ).reset_index()  # fmt: skip
    theirs = printed.rename(columns={"test_l1": "paper"}).assign(recipe="paper", image_size="")
    theirs = pd.concat([theirs, theirs[theirs["model"] == "inn"].assign(model=THESIS)])
    both = mine.merge(theirs[[*key, "paper", "read_error"]], on=key, how="outer")
    both = both[(both["model"] != THESIS) | both["seeds"].notna()]
    both["noted"] = both["noted"].fillna("")
    both = both.assign(seeds=both["seeds"].fillna(0).astype(int), difference=both["ours"] - both["paper"])
    read = both["paper"].notna()
    places = zip(both["dataset"], both["bottleneck"], strict=True)
    known = [dataset in DATASETS and k in DATASETS[dataset].bottlenecks for dataset, k in places]
    both["hidden"] = (
        ~read
        & pd.Series(known, index=both.index, dtype=bool)
        & read.groupby([both[name] for name in key[:-1]]).transform("any")
    )
    return both.sort_values(key, key=_rank, ignore_index=True)


def _noted_of_all(said) -> str:
    """The notes on the runs of one point; of how many, if it is not all of them."""
    counts = said[said != ""].value_counts(sort=False)
    return "; ".join(
        note if count == len(said) else f"{note} ({count} of {len(said)})" for note, count in counts.items()
    )


def _noted(row) -> str:
    """What is unusual about a row: fewer images than its data set has, or another precision than the paper's."""
    usual = DATASETS[row["dataset"]].images if row["dataset"] in DATASETS else None
    there = (row["train_images"], row["test_images"])
    said = [
        f"{count:,} {split} images"
        for split, count, known in zip(("training", "test"), there, usual or there, strict=True)
        if count != known
    ]
    return ", ".join([*said, row["precision"]] if row["precision"] != "fp32" else said)


def _rank(column):
    """Data sets and models in the order of the settings (one not there last); recipes by name behind the paper's."""
    recipes = ["paper", *sorted({*column} - {"paper"})]
    order = {"dataset": list(DATASETS), "model": list(MODEL_TITLES), "recipe": recipes}.get(column.name)
    return column if order is None else column.map(lambda name: order.index(name) if name in order else len(order))


def _title(model: str, recipe: str, image_size: str) -> str:
    return ", ".join(filter(None, (curve_title(model, recipe), image_size)))


def to_markdown(table) -> str:
    """A table of `table` as Markdown.

    Example:
        >>> import pandas as pd
        >>> one = dict(dataset="mnist", model="inn", image_size="", recipe="paper", bottleneck=4, seeds=0)
        >>> one |= dict(ours=float("nan"), noted="", paper=0.0619, read_error=0.0004, difference=float("nan"))
        >>> one |= dict(hidden=False)
        >>> print(to_markdown(pd.DataFrame([one])).splitlines()[-1])
        | mnist | INN | 4 | 0 | not run | 0.0619 ± 0.0004 |  |
    """
    lines = [
        "| data set | curve | k | seeds | ours: test L1 (smallest to largest) | paper (reading error) | difference |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in table.to_dict("records"):
        ours = paper = difference = ""
        if one["seeds"]:
            ours = f"{one['ours']:.4f}"
            ours += f" ({one['smallest']:.4f} to {one['largest']:.4f})" if one["seeds"] > 1 else ""
            ours += f"; {one['noted']}" if one["noted"] else ""
        if one["paper"] == one["paper"]:
            paper = f"{one['paper']:.4f} ± {one['read_error']:.4f}"
        if ours and paper:
            difference = f"{one['difference']:+z.4f}"  # z: no minus before a zero
        curve = _title(one["model"], one["recipe"], one["image_size"])
        none = "not read" if one["hidden"] else "not printed"
        cells = (one["dataset"], curve, one["bottleneck"], one["seeds"], ours or "not run", paper or none)
        lines.append(f"| {' | '.join(map(str, cells))} | {difference} |")
    return "\n".join(lines)


def replace_block(text: str, name: str, content: str) -> str:
    """A text with what lies between its comments `<!-- begin NAME -->` and `<!-- end NAME -->` replaced.

    Raises ResultError unless both comments are there, once each.
    """
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ResultError(f"the text should have {begin.strip()} and {end} once each")
    before, rest = text.split(begin)
    return f"{before}{begin}{content}\n{end}{rest.split(end)[1]}"


def side_by_side(both) -> str:
    """The points as Markdown: a table a data set, a column a bottleneck, a line a curve, the printed one below ours.

    Args:
        both: of `table`.

    Example:
        >>> import pandas as pd
        >>> one = dict(dataset="mnist", model="inn", image_size="", recipe="paper")
        >>> points = dict(bottleneck=[4, 8], seeds=[2, 0], ours=[0.0622, float("nan")], paper=[0.0619, 0.0431])
        >>> print(side_by_side(pd.DataFrame(one | points)))
        | MNIST | 4 | 8 |
        |---|---|---|
        | INN | 0.0622 (2) |  |
        | *INN, printed* | 0.0619 | 0.0431 |
    """
    tables = []
    for dataset, there in both.groupby("dataset", sort=False):
        ks = sorted(set(there["bottleneck"]))
        lines = [f"| {' | '.join([DATASETS[dataset].title, *map(str, ks)])} |", f"|{'---|' * (len(ks) + 1)}"]
        for (model, recipe, size), curve in there.groupby(["model", "recipe", "image_size"], sort=False):
            ours, theirs = {}, {}
            for point in curve.to_dict("records"):
                if point["seeds"]:
                    runs = f" ({point['seeds']})" if point["seeds"] > 1 else ""
                    ours[point["bottleneck"]] = f"{point['ours']:.4f}{runs}"
                if point["paper"] == point["paper"]:
                    theirs[point["bottleneck"]] = f"{point['paper']:.4f}"
            title = _title(model, recipe, size)
            for name, cells in ((title, ours), (f"*{title}, printed*", theirs if model != THESIS else {})):
                if cells:  # the thesis's INN has the INN's printed line
                    lines.append(f"| {' | '.join([name, *(cells.get(k, '') for k in ks)])} |")
        tables.append("\n".join(lines))
    return "\n\n".join(tables) or "Nothing is published yet."


def _beside_printed(both, printed):
    """The points of those of the paper's data sets that have some of ours; LFW's with CelebA's."""
    done = set(both.loc[both["seeds"] > 0, "dataset"]) & {*printed["dataset"], "lfw"}
    return both[both["dataset"].isin(done | ({"celeba"} if "lfw" in done else set()))]


def readme_table(folder: str | os.PathLike = PUBLISHED) -> str:
    """The README's table: the paper's models, and the INN of the thesis, at its settings, and who trained them."""
    printed = read_printed(folder)
    rows = published(folder)
    rows = rows[(rows["recipe"] == "paper") & ~rows["model"].isin([*VARIATIONAL, *VARIANTS])]
    both = _beside_printed(table(rows, printed), printed)
    trained = rows[rows["dataset"].isin(both["dataset"])]
    machines = "; ".join(sorted(set(trained["machine"].dropna())))
    threads = ", ".join(map(str, sorted(set(trained["threads"]))))
    torch = ", ".join(sorted(set(trained["torch"].astype(str))))
    on = f"\n\nOurs were made on: {machines}; threads a run: {threads}; torch: {torch}." if machines else ""
    return side_by_side(both) + on


def every_point(folder: str | os.PathLike = PUBLISHED) -> str:
    """The text of results/points.md: all published curves side by side, and every point beside the paper's."""
    printed = read_printed(folder)
    rows = published(folder)
    everything = table(rows, printed, pca=True)
    beside = _beside_printed(everything[everything["model"] != "pca"], printed)
    return "\n".join(
        [
            "# Every published point", "",
            "Made by `make publish` from the rows in this folder. Means of the test L1; in brackets the number of "
            "runs, if it is not one. An empty cell: no whole run of a recipe is published (single changes of one are "
            "in `sensitivity_*.csv`), or the printed point could not be read. PCA is the best *linear* one, in squared "
            "error. [The words](../README.md#words), [all questions](README.md).", "",
            side_by_side(everything[everything["dataset"].isin(rows["dataset"])]), "",
            "## Beside the paper's", "",
            "*Not read*: mostly because it lies under another curve. *Not printed*: there is no such curve. "
            "CIFAR-10's INN in the order of the thesis is set beside the printed INN. Difference: ours minus the "
            "paper's. bf16: trained in 16 bits (2 of 4: two runs were), and evaluated in float32.", "",
            to_markdown(beside[beside["seeds"] > 0]),
        ]
    ) + "\n"  # fmt: skip

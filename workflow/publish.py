"""What `make publish` runs: finished runs into results/<dataset>.csv, their reconstructions, all tables of rows.

Usage: python workflow/publish.py [dataset=mnist] [models=...] [recipes=...] [bottlenecks=...] [seeds=...] [runs=FOLDER]

Every whole, full run of a recipe under `runs` is published, or those that the lists name. Runs with epochs or weights
of their own are left out, and named; quick or uncommitted ones are refused, and nothing is written then. Of runs with
and without the zero-padding loss the learning curves go to results/curves_<dataset>.csv, for claim 10.
"""

import sys

import pandas as pd

from innae_utils import claims, publishing, results, settings, sweeps

NAMES = ("dataset", "models", "recipes", "bottlenecks", "seeds", "runs")
PAIR = [column for column in results.PLACE if column != "recipe"]  # what two runs of an ablation have in common
BLOCK, LEDGER = "table of published rows", "claims ledger"


def chosen(given: dict[str, str]):
    """The rows to publish and the folder of their runs. Raises ParameterError if a name or value is not known."""
    sweep = sweeps.check_sweep(given, NAMES)
    rows = results.uncut(results.gather(sweep.run_folder))
    rows = rows[rows["dataset"] == sweep.dataset]
    plain = rows["recipe"].map(lambda recipe: settings.split_name(recipe)[0])
    for name, column in (("models", "model"), ("recipes", "recipe"), ("bottlenecks", "bottleneck"), ("seeds", "seed")):
        if name in given:
            values = plain if column == "recipe" else rows[column]
            rows = rows[values.isin({getattr(job, column) for job in sweep.jobs})]
            plain = plain.loc[rows.index]
    for row in rows[rows["recipe"] != plain].itertuples():
        place = f"{row.model} {row.recipe} k={row.bottleneck} seed={row.seed}"
        print(f"left out: {place} has epochs or weights of its own", file=sys.stderr)
    rows = rows[rows["recipe"] == plain]
    if rows.empty:
        raise results.ResultError(f"no whole run has finished under {sweep.run_folder} that was asked for")
    return rows, sweep.run_folder


def with_samples(table, rows):
    """Those of the rows whose reconstructions are published: at each point of a curve the smallest seed there is."""
    place = [column for column in publishing.KEY if column != "seed"]
    first = table.groupby(place, as_index=False)["seed"].min()
    return rows.merge(first, on=[*place, "seed"])


def with_curves(rows, table, curves):
    """Those of the rows whose learning curves claim 10 needs: pairs of runs with and without the zero-padding loss.

    Args:
        rows: that are being published.
        table: all that are published then.
        curves: the file of published curves; rows that are in it already are to have curves of the same runs.
    """
    sides = [table[(table["model"] == "inn") & (table["recipe"] == recipe)][PAIR] for recipe in claims.ABLATION]
    needed = sides[0].merge(sides[1]).drop_duplicates().merge(pd.DataFrame({"recipe": claims.ABLATION}), how="cross")
    known = [pd.read_csv(curves)[results.PLACE]] if curves.exists() else []
    return rows.merge(pd.concat([needed, *known])[results.PLACE].drop_duplicates(), on=results.PLACE)


def of_one_side(curves) -> str:
    """The runs with learning curves whose partner, with or without the zero-padding loss, has none; "" for none."""
    sides = curves[results.PLACE].drop_duplicates().groupby(PAIR)["recipe"].agg(["first", "size"]).reset_index()
    alone = sides[sides["size"] < 2].itertuples()
    return ", ".join(f"{run.model} {run.first} k={run.bottleneck} seed={run.seed}" for run in alone)


def main(arguments: list[str]) -> int:
    """Publish; 0 if all went well, 2 if a parameter is wrong or a row is refused."""
    try:
        rows, runs = chosen(sweeps.read_pairs(arguments))
        path = publishing.PUBLISHED / f"{rows['dataset'].iloc[0]}.csv"
        publishing.check_samples(rows, runs)  # before anything is written
        readme = settings.PROJECT / "README.md"
        for block in (BLOCK, LEDGER):
            publishing.replace_block(readme.read_text(), block, "")
        publishing.published()  # those of other data sets, and the printed curves, stand in the tables, too
        publishing.read_printed()
        table = publishing.publish(rows, path)
        curves = publishing.PUBLISHED / f"curves_{rows['dataset'].iloc[0]}.csv"
        if len(learnt := with_curves(rows, table, curves)):
            kept = publishing.publish_curves(learnt, runs.parent, curves)
            if len(alone := of_one_side(kept)):
                print(f"no learning curve of the other run of a pair: {alone}; publish both at once", file=sys.stderr)
        samples = publishing.publish_samples(with_samples(table, rows), runs)
        text = publishing.replace_block(readme.read_text(), BLOCK, publishing.readme_table())
        found = claims.published_ledger()
        text = publishing.replace_block(text, LEDGER, claims.table(found))
        for page, written in (
            ("claims.md", claims.written_out(found, claims.published_varied())),
            ("points.md", publishing.every_point()),
        ):
            with results.replacing(publishing.PUBLISHED / page) as part:
                part.write_text(written)
        with results.replacing(readme) as part:
            part.write_text(text)
    except (settings.ParameterError, results.ResultError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{len(rows)} rows published, {len(table)} in all: {path}")
    print(f"{len(samples)} files of reconstructions: {path.parent / 'reconstructions'}")
    print(f"tables renewed: {readme}, {publishing.PUBLISHED / 'claims.md'}, {publishing.PUBLISHED / 'points.md'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

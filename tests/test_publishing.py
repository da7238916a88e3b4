import json
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import published, row

from innae_utils import publishing, results, settings
from innae_utils.results import ResultError


def test_published_rows_come_back_and_a_newer_one_replaces_its_elder(tmp_path):
    path = tmp_path / "rows.csv"
    publishing.publish(published(), path)
    publishing.publish(pd.concat([published(test_l1=0.5), published(seed=1)]), path)
    table = pd.read_csv(path)
    assert table["seed"].tolist() == [0, 1] and table["test_l1"].tolist() == [0.5, 0.11]
    assert list(table.columns) == list(results.ROW)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"preset": "quick", "epochs": 2}, "is a quick row"),
        ({"epochs": 29}, "ran for 29 epochs"),
        ({"commit": "abc-dirty"}, "no commit holds"),
        ({"commit": "unknown"}, "no commit holds"),
        ({"commit": ""}, "no commit holds"),
        ({"test_l1": float("nan")}, "is not a row: test_l1 is nan"),
        ({"train_images": 256}, "saw 256 training images, not the 1437"),
        ({"model": "inn_vae", "recipe": "paper-mmd0.1"}, "epochs or weights of its own"),
        ({"recipe": "paper-epochs29", "epochs": 29}, "epochs or weights of its own"),
    ],
)
def test_what_is_no_result_is_not_published(tmp_path, changes, said):
    with pytest.raises(ResultError, match=said):
        publishing.publish(published().assign(**changes), tmp_path / "rows.csv")
    assert not list(tmp_path.iterdir())


def of_mnist(**changes):
    whole = dict(dataset="mnist", image_size="28x28", train_images=60_000, test_images=10_000)
    return published(**{**whole, **changes})


PRINTED = pd.DataFrame(
    {"dataset": "mnist", "model": "inn", "bottleneck": [8, 4], "test_l1": [0.04, 0.05], "read_error": 0.0004}
)


def test_the_tables_curves_come_in_the_settings_order_and_the_papers_recipe_first():
    ours = [of_mnist(model="classic", recipe=recipe) for recipe in ("late", "paper")] + [of_mnist(model="inn")]
    both = publishing.table(pd.concat(ours), PRINTED[:0])
    assert list(zip(both["model"], both["recipe"], strict=True)) == [
        ("inn", "paper"), ("classic", "paper"), ("classic", "late"),
    ]  # fmt: skip


def test_a_point_says_of_how_many_runs_its_notes_are():
    def noted(*precisions):
        ours = [of_mnist(seed=seed, precision=precision) for seed, precision in enumerate(precisions)]
        return publishing.table(pd.concat(ours), PRINTED[:0])["noted"].item()

    assert noted("fp32", "fp32") == "" and noted("bf16", "bf16") == "bf16"
    assert noted("fp32", "bf16", "fp32") == "bf16 (1 of 3)"


def test_the_table_holds_every_point_of_ours_and_of_the_papers():
    ours = [of_mnist(seed=0, test_l1=0.06), of_mnist(seed=1, test_l1=0.08), of_mnist(model="classic", recipe="late")]
    ours += [of_mnist(model="pca", recipe="exact")]
    made = publishing.table(pd.concat(ours), PRINTED)
    assert made[["model", "recipe", "bottleneck", "seeds"]].values.tolist() == [
        ["inn", "paper", 4, 2], ["inn", "paper", 8, 0], ["classic", "late", 4, 1],
    ]  # fmt: skip
    both, missing, alone = made.to_dict("records")
    assert both["ours"] == pytest.approx(0.07) and both["difference"] == pytest.approx(0.02)
    assert (both["smallest"], both["largest"], both["paper"], both["read_error"]) == (0.06, 0.08, 0.05, 0.0004)
    assert math.isnan(missing["ours"]) and math.isnan(missing["difference"]) and missing["paper"] == 0.04
    assert alone["ours"] == 0.11 and math.isnan(alone["paper"]) and math.isnan(alone["difference"])
    assert publishing.to_markdown(made).splitlines()[2:] == [
        "| mnist | INN | 4 | 2 | 0.0700 (0.0600 to 0.0800) | 0.0500 ± 0.0004 | +0.0200 |",
        "| mnist | INN | 8 | 0 | not run | 0.0400 ± 0.0004 |  |",
        "| mnist | classic, late decay | 4 | 1 | 0.1100 | not printed |  |",
    ]


def test_the_inn_of_the_thesis_stands_beside_the_printed_inn_where_it_was_run():
    of_cifar10 = dict(dataset="cifar10", train_images=50_000, test_images=10_000, bottleneck=4)
    ours = [published(model=model, **of_cifar10, test_l1=l1) for model, l1 in (("inn", 0.08), ("inn_thesis", 0.06))]
    made = publishing.table(pd.concat(ours), PRINTED.assign(dataset="cifar10"))
    assert made[["model", "bottleneck", "seeds"]].values.tolist() == [
        ["inn", 4, 1], ["inn", 8, 0], ["inn_thesis", 4, 1],
    ]  # fmt: skip
    assert made["difference"].tolist() == pytest.approx([0.03, math.nan, 0.01], nan_ok=True)
    lines = publishing.side_by_side(made).splitlines()[2:]
    assert [line.split(" | ")[0] for line in lines] == ["| INN", "| *INN, printed*", "| INN, order of the thesis"]


def test_a_point_that_could_not_be_read_is_told_from_a_curve_that_is_not_printed():
    ours = [of_mnist(bottleneck=k) for k in (4, 10, 12)] + [of_mnist(model="classic_deep", bottleneck=12)]
    lines = publishing.to_markdown(publishing.table(pd.concat(ours), PRINTED)).splitlines()[2:]
    said = {tuple(line.split(" | ")[1:3]): line.split(" | ")[5] for line in lines}
    assert said["INN", "12"] == "not read" and said["classic deep", "12"] == "not printed"
    assert said["INN", "10"] == "not printed", "a bottleneck that the paper does not have"
    assert said["INN", "4"] == "0.0500 ± 0.0004"


def test_faces_of_another_size_than_the_papers_are_not_set_beside_its_points():
    whole = dict(dataset="celeba", model="classic", train_images=162_079, test_images=40_520)
    faces = [published(**whole, image_size=size) for size in ("218x178", "156x128")]
    printed = PRINTED.assign(dataset="celeba", model="classic")
    made = publishing.table(pd.concat(faces), printed)
    at_4 = made[made["bottleneck"] == 4].set_index("image_size")
    assert at_4.loc["", "paper"] == 0.05 and math.isnan(at_4.loc["156x128", "paper"])
    assert "| celeba | classic, 156x128 | 4 | 1 | 0.1100 | not printed |  |" in publishing.to_markdown(made)


def test_the_table_says_what_is_unusual_about_a_row():
    rows = pd.concat([of_mnist(seed=0, precision="bf16"), of_mnist(seed=1, precision="bf16", test_images=1000)])
    said = publishing.to_markdown(publishing.table(rows, PRINTED)).splitlines()[2]
    assert "0.1100 (0.1100 to 0.1100); bf16 (1 of 2); 1,000 test images, bf16 (1 of 2) | 0.0500" in said


def test_a_table_without_any_row_of_ours_is_the_papers():
    made = publishing.table(published()[:0], publishing.read_printed())
    assert len(made) == len(publishing.read_printed()) and not made["seeds"].any()
    assert publishing.to_markdown(made).count("not run") == len(made)


def cells_of(text):
    """The losses of Markdown tables with a column a bottleneck: {(first title, title of the line, k): (loss, runs)}."""
    found = {}
    for block in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
        head, _, *lines = ([cell.strip() for cell in line.split("|")[1:-1]] for line in block.splitlines())
        for name, *cells in lines:
            for k, cell in zip(head[1:], cells, strict=True):
                if cell:
                    loss, _, runs = cell.partition(" ")
                    found[head[0], name, int(k)] = loss, int(runs.strip("()") or 1)
    return found


def points_of(rows, printed):
    """The same from rows and the printed curves."""
    found = {}
    for (dataset, model, recipe, k), losses in rows.groupby(["dataset", "model", "recipe", "bottleneck"])["test_l1"]:
        place = settings.DATASETS[dataset].title, settings.curve_title(model, recipe), k
        found[place] = f"{losses.mean():.4f}", len(losses)
    for point in printed[printed["dataset"].isin(rows["dataset"])].itertuples():
        place = settings.DATASETS[point.dataset].title, f"*{settings.curve_title(point.model, 'paper')}, printed*"
        found[*place, point.bottleneck] = f"{point.test_l1:.4f}", 1
    return found


def test_the_readmes_table_is_that_of_the_published_rows():
    readme = (settings.PROJECT / "README.md").read_text()
    assert publishing.replace_block(readme, "table of published rows", publishing.readme_table()) == readme
    table = publishing.readme_table().splitlines()
    assert table[-2] == "" and table[-1].startswith("Ours were made on: ")
    rows = publishing.published().query("dataset != 'digits' and recipe == 'paper'")  # digits: not the paper's
    rows = rows[~rows["model"].isin([*settings.VARIATIONAL, *settings.VARIANTS])]
    assert cells_of("\n".join(table[:-2])) == points_of(rows, publishing.read_printed())


def test_every_published_point_stands_in_the_page_of_points():
    page = (publishing.PUBLISHED / "points.md").read_text()
    assert page == publishing.every_point(), "make publish renews it"
    rows = publishing.published()
    curves, beside = page.split("## Beside the paper's")
    assert cells_of(curves) == points_of(rows, publishing.read_printed())
    points = rows.query("dataset != 'digits' and model != 'pca'")  # digits are not the paper's
    points = points.groupby(["dataset", "model", "recipe", "bottleneck", "image_size"]).ngroups
    assert sum(line.startswith("| ") for line in beside.splitlines()) == 1 + points and "not run" not in page


def test_curves_side_by_side_have_a_line_each_and_none_that_nobody_has():
    ours = [of_mnist(seed=0, test_l1=0.06), of_mnist(seed=1, test_l1=0.08), of_mnist(model="pca", recipe="exact")]
    ours += [of_mnist(recipe="double_lr", bottleneck=k) for k in (4, 8)] + [published(model="inn", bottleneck=2)]
    printed = pd.concat([PRINTED, PRINTED.assign(model="classic")])
    both = publishing.table(pd.concat(ours), printed, pca=True)
    assert publishing.side_by_side(both).splitlines() == [
        "| digits (8 x 8) | 2 |", "|---|---|", "| INN | 0.1100 |", "",
        "| MNIST | 4 | 8 |", "|---|---|---|", "| INN | 0.0700 (2) |  |", "| *INN, printed* | 0.0500 | 0.0400 |",
        "| INN, twice the learning rate | 0.1100 | 0.1100 |", "| *classic, printed* | 0.0500 | 0.0400 |",
        "| PCA | 0.1100 |  |",
    ]  # fmt: skip
    assert publishing.side_by_side(both[:0]) == "Nothing is published yet."


def test_faces_stand_below_the_papers(tmp_path):
    PRINTED.assign(dataset="celeba", model="classic").to_csv(tmp_path / "paper_figure5.csv", index=False)
    assert publishing.readme_table(tmp_path) == "Nothing is published yet."
    published(dataset="lfw", model="classic", image_size="218x178").to_csv(tmp_path / "lfw.csv", index=False)
    assert "| *classic, printed* | 0.0500 | 0.0400 |" in publishing.readme_table(tmp_path)
    assert "Nothing is published yet" not in publishing.every_point(tmp_path)


def test_the_readmes_table_names_the_machines_of_the_networks_in_it(tmp_path):
    (tmp_path / "paper_figure5.csv").write_text((publishing.PUBLISHED / "paper_figure5.csv").read_text())
    assert "made on" not in publishing.readme_table(tmp_path)
    mnist = {"dataset": "mnist", "model": "inn", "recipe": "paper", "image_size": "28x28"}
    made = [
        row(**mnist, bottleneck=4, machine="Two (2 cores)"), row(**mnist, bottleneck=8, machine="One, Two (16 cores)"),
        row(**{**mnist, "model": "pca", "recipe": "exact"}, bottleneck=8, machine="Pi"),
        row(**mnist, bottleneck=12, machine=None), row(**{**mnist, "recipe": "double_lr"}, machine="not in the table"),
    ]  # fmt: skip
    pd.DataFrame(made).assign(threads=[1, 4, 9, 1, 7], torch=["2.9.0", "2.11.0", "1", "2.9.0", "2"]).to_csv(
        tmp_path / "mnist.csv", index=False
    )
    pd.DataFrame([row(machine="digits'")]).to_csv(tmp_path / "digits.csv", index=False)
    last = publishing.readme_table(tmp_path).splitlines()[-1]
    assert last == "Ours were made on: One, Two (16 cores); Two (2 cores); threads a run: 1, 4; torch: 2.11.0, 2.9.0."


def test_nothing_is_added_to_a_table_of_other_columns(tmp_path):
    table = tmp_path / "digits.csv"
    old = published().drop(columns="machine").to_csv(index=False)
    table.write_text(old)
    with pytest.raises(ResultError, match=r"digits\.csv is no table of rows"):
        publishing.publish(published(seed=1), table)
    assert table.read_text() == old


def test_a_block_between_comments_is_replaced_and_nothing_else():
    text = "a\n<!-- begin t -->\nold\n<!-- end t -->\nb\n"
    assert publishing.replace_block(text, "t", "new") == "a\n<!-- begin t -->\nnew\n<!-- end t -->\nb\n"
    for wrong in (text.replace("<!-- end t -->", ""), text + text):
        with pytest.raises(ResultError, match="once each"):
            publishing.replace_block(wrong, "t", "new")


def test_published_rows_are_read_with_their_columns(tmp_path):
    assert publishing.published(tmp_path).empty and list(publishing.published(tmp_path).columns) == list(results.ROW)
    publishing.publish(published(), tmp_path / "digits.csv")
    publishing.publish(of_mnist(epochs=10), tmp_path / "mnist.csv")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    assert publishing.published(tmp_path)["dataset"].tolist() == ["digits", "mnist"]
    (tmp_path / "mnist.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ResultError, match=r"mnist.csv is no table of rows"):
        publishing.published(tmp_path)


def samples_of(folder, x, x_hat):
    folder.mkdir(parents=True)
    np.savez_compressed(folder / "reconstructions.npz", x=x, x_hat=x_hat)


def test_published_reconstructions_come_back_to_a_grey_level_and_belong_to_their_row(tmp_path):
    rng = np.random.default_rng(0)
    x, x_hat = rng.random((10, 1, 8, 8)).astype("float32"), rng.uniform(-0.2, 1.2, (10, 1, 8, 8)).astype("float32")
    samples_of(tmp_path / "runs" / "inn" / "paper" / "k0004" / "seed0", x, x_hat)
    samples_of(tmp_path / "runs" / "pca" / "exact" / "k0004" / "seed0", x, x_hat)
    rows = pd.concat([published(), published(model="pca", recipe="exact")])
    path, linear = publishing.publish_samples(rows, tmp_path / "runs", tmp_path)
    assert path == tmp_path / "reconstructions" / "digits" / "inn_paper_k0004_seed0.npz"
    assert linear == tmp_path / "reconstructions" / "digits" / "pca_exact_k0004_seed0.npz"
    with np.load(path) as stored:
        assert stored["x"].dtype == stored["x_hat"].dtype == np.uint8
    found = publishing.published_samples(rows.iloc[0], tmp_path)
    assert np.abs(found["x"] - x).max() <= 0.501 / 255 and found["x"].dtype == np.float32
    assert np.abs(found["x_hat"] - x_hat.clip(0, 1)).max() <= 0.501 / 255
    with pytest.raises(ResultError, match="of another run than the published row"):
        publishing.published_samples({**rows.iloc[0], "finished_at": "2020-01-01T00:00:00+00:00"}, tmp_path)
    with pytest.raises(ResultError, match="holds no reconstructions"):
        publishing.published_samples({**rows.iloc[0], "seed": 7}, tmp_path)
    with pytest.raises(ResultError, match="reconstructions are missing"):
        publishing.publish_samples(published(seed=7), tmp_path / "runs", tmp_path)
    source = tmp_path / "runs" / "inn" / "paper" / "k0004" / "seed0" / "reconstructions.npz"
    whole = source.read_bytes()
    for broken in (whole[:-100], whole[:100] + bytes(200) + whole[300:], b"no arrays", b""):
        source.write_bytes(broken)
        with pytest.raises(ResultError, match="reconstructions are missing or broken"):
            publishing.check_samples(published(), tmp_path / "runs")
        path.write_bytes(broken)
        with pytest.raises(ResultError, match="holds no reconstructions"):
            publishing.published_samples(rows.iloc[0], tmp_path)


def test_faces_of_two_sizes_are_published_side_by_side(tmp_path):
    faces = pd.concat(
        [published(dataset="lfw", model="classic", epochs=10, image_size=s) for s in ("218x178", "156x128")]
    )
    publishing.publish(faces, tmp_path / "lfw.csv")
    assert len(publishing.published(tmp_path)) == 2
    names = {publishing.samples_path(row, tmp_path).name for row in faces.to_dict("records")}
    assert names == {"classic_paper_k0004_seed0.npz", "classic_156x128_paper_k0004_seed0.npz"}


def test_learning_curves_of_the_rows_are_read_from_their_folders_and_published(tmp_path):
    place = {name: row()[name] for name in (*results.PLACE, "preset", "image_size")}
    folder = settings.run_dir(**{**place, "image_size": "8x8"}, root=tmp_path)
    folder.mkdir(parents=True)
    history = [
        {"epoch": e, "lr": 1e-3, "loss": 1 / e, "reconstruction": 0.123456789 / e, "seconds": 1.0} for e in (1, 2)
    ]
    results.write_history(folder, history)
    table = pd.concat([published(), published(seed=1)])
    found = results.learning_curves(table, tmp_path)
    assert found.columns.tolist() == [*results.PLACE, "epoch", "lr", "loss", "reconstruction"]
    assert found["reconstruction"].tolist() == [0.123456789, 0.123456789 / 2], "the second run has left none"
    csv = tmp_path / "curves.csv"
    for _ in range(2):
        publishing.publish_curves(table, tmp_path, csv)
    assert pd.read_csv(csv)["reconstruction"].tolist() == [0.123457, 0.0617284]
    with pytest.raises(ResultError, match="no commit holds"):
        publishing.publish_curves(table.assign(commit="abc-dirty"), tmp_path, tmp_path / "none.csv")
    assert not (tmp_path / "none.csv").exists()
    assert results.learning_curves(table[:0], tmp_path).empty


def test_a_tuned_row_needs_its_published_settings(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "TUNED_FILE", tmp_path / "tuned.json")
    tuned = published(model="classic", recipe="tuned", epochs=60)
    assert len(results.uncut(tuned)) == 1
    with pytest.raises(settings.ParameterError, match=r"results/tuned\.json"):
        publishing.publish(tuned, tmp_path / "rows.csv")
    entry = {"epochs": 60, "lr": 1e-3, "milestones": [48], "weight_decay": 0.0}
    settings.TUNED_FILE.write_text(json.dumps({"digits": {"classic": entry}}))
    assert len(publishing.publish(tuned, tmp_path / "rows.csv")) == 1
    with pytest.raises(ResultError, match="ran for 50 epochs"):
        publishing.publish(tuned.assign(epochs=50), tmp_path / "rows.csv")


def sections_of(path):
    """The anchors of a text's titles, as GitHub names them, and "" for its beginning."""
    titles = [title.lower() for title in re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)]
    return {"", *(re.sub(r"[^\w -]", "", title).replace(" ", "-") for title in titles)}


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("README.md", {".png", "#", ".md", ".csv"}),
        ("results/README.md", {".png", "#", ".md"}),
        ("results/points.md", {".md"}),
        ("results/cifar10.md", {".png", ".md"}),
        ("results/settings.md", {".png", ".md", "#"}),
        ("results/encoder_or_decoder.md", {".png", ".md", "#"}),
        ("results/dead_units.md", {".png", ".md"}),
        ("results/depth.md", {".png", ".md"}),
        ("results/fresh_decoder.md", {".png", ".md"}),
        ("results/variational.md", {".png"}),
        ("workflow/README.md", {".md"}),
        ("benchmarks/README.md", {".md"}),
    ],
)
def test_every_picture_file_and_section_that_a_readme_points_to_is_there(text, kinds):
    path = settings.PROJECT / text
    text = path.read_text()
    targets = [target for target in re.findall(r"\]\(([^)]+)\)", text) if not target.startswith("https://")]
    parts = [target.partition("#") for target in targets]
    assert kinds <= {Path(file).suffix if file else "#" for file, _, _ in parts}
    files = [(path.parent / file if file else path, section) for file, _, section in parts]
    there = [file.exists() and (not section or section in sections_of(file)) for file, section in files]
    assert [target for target, found in zip(targets, there, strict=True) if not found] == []

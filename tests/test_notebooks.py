"""Every notebook runs from top to bottom, is stored clean, and refuses what it does not know."""

import ast
import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from conftest import NOTEBOOKS, papermill, workflow_script

from innae_utils import codes, data, depth, parameters, publishing, results, settings, sweeps, units

ALL = sorted([*NOTEBOOKS.glob("*.ipynb"), *NOTEBOOKS.glob("solutions/*.ipynb")])
NUMBERS = ["train_l1", "test_l1", "n_params"]  # what a run measures; the rest of a row says when and where


def cells(path, kind="code"):
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind]


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_stored_without_outputs_and_with_short_cells(path):
    for cell in cells(path):
        assert not cell["outputs"] and cell["execution_count"] is None
        assert "".join(cell["source"]).count("\n") < 25


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_papermill_sees_the_declared_parameters(path):
    from papermill.inspection import _infer_parameters, load_notebook_node

    seen = tuple(parameter.name for parameter in _infer_parameters(load_notebook_node(str(path))))
    assert seen == parameters.declared_parameters(path)


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_a_notebook_checks_the_names_that_it_declares(path):
    source = "\n".join("".join(cell["source"]) for cell in cells(path))
    lists = [
        tuple(ast.literal_eval(node.value))
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_declared"
    ]
    assert (lists or [parameters.RUN_PARAMETERS]) == [parameters.declared_parameters(path)]


def test_no_heavy_import_in_10_train():
    source = "\n".join("".join(cell["source"]) for cell in cells(NOTEBOOKS / "10_train.ipynb"))
    names = {alias.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import) for alias in node.names}
    assert not names & {"pandas", "seaborn", "matplotlib"}


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("00_start_here", {"preset": "quick"}),
        ("01_invertible_layers", {"seed": 1}),
        ("02_zero_padding", {"preset": "quick"}),
        ("solutions/00_start_here", {"preset": "quick"}),
        ("solutions/01_invertible_layers", {"seed": 1}),
        ("solutions/02_zero_padding", {"preset": "quick"}),
    ],
)
def test_what_is_read_runs_from_top_to_bottom(name, parameters, tmp_path):
    papermill(f"{name}.ipynb", tmp_path / "out.ipynb", parameters)
    bad = papermill(f"{name}.ipynb", tmp_path / "bad.ipynb", {"sede": 1}, check=False)
    assert bad.returncode and "sede" in bad.stderr


def test_every_notebook_of_exercises_has_its_answers():
    for path in NOTEBOOKS.glob("0*.ipynb"):
        assert "**Exercises.**" in path.read_text() and (NOTEBOOKS / "solutions" / path.name).exists()


@pytest.fixture(scope="module")
def quick_runs(tmp_path_factory):
    """Three runs and PCA by the notebooks, into one folder; then the figures."""
    root = tmp_path_factory.mktemp("runs")
    for model, recipe, bottleneck in (("inn", "paper", 4), ("classic", "paper", 4), ("classic", "late", 4)):
        place = dict(dataset="digits", model=model, recipe=recipe, bottleneck=bottleneck, seed=0, preset="quick")
        folder = settings.run_dir(**place, root=root)
        papermill("10_train.ipynb", folder / "train.ipynb", {**place, "run_dir": str(folder)})
    papermill("15_pca.ipynb", root / "pca.ipynb", {"bottlenecks": [4, 8], "preset": "quick", "runs": str(root)})
    figures = tmp_path_factory.mktemp("figures")
    parameters = {"preset": "quick", "runs": str(root), "figures": str(figures)}
    papermill("20_figures_5_and_6.ipynb", root / "20.ipynb", parameters)
    return root, figures


def test_10_train_leaves_a_row_and_the_files_of_a_run(quick_runs):
    root, _ = quick_runs
    folder = root / "quick" / "digits" / "inn" / "paper" / "k0004" / "seed0"
    row = results.read_row(folder / "result.json")
    assert (row["model"], row["bottleneck"], row["preset"], row["epochs"]) == ("inn", 4, "quick", 2)
    history = pd.read_parquet(folder / "history.parquet")
    assert history["epoch"].tolist() == [1, 2]
    assert row["seconds"] == pytest.approx(history["seconds"].sum(), abs=1e-3)
    assert {path.name for path in folder.iterdir()} == {
        "train.ipynb", "train.yaml", "result.json", "history.parquet", "model.safetensors", "reconstructions.npz",
        ".lock",
    }  # fmt: skip


def test_the_same_run_again_gives_the_same_row(quick_runs, tmp_path):
    root, _ = quick_runs
    parameters = {"model": "inn", "bottleneck": 4, "preset": "quick", "run_dir": str(tmp_path)}
    papermill("10_train.ipynb", tmp_path / "train.ipynb", parameters)
    first = results.read_row(root / "quick" / "digits" / "inn" / "paper" / "k0004" / "seed0" / "result.json")
    second = results.read_row(tmp_path / "result.json")
    assert [first[name] for name in NUMBERS] == [second[name] for name in NUMBERS]


def test_15_pca_leaves_a_row_a_bottleneck(quick_runs):
    root, _ = quick_runs
    rows = results.gather(root)
    a_network, rows = rows[rows["model"] == "inn"].iloc[0], rows[rows["model"] == "pca"]
    assert rows["bottleneck"].tolist() == [4, 8] and rows["test_l1"].is_monotonic_decreasing
    assert rows["n_params"].tolist() == [64 * 5, 64 * 9]
    folder = root / "quick" / "digits"
    linear, network = (results.read_samples(row, folder) for row in (rows.iloc[0].to_dict(), a_network.to_dict()))
    assert np.array_equal(linear["x"], network["x"]), "the same test images as a network's"
    more = results.read_samples(rows.iloc[1].to_dict(), folder)
    errors = [np.abs(each["x"] - each["x_hat"]).mean() for each in (linear, more)]
    assert 0.2 > errors[0] > 1.05 * errors[1] > 0, "fewer with more components"


def test_15_pca_takes_the_test_images_of_the_networks_where_images_are_large_and_the_preset_quick(tmp_path):
    from PIL import Image

    folder, rng = tmp_path / "own", np.random.default_rng(0)
    folder.mkdir()
    for i in range(90):
        Image.fromarray(rng.integers(0, 256, (60, 60, 3), np.uint8)).save(folder / f"{i}.png")
    given = {"dataset": "images", "image_size": "60,60", "data_root": str(folder), "preset": "quick"}
    papermill("15_pca.ipynb", tmp_path / "pca.ipynb", {**given, "bottlenecks": [3], "runs": str(tmp_path / "runs")})
    (path,) = (tmp_path / "runs").rglob("result.json")
    spec = settings.spec_of("images", "inn", "60,60")
    assert settings.dim_of(spec) > settings.LARGE
    assert results.read_row(path)["test_images"] == settings.quick_of(spec)["test_images"] == 10


def test_20_draws_both_figures(quick_runs):
    from PIL import Image

    _, root = quick_runs
    folder = root / "quick" / "digits"
    for name in ("figure5", "figure5_log", "figure6", "where_it_lies"):
        assert (folder / f"{name}.pdf").read_bytes()[:5] == b"%PDF-"
        assert b"/Type3" not in (folder / f"{name}.pdf").read_bytes(), "text must stay text"
        with Image.open(folder / f"{name}.png") as picture:
            assert picture.width > 1000
            assert np.asarray(picture.convert("L")).std() > 10


def test_25_splits_the_loss_of_every_run_that_has_finished(quick_runs, tmp_path):
    root, _ = quick_runs
    given = {"preset": "quick", "runs": str(root), "figures": str(tmp_path), "images": 6, "steps": 4, "further": 2}
    papermill("25_encoder_or_decoder.ipynb", tmp_path / "out.ipynb", given)
    table = pd.read_csv(root / "quick" / "digits" / "codes.csv")
    assert len(table) == 3 * 2 and (table["best_l1"] <= table["encoder_l1"]).all()
    assert (tmp_path / "quick" / "digits" / "encoder_or_decoder.pdf").read_bytes()[:5] == b"%PDF-"
    told = (tmp_path / "out.ipynb").read_text()
    assert [told.count(f"from {start} code, 8 steps") for start in ("own", "another's")] == [3, 3], "three runs at 4"
    searched = pd.read_csv(root / "quick" / "digits" / "search.csv")
    assert list(searched.columns) == list(codes.SEARCH_COLUMNS) and len(searched) == 3 * 2
    for wrong, said in (
        ({"images": 1}, "allowed: 2 or more"),
        ({"further": -1}, "allowed: 0 or more"),
        ({"preset": "full", "rows": "published"}, "allowed with published rows: 0"),
        ({"stepps": 1}, "no parameter 'stepps'"),
        ({"runs": str(tmp_path)}, f"none of these runs has finished under {tmp_path}"),
        ({"dataset": "lfw"}, "'lfw' is not for this notebook; allowed: digits, mnist, cifar10"),
        ({"rows": "published"}, "'published' rows are full ones"),
    ):
        done = papermill("25_encoder_or_decoder.ipynb", tmp_path / "bad.ipynb", {**given, **wrong}, check=False)
        assert done.returncode and said in done.stderr


def test_26_looks_at_the_classic_runs_that_have_finished(quick_runs, tmp_path):
    root, _ = quick_runs
    given = {"preset": "quick", "runs": str(root), "figures": str(tmp_path)}
    papermill("26_dead_units.ipynb", tmp_path / "out.ipynb", given)
    assert (tmp_path / "quick" / "digits" / "live_units.pdf").read_bytes()[:5] == b"%PDF-"
    rows = results.gather(root / "quick" / "digits")
    table = units.measure(rows, root / "quick" / "digits", data.load("digits", "train"), 100)
    assert len(table) == 6 * 2 and (table["live"] <= table["units"]).all() and set(table["images"]) == {100}
    for wrong, said in (
        ({"imagess": 1}, "no parameter 'imagess'"),
        ({"images": 0}, "allowed: 1 or more"),
        ({"models": "inn"}, "models: 'inn': no such layers; allowed: classic"),
        ({"dataset": "images"}, "'images' is not for this notebook; allowed: digits, mnist, cifar10"),
        ({"runs": str(tmp_path)}, f"none of these runs has finished under {tmp_path}"),
        ({"seeds": "7"}, f"none of these runs has finished under {root}"),
        (
            {"rows": "published", "preset": "full", "dataset": "cifar10"},
            "nothing is published in results/units_cifar10",
        ),
    ):
        done = papermill("26_dead_units.ipynb", tmp_path / "bad.ipynb", {**given, **wrong}, check=False)
        assert done.returncode and said in done.stderr


def test_26_keeps_the_runs_that_are_asked_for_and_answers_its_own_question(tmp_path):
    kept = {"models": "classic,classic_leaky", "bottlenecks": "24,64", "seeds": "0,4"}
    given = {"dataset": "mnist", "rows": "published", "figures": str(tmp_path), **kept}
    papermill("26_dead_units.ipynb", tmp_path / "out.ipynb", given)
    cells = json.loads((tmp_path / "out.ipynb").read_text())["cells"]
    printed = "".join(line for cell in cells for out in cell.get("outputs", []) for line in out.get("text", []))
    table = pd.read_csv(publishing.PUBLISHED / "units_mnist.csv")
    table = table[table["bottleneck"].isin([24, 64]) & table["seed"].isin([0, 4])]
    said = set()
    for which, layer in (("first", "encoder 1"), ("last", "encoder 3")):
        here = table[table["layer"] == layer]
        for (model, recipe), part in (here["live"] / here["units"]).groupby([here["model"], here["recipe"]]):
            live = f"{part.min():.0%} to {part.max():.0%}" if part.min() < part.max() else f"{part.min():.0%}"
            said.add(f"{which} layer of the encoder, {settings.curve_title(model, recipe)}: {live} live")
    assert len(said) > 2 and said == {line for line in printed.splitlines() if line.endswith(" live")}


def test_27_sets_deeper_networks_beside_the_same_with_fewer_layers(tmp_path):
    given = {"dataset": "mnist", "rows": "published", "figures": str(tmp_path), "bottlenecks": "4,12"}
    papermill("27_depth.ipynb", tmp_path / "out.ipynb", given)
    assert (tmp_path / "mnist" / "depth.pdf").read_bytes()[:5] == b"%PDF-"
    shown = (tmp_path / "out.ipynb").read_text()
    table = depth.beside_shallower(publishing.published().query("dataset == 'mnist' and bottleneck in (4, 12)"))
    assert len(table) > 1 and all(f"{ratio:.4f}" in shown for ratio in table["ratio"])
    for wrong, said in (
        ({"bottleneckz": "4"}, "no parameter 'bottleneckz'"),
        ({"dataset": "cifar10"}, "'cifar10' is not for this notebook; allowed: digits, mnist"),
        ({"bottlenecks": "5"}, "no deeper network and its shallower one have finished at the same bottleneck"),
        ({"rows": "local", "runs": str(tmp_path)}, f"at the same bottleneck under {tmp_path}"),
        ({"preset": "quick"}, "'published' rows are full ones"),
    ):
        done = papermill("27_depth.ipynb", tmp_path / "bad.ipynb", {**given, **wrong}, check=False)
        assert done.returncode and said in done.stderr


def test_28_trains_a_new_decoder_behind_every_encoder(quick_runs, tmp_path):
    root, _ = quick_runs
    given = {"preset": "quick", "runs": str(root), "figures": str(tmp_path), "epochs": 1}
    papermill("28_fresh_decoder.ipynb", tmp_path / "out.ipynb", given)
    table = pd.read_csv(root / "quick" / "digits" / "fresh.csv")
    assert sorted(table["model"]) == ["classic", "classic", "classic", "inn", "inn", "pca", "pixels", "random"]
    assert table["test_l1"].between(0, 1).all() and set(table["test_images"]) == {360}
    assert (tmp_path / "quick" / "digits" / "fresh_decoder.pdf").read_bytes()[:5] == b"%PDF-"
    told = (tmp_path / "out.ipynb").read_text()
    assert told.count("k = 4    seed 0  test L1: new decoder") == 8 and told.count(", own 0.") == 4
    papermill("28_fresh_decoder.ipynb", tmp_path / "again.ipynb", {**given, "models": "inn", "seeds": "0"})
    assert (tmp_path / "again.ipynb").read_text().count("k = 4    seed 0  test L1: new decoder") == 5
    assert pd.read_csv(root / "quick" / "digits" / "fresh.csv").equals(table), "nothing is measured twice"
    for wrong, said in (
        ({"epochs": -1}, "allowed: 0 or more"),
        ({"preset": "full", "rows": "published"}, "allowed with published rows: 0"),
        ({"runs": str(tmp_path)}, f"none of these runs has finished under {tmp_path}"),
        ({"preset": "full", "rows": "published", "epochs": 0, "models": "inn_vae"}, "nothing is published in results/"),
        ({"dataset": "lfw"}, "'lfw' is not for this notebook; allowed: digits, mnist, cifar10"),
    ):
        done = papermill("28_fresh_decoder.ipynb", tmp_path / "bad.ipynb", {**given, **wrong}, check=False)
        assert done.returncode and said in done.stderr, wrong


def test_20_23_25_26_27_and_28_draw_from_the_published_rows_alone(tmp_path):
    """No run, no image: `make figures ROWS=published DATASET=all`."""
    line = [sys.executable, settings.PROJECT / "workflow" / "figures.py", "rows=published", "dataset=all"]
    nowhere = {**os.environ, "INNAE_DATA": str(tmp_path / "none")}
    done = subprocess.run([*map(str, line), f"figures={tmp_path}"], capture_output=True, text=True, env=nowhere)
    assert done.returncode == 0, done.stdout + done.stderr
    rows, in_short = publishing.published(), workflow_script("redraw").IN_SHORT
    expected = {f"{name}.{kind}" for name in ("figure5", "figure5_log", "against_the_paper") for kind in ("pdf", "png")}
    for name in rows[rows["model"] != "pca"]["dataset"].unique():
        for folder in (name, f"in_short/{name}") if name in in_short else (name,):
            expected |= {f"{folder}/figure{n}.{kind}" for n in ("5", "5_log", "6") for kind in ("pdf", "png")}
        expected |= {f"{name}/where_it_lies.{kind}" for kind in ("pdf", "png")}
    for kind, picture in (
        ("codes", "encoder_or_decoder"),
        ("sensitivity", "what_moves_it"),
        ("units", "live_units"),
        ("fresh", "fresh_decoder"),
    ):
        for path in publishing.PUBLISHED.glob(f"{kind}_*.csv"):
            expected |= {f"{path.stem.removeprefix(f'{kind}_')}/{picture}.{end}" for end in ("pdf", "png")}
    expected |= {f"{name}/depth.{kind}" for name in depth.beside_shallower(rows)["dataset"] for kind in ("pdf", "png")}
    expected |= {f"{name}/what_it_costs.{kind}" for name in ("cifar10", "digits", "mnist") for kind in ("pdf", "png")}
    expected |= {f"{name}/in_one_picture.{kind}" for name in ("digits", "mnist") for kind in ("pdf", "png")}
    drawn = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.p*") if path.is_file()}
    assert drawn == expected
    assert all(str(tmp_path / name) in done.stdout for name in expected)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["rows=public"], "rows: 'public' is not known; allowed: local, published"),
        (["rows=published", "dataset=digitz"], "no row of 'digitz' is published; allowed: all, "),
        (["rows=published", "seeds=0"], "has no parameter 'seeds'"),
        (["rows=published", "dataset=all", "models=inn"], "dataset: models pick curves of one; allowed: digits, mnist"),
        (["rows=published", "dataset=digits", "recipes=papr"], "recipe: 'papr' is not known for inn, classic; "),
        (["rows=published", "preset=quick"], "'published' rows are full ones"),
    ],
)
def test_what_cannot_be_drawn_from_published_rows_is_refused(given, said, tmp_path):
    line = [sys.executable, str(settings.PROJECT / "workflow" / "figures.py"), *given, f"figures={tmp_path}/f"]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 2 and said in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_few_curves_can_be_drawn_into_a_folder_of_their_own(tmp_path):
    line = [sys.executable, str(settings.PROJECT / "workflow" / "figures.py"), "rows=published", "dataset=digits"]
    line += ["models=classic", "recipes=paper"]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 2 and "figures: is missing; models and recipes would replace the whole" in done.stderr
    subprocess.run([*line, f"figures={tmp_path}"], check=True)
    assert {path.stem for path in (tmp_path / "digits").glob("*.png")} == {"figure5", "figure5_log", "figure6"}
    asked = {"dataset": "digits", "models": "classic", "rows": "published"}
    done = papermill("20_figures_5_and_6.ipynb", tmp_path / "out.ipynb", asked, check=False)
    assert done.returncode and "  - figures: is missing; a few curves would replace" in done.stderr
    asked["figures"] = str(tmp_path / "again")
    papermill("20_figures_5_and_6.ipynb", tmp_path / "out.ipynb", asked)
    (table,) = [cell for cell in cells(tmp_path / "out.ipynb") if "pivot_table" in "".join(cell["source"])]
    said = "".join(table["outputs"][-1]["data"]["text/plain"])
    assert "classic, tuned" in said and "PCA" in said and "INN" not in said


@pytest.fixture(scope="module")
def vae_runs(tmp_path_factory):
    """A quick run of each model of 31_inn_vae, and the notebook over them."""
    root = tmp_path_factory.mktemp("vae")
    for model, recipe in sweeps.VAE_RECIPES.items():
        place = dict(dataset="digits", model=model, recipe=recipe, bottleneck=4, seed=0, preset="quick")
        folder = settings.run_dir(**place, root=root)
        papermill("10_train.ipynb", folder / "train.ipynb", {**place, "run_dir": str(folder)})
    parameters = {"bottleneck": 4, "preset": "quick", "permutations": 19, "runs": str(root), "figures": str(root / "f")}
    papermill("31_inn_vae.ipynb", root / "31.ipynb", parameters)
    return root


def test_10_train_keeps_the_terms_of_a_variational_model_and_names_weights_of_its_own(vae_runs, tmp_path):
    terms = {"inn_vae": {"zero_padding", "mmd"}, "classic_mmd": {"mmd"}, "classic_vae": {"kl"}, "inn": {"zero_padding"}}
    for path in (vae_runs / "quick").rglob("history.parquet"):
        history = pd.read_parquet(path)
        assert set(history) == {"epoch", "lr", "loss", "reconstruction", "seconds"} | terms[path.parts[-5]]
    given = {"model": "inn_vae", "bottleneck": 4, "preset": "quick", "weight_mmd": 0.5, "run_dir": str(tmp_path)}
    papermill("10_train.ipynb", tmp_path / "train.ipynb", given)
    row, history = results.read_row(tmp_path / "result.json"), pd.read_parquet(tmp_path / "history.parquet")
    assert row["recipe"] == "paper-mmd0.5"
    weighted = history["reconstruction"] + history["zero_padding"] + 0.5 * history["mmd"]
    assert np.allclose(history["loss"], weighted, rtol=1e-5)


def test_31_draws_every_figure_and_leaves_its_numbers(vae_runs):
    from PIL import Image

    folder = vae_runs / "f" / "quick" / "digits"
    pictures = sorted(folder.glob("inn_vae_*.png"))
    assert len(pictures) == len(list(folder.glob("inn_vae_*.pdf"))) == 10
    for path in pictures:
        with Image.open(path) as picture:
            assert picture.width > 700 and np.asarray(picture.convert("L")).std() > 10, path.name
        assert b"/Type3" not in path.with_suffix(".pdf").read_bytes(), "text must stay text"
    numbers = pd.read_csv(folder / "inn_vae_numbers.csv")
    assert np.isfinite(numbers["value"]).all() and set(numbers["bottleneck"]) == {4}
    found = numbers.set_index(["model", "measure"])["value"]
    row = results.read_row(vae_runs / "quick" / "digits" / "inn_vae" / "paper" / "k0004" / "seed0" / "result.json")
    assert found["INN VAE", "test L1"] == pytest.approx(row["test_l1"], rel=1e-5)
    assert all(0.05 <= found[model, "p"] <= 1 for model in ("INN VAE", "INN", "the prior itself"))
    shares = numbers[
        numbers["measure"].isin(["precision", "recall", "coverage"]) | numbers["measure"].str.match("area")
    ]
    assert len(shares) == 6 * 3 + 2 * 7 and shares["value"].between(0, 1).all()
    executed = (vae_runs / "31.ipynb").read_text()
    assert "The panel needs JupyterLab" in executed and "the picture follows a slider in" in executed


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"bottleneck": 64, "z_scale": -1.0}, ["allowed: 1 to D - 1 = 63", "z_scale: -1.0 is not known"]),
        ({"recipe": "late"}, ["'late' is not known for inn_vae on digits; allowed: paper"]),
        (
            {"recipe": "paper-mmd0.1"},
            ["of inn_vae (paper-mmd0.1), inn (paper)", "`make vae DATASET=digits` makes them"],
        ),
    ],
)
def test_31_refuses_what_it_cannot_show(tmp_path, parameters, said):
    done = papermill("31_inn_vae.ipynb", tmp_path / "out.ipynb", {**parameters, "runs": str(tmp_path)}, False)
    assert done.returncode != 0 and all(sentence in done.stderr for sentence in said), done.stderr[-2000:]


BAD = [
    ({"dataset": "minst"}, "allowed: digits, mnist, cifar10"),
    ({"bottleneck": "12"}, "a whole number, 1 to D = 64"),
    ({"botleneck": 12}, "10_train has no parameter 'botleneck'"),
]


@pytest.mark.parametrize(("parameters", "said"), BAD, ids=lambda value: str(value)[:24])
def test_10_train_refuses_before_anything_heavy_is_imported(tmp_path, parameters, said):
    done = papermill("10_train.ipynb", tmp_path / "out.ipynb", {**parameters, "run_dir": str(tmp_path / "run")}, False)
    assert done.returncode != 0
    assert said in done.stderr
    assert not (tmp_path / "run").exists()
    stopped = [cell for cell in cells(tmp_path / "out.ipynb") if cell["execution_count"]]
    assert not any("import data" in "".join(cell["source"]) for cell in stopped)

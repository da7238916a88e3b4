import dataclasses
import json
import math
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from innae_utils import data, models, results, settings, train
from innae_utils.results import ResultError

PLACE = {
    "dataset": "digits", "model": "inn", "recipe": "paper", "bottleneck": 4, "seed": 0, "preset": "full", "epochs": 30,
}  # fmt: skip

NO_WEIGHTS = {f"weight_{name}": -1 for name in settings.WEIGHTS}  # of a run's own


def row(**changes):
    measured = {
        "train_l1": 0.1, "test_l1": 0.11, "n_params": 5, "seconds": 1.0, "device": "cpu", "precision": "fp32",
        "commit": 40 * "a",
    }  # fmt: skip
    pixels = torch.zeros(3, 1, 8, 8, dtype=torch.uint8)
    images = {"train": data.Images(pixels), "test": data.Images(pixels[:2])}
    return {**results.make_row(PLACE, images, **measured), **changes}


def put(folder, content):
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(content)


def test_a_row_comes_back_as_it_was_written(tmp_path):
    results.write_row(tmp_path, row())
    assert results.read_row(tmp_path / "result.json") == row(finished_at=json.loads(
        (tmp_path / "result.json").read_text())["finished_at"], peak_memory_mb=json.loads(
        (tmp_path / "result.json").read_text())["peak_memory_mb"])  # fmt: skip
    assert list(row()) == list(results.ROW)
    assert (row()["image_size"], row()["train_images"], row()["test_images"]) == ("8x8", 3, 2)


def test_a_row_tells_the_processor_its_cores_and_the_card(monkeypatch, tmp_path):
    cores = f"({os.cpu_count()} cores)"
    cpuinfo = tmp_path / "cpuinfo"
    monkeypatch.setattr(results, "Path", lambda name: cpuinfo)  # not there yet, as on a Mac
    monkeypatch.setattr(platform, "processor", lambda: "arm")
    assert row()["machine"] == f"arm {cores}"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: Some CPU @ 2.0 GHz: new\nprocessor\t: 1\nmodel name\t: other\n")
    assert row()["machine"] == f"Some CPU @ 2.0 GHz: new {cores}"
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"card {device}")
    assert results.machine("cuda:1") == f"card cuda:1, Some CPU @ 2.0 GHz: new {cores}"


def test_gather_makes_a_tidy_table_and_leaves_out_what_is_no_row(tmp_path):
    put(tmp_path / "a", json.dumps(row(bottleneck=8)))
    put(tmp_path / "b", json.dumps(row(bottleneck=2)))
    put(tmp_path / "half", json.dumps(row())[:50])
    put(tmp_path / "foreign", '{"dataset": "digits", "accuracy": 0.9}')
    put(tmp_path / "list", "[1, 2]")
    put(tmp_path / "type", json.dumps(row(bottleneck="8")))
    put(tmp_path / "more", json.dumps(row() | {"note": "x"}))
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "result.part.json").write_text(json.dumps(row()))
    with pytest.warns(UserWarning) as caught:
        frame = results.gather(tmp_path)
    assert frame["bottleneck"].tolist() == [2, 8]
    assert list(frame.columns) == list(results.ROW)
    said = " ".join(str(warning.message) for warning in caught)
    assert all(str(tmp_path / name) in said for name in ("half", "foreign", "list", "type", "more"))
    assert said.count("left out") == 5


def test_gather_of_nothing_is_an_empty_table(tmp_path):
    assert results.gather(tmp_path).empty and list(results.gather(tmp_path).columns) == list(results.ROW)


def test_a_row_that_is_none_is_not_written(tmp_path):
    with pytest.raises(ResultError, match="test_l1 is 1, not float"):
        results.write_row(tmp_path, row(test_l1=1))
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_finished_leaves_the_old_file(tmp_path):
    (tmp_path / "x.json").write_text("old")
    with pytest.raises(RuntimeError), results.replacing(tmp_path / "x.json") as part:
        part.write_text("ne")
        raise RuntimeError
    assert (tmp_path / "x.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_finish_writes_every_file_and_the_model_can_be_loaded(tmp_path):
    parameters = {**PLACE, "preset": "quick", "epochs": 0, "data_root": "", "run_dir": str(tmp_path)}
    run = settings.check_run({**parameters, **NO_WEIGHTS, "device": "cpu", "precision": "fp32", "recompute": False})
    images = data.load("digits", "test", limit=64)
    network = models.build("inn", "digits", 4, seed=0)
    history = list(train.fit(network, images, run.recipe_settings, checkpoint=run.checkpoint))
    assert run.checkpoint.exists()
    results.finish(run, network, history, train.sample(network, images), row(preset="quick", epochs=2))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "history.parquet", "model.safetensors", "reconstructions.npz", "result.json",
    ]  # fmt: skip
    table = pd.read_parquet(tmp_path / "history.parquet")
    assert table["lr"].tolist() == [run.recipe_settings.learning_rate(epoch) for epoch in (1, 2)]
    again = models.load(tmp_path)
    assert train.evaluate(again, images) == train.evaluate(network, images)
    with np.load(tmp_path / "reconstructions.npz") as stored:
        assert stored["x"].shape == stored["x_hat"].shape == (10, 1, 8, 8)
        with torch.no_grad():
            expected = network.eval()(torch.from_numpy(stored["x"]))
        assert np.allclose(stored["x_hat"], expected, atol=1e-6)


def test_two_processes_do_not_work_in_one_folder(tmp_path):
    with results.working_in(tmp_path):
        code = "from innae_utils import results; results.working_in(__import__('pathlib').Path('.')).__enter__()"
        other = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
        assert other.returncode == 1
        assert "another process is training in" in other.stderr
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


def test_uncut_leaves_out_rows_of_other_lengths():
    frame = pd.DataFrame(
        [row(), row(epochs=3), row(model="pca", recipe="exact", epochs=0), row(preset="quick", epochs=2)]
    )
    with pytest.warns(UserWarning, match="ran for 3 epochs instead of 30; left out"):
        assert results.uncut(frame)["epochs"].tolist() == [30, 0, 2]


def test_rows_at_a_size_are_those_that_saw_such_images():
    sizes = [("inn", "156x128"), ("classic", "218x178"), ("classic", "156x128"), ("pca", "156x128")]
    frame = pd.DataFrame([row(dataset="lfw", model=model, image_size=size) for model, size in sizes])
    frame = pd.concat([frame, pd.DataFrame([row()])], ignore_index=True)
    assert results.at_size(frame, "lfw").index.tolist() == [0, 1, 3], "the authors': classic at its own size"
    assert results.at_size(frame, "lfw", "common").index.tolist() == [0, 2, 3]
    assert results.at_size(frame, "digits").index.tolist() == [4]
    none = results.at_size(frame, "mnist")
    assert none.empty and list(none.columns) == list(frame.columns)


def test_a_notebooks_modules_are_those_it_imports_and_no_more():
    names = {path.name for path in results.modules_of(settings.PROJECT / "notebooks" / "10_train.ipynb")}
    loaded = "import sys; from innae_utils import data, models, results, train, inn; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", loaded], cwd=settings.PROJECT, capture_output=True, text=True, check=True
    )
    really = {f"{name.split('.')[1]}.py" for name in done.stdout.split() if name.startswith("innae_utils.")}
    assert names == really and "figures.py" not in names


def published(**changes):
    return pd.DataFrame([row(**{"train_images": 1437, **changes})])


def test_published_rows_come_back_and_a_newer_one_replaces_its_elder(tmp_path):
    path = tmp_path / "rows.csv"
    results.publish(published(), path)
    results.publish(pd.concat([published(test_l1=0.5), published(seed=1)]), path)
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
        ({"model": "inn_vae", "recipe": "paper-mmd0.1"}, "weights of its own"),
    ],
)
def test_what_is_no_result_is_not_published(tmp_path, changes, said):
    with pytest.raises(ResultError, match=said):
        results.publish(published().assign(**changes), tmp_path / "rows.csv")
    assert not list(tmp_path.iterdir())


def of_mnist(**changes):
    whole = dict(dataset="mnist", image_size="28x28", train_images=60_000, test_images=10_000)
    return published(**{**whole, **changes})


PRINTED = pd.DataFrame(
    {"dataset": "mnist", "model": "inn", "bottleneck": [8, 4], "test_l1": [0.04, 0.05], "read_error": 0.0004}
)


def test_the_tables_curves_come_in_the_settings_order_and_the_papers_recipe_first():
    ours = [of_mnist(model="classic", recipe=recipe) for recipe in ("late", "paper")] + [of_mnist(model="inn")]
    both = results.table(pd.concat(ours), PRINTED[:0])
    assert list(zip(both["model"], both["recipe"], strict=True)) == [
        ("inn", "paper"), ("classic", "paper"), ("classic", "late"),
    ]  # fmt: skip


def test_a_point_says_of_how_many_runs_its_notes_are():
    def noted(*precisions):
        ours = [of_mnist(seed=seed, precision=precision) for seed, precision in enumerate(precisions)]
        return results.table(pd.concat(ours), PRINTED[:0])["noted"].item()

    assert noted("fp32", "fp32") == "" and noted("bf16", "bf16") == "bf16"
    assert noted("fp32", "bf16", "fp32") == "bf16 (1 of 3)"


def test_the_table_holds_every_point_of_ours_and_of_the_papers():
    ours = [of_mnist(seed=0, test_l1=0.06), of_mnist(seed=1, test_l1=0.08), of_mnist(model="classic", recipe="late")]
    ours += [of_mnist(model="pca", recipe="exact")]
    made = results.table(pd.concat(ours), PRINTED)
    assert made[["model", "recipe", "bottleneck", "seeds"]].values.tolist() == [
        ["inn", "paper", 4, 2], ["inn", "paper", 8, 0], ["classic", "late", 4, 1],
    ]  # fmt: skip
    both, missing, alone = made.to_dict("records")
    assert both["ours"] == pytest.approx(0.07) and both["difference"] == pytest.approx(0.02)
    assert (both["smallest"], both["largest"], both["paper"], both["read_error"]) == (0.06, 0.08, 0.05, 0.0004)
    assert math.isnan(missing["ours"]) and math.isnan(missing["difference"]) and missing["paper"] == 0.04
    assert alone["ours"] == 0.11 and math.isnan(alone["paper"]) and math.isnan(alone["difference"])
    assert results.to_markdown(made).splitlines()[2:] == [
        "| mnist | INN | 4 | 2 | 0.0700 (0.0600 to 0.0800) | 0.0500 ± 0.0004 | +0.0200 |",
        "| mnist | INN | 8 | 0 | not run | 0.0400 ± 0.0004 |  |",
        "| mnist | classic, late decay | 4 | 1 | 0.1100 | not printed |  |",
    ]


def test_a_point_that_could_not_be_read_is_told_from_a_curve_that_is_not_printed():
    ours = [of_mnist(bottleneck=k) for k in (4, 10, 12)] + [of_mnist(model="classic_deep", bottleneck=12)]
    lines = results.to_markdown(results.table(pd.concat(ours), PRINTED)).splitlines()[2:]
    said = {tuple(line.split(" | ")[1:3]): line.split(" | ")[5] for line in lines}
    assert said["INN", "12"] == "hidden" and said["classic deep", "12"] == "not printed"
    assert said["INN", "10"] == "not printed", "a bottleneck that the paper does not have"
    assert said["INN", "4"] == "0.0500 ± 0.0004"


def test_faces_of_another_size_than_the_papers_are_not_set_beside_its_points():
    whole = dict(dataset="celeba", model="classic", train_images=162_079, test_images=40_520)
    faces = [published(**whole, image_size=size) for size in ("218x178", "156x128")]
    printed = PRINTED.assign(dataset="celeba", model="classic")
    made = results.table(pd.concat(faces), printed)
    at_4 = made[made["bottleneck"] == 4].set_index("image_size")
    assert at_4.loc["", "paper"] == 0.05 and math.isnan(at_4.loc["156x128", "paper"])
    assert "| celeba | classic, 156x128 | 4 | 1 | 0.1100 | not printed |  |" in results.to_markdown(made)


def test_the_table_says_what_is_unusual_about_a_row():
    rows = pd.concat([of_mnist(seed=0, precision="bf16"), of_mnist(seed=1, precision="bf16", test_images=1000)])
    said = results.to_markdown(results.table(rows, PRINTED)).splitlines()[2]
    assert "0.1100 (0.1100 to 0.1100); bf16 (1 of 2); 1,000 test images, bf16 (1 of 2) | 0.0500" in said


def test_a_table_without_any_row_of_ours_is_the_papers():
    made = results.table(published()[:0], results.read_printed())
    assert len(made) == len(results.read_printed()) and not made["seeds"].any()
    assert results.to_markdown(made).count("not run") == len(made)


def test_the_readmes_table_is_that_of_the_published_rows():
    readme = (settings.PROJECT / "README.md").read_text()
    assert results.replace_block(readme, "table of published rows", results.readme_table()) == readme
    table = results.readme_table().splitlines()
    rows = results.published()
    assert table[-2] == "" and table[-1].startswith("Ours were made on: ")
    rows = rows[rows["dataset"] != "digits"]  # which the paper has not
    kinds = rows[rows["model"] != "pca"].groupby(["dataset", "model", "recipe", "bottleneck", "image_size"]).ngroups
    assert len(table) - 2 == 2 + kinds and "not run" not in results.readme_table()


def test_the_readmes_table_names_the_machines_of_the_networks_in_it(tmp_path):
    (tmp_path / "paper_figure5.csv").write_text((results.PUBLISHED / "paper_figure5.csv").read_text())
    assert "made on" not in results.readme_table(tmp_path)
    mnist = {"dataset": "mnist", "model": "inn", "recipe": "paper", "image_size": "28x28"}
    made = [
        row(**mnist, bottleneck=4, machine="Two (2 cores)"), row(**mnist, bottleneck=8, machine="One, Two (16 cores)"),
        row(**{**mnist, "model": "pca"}, bottleneck=8, machine="Pi"), row(**mnist, bottleneck=12, machine=None),
    ]  # fmt: skip
    pd.DataFrame(made).assign(threads=[1, 4, 9, 1]).to_csv(tmp_path / "mnist.csv", index=False)
    pd.DataFrame([row(machine="digits'")]).to_csv(tmp_path / "digits.csv", index=False)
    last = results.readme_table(tmp_path).splitlines()[-1]
    assert last == "Ours were made on: One, Two (16 cores); Two (2 cores); threads a run: 1, 4."


def test_a_row_from_before_rows_told_the_machine_is_still_one(tmp_path):
    old = row()
    del old["machine"]
    put(tmp_path / "old", json.dumps(old))
    read = results.read_row(tmp_path / "old" / "result.json")
    assert read == {**old, "machine": "not recorded"} and list(read) == list(results.ROW)
    del old["seed"]
    put(tmp_path / "more", json.dumps(old))
    with pytest.raises(ResultError, match="seed is missing"):
        results.read_row(tmp_path / "more" / "result.json")
    put(tmp_path / "foreign", json.dumps({**read, "note": 1}))
    with pytest.raises(ResultError, match="unknown column note"):
        results.read_row(tmp_path / "foreign" / "result.json")


def test_nothing_is_added_to_a_table_of_other_columns(tmp_path):
    table = tmp_path / "digits.csv"
    old = published().drop(columns="machine").to_csv(index=False)
    table.write_text(old)
    with pytest.raises(ResultError, match=r"digits\.csv is no table of rows"):
        results.publish(published(seed=1), table)
    assert table.read_text() == old


def test_a_block_between_comments_is_replaced_and_nothing_else():
    text = "a\n<!-- begin t -->\nold\n<!-- end t -->\nb\n"
    assert results.replace_block(text, "t", "new") == "a\n<!-- begin t -->\nnew\n<!-- end t -->\nb\n"
    for wrong in (text.replace("<!-- end t -->", ""), text + text):
        with pytest.raises(ResultError, match="once each"):
            results.replace_block(wrong, "t", "new")


def test_published_rows_are_read_with_their_columns(tmp_path):
    assert results.published(tmp_path).empty and list(results.published(tmp_path).columns) == list(results.ROW)
    results.publish(published(), tmp_path / "digits.csv")
    results.publish(of_mnist(epochs=10), tmp_path / "mnist.csv")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    assert results.published(tmp_path)["dataset"].tolist() == ["digits", "mnist"]
    (tmp_path / "mnist.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ResultError, match=r"mnist.csv is no table of rows"):
        results.published(tmp_path)


def samples_of(folder, x, x_hat):
    folder.mkdir(parents=True)
    np.savez_compressed(folder / "reconstructions.npz", x=x, x_hat=x_hat)


def test_published_reconstructions_come_back_to_a_grey_level_and_belong_to_their_row(tmp_path):
    rng = np.random.default_rng(0)
    x, x_hat = rng.random((10, 1, 8, 8)).astype("float32"), rng.uniform(-0.2, 1.2, (10, 1, 8, 8)).astype("float32")
    samples_of(tmp_path / "runs" / "inn" / "paper" / "k0004" / "seed0", x, x_hat)
    rows = pd.concat([published(), published(model="pca", recipe="exact")])
    (path,) = results.publish_samples(rows, tmp_path / "runs", tmp_path)
    assert path == tmp_path / "reconstructions" / "digits" / "inn_paper_k0004_seed0.npz"
    with np.load(path) as stored:
        assert stored["x"].dtype == stored["x_hat"].dtype == np.uint8
    found = results.published_samples(rows.iloc[0], tmp_path)
    assert np.abs(found["x"] - x).max() <= 0.501 / 255 and found["x"].dtype == np.float32
    assert np.abs(found["x_hat"] - x_hat.clip(0, 1)).max() <= 0.501 / 255
    with pytest.raises(ResultError, match="of another run than the published row"):
        results.published_samples({**rows.iloc[0], "finished_at": "2020-01-01T00:00:00+00:00"}, tmp_path)
    with pytest.raises(ResultError, match="holds no reconstructions"):
        results.published_samples({**rows.iloc[0], "seed": 7}, tmp_path)
    with pytest.raises(ResultError, match="reconstructions are missing"):
        results.publish_samples(published(seed=7), tmp_path / "runs", tmp_path)


def test_faces_of_two_sizes_are_published_side_by_side(tmp_path):
    faces = pd.concat(
        [published(dataset="lfw", model="classic", epochs=10, image_size=s) for s in ("218x178", "156x128")]
    )
    results.publish(faces, tmp_path / "lfw.csv")
    assert len(results.published(tmp_path)) == 2
    names = {results.samples_path(row, tmp_path).name for row in faces.to_dict("records")}
    assert names == {"classic_paper_k0004_seed0.npz", "classic_156x128_paper_k0004_seed0.npz"}


def test_saturation_of_the_papers_own_curves():
    printed = pd.read_csv(settings.PROJECT / "results" / "paper_figure5.csv", comment="#")
    curves = printed.groupby(["dataset", "model"])
    found = {name: results.saturation(dict(zip(c["bottleneck"], c["test_l1"], strict=True))) for name, c in curves}
    # What the paper's section 4 says in words, and for the wider nets what a ruler says on its figure.
    assert found["mnist", "classic"] == 12 and found["cifar10", "classic"] == found["celeba", "classic"] == 256
    assert found["mnist", "inn"] == 64 and found["cifar10", "inn"] == 1024 and found["celeba", "inn"] == 4096
    with pytest.raises(ResultError, match="empty curve"):
        results.saturation({})


def test_commit_is_the_checkouts():
    if results.commit() == "unknown":
        pytest.skip("not a git checkout")
    head = subprocess.run(
        ["git", "-C", str(settings.PROJECT), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    )
    assert results.commit().removesuffix("-dirty") == head.stdout.strip()


def test_a_module_or_a_tuned_recipe_that_git_does_not_know_makes_the_commit_dirty(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "PROJECT", tmp_path)
    for folder in ("innae_utils", "notebooks", "workflow", "results"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "kept.txt").write_text("")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "one"]):
        subprocess.run([*git, *command], check=True)
    for harmless in ("notebooks/mine.ipynb", "results/mnist.csv", "notes.txt"):
        (tmp_path / harmless).write_text("")
    assert not results.commit().endswith("-dirty")
    for decides in ("innae_utils/new.py", "results/tuned.json", "workflow/new.py"):
        (tmp_path / decides).write_text("")
        assert results.commit().endswith("-dirty")
        (tmp_path / decides).unlink()
    (tmp_path / "notebooks" / "kept.txt").write_text("changed")
    assert results.commit().endswith("-dirty")


# ---- digests ---------------------------------------------------------------------------------------------------

SOURCE = '"""A module."""\n\n\ndef f(x):\n    """Twice."""\n    return 2 * x  # why\n'
SAME = '"""Another word."""\ndef f(x):\n    # another comment\n    return (2 * x)\n'
OTHER = SOURCE.replace("2 * x", "3 * x")


def digest_of(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    return results.code_digest([path])


def test_words_do_not_change_a_digest_and_code_does(tmp_path):
    first = digest_of(tmp_path, "a.py", SOURCE)
    assert digest_of(tmp_path, "a.py", SAME) == first
    assert digest_of(tmp_path, "a.py", OTHER) != first


def test_a_notebooks_outputs_prose_and_metadata_do_not_change_a_digest(tmp_path):
    path = settings.PROJECT / "notebooks" / "10_train.ipynb"
    notebook = json.loads(path.read_text())
    first = digest_of(tmp_path, "n.ipynb", json.dumps(notebook))
    for cell in notebook["cells"]:
        cell["metadata"]["new"] = 1
        if cell["cell_type"] == "markdown":
            cell["source"] = ["other words"]
        else:
            cell["outputs"], cell["execution_count"] = [{"output_type": "stream", "name": "stdout", "text": "x"}], 7
    assert digest_of(tmp_path, "n.ipynb", json.dumps(notebook)) == first
    notebook["cells"][-2]["source"] = ["1 + 1"]
    notebook["cells"][-2]["cell_type"] = "code"
    assert digest_of(tmp_path, "n.ipynb", json.dumps(notebook)) != first


def test_the_identity_of_a_run_holds_its_parameters_and_the_code_but_no_paths(tmp_path):
    given = {**PLACE, "epochs": 0, "data_root": "", "device": "cpu", "precision": "fp32", "recompute": False}
    given |= NO_WEIGHTS
    runs = [settings.check_run({**given, "run_dir": str(tmp_path / name)}) for name in "ab"]
    assert results.identity(runs[0], "fp32") == results.identity(runs[1], "fp32")
    for change in ({"seed": 1}, {"bottleneck": 5}, {"epochs": 3}):
        assert results.identity(dataclasses.replace(runs[0], **change), "fp32") != results.identity(runs[0], "fp32")
    assert results.identity(runs[0], "bf16") != results.identity(runs[0], "fp32"), "auto is not the same everywhere"


def test_peak_memory_is_of_this_process():
    block = np.ones(40_000_000 // 8)
    peak = results.peak_memory_mb("cpu")
    assert block.nbytes / 2**20 < peak < 24 * 1024
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text()
        high = int(status.split("VmHWM:")[1].split()[0]) / 1024
        assert peak == pytest.approx(high, rel=0.05)


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
        results.publish_curves(table, tmp_path, csv)
    assert pd.read_csv(csv)["reconstruction"].tolist() == [0.123457, 0.0617284]
    with pytest.raises(ResultError, match="no commit holds"):
        results.publish_curves(table.assign(commit="abc-dirty"), tmp_path, tmp_path / "none.csv")
    assert not (tmp_path / "none.csv").exists()
    assert results.learning_curves(table[:0], tmp_path).empty


def test_a_tuned_row_needs_its_published_settings(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "TUNED_FILE", tmp_path / "tuned.json")
    tuned = published(model="classic", recipe="tuned", epochs=60)
    assert len(results.uncut(tuned)) == 1
    with pytest.raises(settings.ParameterError, match=r"results/tuned\.json"):
        results.publish(tuned, tmp_path / "rows.csv")
    entry = {"epochs": 60, "lr": 1e-3, "milestones": [48], "weight_decay": 0.0}
    settings.TUNED_FILE.write_text(json.dumps({"digits": {"classic": entry}}))
    assert len(results.publish(tuned, tmp_path / "rows.csv")) == 1
    with pytest.raises(ResultError, match="ran for 50 epochs"):
        results.publish(tuned.assign(epochs=50), tmp_path / "rows.csv")

import dataclasses
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import PLACE, row

from innae_utils import data, models, parameters, publishing, results, settings, train
from innae_utils.results import ResultError

NO_WEIGHTS = {f"weight_{name}": -1 for name in settings.WEIGHTS}  # of a run's own


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
    given = {**PLACE, "preset": "quick", "epochs": 0, "data_root": "", "run_dir": str(tmp_path)}
    run = parameters.check_run({**given, **NO_WEIGHTS, "device": "cpu", "precision": "fp32", "recompute": False})
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
        [
            row(), row(epochs=3), row(model="pca", recipe="exact", epochs=0), row(preset="quick", epochs=2),
            row(recipe="paper-epochs3", epochs=3), row(recipe="paper-epochs3", preset="quick", epochs=3),
        ]
    )  # fmt: skip
    with pytest.warns(UserWarning, match="ran for 3 epochs instead of 30; left out"):
        assert results.uncut(frame)["epochs"].tolist() == [30, 0, 2, 3, 3]


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
    assert names == really and not names & {"publishing.py", "sweeps.py", "claims.py", "figures.py"}, (
        "a new table trains nothing again"
    )


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


def test_saturation_of_the_papers_own_curves():
    printed = publishing.read_printed()
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
    runs = [parameters.check_run({**given, "run_dir": str(tmp_path / name)}) for name in "ab"]
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

"""The sweep: resumes after kill -9, reruns when code changes and not when words do, refuses what it does not know."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import psutil
import pytest
from conftest import workflow_script
from PIL import Image

from innae_utils import results, settings, sweeps

SWEEP = ["preset=quick", "bottlenecks=2,4,8", "models=classic", "recipes=paper", "seeds=0"]


@pytest.fixture
def project(tmp_path):
    """A copy of what a sweep runs, in a folder with a blank in its name, so that a test may change it."""
    tmp_path = tmp_path / "my project"
    tmp_path.mkdir()
    for name in ("innae_utils", "notebooks", "workflow", "results"):
        shutil.copytree(settings.PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(settings.PROJECT / "pyproject.toml", tmp_path)
    return tmp_path


def command(project, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(project), "OMP_NUM_THREADS": "1"}
    own = any(argument.startswith("data_root=") for argument in arguments)
    arguments = [*([] if own else [f"data_root={project}/data"]), "--cores", "2", *arguments]
    return [sys.executable, str(project / "workflow" / "figures.py"), *arguments], {
        "cwd": project,
        "env": environment,
    }


def sweep(project, *arguments):
    line, options = command(project, *arguments)
    return subprocess.run(line, capture_output=True, text=True, **options)


def times(project):
    return {path: path.stat().st_mtime_ns for path in (project / "runs").rglob("result.json")}


def test_a_sweep_killed_in_the_middle_goes_on_and_then_has_nothing_to_do(project):
    figures = [
        project / "figures" / "quick" / "digits" / f"figure{n}.{kind}" for n in (5, 6) for kind in ("pdf", "png")
    ]
    figures[0].parent.mkdir(parents=True)
    for figure in figures:  # as a clone has them: figures, and no runs
        figure.write_bytes(b"old")
    line, options = command(project, *SWEEP)
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    said = []
    for text in process.stdout:  # the data and two more steps of PCA and three runs: one run at least is done, not all
        said.append(text)
        if text.startswith("3 of"):
            break
    tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for member in tree:
        member.kill()
    psutil.wait_procs(tree)
    process.stdout.close()
    process.wait()
    finished = times(project)
    assert "test L1" in "".join(said), said
    assert len(finished) < 6, "killed in the middle: three runs and three rows of PCA were to come"

    again = sweep(project, *SWEEP)
    assert again.returncode == 0, again.stdout + again.stderr
    kept = times(project)
    assert len(kept) == 6
    runs_kept = [path for path, time in finished.items() if kept[path] == time and "pca" not in str(path)]
    assert len(runs_kept) >= 1, "what was finished is not made again"
    assert all(figure.stat().st_size > 1000 and str(figure) in again.stdout for figure in figures)

    drawn = [figure.stat().st_mtime_ns for figure in figures]
    third = sweep(project, *SWEEP)
    assert third.returncode == 0 and times(project) == kept
    assert [figure.stat().st_mtime_ns for figure in figures] == drawn

    assert planned(project) == {}
    notebook = project / "notebooks" / "10_train.ipynb"
    content = json.loads(notebook.read_text())
    content["cells"][0]["source"] = ["# Other words"]
    content["metadata"]["edited"] = True
    notebook.write_text(json.dumps(content))
    losses = project / "innae_utils" / "losses.py"
    losses.write_text("# a comment\n" + losses.read_text())
    assert planned(project) == {}, "words are no reason to train again"
    draw = project / "innae_utils" / "figures.py"
    draw.write_text(draw.read_text() + "\nNEW = 1\n")
    assert planned(project) == {"draw": 1, "figures": 1}, "drawing is no reason to train again"
    [cell for cell in content["cells"] if cell["cell_type"] == "code"][-1]["source"] = ["1 + 1"]
    notebook.write_text(json.dumps(content))
    assert planned(project)["train"] == 3 and "pca" not in planned(project)
    losses.write_text(losses.read_text() + "\nNEW = 1\n")
    assert planned(project) == {"train": 3, "draw": 1, "figures": 1}, "PCA has nothing to do with losses"


def test_a_folder_of_own_images_runs_through(project):
    folder = project / "my pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(12):
        Image.fromarray(rng.integers(0, 256, (24, 30, 3), np.uint8)).save(folder / f"{i}.png")
    (folder / "broken.png").write_bytes(b"no picture")
    given = ["dataset=images", "image_size=16,24", f"data_root={folder}", "preset=quick", "bottlenecks=3"]
    done = sweep(project, *given)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "left out 1 that cannot be read: broken.png" in done.stdout
    rows = [json.loads(path.read_text()) for path in times(project)]
    assert sorted((row["model"], row["image_size"]) for row in rows) == [
        ("classic", "16x24"), ("inn", "16x24"), ("pca", "16x24"),
    ]  # fmt: skip
    assert all(row["train_images"] + row["test_images"] == 12 for row in rows)
    own = project / "figures" / "quick" / "images" / f"{settings.own_name(folder)}_16x24"
    assert (own / "figure5.png").exists() and (own / "figure6.pdf").exists() and str(own) in done.stdout
    assert not list((project / "runs").rglob("*.part"))
    smaller = [argument for argument in given if argument[:5] != "image"] + ["image_size=16,16", "models=classic"]
    assert sweep(project, *smaller).returncode == 0
    assert {row["image_size"] for row in map(json.loads, (p.read_text() for p in times(project)))} == {"16x16", "16x24"}
    again = [*given, "models=inn,classic", "recipes=paper", "seeds=0"]
    assert planned(project, *again) == {}, "a size is its own sweep"
    assert planned(project, *again, "image_size=8,8") == {"data": 1, "train": 2, "pca": 1, "draw": 1, "figures": 1}
    strict = sweep(project, *given, "strict=true")
    assert strict.returncode == 1 and "that cannot be read: broken.png: not a picture; mend or remove" in strict.stdout
    assert "set -euo pipefail" not in strict.stdout + strict.stderr, "what Snakemake adds to it says nothing"


def test_a_broken_row_is_set_aside_and_made_again(project, capsys):
    import figures

    parameters = {"runs": str(project / "runs"), "bottlenecks": "4", "models": "inn", "seeds": "0,1"}
    checked = sweeps.check_sweep(parameters)
    folders = [settings.run_dir("digits", *job, "full", project / "runs") for job in checked.jobs]
    for folder in folders:
        folder.mkdir(parents=True)
    (folders[0] / "result.json").write_text('{"dataset": "dig')
    figures.set_aside_broken_rows(checked)
    assert [path.name for path in folders[0].iterdir()] == ["result.broken"] and not list(folders[1].iterdir())
    assert "set aside as result.broken" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("device", "precision", "cards", "able", "warned"),
    [
        ("cpu", "bf16", "0", {}, True),
        ("auto", "bf16", "", {}, True),
        ("auto", "bf16", "0", {}, False),
        ("mps", "bf16", "", {}, False),
        ("cpu", "bf16", "", {"avx512_bf16": True}, False),
        ("cpu", "auto", "", {}, False),
    ],
)
def test_a_sweep_warns_of_emulated_bfloat16(monkeypatch, capsys, device, precision, cards, able, warned):
    import torch

    import figures

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", cards)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)
    figures.warn_of_emulation(sweeps.check_sweep({"device": device, "precision": precision}))
    assert ("Warning: this CPU has no instructions for bfloat16" in capsys.readouterr().err) == warned


def test_another_precision_or_no_seed_0(project):
    one_run = ["preset=quick", "bottlenecks=4", "models=classic", "recipes=paper", "seeds=1"]
    done = sweep(project, *one_run)
    assert done.returncode == 0, done.stdout
    first = times(project)
    assert sweep(project, *one_run, "precision=bf16").returncode == 0
    changed = [path for path, when in times(project).items() if first[path] != when]
    assert ["classic" in str(path) for path in changed] == [True], "a row of another precision is another row"


def planned(project, *more):
    """What Snakemake would run now: rule -> number of jobs."""
    profile = project / "workflow" / "profiles" / "local"
    line = [sys.executable, "-m", "snakemake", "--profile", str(profile), "--dry-run", "--quiet", "rules"]
    config = [*SWEEP, f"runs={project}/runs", f"figures={project}/figures", f"data_root={project}/data", *more]
    _, options = command(project)
    done = subprocess.run([*line, "--config", *config], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    words = (done.stdout + done.stderr).split("count\n")[-1].splitlines()
    pairs = [entry.split() for entry in words if len(entry.split()) == 2 and entry.split()[1].isdigit()]
    return {rule: int(count) for rule, count in pairs if rule != "total"}


def test_other_images_are_made_ready_again_and_everything_behind_them_goes_on(project):
    """Snakemake alone would make the images ready and leave the training out, with exit code 0."""
    import images

    data = project / "runs" / "quick" / "digits" / "data.json"
    everything = {"data": 1, "train": 3, "pca": 1, "draw": 1, "figures": 1}
    assert planned(project) == everything
    _, options = command(project)
    line = [sys.executable, "workflow/images.py", json.dumps(["digits", f"{project}/data", [[8, 8]], False])]
    done = subprocess.run(line, capture_output=True, text=True, **options)
    data.parent.mkdir(parents=True, exist_ok=True)
    data.write_text(done.stdout)
    assert json.loads(done.stdout)["train"] > json.loads(done.stdout)["test"] > 0
    assert planned(project) == {name: count for name, count in everything.items() if name != "data"} and data.exists()
    given = json.loads(line[2])
    images.forget_others(data, given)
    assert data.exists()
    for other in ([*given[:3], True], ["mnist", *given[1:]], ["digits", "elsewhere", *given[2:]]):
        images.forget_others(data, other)
        assert not data.exists()
        assert planned(project, "strict=true") == everything
        data.write_text(done.stdout)
    images.forget_others(data, [*given[:2], [[8, 8], [16, 16]], False])
    assert not data.exists(), "a size is missing"
    data.write_text(done.stdout.replace("[[8, 8]]", "[[8, 8], [16, 16]]"))
    images.forget_others(data, given)
    assert data.exists(), "more than is needed"
    for text in ("", "{}", "[1]", '{"given": [1]}'):
        data.write_text(text)
        images.forget_others(data, given)
        assert not data.exists()
    images.forget_others(data, given)  # and what is not there is no fault


def test_make_vae_asks_for_its_four_models_and_their_figures(project):
    make = workflow_script("figures")
    given = make.for_vae({"preset": "quick", "seeds": "3", "runs": f"{project}/runs", "figures": f"{project}/figures"})
    line = make.snakemake(given, "1", "vae")
    line[line.index("vae") : line.index("vae") + 1] = ["vae", "--dry-run", "--quiet", "host", "--nocolor"]
    line[line.index("--profile") + 1] = str(project / "workflow" / "profiles" / "local")
    _, options = command(project)
    done = subprocess.run(line, capture_output=True, text=True, **options)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    asked = {job for job in sweeps.VAE_RECIPES.items() if f"runs/quick/digits/{job[0]}/{job[1]}/k0016/seed3" in said}
    assert asked == set(sweeps.VAE_RECIPES.items())
    assert said.count("inn_vae_samples.pdf") and "figure5" not in said


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("bottlenecks=8,16", "`make vae` takes one, less than D = 64"),
        ("bottlenecks=64", "`make vae` takes one, less than D = 64"),
        ("models=inn", "models: `make vae` always takes inn_vae (paper), inn (paper)"),
        ("dataset=celeba", "'inn_vae' is not known for celeba"),
        ("rows=published", "rows: `make vae` looks at networks"),
    ],
)
def test_make_vae_refuses_what_it_cannot_compare(project, argument, said):
    line, options = command(project, argument)
    line.append("vae")
    done = subprocess.run(line, capture_output=True, text=True, **options)
    assert done.returncode == 2 and said in done.stderr
    assert not (project / "runs").exists()


def test_the_cores_and_the_folders_are_checked_before_anything_starts(project):
    line, options = command(project)
    line[line.index("--cores") + 1] = "many"
    done = subprocess.run(line, capture_output=True, text=True, **options)
    assert done.returncode == 2 and "'many' is not known; allowed: all, or a whole number from 1" in done.stderr
    done = subprocess.run([*line[:2], "dataset=digits", "--cores"], capture_output=True, text=True, **options)
    assert done.returncode == 2 and "--cores: expected one argument" in done.stderr
    done = subprocess.run(
        [*line[:2], "dataset=digits", "--cores", "1", "--cores=2"], capture_output=True, text=True, **options
    )
    assert done.returncode == 2 and "--cores is there more than once (1, 2); give one" in done.stderr
    (project / "file").write_text("no folder")
    done = sweep(project, "runs=file/runs")
    assert done.returncode == 2 and "cannot write into" in done.stderr


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("bottleneck=12", "no parameter 'bottleneck'"),
        ("dataset=minst", "allowed: digits, mnist, cifar10, celeba, lfw, images"),
        ("seeds", "'seeds' is not of the form name=value"),
    ],
)
def test_a_wrong_sweep_stops_at_once_and_says_what_is_allowed(project, argument, said):
    done = sweep(project, argument)
    assert done.returncode == 2 and said in done.stderr
    assert not (project / "runs").exists()


def test_make_refuses_a_variable_it_does_not_know():
    done = subprocess.run(
        ["make", "-C", str(settings.PROJECT), "help", "BOTTLENECK=12"], capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "unknown variable: BOTTLENECK; allowed, in capitals: DATASET MODELS" in done.stderr


def test_the_sweep_parameters_are_those_of_make():
    makefile = (settings.PROJECT / "Makefile").read_text()
    (line,) = [line for line in makefile.replace("\\\n", "").splitlines() if line.startswith("SWEEP :=")]
    assert {name.lower() for name in line.split(":=")[1].split()} == set(sweeps.SWEEP_PARAMETERS)


def test_a_parameter_that_the_notebook_does_not_declare_is_refused(project):
    notebook = project / "notebooks" / "10_train.ipynb"
    notebook.write_text(notebook.read_text().replace("precision: str", "rounding: str"))
    done = sweep(project, *SWEEP)
    assert done.returncode == 1
    assert "10_train.ipynb has no parameter 'precision'; allowed: dataset, model" in done.stdout
    assert not times(project)


def put_run(project, seed, model="inn", preset="full", recipe="paper", **changes):
    """A finished run's row, learning curve and reconstructions, as a training leaves them."""
    place = dict(dataset="mnist", model=model, recipe=recipe, bottleneck=12, seed=seed, preset=preset)
    folder = settings.run_dir(**place, root=project / "runs")
    folder.mkdir(parents=True)
    epochs = settings.find_recipe("mnist", model, "paper").epochs
    row = {**place, "epochs": epochs, "image_size": "28x28", "train_images": 60_000, "test_images": 10_000}
    row["machine"] = "m"
    row |= dict(train_l1=0.03, test_l1=0.03 + seed / 100, n_params=1, seconds=1.0, peak_memory_mb=1.0, device="cpu")
    row |= dict(
        threads=1, precision="fp32", torch="2", freia="0.2", commit=40 * "c", finished_at=f"2026-01-0{seed + 1}"
    )
    results.write_row(folder, {**row, **changes})
    images = np.full((10, 1, 28, 28), seed / 4, dtype="float32")
    np.savez_compressed(folder / "reconstructions.npz", x=images, x_hat=images)
    history = pd.DataFrame({"epoch": [1, 2], "lr": 0.001, "loss": 0.2, "reconstruction": 0.1 + seed, "seconds": 1.0})
    history.to_parquet(folder / "history.parquet")


def publish(project, *arguments):
    line = [sys.executable, str(project / "workflow" / "publish.py"), "dataset=mnist", *arguments]
    return subprocess.run(line, cwd=project, env={**os.environ, "PYTHONPATH": str(project)}, **SAID)


SAID = dict(capture_output=True, text=True)


@pytest.fixture
def publishing(project):
    """A copy of the project with nothing published yet."""
    shutil.copy(settings.PROJECT / "README.md", project)
    (project / "results" / "mnist.csv").unlink()
    shutil.rmtree(project / "results" / "reconstructions")
    return project


def test_make_publish_puts_rows_reconstructions_and_the_readmes_table_in_their_places(publishing):
    for seed in (1, 2):
        put_run(publishing, seed)
    done = publish(publishing, "seeds=1,2")
    assert done.returncode == 0, done.stderr
    folder = publishing / "results"
    assert pd.read_csv(folder / "mnist.csv")["seed"].tolist() == [1, 2]
    assert [path.name for path in folder.rglob("*.npz")] == ["inn_paper_k0012_seed1.npz"], "the smallest seed's alone"
    line = "| mnist | INN | 12 | 2 | 0.0450 (0.0400 to 0.0500) | 0.0352 ± 0.0004 | +0.0098 |"
    assert line in (folder / "points.md").read_text()
    side_by_side = "| MNIST | 1 | 2 | 3 | 4 | 6 | 8 | 12 | 16 | 24 | 32 | 48 | 64 |"
    readme = (publishing / "README.md").read_text()
    assert side_by_side in readme and f"| INN |{6 * '  |'} 0.0450 (2) |" in readme
    put_run(publishing, 0)
    put_run(publishing, 0, model="classic")
    put_run(publishing, 3, recipe="paper-epochs3", epochs=3)
    done = publish(publishing, "models=inn")
    assert done.returncode == 0 and "left out: inn paper-epochs3 k=12 seed=3 has epochs or weights" in done.stderr
    assert "seed=3" not in publish(publishing, "seeds=1").stderr, "it was not asked for"
    rows = pd.read_csv(folder / "mnist.csv")
    assert rows[["model", "seed"]].values.tolist() == [["inn", 0], ["inn", 1], ["inn", 2]]
    assert "inn_paper_k0012_seed0.npz" in {path.name for path in folder.rglob("*.npz")}


def test_make_publish_writes_nothing_into_a_readme_without_its_marks(publishing):
    put_run(publishing, 1)
    (publishing / "README.md").write_text("mine")
    done = publish(publishing)
    assert done.returncode == 2 and "should have <!-- begin table of published rows -->" in done.stderr
    assert not (publishing / "results" / "mnist.csv").exists()


def test_make_publish_writes_nothing_beside_a_broken_table_of_another_data_set(publishing):
    put_run(publishing, 1)
    (publishing / "results" / "digits.csv").write_text("a,b\n1,2\n")
    done = publish(publishing)
    assert done.returncode == 2 and "digits.csv is no table of rows" in done.stderr
    assert not (publishing / "results" / "mnist.csv").exists()


def test_a_notebook_that_is_killed_is_no_success(monkeypatch):
    redraw = workflow_script("redraw")
    codes = iter([-9, 0, 0])
    monkeypatch.setattr(redraw, "jobs", lambda given: [("a.ipynb", {}), ("b.ipynb", {}), ("c.ipynb", {})])
    monkeypatch.setattr(redraw, "run", lambda notebook, given: next(codes))
    assert redraw.main([]) == -9 and next(codes, None) is None, "the others are drawn"


def test_make_publish_keeps_the_learning_curves_of_runs_with_and_without_the_zero_padding_loss(publishing):
    for seed, recipe in ((0, "paper"), (1, "paper"), (1, "no_padding"), (2, "no_padding")):
        put_run(publishing, seed, recipe=recipe)
    put_run(publishing, 1, model="classic")
    path = publishing / "results" / "curves_mnist.csv"
    before = pd.read_csv(path)
    done = publish(publishing, "bottlenecks=12", "recipes=paper,no_padding")
    assert done.returncode == 0, done.stderr
    after = pd.read_csv(path)
    new = after[after["bottleneck"] == 12]
    place = new[["model", "recipe", "seed", "epoch"]].itertuples(index=False, name=None)
    assert sorted(place) == [("inn", recipe, 1, epoch) for recipe in ("no_padding", "paper") for epoch in (1, 2)]
    assert (new["reconstruction"] == 1.1).all() and len(after) == len(before) + 4, "a pair alone; what was there stays"
    put_run(publishing, 2)  # its partner's row is published already, without a curve
    half = publish(publishing, "bottlenecks=12", "recipes=paper", "seeds=2")
    assert half.returncode == 0 and "no learning curve of the other run of a pair: inn paper k=12 seed=2" in half.stderr
    whole = publish(publishing, "bottlenecks=12", "recipes=paper,no_padding", "seeds=2")
    assert whole.returncode == 0 and "no learning curve" not in whole.stderr
    assert len(pd.read_csv(path)) == len(before) + 8


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"commit": 40 * "c" + "-dirty"}, "no commit holds"),
        ({"epochs": 3}, "no whole run has finished"),
        ({"preset": "quick"}, "no whole run has finished"),
    ],
)
def test_make_publish_refuses_what_is_no_result_and_writes_nothing(publishing, changes, said):
    put_run(publishing, 0, **changes)
    readme = (publishing / "README.md").read_text()
    done = publish(publishing)
    assert done.returncode == 2 and said in done.stderr
    assert not (publishing / "results" / "mnist.csv").exists() and not list(publishing.rglob("results/**/*.npz"))
    assert (publishing / "README.md").read_text() == readme
    wrong = publish(publishing, "model=inn")
    assert wrong.returncode == 2 and "has no parameter 'model'" in wrong.stderr

import dataclasses
import json
import sqlite3

import optuna
import pandas as pd
import pytest
import torch
from conftest import NOTEBOOKS, papermill

from innae_utils import data, models, parameters, results, settings, train, tuning
from innae_utils.results import ResultError
from innae_utils.settings import ParameterError, find_recipe

GIVEN = {
    "dataset": "digits", "model": "classic", "bottleneck": 4, "trials": 3, "preset": "quick", "seed": 0,
    "data_root": "", "device": "cpu", "precision": "auto",
}  # fmt: skip
SETTINGS = ["epochs", "lr", "schedule", "weight_decay"]


def plan(tmp_path, **changes):
    return tuning.check_plan({**GIVEN, "runs": str(tmp_path), **changes})


@pytest.fixture
def images():
    return data.load("digits", "train", limit=96)


def test_the_notebook_declares_the_parameters_that_are_checked():
    assert parameters.declared_parameters(NOTEBOOKS / "22_tuning.ipynb") == tuning.PARAMETERS


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dataset": "minst"}, "allowed: digits, mnist, cifar10"),
        ({"model": "classic_deep"}, "allowed: inn, classic"),
        ({"dataset": "images"}, "'images' has no size of its own"),
        ({"trials": 0}, "trials: 0 is out of range; allowed: 1 or more"),
        ({"trials": "9"}, "'9' is a str"),
        ({"bottleneck": 65}, "allowed: 1 to D = 64"),
        ({"bottleneck": "8"}, "'8' is a str"),
        ({"seed": -1}, "allowed: 0 to 2147483647"),
        ({"runs": 3}, "allowed: a string"),
        ({"device": "gpu"}, "allowed: auto, cpu"),
        ({"trails": 3}, "22_tuning has no parameter 'trails'"),
    ],
)
def test_a_wrong_parameter_is_refused(tmp_path, changes, said):
    with pytest.raises(ParameterError) as caught:
        plan(tmp_path, **changes)
    assert said in str(caught.value)


def test_bottleneck_0_is_the_papers_64_or_the_data_sets_largest(tmp_path):
    assert plan(tmp_path, bottleneck=0).final.bottleneck == 32
    assert plan(tmp_path, bottleneck=0, dataset="mnist").final.bottleneck == 64
    assert plan(tmp_path, bottleneck=0, dataset="cifar10").final.bottleneck == 64


@pytest.mark.parametrize("dataset", ["digits", "mnist", "cifar10"])
def test_the_first_trials_are_the_papers_recipe_and_one_late_drop(dataset):
    base, late = find_recipe(dataset, "classic", "paper"), find_recipe(dataset, "classic", "late")
    tried = [tuning.recipe_of(base, **chosen) for chosen in tuning.known_settings(base)]
    assert tried == [base, late]
    for chosen in tuning.known_settings(base):  # and within the ranges, or Optuna would warn
        trial = optuna.trial.FixedTrial(chosen)
        assert tuning.suggest(trial, base) == chosen


def test_what_is_held_out_is_never_trained_on(images):
    rest, held_out = tuning.split(images)
    assert (len(rest), len(held_out)) == (80, 16)
    both = torch.cat((rest.pixels, held_out.pixels)).flatten(1)
    assert torch.equal(torch.unique(both, dim=0), torch.unique(images.pixels.flatten(1), dim=0))
    again = tuning.split(images)
    assert torch.equal(again[1].pixels, held_out.pixels)
    assert (held_out.max_value, held_out.device) == (images.max_value, images.device)


def test_a_trial_is_judged_on_held_out_images_by_the_model_it_trained(tmp_path, images):
    (record,) = tuning.search(plan(tmp_path, trials=1), images)
    rest, held_out = tuning.split(images)
    network = models.build("classic", "digits", 4, seed=0)
    list(train.fit(network, rest, find_recipe("digits", "classic", "paper").scaled(2)))
    assert record["held_out_l1"] == train.evaluate(network, held_out)
    assert record["train_l1"] == train.evaluate(network, rest)
    assert (record["trial"], record["state"], record["schedule"], record["epochs"]) == (
        0,
        "finished",
        "every tenth",
        100,
    )
    assert (record["train_images"], record["held_out_images"], record["preset"]) == (80, 16, "quick")


def test_a_study_that_goes_on_ends_with_the_trials_of_an_unbroken_one(tmp_path, images):
    whole = list(tuning.search(plan(tmp_path / "whole", trials=14), images))
    list(tuning.search(plan(tmp_path / "parts", trials=4), images))
    interrupted = tuning.search(plan(tmp_path / "parts", trials=14), images)
    for _ in range(6):
        next(interrupted)
    interrupted.close()
    stopped = optuna.load_study(study_name="tuning", storage=f"sqlite:///{plan(tmp_path / 'parts').folder}/study.db")
    stopped.ask()  # what a killed process leaves: a trial that never ends
    parts = list(tuning.search(plan(tmp_path / "parts", trials=14), images))
    assert [record["trial"] for record in parts] == list(range(14))
    same = [*SETTINGS, "held_out_l1", "train_l1"]
    assert [[record[name] for name in same] for record in parts] == [
        [record[name] for name in same] for record in whole
    ]
    assert len({record["lr"] for record in whole}) == 13, "no settings drawn twice; the two known ones share a rate"
    assert list(tuning.search(plan(tmp_path / "parts", trials=5), images)) == parts, "enough is enough"


def test_a_trial_that_diverges_is_reported_and_never_wins(tmp_path, images, monkeypatch):
    def fit(model, *arguments, **named):
        yield from real(model, *arguments, **named)
        if len(calls := [*fit.calls, 1]) == 2:
            fit.calls = calls
            raise train.TrainingError("the loss is not finite in epoch 1")
        fit.calls = calls

    real, fit.calls = train.fit, []
    monkeypatch.setattr(train, "fit", fit)
    found = list(tuning.search(plan(tmp_path), images))
    assert [record["state"] for record in found] == ["finished", "diverged", "finished"]
    assert found[1]["held_out_l1"] is None
    assert tuning.best(found) == min(found[::2], key=lambda record: record["held_out_l1"])
    with pytest.raises(ResultError, match="every one diverged"):
        tuning.best(found[1:2])


@pytest.mark.filterwarnings("ignore:this CPU has no instructions for bfloat16")
def test_trials_made_otherwise_are_not_mixed_into_a_study(tmp_path, images, monkeypatch):
    first = list(tuning.search(plan(tmp_path, trials=1), images))
    with pytest.raises(ResultError, match=r"study\.db was made otherwise \(images\)"):
        list(tuning.search(plan(tmp_path, trials=2), data.load("digits", "train", limit=90)))
    with pytest.raises(ResultError, match=r"made otherwise \(precision\)"):
        list(tuning.search(plan(tmp_path, trials=2, precision="bf16"), images))
    with monkeypatch.context() as patched:
        patched.setattr(tuning, "versions", lambda: {"torch": "1.0.0"})
        with pytest.raises(ResultError, match=r"made otherwise \(torch\)"):
            list(tuning.search(plan(tmp_path, trials=2), images))
    with monkeypatch.context() as patched:
        patched.setattr(tuning, "LR_RANGE", (1.0, 2.0))
        with pytest.raises(ResultError, match=r"made otherwise \(ranges\)"):
            list(tuning.search(plan(tmp_path, trials=2), images))
    assert list(tuning.search(plan(tmp_path, trials=1), images)) == first, "and nothing was lost by it"
    path = plan(tmp_path).folder / "study.db"
    with sqlite3.connect(path) as database:
        database.execute("DELETE FROM study_user_attributes WHERE key IN ('device', 'torch')")
    with pytest.raises(ResultError, match=r"does not say how it was made \(device, torch\)"):
        list(tuning.search(plan(tmp_path, trials=2), images))


def test_the_winner_is_trained_as_10_train_would(tmp_path, images):
    made = plan(tmp_path)
    found = list(tuning.search(made, images))
    run = tuning.keep(made, found)
    chosen = tuning.best(found)
    assert (run.recipe, run.epochs) == ("tuned", 2)
    assert (run.recipe_settings.lr, run.recipe_settings.weight_decay) == (chosen["lr"], chosen["weight_decay"])
    test = data.load("digits", "test", limit=32)
    row = tuning.train_winner(run, {"train": images, "test": test})
    network = models.build("classic", "digits", 4, seed=0)
    list(train.fit(network, images, run.recipe_settings))
    assert row["test_l1"] == train.evaluate(network, test)
    (gathered,) = results.gather(tmp_path).to_dict("records")
    assert gathered == row and len(results.uncut(results.gather(tmp_path))) == 1
    assert pd.read_csv(made.folder / "trials.csv")["trial"].tolist() == [0, 1, 2]


def entry(**changes):
    trial = dict.fromkeys(tuning.COLUMNS, 1) | {
        "dataset": "digits", "model": "classic", "preset": "full", "commit": 40 * "a", "epochs": 60, "lr": 3e-3,
    }  # fmt: skip
    return trial | changes


def study_folder(folder, winner, **changes):
    folder.mkdir(exist_ok=True)
    pd.DataFrame([entry(**changes)]).to_csv(folder / "trials.csv", index=False)
    (folder / "tuned.json").write_text(json.dumps({"digits": {changes.get("model", "classic"): winner}}))
    return folder


def test_a_published_winner_is_a_recipe_like_any_other(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "TUNED_FILE", tmp_path / "tuned.json")
    assert "tuned" not in settings.recipes_of("digits", "classic")
    with pytest.raises(ParameterError, match="has no recipe 'tuned'; allowed: paper, late"):
        find_recipe("digits", "classic", "tuned")
    winner = {"epochs": 60, "lr": 3e-3, "milestones": [48], "weight_decay": 1e-6, "trials": 1}
    tuning.publish(study_folder(tmp_path / "study", winner), tmp_path)
    found, base = find_recipe("digits", "classic", "tuned"), find_recipe("digits", "classic", "paper")
    assert found == dataclasses.replace(base, epochs=60, lr=3e-3, milestones=(48,), weight_decay=1e-6)
    assert found.sources["lr"] == found.sources["epochs"] == "ours" and found.sources["weight_decay"] == "ours"
    assert "tuned" in settings.recipes_of("digits", "classic") and "tuned" not in settings.recipes_of("digits", "inn")
    assert "tuned" not in settings.recipes_of("mnist", "classic")
    tuning.publish(study_folder(tmp_path / "study", {**winner, "lr": 1e-3}), tmp_path)
    assert find_recipe("digits", "classic", "tuned").lr == 1e-3
    assert len(pd.read_csv(tmp_path / "tuning_digits.csv")) == 1, "the earlier study of the model is replaced"


@pytest.mark.parametrize("changes", [{"preset": "quick"}, {"commit": "abc-dirty"}, {"commit": "unknown"}])
def test_no_quick_or_uncommitted_study_is_published(tmp_path, changes):
    with pytest.raises(ResultError):
        tuning.publish(study_folder(tmp_path / "study", {}, **changes), tmp_path)
    assert not list(tmp_path.glob("*.csv")) and not list(tmp_path.glob("*.json"))


def published_studies():
    entries = json.loads(settings.TUNED_FILE.read_text()) if settings.TUNED_FILE.exists() else {}
    return [(dataset, model) for dataset, of in entries.items() for model in of]


@pytest.mark.parametrize("key", published_studies(), ids="-".join)
def test_the_published_recipe_is_the_best_of_the_published_trials(key):
    dataset, model = key
    table = pd.read_csv(settings.PROJECT / "results" / f"tuning_{dataset}.csv")
    table = table[table["model"] == model]
    chosen = tuning.best(table.to_dict("records"))
    base = find_recipe(dataset, model, "paper")
    assert find_recipe(dataset, model, "tuned") == tuning.recipe_of(base, **{name: chosen[name] for name in SETTINGS})
    assert table["trial"].tolist() == list(range(len(table))), "all trials, none left out"


def test_22_tuning(tmp_path):
    papermill("22_tuning.ipynb", tmp_path / "out.ipynb", {**GIVEN, "runs": str(tmp_path / "runs")})
    (row,) = results.gather(tmp_path / "runs").to_dict("records")
    assert (row["recipe"], row["bottleneck"], row["preset"]) == ("tuned", 4, "quick")

import math
from pathlib import Path

import pytest

from innae_utils import parameters, settings, sweeps
from innae_utils.parameters import Run, check_run, given_parameters
from innae_utils.settings import ParameterError, find_recipe

GOOD = {
    "dataset": "digits", "model": "inn", "recipe": "paper", "bottleneck": 16, "seed": 0, "preset": "full",
    "epochs": 0, "data_root": "", "device": "auto", "precision": "auto", "recompute": False,
    "weight_reconstruction": -1.0, "weight_zero_padding": -1.0, "weight_mmd": -1.0, "weight_kl": -1.0,
}  # fmt: skip


def good(tmp_path, **changes):
    return {**GOOD, "run_dir": str(tmp_path / "run"), **changes}


def test_a_good_run_is_resolved(tmp_path, monkeypatch):
    monkeypatch.setenv("INNAE_DATA", "/somewhere")
    run = check_run(good(tmp_path))
    assert isinstance(run, Run)
    assert run.epochs == run.recipe_settings.epochs == 30
    assert run.data_root == Path("/somewhere")
    assert run.limits == {"train": None, "test": None}
    assert check_run(good(tmp_path, data_root="elsewhere")).data_root == Path("elsewhere").absolute()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dataset": "minst"}, "allowed: digits, mnist, cifar10"),
        ({"model": "classic_1024"}, "allowed: inn, classic"),
        ({"recipe": "late"}, "allowed: paper"),
        ({"preset": "fast"}, "allowed: full, quick"),
        ({"bottleneck": 0}, "allowed: 1 to D = 64"),
        ({"bottleneck": 65}, "allowed: 1 to D = 64"),
        ({"bottleneck": "12"}, "'12' is a str; allowed: a whole number, 1 to D = 64"),
        ({"bottleneck": 12.0}, "12.0 is a float"),
        ({"bottleneck": True}, "True is a bool"),
        ({"seed": -1}, "allowed: 0 to 2147483647"),
        ({"epochs": -3}, "allowed: 1 or more, or 0"),
        ({"data_root": 3}, "data_root: 3 is a int; allowed: a string"),
        ({"device": "gpu"}, "allowed: auto, cpu, cuda"),
        ({"device": "cuda:x"}, "allowed: auto, cpu, cuda"),
        ({"dataset": ["mnist"]}, "allowed: digits, mnist"),
        ({"recompute": "false"}, "recompute: 'false' is a str; allowed: true, false"),
        ({"precision": "fp16"}, "allowed: auto, fp32, bf16"),
        ({"weight_mmd": -0.5}, "weight_mmd: -0.5 is not known; allowed: a number from 0, or -1"),
        ({"weight_mmd": "1e-1"}, "weight_mmd: '1e-1' is not known"),
        ({"weight_mmd": math.inf}, "weight_mmd: inf is not known"),
        ({"weight_mmd": math.nan}, "weight_mmd: nan is not known"),
        ({"weight_kl": 0.1}, "weight_kl: inn has no such term; allowed: -1"),
        ({"model": "classic_vae", "weight_zero_padding": 1}, "weight_zero_padding: classic_vae has no such term"),
        ({"botleneck": 4}, "10_train has no parameter 'botleneck'; allowed: dataset, model"),
    ],
)
def test_a_wrong_parameter_is_refused_and_the_allowed_ones_are_named(tmp_path, changes, said):
    with pytest.raises(ParameterError) as caught:
        check_run(good(tmp_path, **changes))
    assert said in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_every_fault_is_told_at_once(tmp_path):
    with pytest.raises(ParameterError) as caught:
        check_run(good(tmp_path, bottleneck=0, seed=-1, preset="fast"))
    assert str(caught.value).count("\n  - ") == 3


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "run").write_text("a file where the folder should be")
    with pytest.raises(ParameterError, match="cannot write into .*; give a folder"):
        check_run(good(tmp_path))


def test_a_missing_parameter_is_named(tmp_path):
    parameters = good(tmp_path)
    del parameters["seed"]
    with pytest.raises(ParameterError, match="seed: is missing"):
        check_run(parameters)


def test_unknown_names_are_seen_on_the_first_run_and_own_variables_on_later_ones_are_not():
    namespace = {**GOOD, "botleneck": 3, "_i1": "x", "In": [""], "math": math}
    assert set(given_parameters(namespace, parameters.RUN_PARAMETERS, "run")) == {*GOOD, "botleneck"}
    assert "run" in given_parameters({**namespace, "run": "late"}, parameters.RUN_PARAMETERS, "run")
    assert set(given_parameters({**namespace, "run": object()}, parameters.RUN_PARAMETERS, "run")) == set(GOOD)


def test_weights_of_a_runs_own_are_in_its_recipe_and_in_the_recipes_name(tmp_path):
    run = check_run(good(tmp_path, model="inn_vae", weight_mmd=0.1, weight_zero_padding=0))
    assert run.recipe == "paper-zero_padding0.0-mmd0.1"
    assert (run.recipe_settings.weight_mmd, run.recipe_settings.weight_zero_padding) == (0.1, 0)
    assert run.recipe_settings.sources["weight_mmd"] == "ours"
    assert find_recipe("digits", "inn_vae", run.recipe).weight_mmd == 0.1
    assert settings.curve_title("inn_vae", run.recipe) == "INN VAE, zero padding x 0, mmd x 0.1"
    assert check_run(good(tmp_path, model="inn_vae", weight_mmd=1)).recipe == "paper", "that is the recipe's"
    assert check_run(good(tmp_path, weight_mmd=0)).recipe == "paper"
    own = {"epochs": 7, "reconstruction": 1e-7, "mmd": 12345678.9}
    assert settings.split_name(settings.recipe_name("late", own)) == ("late", own)
    for name in ("epochs2.5", "epochs1e2", "epochs0", "epochs05", "epochs5-epochs7", "mmd0.1-epochs5", "mmd.1"):
        with pytest.raises(settings.ParameterError, match="has no recipe"):
            find_recipe("digits", "inn_vae", f"paper-{name}")


def test_a_run_of_other_epochs_has_a_recipe_and_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "PROJECT", tmp_path)
    usual = check_run(good(tmp_path, run_dir=""))
    run = check_run(good(tmp_path, run_dir="", epochs=10))
    assert (run.recipe, run.epochs, run.recipe_settings.milestones) == ("paper-epochs10", 10, (8,))
    assert run.recipe_settings.sources["epochs"] == run.recipe_settings.sources["milestones"] == "ours"
    assert run.run_dir != usual.run_dir and run.run_dir.parts[-3] == "paper-epochs10"
    assert settings.curve_title("inn", run.recipe) == "INN, 10 epochs"
    assert check_run(good(tmp_path, epochs=usual.recipe_settings.epochs)).recipe == "paper", "that is the recipe's"
    assert check_run(good(tmp_path, preset="quick", epochs=2)).recipe == "paper", "that is the preset's"
    quick = check_run(good(tmp_path, preset="quick", epochs=5))
    assert (quick.recipe, quick.epochs) == ("paper-epochs5", 5)


def test_a_quick_sweep_of_large_own_images_has_runs_and_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "PROJECT", tmp_path)
    given = {"dataset": "images", "preset": "quick", "image_size": "96,128", "runs": str(tmp_path)}
    cats, dogs = tmp_path / "cats", tmp_path / "dogs"
    for folder in (cats, dogs):
        folder.mkdir()
    one, other = (sweeps.check_sweep({**given, "data_root": str(folder)}) for folder in (cats, dogs))
    assert [job.bottleneck for job in one.jobs] == [16, 64] * 2
    assert one.run_folder != other.run_folder and one.run_folder.parent.name == "images"
    run = check_run(
        {**good(tmp_path), "dataset": "images", "image_size": "96,128", "data_root": str(cats), "run_dir": ""}
    )
    assert run.run_dir.parts[-5].startswith("cats-") and run.run_dir.parts[-6] == "images"

import dataclasses
import math
from pathlib import Path

import pytest

from innae_utils import settings
from innae_utils.settings import ParameterError, Run, check_run, check_sweep, find_recipe, given_parameters

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
    assert set(given_parameters(namespace, settings.RUN_PARAMETERS, "run")) == {*GOOD, "botleneck"}
    assert "run" in given_parameters({**namespace, "run": "late"}, settings.RUN_PARAMETERS, "run")
    assert set(given_parameters({**namespace, "run": object()}, settings.RUN_PARAMETERS, "run")) == set(GOOD)


# The learning rate of every epoch, written out from section 3.2 of the paper.
MNIST_CLASSIC = [10.0 ** -(3 + (epoch - 1) // 10) for epoch in range(1, 101)]
TABLES = {
    ("mnist", "inn", "paper"): [1e-3] * 8 + [1e-4] * 2,
    ("mnist", "classic_deep", "paper"): MNIST_CLASSIC,
    ("mnist", "classic", "late"): [1e-3] * 80 + [1e-4] * 20,
    ("cifar10", "inn", "paper"): [1e-3] * 10 + [1e-4] * 5,
    ("cifar10", "classic", "paper"): [1e-3] * 60 + [1e-4] * 25 + [1e-5] * 15,
    ("digits", "inn", "paper"): [2e-3] * 24 + [2e-4] * 6,
    ("digits", "classic", "paper"): [2 * rate for rate in MNIST_CLASSIC],
    ("digits", "classic", "late"): [2e-3] * 80 + [2e-4] * 20,
}


@pytest.mark.parametrize("key", TABLES, ids="-".join)
def test_learning_rate_of_every_epoch(key):
    recipe = find_recipe(*key)
    assert [recipe.learning_rate(e) for e in range(1, recipe.epochs + 1)] == pytest.approx(TABLES[key], rel=1e-12)


def test_optimiser_settings_are_the_authors():
    inn, classic = find_recipe("mnist", "inn", "paper"), find_recipe("mnist", "classic", "paper")
    assert (inn.betas, inn.eps, inn.weight_decay) == ((0.8, 0.8), 1e-4, 1e-6)
    assert (classic.betas, classic.eps, classic.weight_decay) == ((0.9, 0.999), 1e-8, 1e-5)
    assert inn.batch_size == classic.batch_size == 128
    assert inn.weight_zero_padding == inn.weight_reconstruction == 1.0


def test_every_value_of_every_recipe_is_tagged():
    for recipe in settings.RECIPES.values():
        assert set(recipe.sources) == set(vars(recipe)) - {"sources"}
        assert set(recipe.sources.values()) <= {"paper", "authors", "ours"}


def test_weights_of_a_runs_own_are_in_its_recipe_and_in_the_recipes_name(tmp_path):
    run = check_run(good(tmp_path, model="inn_vae", weight_mmd=0.1, weight_zero_padding=0))
    assert run.recipe == "paper-zero_padding0.0-mmd0.1"
    assert (run.recipe_settings.weight_mmd, run.recipe_settings.weight_zero_padding) == (0.1, 0)
    assert run.recipe_settings.sources["weight_mmd"] == "ours"
    assert find_recipe("digits", "inn_vae", run.recipe).weight_mmd == 0.1
    assert settings.curve_title("inn_vae", run.recipe) == "INN VAE, zero padding x 0, mmd x 0.1"
    assert check_run(good(tmp_path, model="inn_vae", weight_mmd=1)).recipe == "paper", "that is the recipe's"
    assert check_run(good(tmp_path, weight_mmd=0)).recipe == "paper"
    weights = {"reconstruction": 1e-7, "mmd": 12345678.9}
    assert settings.split_name(settings.recipe_name("late", weights)) == ("late", weights)


def test_equation_6_and_its_peers():
    inn, plain = (find_recipe("mnist", model, "paper") for model in ("inn_vae", "inn"))
    assert (inn.weight_reconstruction, inn.weight_zero_padding, inn.weight_mmd, inn.weight_kl) == (1, 1, 1, 0)
    assert inn.sources["weight_mmd"] == "paper"
    assert inn == plain.with_values(weight_mmd=settings.paper(1.0))
    vae = find_recipe("mnist", "classic_vae", "late")
    assert vae.weight_kl == pytest.approx(0.05 / 784) and vae.weight_mmd == 0
    assert find_recipe("mnist", "classic_mmd", "late").weight_mmd == 1


def test_the_variational_models_are_run_by_name_and_not_by_default():
    for known in settings.DATASETS.values():
        assert not set(settings.VARIATIONAL) & set(known.models)
    for dataset in ("digits", "mnist", "cifar10"):
        jobs = check_sweep({"dataset": dataset, "models": "inn_vae,classic_vae", "bottlenecks": "4"}).jobs
        assert {job.model for job in jobs} == {"inn_vae", "classic_vae"}
    assert {job.recipe for job in check_sweep({"models": "inn_vae"}).jobs} == {"paper"}
    assert {settings.family(model) for model in settings.VARIATIONAL} == {"inn", "classic"}


def test_a_sweep_lists_the_data_sets_own_choice():
    sweep = check_sweep({})
    assert len(sweep.jobs) == 2 * 5 * 3  # seeds, bottlenecks, curves
    assert {(job.model, job.recipe) for job in sweep.jobs} == {
        ("inn", "paper"), ("classic", "paper"), ("classic", "late"),
    }  # fmt: skip


def test_a_sweep_takes_lists_with_commas():
    sweep = check_sweep({"dataset": "mnist", "bottlenecks": "12,32,12", "models": "classic,inn", "seeds": 3})
    assert [tuple(job) for job in sweep.jobs] == [
        ("classic", "paper", 12, 3), ("classic", "paper", 32, 3), ("inn", "paper", 12, 3), ("inn", "paper", 32, 3),
    ]  # fmt: skip
    assert {job.model for job in check_sweep({"recipes": "late"}).jobs} == {"classic"}
    assert {job.recipe for job in check_sweep({"models": "inn"}).jobs} == {"paper"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"dataset": "minst"}, "allowed: digits, mnist, cifar10"),
        ({"bottleneck": "12"}, "no parameter 'bottleneck'; allowed: dataset"),
        ({"bottlenecks": "12,x"}, "'x' is a str; allowed: a whole number, 1 to D = 64"),
        ({"bottlenecks": "12,65"}, "65 is out of range; allowed: 1 to D = 64"),
        ({"models": "classic_deep"}, "allowed: inn, classic"),
        ({"models": "inn", "recipes": "late"}, "'late' is not known for inn; allowed: no_padding, paper"),
        ({"seeds": "-1"}, "-1 is out of range"),
        ({"device": "gpu"}, "allowed: auto, cpu"),
        ({"recompute": "perhaps"}, "allowed: true, false"),
        ({"device": "cuda:1"}, "For one card set the environment's CUDA_VISIBLE_DEVICES=1"),
        ({"threads": "many"}, "'many' is a str"),
    ],
)
def test_a_wrong_sweep_is_refused(given, said):
    with pytest.raises(ParameterError) as caught:
        check_sweep(given)
    assert said in str(caught.value)


@pytest.mark.parametrize("dataset", ["digits", "mnist", "cifar10", "celeba"])
def test_the_ablation_leaves_out_the_zero_padding_loss_and_nothing_else(dataset):
    with_loss, without = find_recipe(dataset, "inn", "paper"), find_recipe(dataset, "inn", "no_padding")
    assert without == dataclasses.replace(with_loss, weight_zero_padding=0.0)
    assert without.sources["weight_zero_padding"] == "ours"
    assert "no_padding" not in {job.recipe for job in check_sweep({"dataset": dataset}).jobs}
    assert {job.model for job in check_sweep({"dataset": dataset, "recipes": "no_padding"}).jobs} == {"inn"}


def test_a_quick_sweep_of_large_own_images_has_runs_and_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "PROJECT", tmp_path)
    given = {"dataset": "images", "preset": "quick", "image_size": "96,128", "runs": str(tmp_path)}
    cats, dogs = tmp_path / "cats", tmp_path / "dogs"
    for folder in (cats, dogs):
        folder.mkdir()
    one, other = (settings.check_sweep({**given, "data_root": str(folder)}) for folder in (cats, dogs))
    assert [job.bottleneck for job in one.jobs] == [16, 64] * 2
    assert one.run_folder != other.run_folder and one.run_folder.parent.name == "images"
    run = check_run(
        {**good(tmp_path), "dataset": "images", "image_size": "96,128", "data_root": str(cats), "run_dir": ""}
    )
    assert run.run_dir.parts[-5].startswith("cats-") and run.run_dir.parts[-6] == "images"


def test_another_image_size_draws_into_a_folder_of_its_own(tmp_path):
    given = {"data_root": str(tmp_path), "figures": str(tmp_path)}

    def folder(dataset, size):
        return settings.check_sweep({**given, "dataset": dataset, "image_size": size}).figure_folder

    assert folder("lfw", "") == folder("lfw", "authors") == tmp_path / "lfw"
    assert folder("lfw", "common") == tmp_path / "lfw_common"
    assert folder("mnist", "") == tmp_path / "mnist"
    own = tmp_path / "images" / settings.own_name(tmp_path)
    assert folder("images", "96,64") == folder("images", "96x64") == own.with_name(f"{own.name}_96x64")
    assert folder("images", "96,128") != folder("images", "96,64")

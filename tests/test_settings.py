import dataclasses

import pytest

from innae_utils import settings
from innae_utils.settings import find_recipe
from innae_utils.sweeps import check_sweep

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


def test_equation_6_and_its_peers():
    inn, plain = (find_recipe("mnist", model, "paper") for model in ("inn_vae", "inn"))
    assert (inn.weight_reconstruction, inn.weight_zero_padding, inn.weight_mmd, inn.weight_kl) == (1, 1, 1, 0)
    assert inn.sources["weight_mmd"] == "paper"
    assert inn == plain.with_values(weight_mmd=settings.paper(1.0))
    vae = find_recipe("mnist", "classic_vae", "late")
    assert vae.weight_kl == pytest.approx(0.05 / 784) and vae.weight_mmd == 0
    assert find_recipe("mnist", "classic_mmd", "late").weight_mmd == 1


@pytest.mark.parametrize("dataset", ["digits", "mnist", "cifar10", "celeba"])
@pytest.mark.parametrize(
    ("recipe", "value", "factor"), [("no_padding", "weight_zero_padding", 0), ("double_lr", "lr", 2)]
)
def test_the_ablation_and_the_doubled_learning_rate_change_one_value_and_nothing_else(recipe, value, factor, dataset):
    plain, changed = find_recipe(dataset, "inn", "paper"), find_recipe(dataset, "inn", recipe)
    assert changed == dataclasses.replace(plain, **{value: factor * getattr(plain, value)})
    assert getattr(plain, value) > 0 and changed.sources[value] == "ours"
    assert recipe not in {job.recipe for job in check_sweep({"dataset": dataset}).jobs}
    assert {job.model for job in check_sweep({"dataset": dataset, "recipes": recipe}).jobs} == {"inn"}


@pytest.mark.parametrize("dataset", ["digits", "mnist", "cifar10", "celeba"])
def test_twice_the_schedule_is_twice_the_epochs_at_every_learning_rate_and_nothing_else(dataset):
    plain, changed = (find_recipe(dataset, "classic", recipe) for recipe in ("paper", "double_schedule"))
    assert dataclasses.replace(changed, epochs=plain.epochs, milestones=plain.milestones) == plain
    rates = [[recipe.learning_rate(epoch) for epoch in range(1, recipe.epochs + 1)] for recipe in (plain, changed)]
    assert rates[1] == [rate for rate in rates[0] for _ in range(2)]
    assert changed.sources["epochs"] == changed.sources["milestones"] == "ours"
    assert "double_schedule" not in {job.recipe for job in check_sweep({"dataset": dataset}).jobs}
    assert {
        settings.family(job.model) for job in check_sweep({"dataset": dataset, "recipes": "double_schedule"}).jobs
    } == {"classic"}


def test_borrowed_is_classics_tuned_recipe_for_its_wider_deeper_and_leaky_kin_alone():
    tuned = find_recipe("mnist", "classic", "tuned")
    for model in ("classic_1024", "classic_2048", "classic_deep", *settings.LEAKY):
        assert find_recipe("mnist", model, "borrowed") == tuned != find_recipe("mnist", model, "paper")
        assert "borrowed" in settings.recipes_of("mnist", model)
    for dataset, model in (("mnist", "inn"), ("mnist", "classic"), ("mnist", "classic_vae"), ("cifar10", "classic")):
        with pytest.raises(settings.ParameterError, match="has no recipe 'borrowed'"):
            find_recipe(dataset, model, "borrowed")
        assert "borrowed" not in settings.recipes_of(dataset, model)

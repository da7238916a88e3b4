"""What a plan adds up; the times themselves are the machine's."""

import pytest

from innae_utils import settings

plan = pytest.importorskip("plan", reason="file locks need a POSIX system")


def test_the_seconds_of_a_run_are_its_steps_and_its_evaluation():
    sweep = settings.check_sweep({"dataset": "mnist"})
    one = {"step": 0.5, "image": 0.001, "memory": 1.0}
    # 10 epochs of 468 batches of 128, both splits evaluated once
    assert plan.seconds_of(sweep, ("inn", "paper"), one, 7.0) == pytest.approx(7.0 + 4680 * 0.5 + 70_000 * 0.001)


def test_a_quick_run_is_two_epochs_of_256_images():
    sweep = settings.check_sweep({"preset": "quick"})
    one = {"step": 1.0, "image": 0.0, "memory": 1.0}
    assert plan.seconds_of(sweep, ("inn", "paper"), one, 0.0) == 2 * 256 // 32


def test_the_cores_are_shared_among_the_runs():
    assert settings.check_sweep({}).threads_each(8) == 1
    one_run = {"models": "inn", "bottlenecks": "4", "seeds": "0"}
    assert settings.check_sweep(one_run).threads_each(8) == 8
    assert settings.check_sweep({**one_run, "threads": "3"}).threads_each(8) == 3


def test_a_kind_is_timed_by_real_steps():
    sweep = settings.check_sweep({"bottlenecks": "4"})
    one = plan.timed(sweep, ("classic", "late"), threads=1, copies=1)
    assert 0 < one["step"] < 10 and 0 < one["image"] < 1 and one["memory"] > 50

"""Pictures of the tuning study; each other study's picture is tested beside what it measures."""

import pandas as pd

from innae_utils import study_figures


def test_trials_are_dots_and_the_papers_recipe_is_a_cross():
    table = pd.DataFrame(
        {"trial": [2, 0, 1, 3], "epochs": [50, 100, 100, 150], "lr": [1e-3, 2e-3, 2e-3, 1e-2],
         "schedule": ["80 %", "every tenth", "80 %", "80 %"], "weight_decay": [1e-7, 1e-5, 1e-5, 1e-4],
         "held_out_l1": [0.05, 0.08, 0.06, float("nan")]}
    )  # fmt: skip
    panels = study_figures.trials(table).axes
    assert len(panels) == 4
    for axes, dots, cross in zip(
        panels, ([1e-3, 2e-3], [0, 0], [1e-7, 1e-5], [50, 100]), (2e-3, 1, 1e-5, 100), strict=True
    ):
        drawn, first = axes.get_lines()
        assert list(drawn.get_xdata()) == dots and list(drawn.get_ydata()) == [0.05, 0.06]
        assert list(first.get_xdata()) == [cross] and list(first.get_ydata()) == [0.08] and first.get_marker() == "x"
    assert [label.get_text() for label in panels[1].get_xticklabels()] == ["80 %", "every tenth"]

"""Does depth cost anything? Deeper networks beside the same with fewer layers.

The paper's hypothesis: a classic autoencoder loses information from layer to layer, which is why its deepest one is the
worst; a bijection does not, so that an INN may be as deep as one likes. If so, the same network with more layers is
worse if it is classic, and not if it is an INN. But a deeper network may be worse for other reasons: it may be trained
too short, or its units may die. So there are pairs with other schedules and with leaky ReLUs, too.

References: section 4 of the paper, "we believe that this is exactly what we observe with our model classic deep".
"""

import pandas as pd

from innae_utils import settings

SHALLOWER = {  # a deeper model, and the same with fewer layers
    **settings.DOUBLE_DEPTH, "classic_deep": "classic_1024", "classic_deep_leaky": "classic_1024_leaky",
}  # fmt: skip
_POINT = ["dataset", "recipe", "bottleneck", "preset", "image_size"]
_TUNED = rf"^{settings.TUNED}(?=-|$)"  # with epochs or weights of a run's own, too
_OF_BOTH = ("runs", "train_l1", "test_l1")
COLUMNS = (
    "dataset", "model", "recipe", "shallower", "shallower_recipe", "bottleneck", "preset", *_OF_BOTH,
    *(f"shallower_{name}" for name in _OF_BOTH), "ratio", "lowest", "highest",
)  # fmt: skip


def beside_shallower(rows: pd.DataFrame) -> pd.DataFrame:
    """Every point of a deeper model beside the same point of its shallower network; points that only one has are left
    out. Beside the recipe `borrowed` stands `tuned` of `classic`, which is where it comes from.

    Args:
        rows: finished runs, columns `results.ROW`.

    Returns:
        A row a point, in the order of the rows, columns `COLUMNS`. `train_l1` and `test_l1` are means over the `runs`,
        `ratio` is that of the two means of the test L1: above 1 the deeper one is worse. `lowest` is the smallest
        test L1 of the deeper network over the largest of the shallower, `highest` the other way round.
    """
    points = rows.groupby(["model", *_POINT], sort=False).agg(
        runs=("test_l1", "size"), train_l1=("train_l1", "mean"), test_l1=("test_l1", "mean"),
        low=("test_l1", "min"), high=("test_l1", "max"),
    ).reset_index()  # fmt: skip
    deeper = points[points["model"].isin(SHALLOWER)].assign(shallower=lambda table: table["model"].map(SHALLOWER))
    names = {name: f"shallower_{name}" for name in (*_OF_BOTH, "low", "high")}
    plain = points.rename(columns={"model": "shallower", **names}).assign(shallower_recipe=points["recipe"])
    lent = plain["shallower"].eq("classic")  # its `tuned` is what its kin has as `borrowed`
    plain["recipe"] = plain["recipe"].mask(lent, plain["recipe"].str.replace(_TUNED, settings.BORROWED, regex=True))
    both = deeper.merge(plain, on=["shallower", *_POINT], how="inner", validate="many_to_one")
    both = both.assign(
        ratio=both["test_l1"] / both["shallower_test_l1"],
        lowest=both["low"] / both["shallower_high"],
        highest=both["high"] / both["shallower_low"],
    )
    return both[list(COLUMNS)]

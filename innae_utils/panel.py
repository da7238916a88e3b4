"""Sliders for a trained INN in JupyterLab: how many latent numbers are kept, and what the first of them are."""

import io

import ipywidgets as widgets
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from innae_utils.data import Images
from innae_utils.generative import decode_first

SIDE = 256  # pixels of the picture on the screen


def as_png(x: Tensor, side: int = SIDE) -> bytes:
    """An image x (C, H, W) in [0, 1] as the bytes of a PNG, `side` pixels high, its own pixels left visible."""
    pixels = (x.numpy().transpose(1, 2, 0) * 255).round().astype(np.uint8)
    picture = Image.fromarray(pixels[..., 0] if len(x) == 1 else pixels)
    size = (side * picture.width // picture.height, side)
    file = io.BytesIO()
    picture.resize(size, Image.Resampling.NEAREST).save(file, "png", compress_level=1)
    return file.getvalue()


class Panel(widgets.HBox):
    """A picture that follows sliders: which image, how many of its latent numbers are kept, and the first few of y.

    Args:
        model: an INN, in evaluation mode, best on the CPU.
        images: where the images to start from are taken.
        coordinates: how many of y have a slider; all of them if there are fewer.
    """

    def __init__(self, model, images: Images, coordinates: int = 8):
        self.model, self.images = model, images
        last, dim = len(images) - 1, model.dim
        self.number = widgets.IntSlider(0, 0, last, description="image")
        self.kept = widgets.IntSlider(model.bottleneck, 1, dim, description="k")
        self.y = [
            widgets.FloatSlider(0.0, min=-4.0, max=4.0, step=0.05, description=f"y{i + 1}")
            for i in range(min(coordinates, model.bottleneck))
        ]
        self.original, self.picture = widgets.Image(format="png"), widgets.Image(format="png")
        reset = widgets.Button(description="back to the image")
        reset.on_click(lambda _: self.start())
        self.number.observe(lambda _: self.start(), "value")
        for slider in (self.kept, *self.y):
            slider.observe(lambda _: self.follow(), "value")
        super().__init__(
            [widgets.VBox([self.number, self.kept, *self.y, reset]), widgets.VBox([self.original, self.picture])]
        )
        self.start()

    @torch.no_grad()
    def start(self) -> None:
        """Take up the image that is chosen: its latent numbers, and the sliders to where they stand."""
        x = self.images.batch(slice(self.number.value, self.number.value + 1))
        self.latent = torch.cat(self.model.transform(x), 1)
        self.original.value = as_png(x[0].cpu())
        self.moving = True  # else every slider that is set here would draw a picture of its own
        for slider, value in zip(self.y, self.latent[0].tolist(), strict=False):
            slider.value = value
        self.moving = False
        self.at_rest = [slider.value for slider in self.y]  # rounded, and within the slider's range
        self.follow()

    def follow(self) -> None:
        """Draw the picture that the sliders ask for."""
        if self.moving:
            return
        latent = self.latent.clone()
        for i, (slider, at_rest) in enumerate(zip(self.y, self.at_rest, strict=True)):
            if slider.value != at_rest:
                latent[0, i] = slider.value
        self.picture.value = as_png(decode_first(self.model, latent, self.kept.value)[0])

"""Helpers for the notebooks: invertible neural networks trained as autoencoders.

The package is meant to be read in one sitting; start with `bottleneck.py`, which holds the idea.

References: Nguyen, Ardizzone and Koethe, "Training Invertible Neural Networks as Autoencoders", GCPR 2019.
"""

__version__ = "0.1.0"

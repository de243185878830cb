"""The discriminator of Real-ESRGAN: a spectrally normalised U-Net that judges every pixel."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

SLOPE = 0.2
"""Negative slope of the leaky ReLUs, as in ESRGAN's networks."""


class UNetDiscriminator(nn.Module):
    """How real each pixel of a fine image looks (Wang et al. 2021, Real-ESRGAN, section 3.3).

    Down: 4 x 4 convs with stride 2. Up: bilinear upsampling and 3 x 3 convs, with the skips added.
    All convs except the first and the last are spectrally normalised (Miyato et al. 2018). Images
    can have any size from 8 pixels, because each upsampling takes the size of its skip.
    ``features`` are the channels at full resolution, doubled with each of the 3 halvings; 64 as
    published.
    """

    def __init__(self, features: int = 64, bands: int = 1) -> None:
        super().__init__()
        pairs = [(features * n, features * 2 * n) for n in (1, 2, 4)]
        self.first = nn.Conv2d(bands, features, 3, padding=1)
        self.down = nn.ModuleList(
            spectral_norm(nn.Conv2d(n, m, 4, stride=2, padding=1, bias=False)) for n, m in pairs
        )
        self.up = nn.ModuleList(
            spectral_norm(nn.Conv2d(m, n, 3, padding=1, bias=False)) for n, m in pairs[::-1]
        )
        self.refine = nn.ModuleList(
            spectral_norm(nn.Conv2d(features, features, 3, padding=1, bias=False)) for _ in range(2)
        )
        self.last = nn.Conv2d(features, 1, 3, padding=1)

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Judge images (N,B,H,W) in network units.

        Returns:
            Logits (N,1,H,W), high where the image looks real; and the encoder's features before
            activation, from fine (N,features,H,W) to coarse.
        """
        features = [self.first(image)]
        for conv in self.down:
            features.append(conv(F.leaky_relu(features[-1], SLOPE)))
        *skips, x = [F.leaky_relu(feature, SLOPE) for feature in features]
        for conv, skip in zip(self.up, reversed(skips), strict=True):
            x = F.interpolate(x, size=skip.shape[-2:], mode="bilinear", align_corners=False)
            x = F.leaky_relu(conv(x), SLOPE) + skip
        for conv in self.refine:
            x = F.leaky_relu(conv(x), SLOPE)
        return self.last(x), features

"""State dicts of the layout of released checkpoints (GDSR-DCTNet, SC-UNet), with random weights."""

import torch
from torch import Tensor


def _shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"lambd": (1, 64, 1, 1)}

    def conv(name: str, channels_out: int, channels_in: int, width: int) -> None:
        shapes[f"{name}.weight"] = (channels_out, channels_in, width, width)
        shapes[f"{name}.bias"] = (channels_out,)

    conv("WPNet.conv1", 16, 64, 1)
    conv("WPNet.conv_f", 16, 16, 1)
    for name in ("conv_max", "conv2", "conv3", "conv3_", "conv_dilation"):
        conv(f"WPNet.{name}", 16, 16, 3)
    conv("WPNet.conv4", 64, 16, 1)
    conv("Encoder_coupled.init_deep.0", 64, 1, 3)
    conv("Encoder_coupled.init_rgb.0", 64, 3, 3)
    for layer in range(4):
        for stream in ("shared", "depth", "rgb"):
            for index in (1, 2):
                start = f"Encoder_coupled.coupled_feat_extractor.{layer}"
                shapes[f"{start}.kernel_{stream}_{index}"] = (32, 64, 3, 3)
                shapes[f"{start}.bias_{stream}_{index}"] = (32,)
    for index, widths in ((0, (32, 64)), (2, (16, 32)), (4, (1, 16))):
        conv(f"Decoder_depth.Decoder_Deep.{index}", *widths, 3)
    return {f"module.{name}": shape for name, shape in shapes.items()}


def random_weights(seed: int = 0) -> dict[str, Tensor]:
    """All numbers of a checkpoint, kernels scaled by their fan-in."""
    generator = torch.Generator().manual_seed(seed)

    def draw(shape: tuple[int, ...]) -> Tensor:
        values = torch.randn(shape, generator=generator)
        if len(shape) == 4 and shape[0] > 1:
            return values * (2 / (shape[1] * shape[2] * shape[3])) ** 0.5
        return 0.1 * values

    return {name: draw(shape) for name, shape in _shapes().items()}


def _unet_shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}

    def block(name: str, index: int, channels_in: int, channels_out: int) -> None:
        shapes[f"{name}.{index}.weight"] = (channels_out, channels_in, 3, 3)
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{index + 1}.{part}"] = (channels_out,)
        shapes[f"{name}.{index + 1}.num_batches_tracked"] = ()

    def double(name: str, *channels: int) -> None:
        block(f"{name}.bloc", 0, *channels[:2])
        block(f"{name}.bloc", 3, *channels[1:])

    double("inbloc", 2, 16, 16)
    for name, channels_in, channels_out in (("db1", 16, 32), ("db2", 32, 64), ("db3", 64, 64)):
        double(f"{name}.resblock.doubleconv", channels_in, channels_in, channels_in)
        block(f"{name}.lastconv", 0, channels_in, channels_out)
    for name, *channels in (("ub1", 128, 64, 32), ("ub2", 64, 32, 16), ("ub3", 32, 16, 16)):
        double(f"{name}.convbloc", *channels)
    return shapes | {"outlay.weight": (1, 16, 3, 3), "outlay.bias": (1,)}


def random_unet_weights(seed: int = 0) -> dict[str, Tensor]:
    """All numbers of a state dict of SC-UNet, its statistics not those of a new network."""
    generator = torch.Generator().manual_seed(seed)

    def draw(name: str, shape: tuple[int, ...]) -> Tensor:
        if not shape:
            return torch.tensor(7)
        values = torch.randn(shape, generator=generator)
        if len(shape) == 4:
            return values * (2 / (shape[1] * shape[2] * shape[3])) ** 0.5
        return 0.1 * values + name.endswith(("running_var", "weight"))

    return {name: draw(name, shape) for name, shape in _unet_shapes().items()}

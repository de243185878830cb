"""Weights from a file become those of a network, all of them or none."""

from collections.abc import Mapping

from torch import Tensor, nn

from lstsr.errors import LstsrError


def load_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Give a network all its weights and statistics.

    Raises LstsrError, and changes nothing, if a name is missing or unknown, or if a tensor has
    another shape or is not finite.
    """
    expected = network.state_dict()
    faults = [f"{name} is missing" for name in expected if name not in weights]
    faults += [f"{name} is unknown" for name in weights if name not in expected]
    for name in expected.keys() & weights.keys():
        found, wanted = tuple(weights[name].shape), tuple(expected[name].shape)
        if found != wanted:
            faults.append(f"{name} has the shape {found}, not {wanted}")
        elif not weights[name].isfinite().all():
            faults.append(f"{name} is not finite")
    if faults:
        more = f" and {len(faults) - 1} more" if faults[1:] else ""
        raise LstsrError(f"{faults[0]}{more}")
    network.load_state_dict(weights)

"""How much of a sandbox there is, in four steps: what a machine must grant before a caller relies on it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from sandbox.layers import ENFORCED, Layer


class Tier(StrEnum):
    """Strength of a sandbox, strongest first.

    - full: files, processes, network and memory of others do not exist for a guest (namespaces, a private
      read-only root, its own ``/proc``), and all that ``limits`` needs. Landlock is used where it is there,
      but not needed: nothing is left for it to forbid.
    - landlock: contents of files are shut off by Landlock, and all that ``limits`` needs.
    - limits: no privileges and none to be gained, resource limits, a system-call filter; files are open to
      the extent that the user's permissions are.
    - none: nothing to rely on.
    """

    FULL = "full"
    LANDLOCK = "landlock"
    LIMITS = "limits"
    NONE = "none"


_LIMITS = (Layer.CAPABILITIES, Layer.NO_NEW_PRIVILEGES, Layer.RESOURCE_LIMITS, Layer.SECCOMP)
_NEEDS: Mapping[Tier, tuple[Layer, ...]] = {
    Tier.FULL: (
        Layer.MOUNT_NAMESPACE,
        Layer.PID_NAMESPACE,
        Layer.NETWORK_NAMESPACE,
        Layer.IPC_NAMESPACE,
        Layer.OWN_PROC,
        *_LIMITS,
    ),
    Tier.LANDLOCK: (Layer.LANDLOCK, *_LIMITS),
    Tier.LIMITS: _LIMITS,
    Tier.NONE: (),
}


def missing_for(tier: Tier, layers: Mapping[str, str]) -> tuple[str, ...]:
    """What a tier needs and these layers lack, each as ``"name: reason"``.

    Args:
        tier: the wanted strength.
        layers: `Sandbox.layers`, or the same as stored with an evaluation.
    """
    states = {name: layers.get(name, "not recorded") for name in _NEEDS[tier]}
    return tuple(f"{name}: {state}" for name, state in states.items() if state != ENFORCED)


def tier_of(layers: Mapping[str, str]) -> Tier:
    """The strongest tier for which nothing is missing."""
    return next(tier for tier in Tier if not missing_for(tier, layers))

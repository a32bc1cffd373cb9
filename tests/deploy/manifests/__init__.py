"""Kubernetes objects as kubectl makes them, and what can be wrong with them though each is well-formed."""

from .checks import CHECKS, faults
from .kustomize import render, with_secrets
from .objects import Objects
from .schema import schema_faults

__all__ = ["CHECKS", "Objects", "faults", "render", "schema_faults", "with_secrets"]

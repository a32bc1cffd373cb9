"""Kubernetes' quantities: `500m`, `2Gi`, `1e3`."""

import re

_FORM = re.compile(r"^([+-]?[0-9]+(?:\.[0-9]*)?|[+-]?\.[0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?$")
_DECIMAL = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}


def quantity(text: object) -> float:
    """Cores or bytes.

    Raises ValueError for what the API server would refuse, such as `2GB` or `2 Gi`.
    """
    found = _FORM.match(str(text))
    if not found:
        raise ValueError(f"`{text}` is no quantity")
    number, unit = float(found.group(1)), found.group(2) or ""
    if unit in _BINARY:
        return number * _BINARY[unit]
    if unit in _DECIMAL:
        return number * _DECIMAL[unit]
    return float(found.group(1) + unit)

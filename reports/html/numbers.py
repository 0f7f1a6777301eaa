"""How numbers are written: enough digits to compare, few enough to read."""

from __future__ import annotations

import math


def number(value: float | None, digits: int = 3) -> str:
    """Write a number with `digits` significant digits.

    >>> number(1234567), number(0.0012345), number(1.5e-7), number(None), number(float("inf"))
    ('1,230,000', '0.00123', '1.50e-7', '-', 'inf')
    >>> number(-0.25), number(0.0)
    ('-0.250', '0')
    """
    if value is None:
        return "-"
    if not math.isfinite(value):
        return str(value)
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if exponent < -4 or exponent > 8:
        mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
        return f"{mantissa}e{int(power)}"
    rounded = round(value, digits - 1 - exponent)
    return f"{rounded:,.{max(0, digits - 1 - exponent)}f}"


def measured(value: float, error: float) -> str:
    """Write a value with its uncertainty, both to the uncertainty's second digit.

    >>> measured(1.38123, 0.0214), measured(12512.3, 131.0), measured(0.0, 0.0)
    ('1.381 ± 0.021', '12,510 ± 130', '0 ± 0')
    >>> measured(2.0e-7, 1.0e-8)
    '(2.00 ± 0.10)e-7'
    """
    if not (math.isfinite(value) and math.isfinite(error)):
        return f"{value} ± {error}"
    if error <= 0:
        return f"{number(value)} ± 0"
    largest = max(abs(value), error)
    power = math.floor(math.log10(largest))
    if power < -4 or power > 8:
        scale = 10.0**power
        return f"({measured(value / scale, error / scale)})e{power}"
    decimals = 1 - math.floor(math.log10(error))
    places = max(0, decimals)
    return f"{round(value, decimals):,.{places}f} ± {round(error, decimals):,.{places}f}"


def percent(fraction: float | None) -> str:
    """Write a fraction in percent.

    >>> percent(0.1122), percent(1.0), percent(0.000255), percent(None), percent(0.0)
    ('11.2 %', '100 %', '0.0255 %', '-', '0 %')
    """
    if fraction is None or not math.isfinite(fraction):
        return "-"
    if fraction == 1:
        return "100 %"
    return f"{number(100 * fraction)} %"

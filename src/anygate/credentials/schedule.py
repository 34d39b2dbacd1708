"""When a credential is renewed. Pure: `chance` is a random number from 0 to 1, so that many do not come at once."""

MARGIN = 300.0
"""Seconds before its end at which a credential is renewed."""

RETRY = 60.0
"""Seconds after a failed attempt."""

_SHORTEST = 0.25


def renew_after(life: float, chance: float) -> float:
    """Return the seconds until a credential is renewed: 5 minutes before its end, or after half of a short life."""
    wait = life - MARGIN if life > 2 * MARGIN else life / 2
    return max(wait - chance * min(wait / 10, 30.0), _SHORTEST)


def retry_after(left: float, chance: float) -> float:
    """Return the seconds until the next attempt after a failed one: a minute, or less while the credential held would
    otherwise run out meanwhile; it is good for `left` seconds more."""
    wait = RETRY * (1 + chance / 10)
    return wait if left <= 0 else min(wait, max(left / 2, 1.0))

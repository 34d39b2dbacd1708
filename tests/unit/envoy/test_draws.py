"""Shares of requests by lots: each lot is traced or not, and as many are as the share says."""

import re

import pytest
from build_models import ORIGIN

from anygate.envoy.draws import drawn_below, is_drawn
from anygate.model.telemetry import Trace


def drawn(share: float) -> Trace:
    return Trace(origin=ORIGIN, share=share)


@pytest.mark.parametrize("share", [0.000001, 0.01, 0.1, 0.25, 0.5, 1 / 3, 0.999, 0.999999])
def test_the_lots_below_a_share_are_as_many_as_it_says(share: float) -> None:
    wanted = re.compile(drawn_below(drawn(share)))
    step = 97
    lots = range(0, 16**5, step)
    taken = [lot for lot in lots if wanted.fullmatch(f"{lot:05x}abc-4f01-4a4b-8c8d-0123456789ab")]
    assert abs(len(taken) - share * 16**5 / step) <= 1
    assert taken == list(lots)[: len(taken)]


@pytest.mark.parametrize(("share", "expected"), [(0, False), (1e-9, False), (0.5, True), (1 - 1e-9, False), (1, False)])
def test_lots_are_drawn_only_where_some_are_traced_and_some_are_not(share: float, expected: bool) -> None:
    assert is_drawn(drawn(share)) == expected

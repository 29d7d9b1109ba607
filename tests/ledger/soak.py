"""How long the machine of the ledger's tests runs: a few seconds, or `make soak`."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.soaking import SOAK

QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
PROFILES = {
    "default": settings(max_examples=30, stateful_step_count=50, deadline=None, suppress_health_check=QUIET),
    "soak": settings(max_examples=1500, stateful_step_count=80, deadline=None, suppress_health_check=QUIET),
}
machine_settings = PROFILES["soak" if SOAK else "default"]

"""How long the machine of the ledger's tests runs: a few seconds, or `HYPOTHESIS_PROFILE=soak`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
PROFILES = {
    "default": settings(max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=QUIET),
    "soak": settings(max_examples=1500, stateful_step_count=80, deadline=None, suppress_health_check=QUIET),
}
machine_settings = PROFILES.get(os.environ.get("HYPOTHESIS_PROFILE", "default"), PROFILES["default"])

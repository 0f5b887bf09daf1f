"""Shortest first: the task that takes the least time is the next, and what waits counts for more and more.

A policy is told the time, and has none of its own: no clock, no chance, no files. What `configure` makes is all that it
keeps; two calls with the same arguments have the same answer.
"""

import json
import re

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports.types import Description, Place, TaskFacts

DEFAULTS = {"label": "estimate", "unknown": "1h", "weight": 10}
UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
DURATION = re.compile(r"([1-9][0-9]{0,5})([smhd])")


class Lifecycle(exports.Lifecycle):
    def describe(self) -> Description:
        summary = "Short tasks before long ones, by their labels `estimate:30m`; nothing starves"
        return Description("shortest-first", "0.1.0", summary, wants_near=False)

    def configure(self, config: str) -> None:
        """An `Err` with a string is what whoever configures it is told."""
        global prefix, unknown_ms, weight
        settings = json.loads(config)
        for name in settings:
            if name not in DEFAULTS:
                raise Err(f"there is no setting {name}; there are {', '.join(DEFAULTS)}")
        settings = DEFAULTS | settings
        label, unknown, weight = settings["label"], duration_ms(settings["unknown"]), settings["weight"]
        if not isinstance(label, str) or not label:
            raise Err('`label` says which label has the estimate, such as "estimate"')
        if unknown is None:
            raise Err('`unknown` is how long a task without an estimate may take, such as "45m" or "2h"')
        if type(weight) is not int or not 0 <= weight <= 1_000:
            raise Err("`weight` is how long a task waits for each minute that it takes, in minutes from 0 to 1000")
        prefix, unknown_ms = f"{label}:", unknown


class Ranking(exports.Ranking):
    def rank(self, tasks: list[TaskFacts], now_ms: int) -> list[Place]:
        """A key that time does not change: what was made earlier is ahead, and stays so, by as much as it is older."""
        return [Place(task.created_at_ms + weight * estimate_ms(task), "") for task in tasks]


def estimate_ms(task: TaskFacts) -> int:
    for label in task.labels:
        if label.startswith(prefix):
            return duration_ms(label[len(prefix) :]) or unknown_ms
    return unknown_ms


def duration_ms(text: object) -> int | None:
    found = DURATION.fullmatch(text) if isinstance(text, str) else None
    return int(found[1]) * UNIT_MS[found[2]] if found else None

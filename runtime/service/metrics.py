"""Counts and times of the service, as Prometheus reads them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
    """The figures of one application; each has its own registry, so several may live in one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._ended = Counter("satchel_runs", "Runs that ended.", ["status"], registry=self._registry)
        self._going = Gauge("satchel_runs_going", "Runs that are executed now.", registry=self._registry)
        self._seconds = Histogram("satchel_run_seconds", "Seconds of an execution.", registry=self._registry)
        self._followers = Gauge("satchel_streams", "Streams that are read now.", registry=self._registry)

    def begun(self) -> None:
        """An execution began."""
        self._going.inc()

    def ended(self, status: str, seconds: float) -> None:
        """An execution ended."""
        self._going.dec()
        self._ended.labels(status).inc()
        self._seconds.observe(seconds)

    def reading(self, change: int) -> None:
        """So many more streams are read."""
        self._followers.inc(change)

    def text(self) -> bytes:
        """All figures, in Prometheus' text format."""
        return generate_latest(self._registry)

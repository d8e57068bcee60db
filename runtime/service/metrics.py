"""Counts and times of the service, as Prometheus reads them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from satchel.memory.records import Usage
from satchel.runtime.events import About, Committed, Event, Listener, PromptSent, ReplyReceived, RunEnded

COMMITS = [0.0005 * 2**n for n in range(12)]
"""Buckets of the seconds of a commit, which is one round trip to the store."""

BUCKETS = ("fresh", "cache_read", "cache_write", "output", "reasoning")
"""The kinds of tokens, as a `Usage` has them."""


class Metrics:
    """The figures of one application; each has its own registry, so several may live in one process.

    Names follow https://prometheus.io/docs/practices/naming/. Tokens, dollars, folds and commits are those of agents;
    what a plain graph spends it tells nobody.
    """

    def __init__(self) -> None:
        self._registry = at = CollectorRegistry()
        self._ended = Counter("satchel_runs", "Runs that ended.", ["status"], registry=at)
        self._going = Gauge("satchel_runs_going", "Runs that are executed now.", registry=at)
        self._waiting = Gauge("satchel_runs_waiting", "Runs that are accepted and not ended, of all.", registry=at)
        self._seconds = Histogram("satchel_run_seconds", "Seconds of an execution.", registry=at)
        self._followers = Gauge("satchel_streams", "Streams that are read now.", registry=at)
        self._tokens = Counter("satchel_tokens", "Tokens of model calls.", ["model", "bucket"], registry=at)
        self._dollars = Counter("satchel_usd", "US dollars of model calls of known price.", ["model"], registry=at)
        self._folds = Counter("satchel_folds", "Model calls before which was folded.", registry=at)
        self._commits = Histogram(
            "satchel_store_commit_seconds", "Seconds of a commit to a log.", buckets=COMMITS, registry=at
        )

    def begun(self) -> None:
        """An execution begins."""
        self._going.inc()

    def ended(self, status: str, seconds: float) -> None:
        """An execution ended."""
        self._going.dec()
        self._ended.labels(status).inc()
        self._seconds.observe(seconds)

    def reading(self, change: int) -> None:
        """So many more streams are read."""
        self._followers.inc(change)

    def waiting(self, runs: int) -> None:
        """So many runs are accepted and have not ended."""
        self._waiting.set(runs)

    def agent(self, about: About) -> Listener:
        """A listener for the runs of an agent."""
        spent = about.spent

        def hear(event: Event | Committed) -> None:
            nonlocal spent
            if isinstance(event, Committed):
                self._commits.observe(event.seconds)
            elif isinstance(event, PromptSent) and event.folded:
                self._folds.inc()
            elif isinstance(event, (ReplyReceived, RunEnded)):
                now = event.usage if isinstance(event, ReplyReceived) else event.result.usage
                self._spend(about.model, spent, now)
                spent = now

        return hear

    def _spend(self, model: str, before: Usage, now: Usage) -> None:
        for bucket in BUCKETS:
            if more := getattr(now, bucket) - getattr(before, bucket):
                self._tokens.labels(model, bucket).inc(more)
        if now.usd is not None and before.usd is not None:
            self._dollars.labels(model).inc(now.usd - before.usd)

    def text(self) -> bytes:
        """All figures, in Prometheus' text format."""
        return generate_latest(self._registry)

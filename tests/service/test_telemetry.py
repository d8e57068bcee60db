"""What an operator gets: spans and metrics over OTLP/HTTP, the caller's trace, logs as JSON lines, and /metrics."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.servers import running
from tests.service.conftest import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
SECRET = "my password is hunter2"  # noqa: S105 - what must not be told


class Receiver:
    """A small OTLP/HTTP receiver: spans and names of metrics as they were sent."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.metrics: set[str] = set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.take(self.path, self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Nothing is told."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def take(self, path: str, body: bytes) -> None:
        if path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.spans += [span for scope in resource.scope_spans for span in scope.spans]
        elif path == "/v1/metrics":
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                self.metrics |= {metric.name for scope in resource.scope_metrics for metric in scope.metrics}

    def named(self, name: str) -> Any:
        found = [span for span in self.spans if span.name == name]
        assert found, (name, {span.name for span in self.spans})
        return found[0]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.mark.debian
def test_the_spans_of_a_run_hang_below_the_request_also_in_another_process(tmp_path: Path, receiver: Receiver) -> None:
    told = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_EXPORTER_OTLP_COMPRESSION": "none"}
    server = Server(tmp_path, "served:served", "--log-json", **told).start()
    try:
        with httpx.Client(base_url=server.url, headers={"traceparent": PARENT}) as http:
            thread = http.post("/threads", json={}).json()["thread_id"]
            body = {"assistant_id": "echo", "input": {"task": SECRET}, "after_seconds": 0.5}
            run = http.post(f"/threads/{thread}/runs", json=body).json()["run_id"]
            server.stop()
            first = server.said
            server.start()
            http.get(f"/threads/{thread}/runs/{run}/join", timeout=30)
            figures = http.get("/metrics").text
    finally:
        server.stop()
    request = receiver.named("POST /threads/{thread}/runs")
    execution, drive, chat = map(receiver.named, ("satchel.run", "invoke_agent echo", "chat echo"))
    assert {span.trace_id.hex() for span in (request, execution, drive, chat)} == {TRACE}
    assert request.parent_span_id.hex() == PARENT.split("-")[2]
    assert [span.parent_span_id for span in (execution, drive, chat)] == [
        request.span_id, execution.span_id, drive.span_id,
    ]  # fmt: skip
    assert {"gen_ai.client.token.usage", "http.server.request.duration", "satchel.run.duration"} <= receiver.metrics
    assert SECRET not in "".join(map(str, receiver.spans))
    lines = [json.loads(line) for line in (first + server.said).splitlines() if line.startswith("{")]
    ended = next(line for line in lines if line["message"] == "run ended")
    assert (ended["run_id"], ended["thread_id"], ended["tenant"]) == (run, thread, "default")
    assert (ended["trace_id"], ended["status"]) == (TRACE, "success")
    assert SECRET not in first + server.said
    for name in ('satchel_tokens_total{bucket="output",model="sim:echo"}', "satchel_store_commit_seconds_count"):
        assert float(figures.partition(name)[2].split()[0]) > 0
    assert "satchel_runs_waiting 0.0" in figures


@pytest.mark.parametrize("parent", ["", "00-0-0-01", f"00-{'0' * 32}-b7ad6b7169203331-01", PARENT + "\r\nx: y"])
def test_what_is_no_trace_is_not_carried(parent: str) -> None:
    from satchel.runtime.service.tracing import carried  # noqa: PLC0415 - beside its test

    assert carried({b"traceparent": parent.encode()}) == {}


@pytest.mark.debian
def test_readyz_says_why_and_healthz_lives_on_without_a_store(tmp_path: Path) -> None:
    with running(tmp_path / "redis") as store:
        server = Server(tmp_path, "served:served", SATCHEL_STORE=f"redis://127.0.0.1:{store.port}").start()
        try:
            with httpx.Client(base_url=server.url, timeout=60) as http:
                assert http.get("/readyz").json() == {"ready": True}
                store.kill()
                ready = http.get("/readyz")
                assert (ready.status_code, ready.json()["ready"]) == (503, False)
                assert f"127.0.0.1:{store.port}" in ready.json()["why"]
                assert http.get("/healthz").status_code == 200
                assert "satchel_runs_going 0.0" in http.get("/metrics").text
        finally:
            server.kill()

"""OpenTelemetry's SDK as the environment (`OTEL_...`) asks for it: spans and metrics over OTLP/HTTP, or nothing."""

from __future__ import annotations

import os

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from satchel.runtime.telemetry import Telemetry

CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""The switch for what was said, as OpenTelemetry's own instrumentations have it."""


def from_environment() -> Telemetry:
    """Telemetry over OTLP/HTTP; what is still to be sent is sent when the process ends."""
    resource = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", "satchel")})
    spans = TracerProvider(resource=resource)
    spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    meters = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())], resource)
    content = os.environ.get(CONTENT, "").lower() in {"true", "1"}
    return Telemetry(tracer_provider=spans, meter_provider=meters, content=content)

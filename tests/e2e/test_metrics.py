"""GET /metrics, read by Prometheus's own parser."""

import socket

import pytest
from prometheus_client.parser import text_string_to_metric_families

from service import running


def metrics(service):
    """{(name, labels in order): value}"""
    response = service.get("/metrics")
    assert response.status == 200
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(response.body.decode())
            for sample in family.samples}


@pytest.fixture(scope="module")
def own():
    """A service that nobody else's jobs are counted in."""
    with running() as created:
        yield created


def grown(before, after, name, **labels):
    key = (name, tuple(sorted(labels.items())))
    return after.get(key, 0) - before.get(key, 0)


def test_jobs_areCountedByTheirOutcome(own):
    before = metrics(own)
    own.run("print(1)")
    own.run("raise SystemExit(3)")
    own.run("while True: pass", timeout="200ms")
    cancelled = own.submit("import time; time.sleep(30)", timeout="40s")
    own.request("DELETE", f"/v1/execute/{cancelled}")
    own.wait(cancelled)
    after = metrics(own)
    for outcome in ("ok", "nonzero_exit", "time_limit"):
        assert grown(before, after, "sandbox_jobs_finished_total", language="python",
                     outcome=outcome) == 1, outcome
    assert grown(before, after, "sandbox_job_seconds_count", language="python", step="run") == 3
    assert 0.2 <= grown(before, after, "sandbox_job_seconds_sum", language="python", step="run") < 60
    assert after[("sandbox_jobs", (("status", "queued"),))] == 0
    assert after[("sandbox_store_up", ())] == 1


def test_requests_areCountedByRoute_notByPath(own):
    before = metrics(own)
    for number in range(20):
        own.get(f"/v1/execute/{number:022d}")
        own.get(f"/nothing/{number}")
        own.post({"language": f"made-up-{number}", "code": ""})
    after = metrics(own)
    assert grown(before, after, "sandbox_http_requests_total", route="/v1/execute/{id}",
                 status="404") == 20
    assert grown(before, after, "sandbox_http_requests_total", route="other", status="404") == 20
    assert grown(before, after, "sandbox_http_requests_total", route="/v1/execute",
                 status="422") == 20
    assert not [key for key in after if "made-up" in str(key) or "nothing" in str(key)]


def test_compileCache_tellsHitsFromMisses(own):
    before = metrics(own)
    code = "package main\n\nfunc main() { println(%d) }\n" % own.port
    own.run(code, "go")
    own.run(code, "go")
    after = metrics(own)
    assert grown(before, after, "sandbox_compile_cache_lookups_total", result="miss") == 1
    assert grown(before, after, "sandbox_compile_cache_lookups_total", result="hit") == 1
    assert grown(before, after, "sandbox_job_seconds_count", language="go", step="compile") == 1


@pytest.mark.parametrize("field", ["X-Forwarded-For", "Forwarded", "Via"])
def test_proxiedRequest_isNotFromHere(own, field):
    assert own.get("/metrics", headers={field: "127.0.0.1"}).status == 404


def test_otherAddressOfTheMachine_isNotFromHere():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            pytest.skip("the machine has no address but loopback")
        address = probe.getsockname()[0]
    for setting, status in (("local", 404), ("all", 200)):
        with running(HTTP_HOST="0.0.0.0", HTTP_METRICS=setting) as created:
            created.host = address
            assert created.get("/metrics").status == status
            created.host = "127.0.0.1"
            assert created.get("/metrics").status == 200

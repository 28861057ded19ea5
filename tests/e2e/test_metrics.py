"""GET /metrics, read by Prometheus's own parser."""

import socket

import pytest
from prometheus_client.parser import text_string_to_metric_families

from service import eventually, running


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


def test_pool_isSeenFromOutside(own):
    """Parked sandboxes, what jobs found, and what making them took."""
    def parked(kind):
        return metrics(own).get(("sandbox_pool", (("kind", kind), ("state", "parked"))), 0)

    eventually(lambda: parked("plain") > 0, what="parked plain sandboxes")
    own.run("print(1)")  # a warm program is on its way from now on at the latest
    eventually(lambda: parked("python") > 0, what="parked Python processes")
    before = metrics(own)
    jobs = 5
    for _ in range(jobs):
        own.run("print(1)")
    after = metrics(own)

    def claims(kind):
        return {found: grown(before, after, "sandbox_pool_claims_total", kind=kind, found=found)
                for found in ("parked", "building", "none")}

    assert sum(claims("python").values()) == jobs
    assert claims("python")["parked"] > 0
    # Only those that found no Python process look further.
    assert sum(claims("plain").values()) == claims("python")["none"]
    eventually(lambda: grown(before, metrics(own), "sandbox_pool_built_total", kind="python") > 0,
               what="a new one in the place of one that was used")
    after = metrics(own)
    for step in ("process", "view", "fork"):
        took = after[("sandbox_pool_build_seconds_total", (("kind", "python"), ("step", step)))]
        assert 0 < took < 60, step
    assert after[("sandbox_zygotes", (("kind", "python"),))] == 1
    assert after[("sandbox_zygotes_started_total", (("kind", "python"),))] >= 1
    built = after[("sandbox_pool_built_total", (("kind", "python"),))]
    assert after[("sandbox_zygote_forks_total", (("kind", "python"),))] >= built

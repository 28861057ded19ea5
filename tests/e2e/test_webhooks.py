"""Webhooks: clients are told of ended jobs, signed, more than once if need be, and never elsewhere."""

import base64
import hashlib
import hmac
import http.server
import json
import socket
import ssl
import subprocess
import threading

import pytest

from keys import Caller, new_secret
from service import CONTRACT, eventually, free_port, running
from test_redis import node, redis  # noqa: F401: fixtures

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
SLEEPER = "import time; print('up', flush=True); time.sleep(50)"


class Receiver:
    """An HTTP server that keeps what it is sent and answers what it is told to."""

    def __init__(self, port=None, tls=None):
        self.requests = []
        self.statuses = []  # of the next answers; then 204
        self.location = None
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.requests.append((self.path, headers, body))
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 204)
                if receiver.location:
                    self.send_header("Location", receiver.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port or free_port()), Handler)
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait(self, count=1, deadline=30):
        return eventually(lambda: len(self.requests) >= count and self.requests, deadline,
                          what="a webhook")

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver():
    created = Receiver()
    yield created
    created.close()


def webhook_environment(*ports, **more):
    return {"HTTP_WEBHOOKS": "all", "HTTP_WEBHOOK_PORTS": ",".join(map(str, ports)),
            "HTTP_WEBHOOK_PAUSE": "100ms", "HTTP_WEBHOOK_TIMEOUT": "2s", **more}


def submit(service, url, code="print('hello')", secret=SECRET, **members):
    return service.submit(code, webhook={"url": url, "secret": secret}, **members)


def signature(secret, headers, body):
    key = base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()
    text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()


def test_endOfAJob_isTold(start_service, receiver):
    service = start_service(**webhook_environment(receiver.port))
    job_id = submit(service, f"http://127.0.0.1:{receiver.port}/done?x=1")
    path, headers, body = receiver.wait()[0]
    assert path == "/done?x=1"
    assert headers["webhook-id"] == f"msg_{job_id}"
    assert headers["webhook-signature"] == signature(SECRET, headers, body)
    assert headers["host"] == f"127.0.0.1:{receiver.port}"
    message = json.loads(body)
    CONTRACT.check_webhook(message)
    assert message["data"] == service.job(job_id)
    assert message["data"]["result"]["stdout"] == "hello\n"
    assert SECRET not in json.dumps(service.job(job_id))


def test_cancelledJobsAndBatches_areTold(start_service, receiver):
    service = start_service(**webhook_environment(receiver.port, HTTP_WEBHOOK_SECRET="the service's own"))
    hook = {"webhook": {"url": f"http://127.0.0.1:{receiver.port}/"}}
    job_id = service.submit(SLEEPER, timeout="55s", **hook)
    assert service.request("DELETE", f"/v1/execute/{job_id}").status == 200
    _, headers, body = receiver.wait()[0]
    assert json.loads(body)["data"]["status"] == "cancelled"
    assert headers["webhook-signature"] == signature("the service's own", headers, body)
    service.request("POST", "/v1/batch", body={"jobs": [{"language": "python", "code": "", **hook}] * 3})
    assert len({headers["webhook-id"] for _, headers, _ in receiver.wait(4)}) == 4


def test_failures_areTriedAgain(start_service, receiver):
    receiver.statuses = [500, 503]
    service = start_service(**webhook_environment(receiver.port))
    submit(service, f"http://127.0.0.1:{receiver.port}/")
    requests = receiver.wait(3)
    assert len({headers["webhook-id"] for _, headers, _ in requests}) == 1
    for _, headers, body in requests:
        assert headers["webhook-signature"] == signature(SECRET, headers, body)
    eventually(lambda: 'sandbox_webhooks_total{outcome="told"} 1' in service.get("/metrics").body.decode())
    assert len(receiver.requests) == 3


def test_redirects_areNotFollowed(start_service, receiver):
    elsewhere = Receiver()
    receiver.statuses = [302, 307, 308]
    receiver.location = f"http://127.0.0.1:{elsewhere.port}/"
    service = start_service(**webhook_environment(receiver.port, elsewhere.port))
    submit(service, f"http://127.0.0.1:{receiver.port}/")
    receiver.wait(4)
    assert elsewhere.requests == []
    elsewhere.close()


def test_webhookThatNeverWorks_isGivenUp(start_service, receiver):
    receiver.statuses = [500] * 10
    service = start_service(**webhook_environment(receiver.port, HTTP_WEBHOOK_ATTEMPTS="3"))
    job_id = submit(service, f"http://127.0.0.1:{receiver.port}/secret-path")
    eventually(lambda: "a webhook is given up" in service.log())
    assert len(receiver.requests) == 3
    assert job_id in service.log()
    assert "secret-path" not in service.log()
    receiver.statuses = [410]
    submit(service, f"http://127.0.0.1:{receiver.port}/")
    receiver.wait(4)
    eventually(lambda: service.log().count("a webhook is given up") == 2)
    assert len(receiver.requests) == 4


@pytest.fixture(scope="module")
def public():
    with running(HTTP_WEBHOOKS="public") as service:
        yield service


@pytest.mark.parametrize("url", [
    "", "example.org", "file:///etc/passwd", "gopher://example.org:443/_x", "ftp://example.org/",
    "http://127.0.0.1/", "http://[::1]/", "http://0.0.0.0/", "http://169.254.169.254/latest/meta-data",
    "http://10.0.0.1/", "http://192.168.1.1/", "http://172.16.0.1/", "http://100.64.0.1/",
    "http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/", "http://127.1/", "http://0x7f.1/",
    "http://[::ffff:127.0.0.1]/", "http://[::ffff:8.8.8.8]/", "http://[fe80::1]/", "http://[fc00::1]/",
    "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/", "http://224.0.0.1/", "http://255.255.255.255/",
    "http://example.org@127.0.0.1/", "http://user:pass@example.org/", "http://example.org:6379/",
    "http://example.org/\r\nSET x y", "http://example.org /", "http://example.org#@127.0.0.1/",
    "http://example.org\\@127.0.0.1/", "http://a\u0000b/", "http://\u2460\u2461\u2466.0.0.1/",
    "http://" + "x" * 3000], ids=ascii)
def test_urlThatLeadsElsewhere_isRefused(public, url):
    refused = public.post({"language": "python", "code": "", "webhook": {"url": url, "secret": SECRET}})
    assert refused.status == 422
    assert refused.fields() == ["webhook.url"]


@pytest.mark.parametrize("webhook, field", [
    ({}, "webhook.url"), ([], "webhook"), ({"url": 1}, "webhook.url"),
    ({"url": "https://example.org/", "headers": {}}, "webhook.headers"),
    ({"url": "https://example.org/"}, "webhook.secret"),
    ({"url": "https://example.org/", "secret": "short"}, "webhook.secret"),
    ({"url": "https://example.org/", "secret": "whsec_not-base64-at-all"}, "webhook.secret"),
    ({"url": "https://example.org/", "secret": "x" * 257}, "webhook.secret")], ids=str)
def test_wrongMember_isNamed(public, webhook, field):
    refused = public.post({"language": "python", "code": "", "webhook": webhook})
    assert refused.status == 422
    assert field in refused.fields()


def test_nameOfALocalAddress_isBlockedAtTheConnection(start_service, receiver):
    service = start_service(HTTP_WEBHOOKS="public", HTTP_WEBHOOK_PORTS=str(receiver.port),
                            HTTP_WEBHOOK_ATTEMPTS="1")
    submit(service, f"http://localhost:{receiver.port}/")
    eventually(lambda: "it has no address that webhooks may go to" in service.log())
    assert receiver.requests == []


def test_webhooks_areOffUnlessOpened(service):
    refused = service.post({"language": "python", "code": "",
                            "webhook": {"url": "https://example.org/", "secret": SECRET}})
    assert refused.status == 422
    assert refused.fields() == ["webhook.url"]
    assert "HTTP_WEBHOOKS" in refused.json["errors"][0]["message"]


def test_whatIsDue_isKeptOverARestart(start_service):
    port = free_port()
    service = start_service(**webhook_environment(port, HTTP_WEBHOOK_ATTEMPTS="100"))
    job_id = submit(service, f"http://127.0.0.1:{port}/")
    service.wait(job_id)
    failed = 'sandbox_webhooks_total{outcome="failed"}'
    eventually(lambda: failed in service.get("/metrics").body.decode())
    service.terminate()
    service.start()
    receiver = Receiver(port)
    _, headers, _ = receiver.wait(deadline=90)[0]
    assert headers["webhook-id"] == f"msg_{job_id}"
    receiver.close()


def test_receiverThatNeverAnswers_holdsUpNobody(start_service, receiver):
    silent = socket.create_server(("127.0.0.1", 0), backlog=128)
    silent_port = silent.getsockname()[1]
    secrets = [new_secret(), new_secret()]
    service = start_service(HTTP_API_KEYS=f"a={secrets[0]},b={secrets[1]}", SANDBOX_SLOTS="2",
                            **webhook_environment(receiver.port, silent_port, HTTP_WEBHOOK_TIMEOUT="30s"))
    a, b = (Caller(service, secret) for secret in secrets)
    silent_hook = {"webhook": {"url": f"http://127.0.0.1:{silent_port}/", "secret": SECRET}}
    jobs = [{"language": "python", "code": "", **silent_hook}] * 40
    answer = a.request("POST", "/v1/batch", body={"jobs": jobs, "wait": "50s"})
    assert answer.status == 200
    submit(b, f"http://127.0.0.1:{receiver.port}/")
    receiver.wait(deadline=20)
    silent.close()


def test_largeResult_isLeftOut(start_service, receiver):
    service = start_service(**webhook_environment(receiver.port), SANDBOX_OUTPUT="2MiB")
    submit(service, f"http://127.0.0.1:{receiver.port}/", "print('x' * (1 << 20))")
    _, _, body = receiver.wait()[0]
    message = json.loads(body)
    CONTRACT.check_webhook(message)
    assert message["data"]["status"] == "completed"
    assert "result" not in message["data"]


def certificate(folder, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                    "-nodes", "-days", "1", "-subj", "/CN=test", "-addext", f"subjectAltName={name}",
                    "-keyout", folder / "key.pem", "-out", folder / "certificate.pem"],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


@pytest.mark.parametrize("name, trusted, told", [
    ("IP:127.0.0.1", True, True), ("DNS:localhost", True, False), ("IP:127.0.0.1", False, False)], ids=str)
def test_certificate_isChecked(start_service, tmp_path, name, trusted, told):
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    receiver = Receiver(tls=certificate(tmp_path, name))
    ca = {"HTTP_WEBHOOK_CA": str(tmp_path / "certificate.pem")} if trusted else {}
    service = start_service(**webhook_environment(receiver.port, HTTP_WEBHOOK_ATTEMPTS="1", **ca))
    submit(service, f"https://127.0.0.1:{receiver.port}/")
    outcome = "told" if told else "given_up"
    eventually(lambda: f'sandbox_webhooks_total{{outcome="{outcome}"}} 1'
               in service.get("/metrics").body.decode())
    assert len(receiver.requests) == (1 if told else 0)
    receiver.close()


def test_jobOfAnotherNode_isToldOnce(node, receiver):  # noqa: F811
    environment = webhook_environment(receiver.port)
    one, two = node("api", **environment), node("api", **environment)
    node("worker")
    ids = [submit(one, f"http://127.0.0.1:{receiver.port}/") for _ in range(5)]
    requests = receiver.wait(5)
    assert {headers["webhook-id"] for _, headers, _ in requests} == {f"msg_{i}" for i in ids}
    told = 'sandbox_webhooks_total{outcome="told"}'

    def count(service):
        lines = service.get("/metrics").body.decode().splitlines()
        return sum(int(float(line.split()[-1])) for line in lines if line.startswith(told))
    eventually(lambda: count(one) + count(two) == 5)
    assert len(receiver.requests) == 5

#include "http/server.h"

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "http/testing/server_test_base.h"

namespace http {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST_F(ServerTest, HealthTellsTheState) {
  Start();
  Client client(port_);
  const std::string response = client.Do(Get("/health"));
  EXPECT_THAT(response, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(
      response,
      HasSubstr(R"({"status":"ok","version":"1.2.3","isolation":"strong","not_limited":["time"],)"
                R"("quarantined":0,"store":"fake","backend":"native","role":"all","queued":0,)"
                R"("running":0,"languages":{"shell":"1.2.3"}})"));
  EXPECT_THAT(response, HasSubstr("X-Content-Type-Options: nosniff\r\n"));
  EXPECT_THAT(response, HasSubstr("Cache-Control: no-store\r\n"));
  EXPECT_THAT(response, HasSubstr("X-Request-Id: "));
  EXPECT_THAT(response, Not(HasSubstr("\r\nServer:")));
  EXPECT_THAT(client.Do(Get("/health/live")), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(client.Do(Get("/health/ready")), StartsWith("HTTP/1.1 200"));

  OnLoop([this] { store_.error = base::Error{base::ErrorKind::kUnavailable, "disk", 0}; });
  EXPECT_THAT(client.Do(Get("/health/live")), StartsWith("HTTP/1.1 200"));
  const std::string ready = client.Do(Get("/health/ready"));
  EXPECT_THAT(ready, StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(ready, HasSubstr("Retry-After: 1\r\n"));
  EXPECT_THAT(ready, HasSubstr("the job store is unavailable: disk"));
  OnLoop([this] { store_.error = base::Error{base::ErrorKind::kInternal, "secret", 0}; });
  EXPECT_THAT(client.Do(Get("/health")), Not(HasSubstr("secret")));
}

TEST_F(ServerTest, AWorkerServesNothingButHealth) {
  health_.role = "worker";
  Start();
  Client client(port_);
  for (const char* path : {"/health", "/health/live", "/health/ready"}) {
    EXPECT_THAT(client.Do(Get(path)), StartsWith("HTTP/1.1 200")) << path;
  }
  EXPECT_THAT(client.Do(Get("/health")), HasSubstr(R"("role":"worker")"));
  EXPECT_THAT(client.Do(Get("/v1/languages")), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(client.Do(Get(std::string("/v1/execute/") + kUnknownId)), StartsWith("HTTP/1.1 404"));
  const std::string refused = client.Do(Post(kHello));
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(refused, HasSubstr("this node is a worker"));
  OnLoop([this] { EXPECT_TRUE(store_.jobs.empty()); });
}

TEST_F(ServerTest, ListsLanguages) {
  Start();
  const std::string response = Client(port_).Do(Get("/v1/languages"));
  EXPECT_THAT(response, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(response, HasSubstr(R"({"id":"shell","name":"The shell","aliases":["shell1"],)"
                                  R"("available":true,"version":"1.2.3",)"));
  EXPECT_THAT(response, HasSubstr(R"("install":"apt-get install absent")"));
  EXPECT_THAT(response, HasSubstr(R"("available":false,"unavailable_reason":")"));
}

TEST_F(ServerTest, HeadIsGetWithoutBody) {
  Start();
  Client client(port_);
  client.Send("HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string head = client.Receive(true);
  EXPECT_THAT(head, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(head, Not(HasSubstr("Content-Length: 0\r\n")));
  EXPECT_TRUE(head.ends_with("\r\n\r\n"));
  EXPECT_THAT(client.Do(Get("/health")), StartsWith("HTTP/1.1 200"));
}

TEST_F(ServerTest, UnknownPathsMethodsAndParameters) {
  Start();
  Client client(port_);
  EXPECT_THAT(client.Do(Get("/nothing")), StartsWith("HTTP/1.1 404"));
  const std::string response = client.Do("DELETE /health HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(response, StartsWith("HTTP/1.1 405"));
  EXPECT_THAT(response, HasSubstr("Allow: GET, HEAD, OPTIONS\r\n"));
  const std::string query = client.Do(Get("/health?x=1"));
  EXPECT_THAT(query, StartsWith("HTTP/1.1 422"));
  EXPECT_THAT(query, HasSubstr(R"("field":"x")"));
  EXPECT_THAT(client.Do(Get("/health?x=%zz")), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(client.Do(Get("/%ff")), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(client.Do(Get("http://host/health/live")), StartsWith("HTTP/1.1 200"));
}

TEST_F(ServerTest, RequestIdIsEchoedWhenValid) {
  Start();
  Client client(port_);
  EXPECT_THAT(client.Do(Get("/health", "X-Request-Id: a.B_c-1\r\n")),
              HasSubstr("\r\nX-Request-Id: a.B_c-1\r\n"));
  const std::string bad = client.Do(Get("/nothing", "X-Request-Id: a b\r\n"));
  EXPECT_THAT(bad, Not(HasSubstr("a b")));
  EXPECT_THAT(client.Do(Get("/x", "X-Request-Id: " + std::string(65, 'a') + "\r\n")),
              Not(HasSubstr("aaaa")));
  const std::string problem = client.Do(Get("/nothing", "X-Request-Id: me\r\n"));
  EXPECT_THAT(problem, HasSubstr(R"("request_id":"me")"));
  EXPECT_THAT(problem, HasSubstr("Content-Type: application/problem+json\r\n"));
}

TEST_F(ServerTest, SubmitsAndReads) {
  Start();
  Client client(port_);
  const std::string response = client.Do(Post(R"({"language":"shell1","code":"x"})"));
  EXPECT_THAT(response, StartsWith("HTTP/1.1 202 Accepted\r\n"));
  EXPECT_THAT(response, HasSubstr(R"("status":"queued")"));
  const std::string id = OnLoop([this] { return store_.jobs.begin()->first; });
  EXPECT_THAT(response, HasSubstr("\r\nLocation: /v1/execute/" + id + "\r\n"));
  EXPECT_EQ(OnLoop([this, id] { return store_.jobs[id].submission.language; }), "shell");
  EXPECT_EQ(OnLoop([this, id] { return store_.jobs[id].submission.code; }), "x");
  EXPECT_THAT(client.Do(Get("/v1/execute/" + id)), HasSubstr(R"("status":"queued")"));
  EXPECT_THAT(client.Do(Get(std::string("/v1/execute/") + kUnknownId)), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(client.Do(Get("/v1/execute/short")), StartsWith("HTTP/1.1 404"));
}

TEST_F(ServerTest, RefusesWrongSubmissions) {
  service_options_.max_code_bytes = 10;
  service_options_.max_stdin_bytes = 10;
  Start();
  Client client(port_);
  EXPECT_THAT(client.Do(Post("{")), StartsWith("HTTP/1.1 400"));
  const auto refused = [&client](std::string_view body, std::string_view field,
                                 std::string_view message) {
    const std::string response = client.Do(Post(body));
    EXPECT_THAT(response, StartsWith("HTTP/1.1 422")) << body;
    EXPECT_THAT(response, HasSubstr(R"("field":")" + std::string(field))) << body;
    EXPECT_THAT(response, HasSubstr(std::string(message))) << body;
  };
  refused(R"({"language":"cobol","code":"x"})", "language", "must be one of: shell");
  refused(R"({"language":"absent","code":"x"})", "language", "apt-get install absent");
  refused(R"({"language":"shell","code":"x","timeout":"61s"})", "timeout", "at most 1m0s");
  refused(R"({"language":"shell","code":"x","wait":"61s"})", "wait", "at most 1m0s");
  refused(R"({"language":"shell","code":"0123456789a"})", "code", "at most 10 bytes");
  refused(R"({"language":"shell","code":"x","stdin":"0123456789a"})", "stdin", "at most 10 bytes");
  EXPECT_TRUE(OnLoop([this] { return store_.jobs.empty(); }));
}

TEST_F(ServerTest, StoreErrorsBecomeStatuses) {
  Start();
  Client client(port_);
  OnLoop([this] { store_.error = base::Error{base::ErrorKind::kExhausted, "full", 0}; });
  const std::string full = client.Do(Post(kHello));
  EXPECT_THAT(full, StartsWith("HTTP/1.1 429"));
  EXPECT_THAT(full, HasSubstr("Retry-After: 1\r\n"));
  OnLoop([this] { store_.error = base::Error{base::ErrorKind::kUnavailable, "disk", 0}; });
  const std::string away = client.Do(Post(kHello));
  EXPECT_THAT(away, StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(away, HasSubstr("Retry-After: 1\r\n"));
  OnLoop([this] { store_.error = base::Error{base::ErrorKind::kInternal, "secret", 0}; });
  const std::string internal = client.Do(Post(kHello));
  EXPECT_THAT(internal, StartsWith("HTTP/1.1 500"));
  EXPECT_THAT(internal, Not(HasSubstr("secret")));
}

TEST_F(ServerTest, ContentTypeMustBeJson) {
  Start();
  Client client(port_);
  const auto post = [&client](std::string_view headers) {
    return client.Do("POST /v1/execute HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n" +
                     std::string(headers) + "\r\n{}");
  };
  EXPECT_THAT(post("Content-Type: text/plain\r\n"), StartsWith("HTTP/1.1 415"));
  EXPECT_THAT(post(""), StartsWith("HTTP/1.1 415"));
  EXPECT_THAT(post("Content-Type: application/json; charset=latin1\r\n"),
              StartsWith("HTTP/1.1 415"));
  EXPECT_THAT(post("Content-Type: application/json\r\nContent-Type: text/plain\r\n"),
              StartsWith("HTTP/1.1 415"));
  EXPECT_THAT(post("Content-Type: application/json\r\nContent-Encoding: gzip\r\n"),
              StartsWith("HTTP/1.1 415"));
  EXPECT_THAT(post("Content-Type: Application/JSON ; charset=UTF-8\r\n"),
              StartsWith("HTTP/1.1 422"));
}

TEST_F(ServerTest, ConnectionsBeyondTheCapWaitForTheirTurn) {
  options_.max_connections = 2;
  Start();
  Client first(port_);
  Client second(port_);
  EXPECT_THAT(first.Do(Get("/health/live")), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(second.Do(Get("/health/live")), StartsWith("HTTP/1.1 200"));
  Client third(port_);
  third.Send(Get("/health/live"));
  EXPECT_THAT(first.Do(Get("/health/live")), StartsWith("HTTP/1.1 200"));
  EXPECT_TRUE(third.Silent());
  second.Close();
  EXPECT_THAT(third.Receive(), StartsWith("HTTP/1.1 200"));
}

TEST_F(ServerTest, OneClientCannotHaveAllConnections) {
  options_.host = "::";
  options_.max_connections = 4;
  Start();
  std::vector<std::unique_ptr<Client>> greedy;
  for (int i = 0; i < 3; ++i) {
    greedy.push_back(std::make_unique<Client>(port_));
    EXPECT_THAT(greedy.back()->Do(Get("/health/live")), StartsWith("HTTP/1.1 200"));
  }
  EXPECT_TRUE(Client(port_).ServerCloses());
  Client other(port_, true);
  EXPECT_THAT(other.Do(Get("/health/live")), StartsWith("HTTP/1.1 200"));
  // What it closes it may open again.
  greedy.pop_back();
  const base::Nanos deadline = base::MonotonicNow() + 5 * base::kSecond;
  while (!Client(port_).Do(Get("/health/live")).starts_with("HTTP/1.1 200")) {
    ASSERT_LT(base::MonotonicNow(), deadline);
  }
}

TEST_F(ServerTest, RunningOutOfDescriptorsDelaysButDoesNotEndAccepting) {
  Start();
  ASSERT_THAT(Client(port_).Do(Get("/health/live")), StartsWith("HTTP/1.1 200"));
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &old), 0);
  Client client(port_);
  ASSERT_THAT(client.Do(Get("/health/live")), StartsWith("HTTP/1.1 200"));
  Client next(port_);  // may be accepted before the limit falls: then it just works
  rlimit none = old;
  none.rlim_cur = 3;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  EXPECT_THAT(client.Do(Get("/health/live")), StartsWith("HTTP/1.1 200"));
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &old), 0);
  EXPECT_THAT(next.Do(Get("/health/live")), StartsWith("HTTP/1.1 200"));
}

TEST_F(ServerTest, StopLetsRequestsFinishAndWakesWaits) {
  Start();
  const std::string id = AddJob();
  Client idle(port_);
  EXPECT_THAT(idle.Do(Get("/health/live")), StartsWith("HTTP/1.1 200"));
  Client waiting(port_);
  waiting.Send(Get("/v1/execute/" + id + "?wait=50s"));
  Client submitting(port_);
  submitting.Send(Post(R"({"language":"shell","code":"x","wait":"50s"})"));
  Client sending(port_);
  const std::string request = Post(kHello);
  sending.Send(request.substr(0, 30));
  ASSERT_TRUE(Eventually([this] { return store_.live_watches() == 2; }));

  std::promise<void> closed;
  OnLoop([this, &closed] { server_->Stop(20 * base::kSecond, [&closed] { closed.set_value(); }); });
  EXPECT_TRUE(idle.ServerCloses());
  const std::string waited = waiting.Receive();
  EXPECT_THAT(waited, HasSubstr(R"("status":"queued")"));
  EXPECT_THAT(waited, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(submitting.Receive(), StartsWith("HTTP/1.1 202"));
  EXPECT_THAT(sending.Do(request.substr(30)), StartsWith("HTTP/1.1 202"));
  EXPECT_EQ(closed.get_future().wait_for(std::chrono::seconds(5)), std::future_status::ready);
}

TEST_F(ServerTest, StopEndsAtItsDeadline) {
  Start();
  Client sending(port_);
  sending.Send("GET /health");
  EXPECT_THAT(Client(port_).Do(Get("/health/live")), StartsWith("HTTP/1.1 200"));
  std::promise<void> closed;
  OnLoop([this, &closed] {
    server_->Stop(50 * base::kMillisecond, [&closed] { closed.set_value(); });
  });
  EXPECT_EQ(closed.get_future().wait_for(std::chrono::seconds(3)), std::future_status::ready);
  EXPECT_TRUE(sending.ServerCloses());
}

TEST_F(ServerTest, DestroyingTheServerLetsGoOfTheStore) {
  Start();
  const std::string id = AddJob();
  Client waiting(port_);
  waiting.Send(Get("/v1/execute/" + id + "?wait=50s"));
  ASSERT_TRUE(Eventually([this] { return store_.live_watches() == 1; }));
  OnLoop([this] { server_.reset(); });
  EXPECT_EQ(OnLoop([this] { return store_.live_watches(); }), 0U);
  EXPECT_TRUE(waiting.ServerCloses());
}

TEST_F(ServerTest, ListensOnNamesAndIpv6) {
  options_.host = "localhost";
  Start();
  EXPECT_THAT(Client(port_).Do(Get("/health/live")), StartsWith("HTTP/1.1 200"));
  options_.port = port_;
  Server second(loop_, options_, {}, *service_);
  const base::Result<uint16_t> taken = second.Listen();
  ASSERT_FALSE(taken);
  EXPECT_THAT(taken.error().message, HasSubstr("in use"));
  options_.host = "no such host";
  Server third(loop_, options_, {}, *service_);
  EXPECT_FALSE(third.Listen());
}

TEST_F(ServerTest, ListensOnIpv6) {
  const base::UniqueFd probe(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  if (::bind(probe.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    GTEST_SKIP() << "this machine has no IPv6";
  }
  options_.host = "[::1]";
  Start();
  EXPECT_THAT(Client(port_, true).Do(Get("/health/live")), StartsWith("HTTP/1.1 200"));
}

}  // namespace
}  // namespace http

// Messages and connections: what is refused, what is bounded, when the connection ends.

#include "http/testing/server_test_base.h"

namespace http {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST_F(ServerTest, BodyTooLargeIsRefusedBeforeItIsRead) {
  options_.max_body_bytes = 100'000;
  Start();
  Client announced(port_);
  const std::string response = announced.Do(
      "POST /v1/execute HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
      "Content-Length: 100001\r\nX-Request-Id: mine\r\n\r\n");
  EXPECT_THAT(response, StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(response, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(response, HasSubstr("X-Request-Id: mine\r\n"));
  EXPECT_TRUE(announced.ServerCloses());

  Client chunked(port_);
  chunked.Send(
      "POST /v1/execute HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
      "Transfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 20; ++i) {
    chunked.Send("2710\r\n" + std::string(10'000, ' ') + "\r\n");
  }
  EXPECT_THAT(chunked.Receive(), StartsWith("HTTP/1.1 413"));

  Client get(port_);
  EXPECT_THAT(get.Do(Get("/health", "Content-Length: 70000\r\n")), StartsWith("HTTP/1.1 413"));
  EXPECT_TRUE(get.ServerCloses());
}

TEST_F(ServerTest, ChunkedBodiesWork) {
  Start();
  Client client(port_);
  const std::string request =
      "POST /v1/execute HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
      "Transfer-Encoding: chunked\r\n\r\n5;x=y\r\n{\"lan\r\n20\r\nguage\":\"shell\",\"code\":"
      "\"echo hi\"}\r\n0\r\nX-Request-Id: trailer\r\n\r\n";
  const std::string response = client.Do(request);
  EXPECT_THAT(response, StartsWith("HTTP/1.1 202")) << response;
  EXPECT_THAT(response, Not(HasSubstr("trailer")));
  EXPECT_THAT(client.Do(Get("/health/live")), StartsWith("HTTP/1.1 200"));
}

TEST_F(ServerTest, FoldedFieldsAreRefusedAndNothingBehindThemIsRead) {
  Start();
  for (const std::string fold :
       {"X-A: a\r\n b\r\n", "X-A: a\r\n\tTransfer-Encoding: chunked\r\n"}) {
    Client client(port_);
    client.Send(Get("/health", fold) + Get("/health"));
    EXPECT_THAT(client.Receive(), HasSubstr(" 400 "));
    EXPECT_TRUE(client.ServerCloses());
  }
  // A body may begin with a blank.
  Client client(port_);
  EXPECT_THAT(client.Do(Post(" " + std::string(kHello))), HasSubstr(" 202 "));
}

TEST_F(ServerTest, LargeBodiesUnderWayAreBoundedForOneClient) {
  options_.max_body_bytes = 128 << 10;
  options_.max_held_bytes = 512 << 10;
  Start();
  const std::string whole = Post(std::string(127 << 10, ' '));
  const std::string most = whole.substr(0, whole.size() - 1);
  Client first(port_);
  Client second(port_);
  first.Send(most);
  second.Send(most);
  ASSERT_TRUE(Eventually([this] { return server_->held_bytes() > 252 << 10; }));
  Client third(port_);
  EXPECT_THAT(third.Do(whole), AllOf(HasSubstr(" 503 "), HasSubstr("Retry-After: 1")));
  EXPECT_TRUE(third.ServerCloses());
  // Who asks for little is served, and what is done is room again.
  Client small(port_);
  EXPECT_THAT(small.Do(Post(kHello)), HasSubstr(" 202 "));
  EXPECT_THAT(first.Do(" "), HasSubstr(" 400 "));
  Client fourth(port_);
  EXPECT_THAT(fourth.Do(whole), HasSubstr(" 400 "));
}

TEST_F(ServerTest, ExpectContinueIsAnsweredOnlyWhenTheBodyIsWanted) {
  Start();
  Client client(port_);
  const std::string headers =
      "Content-Length: " + std::to_string(kHello.size()) + "\r\nExpect: 100-continue\r\n\r\n";
  client.Send("POST /v1/execute HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" +
              headers);
  EXPECT_EQ(client.Receive(), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_THAT(client.Do(kHello), StartsWith("HTTP/1.1 202"));

  client.Send("POST /v1/execute HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n" + headers);
  EXPECT_THAT(client.Receive(), StartsWith("HTTP/1.1 415"));
  EXPECT_TRUE(client.ServerCloses());

  EXPECT_THAT(Client(port_).Do(Post(kHello, "Expect: magic\r\n")), StartsWith("HTTP/1.1 417"));
}

TEST_F(ServerTest, HeadersAreBounded) {
  Start();
  Client large(port_);
  EXPECT_THAT(large.Do(Get("/health", "A: " + std::string(17'000, 'a') + "\r\n")),
              StartsWith("HTTP/1.1 431"));
  EXPECT_TRUE(large.ServerCloses());
  Client huge(port_);
  huge.Send("GET /" + std::string(500'000, 'a'));
  EXPECT_THAT(huge.Receive(), StartsWith("HTTP/1.1 431"));
  std::string fields;
  for (int i = 0; i < 99; ++i) {
    fields += "A: b\r\n";
  }
  Client many(port_);
  EXPECT_THAT(many.Do(Get("/health", fields)), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(many.Do(Get("/health", fields + "A: b\r\n")), StartsWith("HTTP/1.1 431"));
  EXPECT_TRUE(many.ServerCloses());
}

// Everything that two servers could read differently ends the connection, so that nothing is
// taken for the next request.
TEST_F(ServerTest, AmbiguousFramingIsRefused) {
  Start();
  const std::string start =
      "POST /v1/execute HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
  const std::string smuggled = "0\r\n\r\n" + Get("/health");
  const std::vector<std::pair<std::string, std::string>> cases = {
      {start + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + smuggled, "400"},
      {start + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n" + smuggled, "400"},
      {start + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + smuggled, "400"},
      {start + "Content-Length: 5\r\nContent-Length: 5\r\n\r\n" + smuggled, "400"},
      {start + "Content-Length: 5, 5\r\n\r\n" + smuggled, "400"},
      {start + "Content-Length: +5\r\n\r\n" + smuggled, "400"},
      {start + "Content-Length: -5\r\n\r\n" + smuggled, "400"},
      {start + "Content-Length: 0x5\r\n\r\n" + smuggled, "400"},
      {start + "Content-Length: \r\n\r\n" + smuggled, "400"},
      {start + "Content-Length: 99999999999999999999\r\n\r\n" + smuggled, "400"},
      {start + "Content-Length : 5\r\n\r\n" + smuggled, "400"},
      {start + "Transfer-Encoding: identity\r\n\r\n" + smuggled, "501"},
      {start + "Transfer-Encoding: gzip, chunked\r\n\r\n" + smuggled, "501"},
      {start + "Transfer-Encoding: chunked, identity\r\n\r\n" + smuggled, "501"},
      {start + "Transfer-Encoding: xchunked\r\n\r\n" + smuggled, "501"},
      {start + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + smuggled,
       "400"},
      {start + "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n" + smuggled,
       "400"},
      {start + "Transfer-Encoding\x0b: chunked\r\n\r\n" + smuggled, "400"},
      {start + "Transfer-Encoding: chunked\r\n\r\nzz\r\n" + smuggled, "400"},
      {start + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + smuggled, "400"},
      {"POST /v1/execute HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + smuggled, "400"},
      {"GET /health HTTP/1.1\r\n\r\n" + smuggled, "400"},
      {"GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + smuggled, "400"},
      {"GET /health HTTP/1.1\nHost: x\n\n" + smuggled, "400"},
      {"GET /health HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n" + smuggled, "400"},
      {"GET /hea lth HTTP/1.1\r\nHost: x\r\n\r\n" + smuggled, "400"},
      {"GET /health HTTP/2.0\r\nHost: x\r\n\r\n" + smuggled, "400"},
      {std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11) + smuggled, "400"},
  };
  for (const auto& [request, status] : cases) {
    Client client(port_);
    client.Send(request);
    client.FinishSending();
    const std::string response = client.Receive();
    EXPECT_THAT(response, StartsWith("HTTP/1.1 " + status)) << request;
    EXPECT_THAT(response, HasSubstr("Connection: close\r\n")) << request;
    EXPECT_TRUE(client.ServerCloses()) << request;
  }
}

TEST_F(ServerTest, KeepAliveFollowsVersionAndHeader) {
  Start();
  Client client(port_);
  for (int i = 0; i < 3; ++i) {
    const std::string response = client.Do(Get("/health/live"));
    EXPECT_THAT(response, StartsWith("HTTP/1.1 200"));
    EXPECT_THAT(response, Not(HasSubstr("Connection:")));
  }
  EXPECT_THAT(client.Do(Get("/health/live", "Connection: close\r\n")),
              HasSubstr("Connection: close\r\n"));
  EXPECT_TRUE(client.ServerCloses());

  Client old(port_);
  EXPECT_THAT(old.Do("GET /health/live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
              HasSubstr("Connection: keep-alive\r\n"));
  EXPECT_THAT(old.Do("GET /health/live HTTP/1.0\r\n\r\n"), HasSubstr("Connection: close\r\n"));
  EXPECT_TRUE(old.ServerCloses());
}

TEST_F(ServerTest, PipelinedRequestsAreAnsweredInOrder) {
  Start();
  const std::string id = AddJob();
  WhenWatched([this, id] { store_.SetStatus(id, job::Status::kCompleted); });
  Client client(port_);
  client.Send(Get("/v1/execute/" + id + "?wait=20s") + Get("/nothing") + Post(kHello) +
              Get("/health/live") + Post("{") + Get("/health", "Connection: close\r\n"));
  EXPECT_THAT(client.Receive(), HasSubstr(R"("status":"completed")"));
  EXPECT_THAT(client.Receive(), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(client.Receive(), StartsWith("HTTP/1.1 202"));
  EXPECT_THAT(client.Receive(), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(client.Receive(), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(client.Receive(), HasSubstr("isolation"));
  EXPECT_TRUE(client.ServerCloses());
}

TEST_F(ServerTest, SlowRequestsAndIdleConnectionsAreClosed) {
  options_.read_timeout = 50 * base::kMillisecond;
  Start();
  Client idle(port_);
  Client slow_header(port_);
  slow_header.Send("GET /health HTT");
  Client slow_body(port_);
  slow_body.Send(Post(kHello).substr(0, 120));
  EXPECT_TRUE(idle.ServerCloses());
  EXPECT_TRUE(slow_header.ServerCloses());
  EXPECT_TRUE(slow_body.ServerCloses());
  Client kept(port_);
  EXPECT_THAT(kept.Do(Get("/health/live")), StartsWith("HTTP/1.1 200"));
  EXPECT_TRUE(kept.ServerCloses());
}

TEST_F(ServerTest, ATrickleDoesNotExtendTheDeadline) {
  options_.read_timeout = 100 * base::kMillisecond;
  Start();
  Client client(port_);
  const base::Nanos start = base::MonotonicNow();
  // Each byte comes well within the timeout; the whole would take far longer.
  for (const char c : std::string("GET /") + std::string(200, 'a')) {
    client.Send(std::string(1, c));
    if (client.Readable(20)) {
      break;
    }
  }
  EXPECT_TRUE(client.ServerCloses());
  EXPECT_LT(base::MonotonicNow() - start, 2 * base::kSecond);
}

TEST_F(ServerTest, AClientThatDoesNotReadIsClosed) {
  options_.write_timeout = 100 * base::kMillisecond;
  options_.max_connections = 1;
  Start();
  const std::string id = AddJob(job::Status::kCompleted);
  OnLoop([this, id] { store_.jobs[id].result->stdout_data = std::string(32 << 20, 'x'); });
  Client client(port_, false, 4096);
  client.Send(Get("/v1/execute/" + id));
  // The only place is free again when the server has closed the first connection.
  EXPECT_THAT(Client(port_).Do(Get("/health/live")), StartsWith("HTTP/1.1 200"));
  EXPECT_LT(client.Receive().size(), 32U << 20);
}

}  // namespace
}  // namespace http

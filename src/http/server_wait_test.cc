// Requests that wait for a job.

#include "http/testing/server_test_base.h"

namespace http {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST_F(ServerTest, WaitReturnsWhenTheJobIsFinal) {
  options_.write_timeout = 50 * base::kMillisecond;  // must not count the wait
  options_.read_timeout = 50 * base::kMillisecond;
  Start();
  const std::string id = AddJob();
  WhenWatched([this, id] {
    store_.SetStatus(id, job::Status::kRunning);
    PostOnLoop([this, id] { store_.SetStatus(id, job::Status::kCompleted); });
  });
  Client client(port_);
  EXPECT_THAT(client.Do(Get("/v1/execute/" + id + "?wait=20s")), HasSubstr("completed"));
  EXPECT_EQ(OnLoop([this] { return store_.live_watches(); }), 0U);
}

TEST_F(ServerTest, WaitReturnsTheJobAsItStandsWhenTheTimeIsOver) {
  options_.write_timeout = 50 * base::kMillisecond;
  options_.read_timeout = 50 * base::kMillisecond;
  Start();
  const std::string id = AddJob();
  Client client(port_);
  const base::Nanos start = base::MonotonicNow();
  EXPECT_THAT(client.Do(Get("/v1/execute/" + id + "?wait=150ms")), HasSubstr("queued"));
  EXPECT_GE(base::MonotonicNow() - start, 150 * base::kMillisecond);
  EXPECT_EQ(OnLoop([this] { return store_.live_watches(); }), 0U);
  EXPECT_THAT(client.Do(Get("/v1/execute/" + id + "?wait=0")), HasSubstr("queued"));
}

TEST_F(ServerTest, WaitIsValidated) {
  Start();
  const std::string id = AddJob();
  Client client(port_);
  for (const char* wait : {"wait=61s", "wait=5", "wait=-1s", "wait=", "wait", "wait=1s&wait=1s"}) {
    const std::string response = client.Do(Get("/v1/execute/" + id + "?" + wait));
    EXPECT_THAT(response, StartsWith("HTTP/1.1 422")) << wait;
    EXPECT_THAT(response, HasSubstr(R"("field":"wait")")) << wait;
  }
  EXPECT_THAT(client.Do(Get("/v1/execute/short?wait=5s")), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(client.Do(Get(std::string("/v1/execute/") + kUnknownId + "?wait=5s")),
              StartsWith("HTTP/1.1 404"));
}

TEST_F(ServerTest, SubmitCanWait) {
  Start();
  WhenWatched([this] { store_.SetStatus(store_.jobs.begin()->first, job::Status::kCompleted); });
  Client client(port_);
  const std::string done = client.Do(Post(R"({"language":"shell","code":"x","wait":"20s"})"));
  EXPECT_THAT(done, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(done, HasSubstr(R"("stdout":"done")"));
  EXPECT_THAT(done, HasSubstr("Location: /v1/execute/"));
  EXPECT_FALSE(store_.durable) << "it costs one durable write, that of its outcome";
  const std::string later = client.Do(Post(R"({"language":"shell","code":"x","wait":"20ms"})"));
  EXPECT_THAT(later, StartsWith("HTTP/1.1 202"));
  EXPECT_THAT(later, HasSubstr(R"("status":"queued")"));
}

TEST_F(ServerTest, WhoWaitsGetsAnEndedJobOfThisNodeWithoutReadingIt) {
  Start();
  const std::string id = AddJob();  // queued, as far as the store tells
  Client client(port_);
  WhenWatched([this, id] {
    auto job = std::make_shared<job::Job>();
    job->id = id;
    job->status = job::Status::kFailed;
    job->error = "ended here";
    service_->OnEnd(job);
  });
  const std::string told = client.Do(Get("/v1/execute/" + id + "?wait=20s"));
  EXPECT_THAT(told, HasSubstr(R"("status":"failed")"));
  EXPECT_THAT(told, HasSubstr("ended here"));
  EXPECT_THAT(client.Do(Get("/v1/execute/" + id)), HasSubstr(R"("status":"queued")"));
  EXPECT_EQ(OnLoop([this] { return store_.live_watches(); }), 0U);
}

// The outcome of the fake store is not durable: what is, is seen here.
TEST_F(ServerTest, AnIdIsGivenOutWithoutOutcomeOnlyWhenTheJobIsDurable) {
  Start();
  Client client(port_);
  EXPECT_THAT(client.Do(Post(kHello)), StartsWith("HTTP/1.1 202"));
  EXPECT_TRUE(store_.durable);
  for (const char* body : {R"({"language":"shell","code":"x","wait":"20ms"})",
                           R"({"jobs":[{"language":"shell","code":"x"}],"wait":"20ms"})"}) {
    const std::string_view path = body[2] == 'j' ? "/v1/batch" : "/v1/execute";
    store_.durable = true;
    store_.sync_error.reset();
    EXPECT_THAT(client.Do(Post(body, "", path)), StartsWith("HTTP/1.1 202")) << body;
    EXPECT_TRUE(store_.durable) << body;
    store_.sync_error = base::Error{base::ErrorKind::kUnavailable, "disk full", 0};
    const std::string refused = client.Do(Post(body, "", path));
    EXPECT_THAT(refused, StartsWith("HTTP/1.1 503")) << body;
    EXPECT_FALSE(store_.durable) << body;
    EXPECT_THAT(refused, Not(HasSubstr(R"("id":)"))) << body;
  }
}

TEST_F(ServerTest, AClientThatLeavesEndsItsWait) {
  Start();
  const std::string id = AddJob();
  for (const bool abort : {false, true}) {
    Client client(port_);
    // What is pipelined behind the wait must not hide that the client leaves.
    client.Send(Get("/v1/execute/" + id + "?wait=50s") + Get("/health/live"));
    ASSERT_TRUE(Eventually([this] { return store_.live_watches() == 1; }));
    abort ? client.Abort() : client.Close();
    EXPECT_TRUE(Eventually([this] { return store_.live_watches() == 0; }));
  }
}

}  // namespace
}  // namespace http

#include "http/server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <optional>
#include <thread>
#include <type_traits>

#include "base/unique_fd.h"

namespace http {
namespace {

namespace asio = boost::asio;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr const char* kUnknownId = "AAAAAAAAAAAAAAAAAAAAAA";

// Keeps jobs in a map on the loop's thread; `error` makes every call fail.
class FakeStore final : public job::Store {
 public:
  explicit FakeStore(asio::io_context& loop) : loop_(loop) {}

  void Submit(job::Job job, job::Durability durability, Callback<void> done) override {
    base::Result<void> result;
    if (error) {
      result = *error;
    } else {
      jobs[job.id] = job;
      durable = durable && durability == job::Durability::kAtOnce;
    }
    asio::post(loop_, [done, result] { done(result); });
  }

  void Sync(Callback<void> done) override {
    base::Result<void> result;
    if (sync_error) {
      result = *sync_error;
    } else {
      durable = true;
    }
    asio::post(loop_, [done, result] { done(result); });
  }

  void Get(std::string id, Callback<job::Job> done) override {
    base::Result<job::Job> result = base::Error{base::ErrorKind::kNotFound, "no job", 0};
    if (error) {
      result = *error;
    } else if (const auto it = jobs.find(id); it != jobs.end()) {
      result = it->second;
    }
    asio::post(loop_, [done, result] { done(result); });
  }

  void Stats(Callback<job::StoreStats> done) override {
    base::Result<job::StoreStats> result = job::StoreStats{static_cast<int64_t>(jobs.size()), 0};
    if (error) {
      result = *error;
    }
    asio::post(loop_, [done, result] { done(result); });
  }

  WatchHandle Watch(std::string id, Watched, std::function<void()> changed) override {
    auto handle = std::make_shared<std::function<void()>>(std::move(changed));
    watches.emplace(std::move(id), handle);
    if (const auto once = std::exchange(on_watch, nullptr)) {
      once();
    }
    return handle;
  }

  void SetStatus(const std::string& id, job::Status status) {
    jobs[id].status = status;
    if (status == job::Status::kCompleted) {
      jobs[id].result = job::Result{};
      jobs[id].result->stdout_data = "done";
    }
    const auto [begin, end] = watches.equal_range(id);
    for (auto it = begin; it != end; ++it) {
      if (const auto changed = it->second.lock()) {
        (*changed)();
      }
    }
  }

  size_t live_watches() const {
    size_t n = 0;
    for (const auto& [id, watch] : watches) {
      n += watch.expired() ? 0U : 1U;
    }
    return n;
  }

  void LeaseJobs(std::string, int, Callback<std::vector<job::Lease>>) override {}

  void Begin(std::string, job::Job, Callback<job::Lease>) override {}

  void Renew(std::string, uint64_t, Callback<void>) override {}

  void Finish(std::string, uint64_t, job::Outcome, Callback<void>) override {}

  void Release(std::string, uint64_t, Callback<void>) override {}

  void List(job::ListQuery, Callback<job::ListPage>) override {}

  void Cancel(std::string, Callback<job::Job>) override {}

  void OnCancel(std::function<void(std::string)>) override {}

  void Publish(std::string, job::OutputChunk) override {}

  void PublishUsage(std::string, uint64_t, sandbox::LiveUsage) override {}

  WatchHandle WatchUsage(std::string, UsageListener) override { return nullptr; }

  WatchHandle WatchOutput(std::string, job::OutputPosition, OutputListener) override {
    return nullptr;
  }

  void Recover(Callback<int64_t>) override {}

  void Sweep(Callback<void>) override {}

  void OnQueued(std::function<void()>) override {}

  std::string_view name() const override { return "fake"; }

  std::map<std::string, job::Job> jobs;
  std::multimap<std::string, std::weak_ptr<std::function<void()>>> watches;
  std::optional<base::Error> error;
  std::optional<base::Error> sync_error;
  bool durable = true;  // all that was submitted
  std::function<void()> on_watch;

 private:
  asio::io_context& loop_;
};

// A blocking client that gives up after five seconds.
class Client {
 public:
  explicit Client(uint16_t port, bool ipv6 = false, int receive_buffer = 0)
      : fd_(::socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval timeout{5, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    if (receive_buffer > 0) {
      ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    }
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    v6.sin6_addr = in6addr_loopback;
    const int rc = ipv6 ? ::connect(fd_.get(), reinterpret_cast<sockaddr*>(&v6), sizeof(v6))
                        : ::connect(fd_.get(), reinterpret_cast<sockaddr*>(&v4), sizeof(v4));
    EXPECT_EQ(rc, 0);
  }

  void Send(std::string_view data) {
    while (!data.empty()) {
      const ssize_t n = ::send(fd_.get(), data.data(), data.size(), MSG_NOSIGNAL);
      if (n <= 0) {
        return;  // the server closed: what it answered tells why
      }
      data.remove_prefix(static_cast<size_t>(n));
    }
  }

  void FinishSending() { ::shutdown(fd_.get(), SHUT_WR); }

  void Abort() {
    const linger reset{1, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    fd_.reset();
  }

  void Close() { fd_.reset(); }

  // One response with its header; `head`: there is no body.
  std::string Receive(bool head = false) {
    while (input_.find("\r\n\r\n") == std::string::npos) {
      if (!Fill()) {
        return std::exchange(input_, "");
      }
    }
    size_t size = input_.find("\r\n\r\n") + 4;
    const size_t length = input_.find("Content-Length: ");
    if (!head && length < size) {
      size += std::stoul(input_.substr(length + 16));
    }
    while (input_.size() < size) {
      if (!Fill()) {
        break;
      }
    }
    std::string response = input_.substr(0, size);
    input_.erase(0, size);
    return response;
  }

  std::string Do(std::string_view request) {
    Send(request);
    return Receive();
  }

  // True when the server closes without another byte before the client's patience ends.
  bool ServerCloses() {
    char c = 0;
    const ssize_t n = input_.empty() ? ::recv(fd_.get(), &c, 1, 0) : 1;
    return n == 0 || (n < 0 && errno == ECONNRESET);
  }

  // True when there is a byte or the end of input within the time.
  bool Readable(int milliseconds) {
    pollfd waiter{fd_.get(), POLLIN, 0};
    return ::poll(&waiter, 1, milliseconds) > 0;
  }

  // True when no byte is there now.
  bool Silent() {
    char c = 0;
    return input_.empty() && ::recv(fd_.get(), &c, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           errno == EAGAIN;
  }

 private:
  bool Fill() {
    std::string chunk(65536, '\0');
    const ssize_t n = ::recv(fd_.get(), chunk.data(), chunk.size(), 0);
    if (n <= 0) {
      return false;
    }
    input_.append(chunk, 0, static_cast<size_t>(n));
    return true;
  }

  base::UniqueFd fd_;
  std::string input_;
};

std::string Get(std::string_view target, std::string_view headers = "") {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n" + std::string(headers) + "\r\n";
}

std::string Post(std::string_view body, std::string_view headers = "",
                 std::string_view path = "/v1/execute") {
  return "POST " + std::string(path) +
         " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n" + std::string(headers) + "\r\n" + std::string(body);
}

constexpr std::string_view kHello = R"({"language":"shell","code":"echo hi"})";

language::Registry MakeLanguages() {
  std::string folder = (std::filesystem::temp_directory_path() / "http-test-XXXXXX").string();
  EXPECT_NE(::mkdtemp(folder.data()), nullptr);
  const auto write = [&folder](const std::string& id, const std::string& tool) {
    std::ofstream(folder + "/" + id + ".toml")
        << "id = \"" << id << "\"\nname = \"The " << id << "\"\naliases = [\"" << id
        << "1\"]\nextensions = [\"x\"]\nsource = \"main.x\"\nsample = \"echo hi\"\n"
        << "install = \"apt-get install " << id << "\"\n[detect]\ntools = [\"" << tool
        << "\"]\nversion_argv = [\"{tool}\", \"-c\", \"echo v1.2.3\"]\n"
        << "version_pattern = 'v(\\d+\\.\\d+\\.\\d+)'\n[run]\nargv = [\"{tool}\", \"{source}\"]\n";
  };
  write("shell", "/bin/sh");
  write("absent", "/nonexistent/tool");
  base::Result<language::Registry> registry = language::Registry::Load(folder);
  std::filesystem::remove_all(folder);
  EXPECT_TRUE(registry) << (registry ? "" : registry.error().message);
  if (!registry) {
    return {};
  }
  registry->Detect();
  return std::move(*registry);
}

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() : store_(loop_) { options_.host = "127.0.0.1"; }

  ~ServerTest() override {
    OnLoop([this] { server_.reset(); });
    work_.reset();
    loop_.stop();
    if (thread_.joinable()) {
      thread_.join();
    }
  }

  void Start() {
    options_.port = 0;
    service_.emplace(service_options_, store_, Languages());
    server_.emplace(loop_, options_, health_, *service_);
    const base::Result<uint16_t> port = server_->Listen();
    ASSERT_TRUE(port) << port.error().message;
    port_ = *port;
    thread_ = std::thread([this] { loop_.run(); });
  }

  static const language::Registry& Languages() {
    static const language::Registry languages = MakeLanguages();
    return languages;
  }

  // Runs `f` on the loop's thread and waits for it.
  template <typename F>
  std::invoke_result_t<F> OnLoop(F f) {
    if (!thread_.joinable()) {
      return f();
    }
    auto task = std::make_shared<std::packaged_task<std::invoke_result_t<F>()>>(std::move(f));
    auto future = task->get_future();
    asio::post(loop_, [task] { (*task)(); });
    return future.get();
  }

  // Runs `f` on the loop once somebody watches a job.
  void WhenWatched(std::function<void()> f) {
    OnLoop([this, f] { store_.on_watch = [this, f] { asio::post(loop_, f); }; });
  }

  std::string AddJob(job::Status status = job::Status::kQueued) {
    const std::string id = "job_4567890123456789-Z";
    OnLoop([this, id, status] {
      job::Job job;
      job.id = id;
      job.submission.language = "shell";
      job.created_at = base::kSecond;
      store_.jobs[id] = job;
      store_.SetStatus(id, status);
    });
    return id;
  }

  // Waits, on the loop, until `condition` holds.
  bool Eventually(std::function<bool()> condition) {
    const base::Nanos deadline = base::MonotonicNow() + 5 * base::kSecond;
    while (base::MonotonicNow() < deadline) {
      if (OnLoop(condition)) {
        return true;
      }
      std::this_thread::yield();
    }
    return false;
  }

  asio::io_context loop_;
  asio::executor_work_guard<asio::io_context::executor_type> work_{loop_.get_executor()};
  FakeStore store_;
  Options options_;
  service::Options service_options_;
  std::optional<service::Service> service_;
  HealthInfo health_{"1.2.3", "strong", "fake", "native", "all", false, {"time"}};
  std::optional<Server> server_;
  std::thread thread_;
  uint16_t port_ = 0;
};

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

TEST_F(ServerTest, WaitReturnsWhenTheJobIsFinal) {
  options_.write_timeout = 50 * base::kMillisecond;  // must not count the wait
  options_.read_timeout = 50 * base::kMillisecond;
  Start();
  const std::string id = AddJob();
  WhenWatched([this, id] {
    store_.SetStatus(id, job::Status::kRunning);
    asio::post(loop_, [this, id] { store_.SetStatus(id, job::Status::kCompleted); });
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

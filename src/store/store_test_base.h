#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "store/redis_store.h"
#include "store/stores.h"
#include "store/testing/loop.h"
#include "store/testing/redis_server.h"

// What the tests of the stores share.
namespace store {

#define EXPECT_FAILS(expression, expected_kind)           \
  do {                                                    \
    const auto failed_result = (expression);              \
    ASSERT_FALSE(failed_result.has_value());              \
    EXPECT_EQ(failed_result.error().kind, expected_kind); \
  } while (false)

// One kind of store, with data of its own for one test.
class StoreKind {
 public:
  virtual ~StoreKind() = default;

  // A store on this object's data.
  virtual base::Result<std::unique_ptr<job::Store>> Open(job::StoreOptions options, Loop& loop,
                                                         Clock clock) = 0;

  // What the clock shows; stores see every change at once.
  virtual std::atomic<base::Nanos>& now() { return now_; }

  // What was acknowledged is there when the store is opened again.
  virtual bool durable() const = 0;

  // Several may be open at once, as on several nodes.
  virtual bool shared() const { return false; }

 private:
  std::atomic<base::Nanos> now_ = 1'000'000 * base::kSecond;
};

class MemoryKind final : public StoreKind {
 public:
  base::Result<std::unique_ptr<job::Store>> Open(job::StoreOptions options, Loop& loop,
                                                 Clock clock) override {
    return MakeMemoryStore(options, loop.post(), std::move(clock));
  }

  bool durable() const override { return false; }
};

class SqliteKind final : public StoreKind {
 public:
  SqliteKind() {
    std::string pattern = (std::filesystem::temp_directory_path() / "store_test.XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }

  ~SqliteKind() override { std::filesystem::remove_all(folder_); }

  base::Result<std::unique_ptr<job::Store>> Open(job::StoreOptions options, Loop& loop,
                                                 Clock clock) override {
    return OpenSqliteStore(path(), options, loop.post(), std::move(clock));
  }

  bool durable() const override { return true; }

  const std::string& folder() const { return folder_; }

  std::string path() const { return folder_ + "/jobs.db"; }

 private:
  std::string folder_;
};

// A prefix of its own on the server that the tests share.
class RedisKind final : public StoreKind {
 public:
  explicit RedisKind(RedisServer& server = RedisServer::Shared()) : server_(server) {
    static int last = 0;
    options_.redis.prefix = "test-" + std::to_string(++last);
    options_.redis.addresses = {server.address()};
    options_.outage_grace = 0;
    server.clock() = 1'000'000 * base::kSecond;
    base::SetLogLevel(base::LogLevel::kError);  // each connection says something
  }

  base::Result<std::unique_ptr<job::Store>> Open(job::StoreOptions options, Loop& loop,
                                                 Clock /*clock*/) override {
    options_.jobs = options;
    auto store = std::make_unique<RedisStore>(loop.context(), options_);
    bool up = false;
    const std::function<void()> ask = [&] {
      store->Stats([&](const auto& stats) {
        up = stats.has_value();
        if (!up) {
          ask();
        }
      });
    };
    ask();
    if (!loop.RunUntil([&] { return up; })) {
      return base::Error{base::ErrorKind::kDeadline, "no connection to Redis", 0};
    }
    return std::unique_ptr<job::Store>(std::move(store));
  }

  std::atomic<base::Nanos>& now() override { return server_.clock(); }

  bool durable() const override { return true; }

  bool shared() const override { return true; }

  RedisStoreOptions& options() { return options_; }

 private:
  RedisServer& server_;
  RedisStoreOptions options_;
};

// Every kind that passes the contract. A new one is one line here and one in MakeStoreKind.
inline std::vector<std::string> StoreKinds() {
  return {"memory", "sqlite", "redis"};
}

// Those that one process has for itself.
inline std::vector<std::string> UnsharedStoreKinds() {
  return {"memory", "sqlite"};
}

inline std::unique_ptr<StoreKind> MakeStoreKind(const std::string& name) {
  if (name == "sqlite") {
    return std::make_unique<SqliteKind>();
  }
  if (name == "redis") {
    return std::make_unique<RedisKind>();
  }
  return std::make_unique<MemoryKind>();
}

// A store of the kind that the parameter names, with data and a clock of its own. Calls wait for
// their answers.
class StoreTest : public testing::TestWithParam<std::string> {
 protected:
  StoreTest() : kind_(MakeStoreKind(GetParam())) {
    options_.job_ttl = base::kHour;
    options_.lease_time = base::kMinute;
  }

  void SetUp() override { Open(); }

  base::Result<std::unique_ptr<job::Store>> TryOpen() {
    return kind_->Open(options_, loop_, [this] { return now_.load(); });
  }

  // Opens the store, again if it is open: what is not durable is gone.
  void Open() {
    other_.reset();
    store_.reset();
    auto opened = TryOpen();
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    store_ = std::move(*opened);
    if (kind_->shared()) {
      auto second = TryOpen();
      ASSERT_TRUE(second.has_value()) << second.error().message;
      other_ = std::move(*second);
    }
  }

  // The store as another node sees it; the same object where there is only one node.
  job::Store& other() { return other_ ? *other_ : *store_; }

  // Calls `start` with a callback and waits for its answer.
  template <typename T, typename F>
  base::Result<T> Call(F start) {
    std::optional<base::Result<T>> answer;
    bool within_call = true;
    start([&](base::Result<T> result) {
      EXPECT_FALSE(within_call) << "answered from within the call";
      EXPECT_FALSE(answer.has_value()) << "answered twice";
      answer.emplace(std::move(result));
    });
    within_call = false;
    if (!loop_.RunUntil([&] { return answer.has_value(); })) {
      return base::Error{base::ErrorKind::kDeadline, "no answer", 0};
    }
    return std::move(*answer);
  }

  job::Job MakeJob(const std::string& id) {
    job::Job j;
    j.id = id;
    j.created_at = now_;
    j.submission.language = "python";
    j.submission.code = "print('" + id + "')";
    return j;
  }

  base::Result<void> Submit(job::Job j, job::Durability durability = job::Durability::kAtOnce) {
    return Call<void>([&](auto done) { store_->Submit(std::move(j), durability, done); });
  }

  base::Result<void> Submit(const std::string& id) { return Submit(MakeJob(id)); }

  base::Result<job::Job> Get(const std::string& id) {
    return Call<job::Job>([&](auto done) { store_->Get(id, done); });
  }

  std::vector<job::Lease> Lease(int max) { return LeaseFrom(*store_, "worker", max); }

  std::vector<job::Lease> LeaseFrom(job::Store& store, const std::string& worker, int max) {
    auto leases =
        Call<std::vector<job::Lease>>([&](auto done) { store.LeaseJobs(worker, max, done); });
    EXPECT_TRUE(leases.has_value());
    return leases ? std::move(*leases) : std::vector<job::Lease>();
  }

  std::vector<std::string> LeaseIds(int max) {
    std::vector<std::string> ids;
    for (const job::Lease& lease : Lease(max)) {
      ids.push_back(lease.job.id);
    }
    return ids;
  }

  job::Lease LeaseOne() {
    auto leases = Lease(1);
    EXPECT_EQ(leases.size(), 1U);
    return leases.empty() ? job::Lease() : leases[0];
  }

  base::Result<job::Lease> Begin(job::Job j) {
    return Call<job::Lease>([&](auto done) { store_->Begin("worker", std::move(j), done); });
  }

  base::Result<void> Renew(const job::Lease& l) {
    return Call<void>([&](auto done) { store_->Renew(l.job.id, l.token, done); });
  }

  base::Result<void> Release(const job::Lease& l) {
    return Call<void>([&](auto done) { store_->Release(l.job.id, l.token, done); });
  }

  job::Outcome Completed(const std::string& out) {
    job::Outcome outcome;
    outcome.result.emplace();
    outcome.result->verdict = job::Verdict::kOk;
    outcome.result->stdout_data = out;
    outcome.finished_at = now_;
    return outcome;
  }

  base::Result<void> Finish(const job::Lease& l, job::Outcome outcome) {
    return Call<void>(
        [&](auto done) { store_->Finish(l.job.id, l.token, std::move(outcome), done); });
  }

  base::Result<void> Finish(const job::Lease& l) { return Finish(l, Completed("out")); }

  base::Result<job::Job> Cancel(const std::string& id) {
    return Call<job::Job>([&](auto done) { other().Cancel(id, done); });
  }

  base::Result<job::ListPage> List(job::ListQuery query) {
    return Call<job::ListPage>([&](auto done) { store_->List(std::move(query), done); });
  }

  int64_t Recover() {
    auto n = Call<int64_t>([&](auto done) { store_->Recover(done); });
    EXPECT_TRUE(n.has_value());
    return n ? *n : -1;
  }

  void Sweep() {
    EXPECT_TRUE(Call<void>([&](auto done) { store_->Sweep(done); }).has_value());
  }

  // `failure`: what it must fail with; nullopt: it must not.
  void Sync(std::optional<base::ErrorKind> failure = std::nullopt) {
    const auto done = Call<void>([&](auto callback) { store_->Sync(callback); });
    ASSERT_EQ(done.has_value(), !failure.has_value());
    if (failure) {
      EXPECT_EQ(done.error().kind, *failure);
    }
  }

  void ExpectStats(int64_t queued, int64_t running) {
    auto stats = Call<job::StoreStats>([&](auto done) { store_->Stats(done); });
    ASSERT_TRUE(stats.has_value());
    EXPECT_EQ(stats->queued, queued);
    EXPECT_EQ(stats->running, running);
  }

  Loop loop_;
  const std::unique_ptr<StoreKind> kind_;
  job::StoreOptions options_;
  std::atomic<base::Nanos>& now_ = kind_->now();
  std::unique_ptr<job::Store> store_;
  std::unique_ptr<job::Store> other_;
};

}  // namespace store

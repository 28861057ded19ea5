// What the Redis store promises beyond the contract of all stores.
#include <set>
#include <string>

#include "store/redis_scripts.h"
#include "store/store_test_base.h"

namespace store {
namespace {

using base::ErrorKind;
using base::Result;
using job::Status;

class RedisStoreTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    Connect();
  }

  void TearDown() override { client_.reset(); }

  RedisKind& redis() { return dynamic_cast<RedisKind&>(*kind_); }

  std::string prefix() { return "{" + redis().options().redis.prefix + "}"; }

  std::string JobKey(const std::string& id) { return prefix() + ":job:" + id; }

  // A client of the test's own.
  void Connect() {
    bool up = false;
    RedisClient::Events events;
    events.up = [&up] { up = true; };
    client_.emplace(loop_.context(), redis().options().redis, "test", std::move(events));
    client_->Start();
    ASSERT_TRUE(loop_.RunUntil([&] { return up; }));
  }

  Result<RedisReply> Raw(std::vector<std::string> command) {
    return Call<RedisReply>([&](auto done) { client_->Send(std::move(command), done); });
  }

  Result<RedisReply> RawScript(const RedisScript& script, std::vector<std::string> arguments) {
    return Call<RedisReply>([&](auto done) { client_->Run(script, std::move(arguments), done); });
  }

  // All keys of this test, with what PTTL says of each.
  std::map<std::string, int64_t> Keys() {
    std::map<std::string, int64_t> keys;
    const auto all = Raw({"KEYS", prefix() + "*"});
    for (const RedisReply& key : all->items) {
      keys[key.text] = Raw({"PTTL", key.text})->ToInt();
    }
    return keys;
  }

  void ExpectNothingForEver() {
    for (const auto& [key, ttl] : Keys()) {
      EXPECT_GE(ttl, 0) << key << " has no time to live";
    }
    const auto pending = Raw({"EXISTS", prefix() + ":run"});
    EXPECT_EQ(pending->ToInt(), 0) << "an entry is pending for ever";
  }

  std::optional<RedisClient> client_;
};

INSTANTIATE_TEST_SUITE_P(Redis, RedisStoreTest, testing::Values("redis"),
                         [](const auto& test) { return test.param; });

TEST_P(RedisStoreTest, JobsSurviveReopening) {
  for (const char* id : {"done", "running", "queued"}) {
    ASSERT_TRUE(Submit(id).has_value());
  }
  const auto leases = Lease(2);
  ASSERT_EQ(leases.size(), 2U);
  ASSERT_TRUE(Finish(leases[0]).has_value());
  Open();
  EXPECT_EQ(Recover(), 0) << "what runs may run on another node";
  ExpectStats(1, 1);
  EXPECT_EQ(Get("running")->status, Status::kRunning);
  EXPECT_TRUE(Finish(leases[1]).has_value()) << "the token is the fence, not the connection";
}

TEST_P(RedisStoreTest, EverythingExpiresInTheEnd) {
  options_.max_attempts = 1;
  Open();
  for (int i = 0; i < 12; ++i) {
    job::Job j = MakeJob("j" + std::to_string(i));
    j.tenant = "t" + std::to_string(i % 3);
    j.submission.priority = i % 5;
    ASSERT_TRUE(Submit(j).has_value());
  }
  ASSERT_TRUE(Cancel("j0").has_value());
  const auto leases = Lease(4);
  ASSERT_EQ(leases.size(), 4U);
  store_->Publish(leases[0].job.id, {leases[0].token, sandbox::Stream::kStdout, 0, "out"});
  ASSERT_TRUE(Finish(leases[0]).has_value());
  ASSERT_TRUE(Release(leases[1]).has_value());
  ASSERT_TRUE(Cancel(leases[2].job.id).has_value());
  now_ += options_.lease_time;  // two are lost: one is cancelled, one has used up its attempts
  Sweep();
  EXPECT_EQ(Get(leases[2].job.id)->status, Status::kCancelled);
  EXPECT_EQ(Get(leases[3].job.id)->status, Status::kFailed);
  for (const job::Lease& lease : Lease(100)) {
    ASSERT_TRUE(Finish(lease).has_value());
  }
  ExpectStats(0, 0);
  ExpectNothingForEver();
  now_ += options_.job_ttl + base::kHour;
  Sweep();
  EXPECT_EQ(Keys(), (std::map<std::string, int64_t>{}));
}

TEST_P(RedisStoreTest, NothingExpiresWhileAJobWaits) {
  ASSERT_TRUE(Submit("first").has_value());
  ASSERT_TRUE(Finish(LeaseOne()).has_value());
  ASSERT_TRUE(Submit("waits").has_value());
  now_ += base::Nanos{365} * 24 * base::kHour;
  Sweep();
  ExpectStats(1, 0);
  EXPECT_EQ(LeaseIds(1), (std::vector<std::string>{"waits"}));
}

TEST_P(RedisStoreTest, ALateResultCountsUntilAnotherWorkerHasTheJob) {
  ASSERT_TRUE(Submit("a").has_value());
  ASSERT_TRUE(Submit("b").has_value());
  const auto leases = Lease(2);
  ASSERT_EQ(leases.size(), 2U);
  now_ += 10 * options_.lease_time;
  Sweep();
  EXPECT_EQ(Get("a")->status, Status::kQueued);
  EXPECT_FAILS(Renew(leases[0]), ErrorKind::kConflict);
  ASSERT_TRUE(Finish(leases[0], Completed("late")).has_value());
  EXPECT_EQ(Get("a")->result->stdout_data, "late");
  EXPECT_EQ(Get("a")->started_at, leases[0].job.started_at);
  EXPECT_EQ(LeaseIds(9), (std::vector<std::string>{"b"}));
  EXPECT_FAILS(Finish(leases[1]), ErrorKind::kConflict);
  ExpectStats(0, 1);
}

TEST_P(RedisStoreTest, ARepeatedFinishIsNoConflict) {
  ASSERT_TRUE(Submit("a").has_value());
  const job::Lease lease = LeaseOne();
  const job::Outcome outcome = Completed("once");
  ASSERT_TRUE(Finish(lease, outcome).has_value());
  EXPECT_TRUE(Finish(lease, outcome).has_value()) << "the first answer may have been lost";
  EXPECT_FAILS(Finish(lease, Completed("twice")), ErrorKind::kConflict);
  ExpectStats(0, 0);
}

TEST_P(RedisStoreTest, ARepeatedLeaseGetsTheSameJobs) {
  for (const char* id : {"a", "b", "c"}) {
    ASSERT_TRUE(Submit(id).has_value());
  }
  const std::vector<std::string> call = {"w", "2", "call-1", "60000", "3", "3600000", "0", "node"};
  const auto first = RawScript(Scripts().lease, call);
  const auto again = RawScript(Scripts().lease, call);
  ASSERT_TRUE(first.has_value() && again.has_value());
  ASSERT_EQ(again->items.size(), 2U);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(again->items[i].items[0].text, first->items[i].items[0].text);
    EXPECT_EQ(again->items[i].items[1].text, first->items[i].items[1].text);
  }
  ExpectStats(1, 2);
  EXPECT_EQ(Get("a")->attempts, 1);
}

TEST_P(RedisStoreTest, FieldsOfANewerVersionAreLeftAlone) {
  ASSERT_TRUE(Submit("a").has_value());
  ASSERT_TRUE(Raw({"HSET", JobKey("a"), "colour", "blue", "v", "2"}).has_value());
  const job::Lease lease = LeaseOne();
  EXPECT_EQ(lease.job.id, "a");
  ASSERT_TRUE(Release(lease).has_value());
  ASSERT_TRUE(Finish(LeaseOne()).has_value());
  EXPECT_EQ(Get("a")->status, Status::kCompleted);
  EXPECT_EQ(Raw({"HGET", JobKey("a"), "colour"})->text, "blue");
  EXPECT_EQ(Raw({"HGET", JobKey("a"), "v"})->text, "2");
}

TEST_P(RedisStoreTest, ARecordThatSomeoneDeletedLeavesNothingBehind) {
  ASSERT_TRUE(Submit("runs").has_value());
  ASSERT_TRUE(Submit("waits").has_value());
  const job::Lease lease = LeaseOne();
  ASSERT_TRUE(Raw({"DEL", JobKey("runs"), JobKey("waits")}).has_value());
  EXPECT_FAILS(Finish(lease), ErrorKind::kConflict);
  EXPECT_TRUE(Lease(1).empty());
  now_ += options_.lease_time;
  Sweep();
  ExpectStats(0, 0);
  ExpectNothingForEver();
}

TEST_P(RedisStoreTest, AFlushOfTheScriptsIsNotNoticed) {
  ASSERT_TRUE(Submit("a").has_value());
  ASSERT_TRUE(Raw({"SCRIPT", "FLUSH"}).has_value());
  const job::Lease lease = LeaseOne();
  ASSERT_TRUE(Raw({"SCRIPT", "FLUSH"}).has_value());
  ASSERT_TRUE(Finish(lease).has_value());
  EXPECT_EQ(Get("a")->status, Status::kCompleted);
}

TEST_P(RedisStoreTest, WithoutMemoryTheQueueStillDrains) {
  ASSERT_TRUE(Submit("a").has_value());
  ASSERT_TRUE(Submit("b").has_value());
  const job::Lease a = LeaseOne();
  ASSERT_TRUE(Raw({"CONFIG", "SET", "maxmemory", "1"}).has_value());
  const auto refused = Submit("c");
  const auto b = Lease(1);
  const auto finished = Finish(a, Completed("stored"));
  ASSERT_EQ(b.size(), 1U);
  const auto released = Release(b[0]);
  Sweep();
  ASSERT_TRUE(Raw({"CONFIG", "SET", "maxmemory", "0"}).has_value());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind, ErrorKind::kUnavailable);
  EXPECT_NE(refused.error().message.find("maxmemory"), std::string::npos);
  EXPECT_TRUE(finished.has_value());
  EXPECT_TRUE(released.has_value());
  EXPECT_EQ(Get("a")->result->stdout_data, "stored");
  EXPECT_FAILS(Get("c"), ErrorKind::kNotFound);
  ExpectStats(1, 0);
}

TEST_P(RedisStoreTest, AfterAnOutageWorkersHaveTimeToRenew) {
  redis().options().outage_grace = 5 * base::kSecond;
  Open();
  ASSERT_TRUE(Submit("a").has_value());
  ASSERT_TRUE(Submit("lost").has_value());
  const auto leases = Lease(2);
  ASSERT_EQ(leases.size(), 2U);
  Sweep();
  now_ += 2 * options_.lease_time;  // nobody has looked meanwhile: Redis was away
  Sweep();
  EXPECT_EQ(Get("a")->status, Status::kRunning);
  ASSERT_TRUE(Renew(leases[0]).has_value());
  for (int second = 0; second < 4; ++second) {  // a longer silence would count as another outage
    now_ += base::kSecond;
    Sweep();
  }
  EXPECT_EQ(Get("lost")->status, Status::kRunning);
  now_ += base::kSecond;
  Sweep();
  EXPECT_EQ(Get("lost")->status, Status::kQueued);
  EXPECT_EQ(Get("a")->status, Status::kRunning);
  EXPECT_EQ(Get("a")->attempts, 1);
}

// A node that dies between any two steps loses nothing, and nothing is done twice.
TEST_P(RedisStoreTest, ANodeMayDieBetweenAnyTwoSteps) {
  constexpr int kSteps = 5;
  for (int dies_after = 0; dies_after <= kSteps; ++dies_after) {
    SCOPED_TRACE(dies_after);
    const std::string id = "job" + std::to_string(dies_after);
    int step = 0;
    const auto alive = [&] { return step++ < dies_after; };
    job::Lease lease;
    bool acknowledged = false;
    if (alive()) {
      ASSERT_TRUE(Submit(id).has_value());
      acknowledged = true;
    }
    if (alive()) {
      lease = LeaseOne();
    }
    if (alive()) {
      ASSERT_TRUE(Renew(lease).has_value());
    }
    if (alive()) {
      store_->Publish(id, {lease.token, sandbox::Stream::kStdout, 0, "x"});
    }
    if (alive()) {
      ASSERT_TRUE(Finish(lease, Completed("first")).has_value());
    }
    // The store dies with whatever was under way; another node goes on.
    store_.reset();
    now_ += options_.lease_time;
    Open();
    Sweep();
    for (const job::Lease& again : Lease(9)) {
      ASSERT_EQ(again.job.id, id);
      ASSERT_TRUE(Finish(again, Completed("second")).has_value());
    }
    const auto got = Get(id);
    ASSERT_EQ(got.has_value(), acknowledged);
    if (acknowledged) {
      EXPECT_EQ(got->status, Status::kCompleted);
      EXPECT_EQ(got->result->stdout_data, dies_after == kSteps ? "first" : "second");
    }
    ExpectStats(0, 0);
  }
  ExpectNothingForEver();
}

// The same with a request that was sent and whose answer nobody reads.
TEST_P(RedisStoreTest, ANodeMayDieInTheMiddleOfAStep) {
  ASSERT_TRUE(Submit("kept").has_value());
  store_->Submit(MakeJob("perhaps"), job::Durability::kAtOnce, [](const auto&) { FAIL(); });
  store_->LeaseJobs("dead", 1, [](const auto&) { FAIL(); });
  store_.reset();
  now_ += options_.lease_time;
  Open();
  Sweep();
  std::set<std::string> ids;
  for (const job::Lease& lease : Lease(9)) {
    EXPECT_TRUE(ids.insert(lease.job.id).second);
    ASSERT_TRUE(Finish(lease).has_value());
  }
  EXPECT_EQ(ids.count("kept"), 1U);
  EXPECT_EQ(Get("kept")->status, Status::kCompleted);
  ExpectStats(0, 0);
  ExpectNothingForEver();
}

TEST_P(RedisStoreTest, TwoWorkersCompeteAndOneStalls) {
  constexpr int kJobs = 50;
  for (int i = 0; i < kJobs; ++i) {
    ASSERT_TRUE(Submit(std::to_string(i)).has_value());
  }
  std::vector<job::Lease> stalled = LeaseFrom(*store_, "stalled", 10);
  ASSERT_EQ(stalled.size(), 10U);
  now_ += options_.lease_time;
  int finished = 0;
  while (true) {
    const auto leases = LeaseFrom(other(), "quick", 7);
    if (leases.empty()) {
      break;
    }
    for (const job::Lease& lease : leases) {
      ASSERT_TRUE(Call<void>([&](auto done) {
                    other().Finish(lease.job.id, lease.token, Completed("quick"), done);
                  }).has_value());
      ++finished;
    }
  }
  EXPECT_EQ(finished, kJobs);
  for (const job::Lease& lease : stalled) {
    EXPECT_FAILS(Finish(lease, Completed("stalled")), ErrorKind::kConflict);
    EXPECT_EQ(Get(lease.job.id)->result->stdout_data, "quick");
  }
  ExpectNothingForEver();
}

TEST_P(RedisStoreTest, WaitersOnAnotherNodeHearOfChanges) {
  ASSERT_TRUE(Submit("a").has_value());
  int changes = 0;
  const auto watch = other().Watch("a", job::Store::Watched::kChanges, [&] { ++changes; });
  const job::Lease lease = LeaseOne();
  ASSERT_TRUE(loop_.RunUntil([&] { return changes == 1; }));
  ASSERT_TRUE(Finish(lease).has_value());
  ASSERT_TRUE(loop_.RunUntil([&] { return changes == 2; }));
}

TEST_P(RedisStoreTest, OneIdleWorkerIsWokenNotAll) {
  int here = 0;
  int there = 0;
  EXPECT_TRUE(LeaseFrom(*store_, "w1", 1).empty());
  now_ += base::kMillisecond;
  EXPECT_TRUE(LeaseFrom(other(), "w2", 1).empty());
  store_->OnQueued([&] { ++here; });
  other().OnQueued([&] { ++there; });
  ASSERT_TRUE(Submit("a").has_value());
  ASSERT_TRUE(loop_.RunUntil([&] { return there == 1; }));
  ASSERT_TRUE(Submit("b").has_value());
  ASSERT_TRUE(loop_.RunUntil([&] { return here == 1; }));
  EXPECT_EQ(there, 1);
  ASSERT_TRUE(Submit("c").has_value());  // nobody is idle any more: all are told
  ASSERT_TRUE(loop_.RunUntil([&] { return here == 2 && there == 2; }));
}

TEST_P(RedisStoreTest, ALostMessageIsMadeUpForAfterReconnecting) {
  ASSERT_TRUE(Submit("a").has_value());
  const job::Lease lease = LeaseOne();
  int changes = 0;
  bool cancelled = false;
  const auto watch = other().Watch("a", job::Store::Watched::kChanges, [&] { ++changes; });
  store_->OnCancel([&](const std::string& id) { cancelled = id == "a"; });
  ASSERT_TRUE(Raw({"HSET", JobKey("a"), "cancel", "1"}).has_value());  // nobody was told
  ASSERT_TRUE(Raw({"CLIENT", "KILL", "TYPE", "pubsub"}).has_value());
  EXPECT_TRUE(loop_.RunUntil([&] { return cancelled && changes > 0; }));
}

TEST_P(RedisStoreTest, WorkersAnnounceThemselves) {
  job::Fleet& fleet = dynamic_cast<job::Fleet&>(*store_);
  job::Fleet& elsewhere = dynamic_cast<job::Fleet&>(other());
  const auto announce = [&](const std::string& name, std::map<std::string, std::string> languages) {
    job::Worker worker;
    worker.name = name;
    worker.languages = std::move(languages);
    return Call<void>([&](auto done) { fleet.Announce(worker, done); }).has_value();
  };
  const auto workers = [&] {
    std::map<std::string, std::map<std::string, std::string>> found;
    const auto answer = Call<std::vector<job::Worker>>([&](auto done) { elsewhere.Workers(done); });
    EXPECT_TRUE(answer.has_value());
    for (const job::Worker& worker : *answer) {
      found[worker.name] = worker.languages;
    }
    return found;
  };
  using Found = std::map<std::string, std::map<std::string, std::string>>;
  EXPECT_EQ(workers(), Found{});
  ASSERT_TRUE(announce("one", {{"python", "3.11.2"}, {"go", "go1.19 linux"}}));
  now_ += job::kWorkerSilence - base::kSecond;
  ASSERT_TRUE(announce("two", {}));
  EXPECT_EQ(workers(),
            (Found{{"one", {{"python", "3.11.2"}, {"go", "go1.19 linux"}}}, {"two", {}}}));
  now_ += base::kSecond;
  EXPECT_EQ(workers(), (Found{{"two", {}}}));
  fleet.Leave("two");
  // Another connection's question may overtake it.
  for (int i = 0; i < 1000 && !workers().empty(); ++i) {
  }
  EXPECT_EQ(workers(), Found{});
}

// At most 2 on the submit path, at most 3 on the worker path.
TEST_P(RedisStoreTest, RoundTripsPerJobAreFew) {
  const auto calls = [&] {
    int64_t total = 0;
    const std::string info = Raw({"INFO", "commandstats"})->text;
    for (size_t at = info.find("cmdstat_"); at != std::string::npos;
         at = info.find("cmdstat_", at + 1)) {
      const std::string name = info.substr(at + 8, info.find(':', at) - at - 8);
      // What clients send; the other commands are called by the scripts.
      if (name == "evalsha" || name == "eval" || name == "script|load") {
        total += std::strtoll(info.c_str() + info.find("calls=", at) + 6, nullptr, 10);
      }
    }
    return total;
  };
  ASSERT_TRUE(Submit("warm").has_value());
  ASSERT_TRUE(Finish(LeaseOne()).has_value());
  int64_t before = calls();
  ASSERT_TRUE(Submit("a").has_value());
  EXPECT_EQ(calls() - before, 1);
  before = calls();
  const auto leases = Lease(2);
  ASSERT_EQ(leases.size(), 1U);
  store_->Publish("a", {leases[0].token, sandbox::Stream::kStdout, 0, "hello\n"});
  ASSERT_TRUE(Finish(leases[0]).has_value());
  EXPECT_TRUE(Lease(2).empty());
  EXPECT_EQ(calls() - before, 3);
}

}  // namespace
}  // namespace store

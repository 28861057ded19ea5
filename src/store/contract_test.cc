// What every store promises, checked for each of them.
#include <set>
#include <string>

#include "store/store_test_base.h"

namespace store {
namespace {

using base::ErrorKind;
using job::Status;
using std::string_literals::operator""s;

using Ids = std::vector<std::string>;

class StoreContract : public StoreTest {};

INSTANTIATE_TEST_SUITE_P(All, StoreContract, testing::ValuesIn(StoreKinds()),
                         [](const auto& test) { return test.param; });

// For a process that is alone on its store.
class RecoverContract : public StoreTest {};

INSTANTIATE_TEST_SUITE_P(All, RecoverContract, testing::ValuesIn(UnsharedStoreKinds()),
                         [](const auto& test) { return test.param; });

TEST_P(StoreContract, GetReturnsWhatWasSubmitted) {
  job::Job j = MakeJob("a");
  j.submission.stdin_data = "in";
  j.submission.timeout = base::kSecond;
  ASSERT_TRUE(Submit(j).has_value());
  const auto got = Get("a");
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->id, "a");
  EXPECT_EQ(got->status, Status::kQueued);
  EXPECT_EQ(got->created_at, j.created_at);
  EXPECT_EQ(got->started_at, 0);
  EXPECT_EQ(got->attempts, 0);
  EXPECT_EQ(got->submission.language, "python");
  EXPECT_EQ(got->submission.code, j.submission.code);
  EXPECT_EQ(got->submission.stdin_data, "in");
  EXPECT_EQ(got->submission.timeout, base::kSecond);
  EXPECT_FALSE(got->result.has_value());
  EXPECT_EQ(store_->name(), GetParam());
}

TEST_P(StoreContract, GetOfAnUnknownIdIsNotFound) {
  EXPECT_FAILS(Get("nothing"), ErrorKind::kNotFound);
  EXPECT_FAILS(Get(""), ErrorKind::kNotFound);
  EXPECT_FAILS(Get("\0\xFF'\";"s), ErrorKind::kNotFound);
}

TEST_P(StoreContract, SubmitOfAKnownIdIsAConflict) {
  ASSERT_TRUE(Submit("a").has_value());
  EXPECT_FAILS(Submit("a"), ErrorKind::kConflict);
  ExpectStats(1, 0);
}

TEST_P(StoreContract, ARefusedCallDoesNotHarmItsNeighbours) {
  std::string answers;
  for (const char* id : {"a", "a", "b", "a", "c"}) {
    store_->Submit(MakeJob(id), job::Durability::kAtOnce,
                   [&](auto result) { answers += result.has_value() ? '+' : '-'; });
  }
  ASSERT_TRUE(loop_.RunUntil([&] { return answers.size() == 5; }));
  EXPECT_EQ(answers, "+-+-+");
  ExpectStats(3, 0);
  EXPECT_EQ(LeaseIds(9), (Ids{"a", "b", "c"}));
}

TEST_P(StoreContract, LeasesTheOldestFirst) {
  EXPECT_TRUE(Lease(1).empty());
  for (const char* id : {"c", "a", "b"}) {
    ASSERT_TRUE(Submit(id).has_value());
  }
  EXPECT_EQ(LeaseIds(2), (Ids{"c", "a"}));
  EXPECT_EQ(LeaseIds(2), (Ids{"b"}));
  EXPECT_TRUE(Lease(1).empty());
  ExpectStats(0, 3);
}

TEST_P(StoreContract, LeaseMakesTheJobRunning) {
  ASSERT_TRUE(Submit("a").has_value());
  now_ += 5 * base::kMicrosecond;
  const job::Lease lease = LeaseOne();
  EXPECT_NE(lease.token, 0U);
  EXPECT_EQ(lease.job.run, lease.token);
  EXPECT_EQ(lease.job.status, Status::kRunning);
  EXPECT_EQ(lease.job.attempts, 1);
  EXPECT_EQ(lease.job.started_at, now_);
  EXPECT_EQ(lease.job.submission.code, "print('a')");
  const auto got = Get("a");
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->status, Status::kRunning);
  EXPECT_EQ(got->attempts, 1);
  EXPECT_EQ(got->started_at, now_);
}

TEST_P(StoreContract, CompetingLeasesNeverShareAJob) {
  constexpr int kJobs = 60;
  for (int i = 0; i < kJobs; ++i) {
    ASSERT_TRUE(Submit(std::to_string(i)).has_value());
  }
  std::multiset<std::string> ids;
  std::set<uint64_t> tokens;
  int answers = 0;
  for (int i = 0; i < 20; ++i) {
    store_->LeaseJobs("w" + std::to_string(i), 4, [&](auto leases) {
      ++answers;
      ASSERT_TRUE(leases.has_value());
      for (const job::Lease& lease : *leases) {
        ids.insert(lease.job.id);
        tokens.insert(lease.token);
      }
    });
  }
  ASSERT_TRUE(loop_.RunUntil([&] { return answers == 20; }));
  EXPECT_EQ(ids.size(), size_t{kJobs});
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), size_t{kJobs});
  EXPECT_EQ(tokens.size(), size_t{kJobs});
}

TEST_P(StoreContract, FinishStoresTheResult) {
  ASSERT_TRUE(Submit("a").has_value());
  const job::Lease lease = LeaseOne();
  job::Outcome outcome = Completed("hello");
  outcome.result->exit_code = 0;
  outcome.result->usage.wall_time = 42;
  outcome.result->compile.emplace();
  outcome.result->compile->cached = true;
  ASSERT_TRUE(Finish(lease, outcome).has_value());
  const auto got = Get("a");
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->status, Status::kCompleted);
  EXPECT_EQ(got->finished_at, outcome.finished_at);
  EXPECT_EQ(got->run, lease.token);
  EXPECT_EQ(got->started_at, lease.job.started_at);
  ASSERT_TRUE(got->result.has_value());
  EXPECT_EQ(got->result->stdout_data, "hello");
  EXPECT_EQ(got->result->exit_code, 0);
  EXPECT_EQ(got->result->usage.wall_time, 42);
  ASSERT_TRUE(got->result->compile.has_value());
  EXPECT_TRUE(got->result->compile->cached);
  ExpectStats(0, 0);
}

TEST_P(StoreContract, FinishStoresAFailure) {
  ASSERT_TRUE(Submit("a").has_value());
  job::Outcome outcome;
  outcome.status = Status::kFailed;
  outcome.error = "no sandbox";
  ASSERT_TRUE(Finish(LeaseOne(), outcome).has_value());
  const auto got = Get("a");
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->status, Status::kFailed);
  EXPECT_EQ(got->error, "no sandbox");
  EXPECT_EQ(got->finished_at, now_);
  EXPECT_FALSE(got->result.has_value());
}

TEST_P(StoreContract, FinishRefusesAnOutcomeThatIsNone) {
  ASSERT_TRUE(Submit("a").has_value());
  const job::Lease lease = LeaseOne();
  EXPECT_FAILS(Finish(lease, job::Outcome{}), ErrorKind::kInvalidArgument);
  job::Outcome running = Completed("");
  running.status = Status::kRunning;
  EXPECT_FAILS(Finish(lease, running), ErrorKind::kInvalidArgument);
  EXPECT_TRUE(Finish(lease).has_value());
}

TEST_P(StoreContract, FinishesOnce) {
  ASSERT_TRUE(Submit("a").has_value());
  const job::Lease lease = LeaseOne();
  ASSERT_TRUE(Finish(lease, Completed("first")).has_value());
  EXPECT_FAILS(Finish(lease, Completed("second")), ErrorKind::kConflict);
  EXPECT_FAILS(Renew(lease), ErrorKind::kConflict);
  EXPECT_FAILS(Release(lease), ErrorKind::kConflict);
  EXPECT_EQ(Get("a")->result->stdout_data, "first");
  EXPECT_TRUE(Lease(1).empty());
}

TEST_P(StoreContract, AStaleTokenIsFencedOff) {
  ASSERT_TRUE(Submit("a").has_value());
  const job::Lease old_lease = LeaseOne();
  now_ += options_.lease_time;
  const job::Lease lease = LeaseOne();
  EXPECT_GT(lease.token, old_lease.token);
  EXPECT_EQ(lease.job.attempts, 2);
  EXPECT_FAILS(Finish(old_lease, Completed("stale")), ErrorKind::kConflict);
  EXPECT_FAILS(Renew(old_lease), ErrorKind::kConflict);
  EXPECT_FAILS(Release(old_lease), ErrorKind::kConflict);
  EXPECT_TRUE(Finish(lease, Completed("current")).has_value());
  EXPECT_EQ(Get("a")->result->stdout_data, "current");
}

TEST_P(StoreContract, TokenZeroHoldsNothing) {
  ASSERT_TRUE(Submit("a").has_value());
  job::Lease none;
  none.job.id = "a";
  EXPECT_FAILS(Finish(none), ErrorKind::kConflict);
  EXPECT_FAILS(Release(none), ErrorKind::kConflict);
  none.job.id = "unknown";
  EXPECT_FAILS(Renew(none), ErrorKind::kConflict);
}

TEST_P(StoreContract, RenewExtendsTheLease) {
  ASSERT_TRUE(Submit("a").has_value());
  const job::Lease lease = LeaseOne();
  for (int i = 0; i < 3; ++i) {
    now_ += options_.lease_time - 1;
    ASSERT_TRUE(Renew(lease).has_value());
    Sweep();
  }
  EXPECT_TRUE(Lease(1).empty());
  now_ += options_.lease_time;
  Sweep();
  EXPECT_EQ(Get("a")->status, Status::kQueued);
}

TEST_P(StoreContract, ExpiredLeasesGoBackUntilAttemptsAreUsedUp) {
  options_.max_attempts = 2;
  Open();
  ASSERT_TRUE(Submit("a").has_value());
  EXPECT_EQ(LeaseOne().job.attempts, 1);
  now_ += options_.lease_time;
  Sweep();
  auto got = Get("a");
  EXPECT_EQ(got->status, Status::kQueued);
  EXPECT_EQ(got->started_at, 0);
  EXPECT_EQ(got->attempts, 1);
  ExpectStats(1, 0);
  const job::Lease last = LeaseOne();
  EXPECT_EQ(last.job.attempts, 2);
  now_ += options_.lease_time;
  Sweep();
  got = Get("a");
  EXPECT_EQ(got->status, Status::kFailed);
  EXPECT_EQ(got->finished_at, now_);
  EXPECT_NE(got->error.find("2 attempts"), std::string::npos) << got->error;
  EXPECT_FAILS(Finish(last), ErrorKind::kConflict);
  ExpectStats(0, 0);
}

TEST_P(StoreContract, ReleaseGivesTheJobBackUncounted) {
  ASSERT_TRUE(Submit("a").has_value());
  ASSERT_TRUE(Submit("b").has_value());
  const job::Lease lease = LeaseOne();
  ASSERT_TRUE(Release(lease).has_value());
  const auto got = Get("a");
  EXPECT_EQ(got->status, Status::kQueued);
  EXPECT_EQ(got->attempts, 0);
  EXPECT_EQ(got->started_at, 0);
  EXPECT_FAILS(Finish(lease), ErrorKind::kConflict);
  EXPECT_EQ(LeaseIds(2), (Ids{"a", "b"}));
}

TEST_P(RecoverContract, RecoverMovesRunningJobsBackToTheirPlaces) {
  for (const char* id : {"a", "b", "c", "d"}) {
    ASSERT_TRUE(Submit(id).has_value());
  }
  const auto leases = Lease(3);
  ASSERT_EQ(leases.size(), 3U);
  ASSERT_TRUE(Finish(leases[1]).has_value());
  EXPECT_EQ(Recover(), 2);
  ExpectStats(3, 0);
  EXPECT_FAILS(Finish(leases[0]), ErrorKind::kConflict);
  const auto again = Lease(9);
  ASSERT_EQ(again.size(), 3U);
  EXPECT_EQ(again[0].job.id, "a");
  EXPECT_EQ(again[0].job.attempts, 2);
  EXPECT_EQ(again[1].job.id, "c");
  EXPECT_EQ(again[2].job.id, "d");
}

TEST_P(RecoverContract, RecoverFailsJobsWithoutAttemptsLeft) {
  options_.max_attempts = 1;
  Open();
  ASSERT_TRUE(Submit("a").has_value());
  LeaseOne();
  EXPECT_EQ(Recover(), 1);
  EXPECT_EQ(Get("a")->status, Status::kFailed);
  EXPECT_TRUE(Lease(1).empty());
}

TEST_P(StoreContract, BeginStoresARunningJobPastTheQueue) {
  options_.max_queued = 1;
  Open();
  ASSERT_TRUE(Submit("queued").has_value());
  const auto lease = Begin(MakeJob("a"));
  ASSERT_TRUE(lease.has_value());
  EXPECT_NE(lease->token, 0U);
  EXPECT_EQ(lease->job.id, "a");
  EXPECT_EQ(lease->job.run, lease->token);
  EXPECT_EQ(lease->job.attempts, 1);
  EXPECT_EQ(lease->job.started_at, now_);
  EXPECT_EQ(lease->job.submission.code, "print('a')");
  const auto got = Get("a");
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->status, Status::kRunning);
  EXPECT_EQ(got->attempts, 1);
  EXPECT_EQ(got->run, lease->token);
  ExpectStats(1, 1);
  EXPECT_FAILS(Begin(MakeJob("a")), ErrorKind::kConflict);
  EXPECT_FAILS(Begin(MakeJob("queued")), ErrorKind::kConflict);
  ExpectStats(1, 1);
  EXPECT_TRUE(Renew(*lease).has_value());
  EXPECT_EQ(LeaseIds(9), (Ids{"queued"}));
  ASSERT_TRUE(Finish(*lease).has_value());
  EXPECT_EQ(Get("a")->status, Status::kCompleted);
  ExpectStats(0, 1);
}

TEST_P(StoreContract, ABegunJobWhoseLeaseIsLostIsQueued) {
  const auto lease = Begin(MakeJob("a"));
  ASSERT_TRUE(lease.has_value());
  now_ += options_.lease_time + base::kSecond;
  Sweep();
  EXPECT_EQ(Get("a")->status, Status::kQueued);
  const job::Lease again = LeaseOne();
  EXPECT_EQ(again.job.id, "a");
  EXPECT_EQ(again.job.attempts, 2);
  EXPECT_FAILS(Finish(*lease), ErrorKind::kConflict);
}

TEST_P(StoreContract, ABegunJobIsCancelledLikeOthers) {
  const auto lease = Begin(MakeJob("a"));
  ASSERT_TRUE(lease.has_value());
  std::string told;
  store_->OnCancel([&](const std::string& id) { told = id; });
  ASSERT_TRUE(Cancel("a").has_value());
  EXPECT_TRUE(loop_.RunUntil([&] { return told == "a"; }));
}

TEST_P(StoreContract, AFullQueueIsExhausted) {
  options_.max_queued = 2;
  Open();
  ASSERT_TRUE(Submit("a").has_value());
  ASSERT_TRUE(Submit("b").has_value());
  EXPECT_FAILS(Submit("c"), ErrorKind::kExhausted);
  EXPECT_FAILS(Get("c"), ErrorKind::kNotFound);
  LeaseOne();
  EXPECT_TRUE(Submit("c").has_value());
}

TEST_P(StoreContract, ConcurrentSubmitsRespectTheBound) {
  options_.max_queued = 5;
  Open();
  int accepted = 0;
  int refused = 0;
  for (int i = 0; i < 50; ++i) {
    store_->Submit(MakeJob(std::to_string(i)), job::Durability::kAtOnce,
                   [&](auto result) { ++(result.has_value() ? accepted : refused); });
  }
  ASSERT_TRUE(loop_.RunUntil([&] { return accepted + refused == 50; }));
  EXPECT_EQ(accepted, 5);
  ExpectStats(5, 0);
}

TEST_P(StoreContract, FinishedJobsAreRemovedAfterTheirTtl) {
  ASSERT_TRUE(Submit("a").has_value());
  ASSERT_TRUE(Submit("queued").has_value());
  ASSERT_TRUE(Finish(LeaseOne()).has_value());
  now_ += options_.job_ttl - 1;
  Sweep();
  EXPECT_TRUE(Get("a").has_value());
  now_ += 1;
  EXPECT_FAILS(Get("a"), ErrorKind::kNotFound);
  Sweep();
  EXPECT_FAILS(Get("a"), ErrorKind::kNotFound);
  EXPECT_TRUE(Submit("a").has_value());
  now_ += 10 * options_.job_ttl;
  Sweep();
  EXPECT_TRUE(Get("queued").has_value());
}

TEST_P(StoreContract, OneSweepRemovesAllThatIsDue) {
  constexpr int kJobs = 1200;
  int finished = 0;
  for (int i = 0; i < kJobs; ++i) {
    store_->Submit(MakeJob(std::to_string(i)), job::Durability::kAtOnce, [](auto) {});
  }
  for (const job::Lease& lease : Lease(kJobs)) {
    store_->Finish(lease.job.id, lease.token, Completed("x"),
                   [&](auto result) { finished += result.has_value() ? 1 : 0; });
  }
  ASSERT_TRUE(loop_.RunUntil([&] { return finished == kJobs; }));
  now_ += options_.job_ttl;
  Sweep();
  now_ -= options_.job_ttl;  // so that Get does not hide what is left
  for (int i = 0; i < kJobs; i += 100) {
    EXPECT_FAILS(Get(std::to_string(i)), ErrorKind::kNotFound);
  }
}

TEST_P(StoreContract, WatchersHearOfEachChangeOfTheirJob) {
  options_.max_attempts = 2;
  Open();
  ASSERT_TRUE(Submit("a").has_value());
  ASSERT_TRUE(Submit("b").has_value());
  int a = 0;
  int b = 0;
  int also_a = 0;
  auto watch_a = store_->Watch("a", job::Store::Watched::kChanges, [&] { ++a; });
  auto watch_b = store_->Watch("b", job::Store::Watched::kChanges, [&] { ++b; });
  auto also_watch_a = store_->Watch("a", job::Store::Watched::kChanges, [&] { ++also_a; });
  const auto heard = [&](int times) { return loop_.RunUntil([&] { return a == times; }); };
  LeaseOne();
  EXPECT_TRUE(heard(1));
  now_ += options_.lease_time;
  Sweep();
  EXPECT_TRUE(heard(2));
  also_watch_a.reset();
  const job::Lease lease = LeaseOne();
  EXPECT_TRUE(heard(3));
  ASSERT_TRUE(Release(lease).has_value());
  EXPECT_TRUE(heard(4));
  const job::Lease last = LeaseOne();
  EXPECT_TRUE(heard(5));
  ASSERT_TRUE(Finish(last).has_value());
  EXPECT_TRUE(heard(6));
  ExpectStats(1, 0);
  EXPECT_EQ(a, 6);
  EXPECT_EQ(also_a, 2);
  EXPECT_EQ(b, 0);
}

TEST_P(StoreContract, AWatcherOfTheEndMayComeBeforeTheJob) {
  Open();
  int ends = 0;
  const auto watch = store_->Watch("a", job::Store::Watched::kEnd, [&] { ++ends; });
  ASSERT_TRUE(Submit("a").has_value());
  const job::Lease lease = LeaseOne();
  ASSERT_TRUE(Finish(lease).has_value());
  EXPECT_TRUE(loop_.RunUntil([&] { return ends > 0 && Get("a")->status == Status::kCompleted; }));
}

TEST_P(StoreContract, AWatcherOfTheEndIsNotWokenByTheStart) {
  ASSERT_TRUE(Submit("a").has_value());
  int changes = 0;
  int ends = 0;
  const auto changed = store_->Watch("a", job::Store::Watched::kChanges, [&] { ++changes; });
  const auto ended = store_->Watch("a", job::Store::Watched::kEnd, [&] { ++ends; });
  ASSERT_TRUE(Release(LeaseOne()).has_value());
  EXPECT_TRUE(loop_.RunUntil([&] { return changes == 2; }));
  const int told = ends;  // perhaps of the end of the lease, which may be that of the job
  LeaseOne();
  EXPECT_TRUE(loop_.RunUntil([&] { return changes == 3; }));
  if (store_->name() != "redis") {  // whose messages do not say what a job has become
    EXPECT_EQ(ends, told);
  }
}

TEST_P(StoreContract, AWatcherSeesTheChangeItHearsOf) {
  ASSERT_TRUE(Submit("a").has_value());
  const job::Lease lease = LeaseOne();
  std::optional<Status> seen;
  auto watch = store_->Watch("a", job::Store::Watched::kChanges,
                             [&] { store_->Get("a", [&](auto got) { seen = got->status; }); });
  ASSERT_TRUE(Finish(lease).has_value());
  ASSERT_TRUE(loop_.RunUntil([&] { return seen.has_value(); }));
  EXPECT_EQ(*seen, Status::kCompleted);
}

TEST_P(StoreContract, WatchersMayEndEachOtherWhileCalled) {
  ASSERT_TRUE(Submit("a").has_value());
  int calls = 0;
  job::Store::WatchHandle one;
  job::Store::WatchHandle two;
  const auto end_both = [&] {
    ++calls;
    one.reset();
    two.reset();
  };
  one = store_->Watch("a", job::Store::Watched::kChanges, end_both);
  two = store_->Watch("a", job::Store::Watched::kChanges, end_both);
  const job::Lease lease = LeaseOne();
  ASSERT_TRUE(Finish(lease).has_value());
  ExpectStats(0, 0);
  EXPECT_EQ(calls, 1);
}

TEST_P(StoreContract, OnQueuedTellsWhenThereIsWork) {
  int calls = 0;
  store_->OnQueued([&] { ++calls; });
  const auto told = [&](int at_least) { return loop_.RunUntil([&] { return calls >= at_least; }); };
  ASSERT_TRUE(Submit("a").has_value());
  EXPECT_TRUE(told(1));
  const job::Lease lease = LeaseOne();
  EXPECT_EQ(calls, 1);
  ASSERT_TRUE(Release(lease).has_value());
  EXPECT_TRUE(told(2));
  LeaseOne();
  now_ += options_.lease_time;
  Sweep();
  EXPECT_TRUE(told(3));
}

TEST_P(StoreContract, EveryByteSurvives) {
  std::string all;
  for (int i = 0; i < 512; ++i) {
    all += static_cast<char>(i);
  }
  job::Job j = MakeJob("a");
  j.submission.code = "x\0y\xFF"s + all;
  j.submission.stdin_data = all + "\0"s;
  ASSERT_TRUE(Submit(j).has_value());
  const job::Lease lease = LeaseOne();
  EXPECT_EQ(lease.job.submission.code, j.submission.code);
  EXPECT_EQ(lease.job.submission.stdin_data, j.submission.stdin_data);
  job::Outcome outcome = Completed(all);
  outcome.result->stderr_data = "\0\0"s;
  ASSERT_TRUE(Finish(lease, outcome).has_value());
  const auto got = Get("a");
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->submission.code, j.submission.code);
  EXPECT_EQ(got->submission.stdin_data, j.submission.stdin_data);
  EXPECT_EQ(got->result->stdout_data, all);
  EXPECT_EQ(got->result->stderr_data, "\0\0"s);
}

TEST_P(StoreContract, LargeTextsSurvive) {
  job::Job j = MakeJob("a");
  j.submission.stdin_data.assign(16 << 20, 'x');
  ASSERT_TRUE(Submit(j).has_value());
  EXPECT_EQ(LeaseOne().job.submission.stdin_data, j.submission.stdin_data);
}

TEST_P(StoreContract, DestroyingTheStoreDropsAnswers) {
  bool answered = false;
  store_->Submit(MakeJob("a"), job::Durability::kAtOnce, [&](auto) { answered = true; });
  store_.reset();
  bool last = false;
  loop_.post()([&] { last = true; });
  ASSERT_TRUE(loop_.RunUntil([&] { return last; }));
  EXPECT_FALSE(answered);
}

TEST_P(StoreContract, AnAnswerMayDestroyTheStore) {
  ASSERT_TRUE(Submit("a").has_value());
  bool answered = false;
  auto watch = store_->Watch("a", job::Store::Watched::kChanges,
                             [&] { EXPECT_FALSE(answered) << "called after the store's end"; });
  store_->LeaseJobs("w", 1, [&](auto) {
    store_.reset();
    answered = true;
  });
  ASSERT_TRUE(loop_.RunUntil([&] { return answered; }));
}

}  // namespace
}  // namespace store

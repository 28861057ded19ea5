// What every store promises of turns, priorities, cancelling and lists.
#include <algorithm>
#include <set>
#include <string>

#include "store/store_test_base.h"

namespace store {
namespace {

using base::ErrorKind;
using job::Status;

using Ids = std::vector<std::string>;

class QueueContract : public StoreTest {
 protected:
  job::Job JobOf(const std::string& tenant, const std::string& id, int priority = 0) {
    job::Job j = MakeJob(id);
    j.tenant = tenant;
    j.submission.priority = priority;
    return j;
  }

  void SubmitFor(const std::string& tenant, const std::string& id, int priority = 0) {
    ASSERT_TRUE(Submit(JobOf(tenant, id, priority)).has_value());
  }

  // Submits many without waiting for each.
  void SubmitMany(const std::string& tenant, int count) {
    constexpr int kAtOnce = 1000;
    int answered = 0;
    for (int i = 0; i < count; ++i) {
      store_->Submit(JobOf(tenant, tenant + std::to_string(i)), job::Durability::kAtOnce,
                     [&](auto result) {
                       EXPECT_TRUE(result.has_value());
                       ++answered;
                     });
      if (i % kAtOnce == kAtOnce - 1 || i + 1 == count) {
        ASSERT_TRUE(loop_.RunUntil([&] { return answered == i + 1; }));
      }
    }
  }

  // The ids of all pages.
  Ids ListIds(job::ListQuery query) {
    Ids ids;
    for (int pages = 0; pages < 1000; ++pages) {
      const auto page = List(query);
      EXPECT_TRUE(page.has_value());
      if (!page) {
        break;
      }
      EXPECT_LE(static_cast<int>(page->jobs.size()), query.limit);
      for (const job::Job& j : page->jobs) {
        ids.push_back(j.id);
      }
      if (page->next_cursor.empty()) {
        return ids;
      }
      query.cursor = page->next_cursor;
    }
    ADD_FAILURE() << "the list does not end";
    return ids;
  }

  job::Outcome Cancelled() {
    job::Outcome outcome;
    outcome.status = Status::kCancelled;
    outcome.finished_at = now_;
    return outcome;
  }

  void ExpectCancelled(const std::string& id) {
    const auto got = Get(id);
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->status, Status::kCancelled);
    EXPECT_EQ(got->finished_at, now_);
    EXPECT_FALSE(got->result.has_value());
    EXPECT_EQ(got->error, "");
    EXPECT_TRUE(Lease(1).empty());
  }
};

INSTANTIATE_TEST_SUITE_P(All, QueueContract, testing::ValuesIn(StoreKinds()),
                         [](const auto& test) { return test.param; });

// For a process that is alone on its store.
class RecoverQueueContract : public QueueContract {};

INSTANTIATE_TEST_SUITE_P(All, RecoverQueueContract, testing::ValuesIn(UnsharedStoreKinds()),
                         [](const auto& test) { return test.param; });

TEST_P(QueueContract, TenantsTakeTurns) {
  for (const char* id : {"a1", "a2", "a3", "b1", "b2", "c1"}) {
    SubmitFor(std::string(1, *id), id);
  }
  EXPECT_EQ(LeaseIds(9), (Ids{"a1", "b1", "c1", "a2", "b2", "a3"}));
}

TEST_P(QueueContract, TurnsGoOnFromOneLeaseToTheNext) {
  for (const char* id : {"a1", "a2", "a3", "b1", "b2", "b3"}) {
    SubmitFor(std::string(1, *id), id);
  }
  Ids ids;
  for (int i = 0; i < 6; ++i) {
    ids.push_back(LeaseOne().job.id);
  }
  EXPECT_EQ(ids, (Ids{"a1", "b1", "a2", "b2", "a3", "b3"}));
}

TEST_P(QueueContract, AManyJobsTenantDelaysAnotherByOneTurn) {
  SubmitMany("busy", 3000);
  EXPECT_EQ(LeaseIds(2), (Ids{"busy0", "busy1"}));
  SubmitFor("late", "late");
  const Ids next = LeaseIds(2);
  EXPECT_EQ(std::count(next.begin(), next.end(), "late"), 1) << "more than one turn later";
}

TEST_P(QueueContract, OneJobAtATimeDoesNotJumpTheRound) {
  SubmitMany("busy", 10);
  SubmitFor("quick", "q0");
  Ids ids;
  for (int i = 0; i < 6; ++i) {
    const job::Lease lease = LeaseOne();
    ids.push_back(lease.job.id);
    ASSERT_TRUE(Finish(lease).has_value());
    if (lease.job.tenant == "quick") {
      SubmitFor("quick", "q" + std::to_string(i + 1));
    }
  }
  EXPECT_EQ(ids, (Ids{"busy0", "q0", "busy1", "q2", "busy2", "q4"}));
}

TEST_P(QueueContract, PriorityCountsAmongATenantsOwnJobs) {
  SubmitFor("a", "a-low", -10);
  SubmitFor("a", "a1");
  SubmitFor("a", "a-high", 10);
  SubmitFor("a", "a2");
  SubmitFor("b", "b1", -5);
  SubmitFor("b", "b2", -4);
  EXPECT_EQ(LeaseIds(9), (Ids{"a-high", "b2", "a1", "b1", "a2", "a-low"}));
}

TEST_P(QueueContract, TenantAndPriorityAreKept) {
  SubmitFor("2001:db8::/64", "a", 7);
  const job::Lease lease = LeaseOne();
  EXPECT_EQ(lease.job.tenant, "2001:db8::/64");
  EXPECT_EQ(lease.job.submission.priority, 7);
  const auto got = Get("a");
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->tenant, "2001:db8::/64");
  EXPECT_EQ(got->submission.priority, 7);
}

TEST_P(QueueContract, GivenBackJobsComeFirstAmongTheirTenants) {
  SubmitFor("a", "a1");
  SubmitFor("a", "a2", 10);
  SubmitFor("b", "b1");
  SubmitFor("a", "a3", -10);
  const auto leases = Lease(3);
  ASSERT_EQ(leases.size(), 3U);
  ASSERT_EQ(leases[2].job.id, "a1");
  SubmitFor("a", "a4", 10);
  ASSERT_TRUE(Release(leases[2]).has_value());
  EXPECT_EQ(LeaseIds(9), (Ids{"a1", "a4", "a3"}));
}

TEST_P(QueueContract, LostJobsComeFirstAmongTheirTenants) {
  SubmitFor("a", "a1");
  SubmitFor("a", "a2", 5);
  EXPECT_EQ(LeaseOne().job.id, "a2");
  SubmitFor("a", "a3", 10);
  now_ += options_.lease_time;
  EXPECT_EQ(LeaseIds(9), (Ids{"a2", "a3", "a1"}));
}

// Calls that are under way together: whether or not they meet in one transaction.
TEST_P(QueueContract, JobsAreLeasedInTheTurnInWhichTheyAreSubmitted) {
  for (const int jobs : {1, 2, 3, 5}) {
    SCOPED_TRACE(jobs);
    int stored = 0;
    std::vector<std::string> submitted;
    for (int i = 0; i < jobs; ++i) {
      submitted.push_back(std::to_string(jobs) + "-" + std::to_string(i));
      store_->Submit(MakeJob(submitted.back()), job::Durability::kLater,
                     [&](const base::Result<void>& result) { stored += result ? 1 : 0; });
    }
    std::vector<std::string> leased;
    const auto leases = Lease(3);
    for (const job::Lease& lease : leases) {
      leased.push_back(lease.job.id);
      EXPECT_EQ(lease.job.status, Status::kRunning);
      EXPECT_EQ(lease.job.attempts, 1);
      EXPECT_EQ(lease.job.run, lease.token);
      EXPECT_EQ(lease.job.submission.code, MakeJob(lease.job.id).submission.code);
    }
    for (const job::Lease& lease : Lease(9)) {
      leased.push_back(lease.job.id);
      EXPECT_TRUE(Finish(lease).has_value());
    }
    EXPECT_EQ(stored, jobs);
    EXPECT_EQ(leased, submitted);
    for (const job::Lease& lease : leases) {
      const auto job = Get(lease.job.id);
      ASSERT_TRUE(job.has_value());
      EXPECT_EQ(job->status, Status::kRunning);
      EXPECT_EQ(job->started_at, lease.job.started_at);
      EXPECT_EQ(job->attempts, 1);
      EXPECT_EQ(job->run, lease.token);
      EXPECT_TRUE(Finish(lease).has_value());
    }
    ExpectStats(0, 0);
  }
}

TEST_P(QueueContract, EveryJobIsLeasedOnceWhateverTheTenants) {
  constexpr int kJobs = 500;
  for (int i = 0; i < kJobs; ++i) {
    store_->Submit(JobOf("t" + std::to_string(i * i % 17), std::to_string(i), i % 21 - 10),
                   job::Durability::kAtOnce, [](auto result) { EXPECT_TRUE(result.has_value()); });
  }
  Sync();
  ExpectStats(kJobs, 0);
  std::set<std::string> ids;
  for (;;) {
    const Ids some = LeaseIds(7);
    if (some.empty()) {
      break;
    }
    for (const std::string& id : some) {
      EXPECT_TRUE(ids.insert(id).second) << id << " was leased twice";
    }
  }
  EXPECT_EQ(ids.size(), size_t{kJobs});
}

TEST_P(QueueContract, CancelOfAQueuedJobIsFinalAtOnce) {
  SubmitFor("a", "a1");
  SubmitFor("a", "a2");
  int changes = 0;
  const auto watch = store_->Watch("a1", job::Store::Watched::kChanges, [&] { ++changes; });
  now_ += 5 * base::kMicrosecond;
  const auto cancelled = Cancel("a1");
  ASSERT_TRUE(cancelled.has_value());
  EXPECT_EQ(cancelled->id, "a1");
  EXPECT_EQ(cancelled->status, Status::kCancelled);
  EXPECT_EQ(cancelled->finished_at, now_);
  EXPECT_EQ(cancelled->submission.language, "python");
  ASSERT_TRUE(loop_.RunUntil([&] { return changes == 1; }));
  EXPECT_EQ(LeaseIds(9), (Ids{"a2"}));
  ExpectCancelled("a1");
  ExpectStats(0, 1);
}

TEST_P(QueueContract, CancelOfATenantsLastJobEndsItsTurn) {
  SubmitFor("a", "a1");
  SubmitFor("b", "b1");
  ASSERT_TRUE(Cancel("a1").has_value());
  EXPECT_EQ(LeaseIds(9), (Ids{"b1"}));
  SubmitFor("a", "a2");
  EXPECT_EQ(LeaseIds(9), (Ids{"a2"}));
}

TEST_P(QueueContract, CancelOfARunningJobTellsItsWorker) {
  Ids told;
  store_->OnCancel([&](std::string id) { told.push_back(std::move(id)); });
  SubmitFor("a", "a1");
  SubmitFor("a", "a2");
  const auto leases = Lease(2);
  ASSERT_EQ(leases.size(), 2U);
  const auto answer = Cancel("a1");
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->status, Status::kRunning);
  ASSERT_TRUE(loop_.RunUntil([&] { return !told.empty(); }));
  EXPECT_EQ(told, (Ids{"a1"}));
  EXPECT_EQ(Get("a1")->status, Status::kRunning);
  ASSERT_TRUE(Renew(leases[0]).has_value()) << "the mark must not end the lease";
  int changes = 0;
  const auto watch = other().Watch("a1", job::Store::Watched::kChanges, [&] { ++changes; });
  ASSERT_TRUE(Finish(leases[0], Cancelled()).has_value());
  ASSERT_TRUE(loop_.RunUntil([&] { return changes == 1; }));
  ExpectCancelled("a1");
  EXPECT_EQ(Get("a2")->status, Status::kRunning);
  ExpectStats(0, 1);
}

TEST_P(QueueContract, CancelOfAFinalJobChangesNothing) {
  SubmitFor("a", "done");
  SubmitFor("a", "failed");
  SubmitFor("a", "cancelled");
  job::Outcome failure;
  failure.status = Status::kFailed;
  failure.error = "no sandbox";
  ASSERT_TRUE(Finish(LeaseOne(), Completed("out")).has_value());
  ASSERT_TRUE(Finish(LeaseOne(), failure).has_value());
  ASSERT_TRUE(Cancel("cancelled").has_value());
  const base::Nanos then = now_;
  now_ += 100;
  const auto done = Cancel("done");
  ASSERT_TRUE(done.has_value());
  EXPECT_EQ(done->status, Status::kCompleted);
  EXPECT_EQ(done->result->stdout_data, "out");
  const auto failed = Cancel("failed");
  ASSERT_TRUE(failed.has_value());
  EXPECT_EQ(failed->status, Status::kFailed);
  EXPECT_EQ(failed->error, "no sandbox");
  const auto again = Cancel("cancelled");
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->status, Status::kCancelled);
  EXPECT_EQ(again->finished_at, then);
  EXPECT_EQ(Get("done")->status, Status::kCompleted);
  ExpectStats(0, 0);
}

TEST_P(QueueContract, CancelOfAnUnknownJobIsNotFound) {
  EXPECT_FAILS(Cancel("nothing"), ErrorKind::kNotFound);
  SubmitFor("a", "old");
  ASSERT_TRUE(Finish(LeaseOne()).has_value());
  now_ += options_.job_ttl;
  EXPECT_FAILS(Cancel("old"), ErrorKind::kNotFound);
}

TEST_P(QueueContract, ACancelledJobWhoseWorkerDiesIsNotQueuedAgain) {
  SubmitFor("a", "a1");
  const job::Lease lease = LeaseOne();
  ASSERT_TRUE(Cancel("a1").has_value());
  now_ += options_.lease_time;
  Sweep();
  ExpectCancelled("a1");
  EXPECT_FAILS(Finish(lease), ErrorKind::kConflict);
  ExpectStats(0, 0);
}

TEST_P(QueueContract, ACancelledJobOutOfAttemptsIsCancelledNotFailed) {
  options_.max_attempts = 1;
  Open();
  SubmitFor("a", "a1");
  LeaseOne();
  ASSERT_TRUE(Cancel("a1").has_value());
  now_ += options_.lease_time;
  Sweep();
  ExpectCancelled("a1");
}

TEST_P(QueueContract, ACancelledJobThatIsReleasedIsCancelled) {
  SubmitFor("a", "a1");
  const job::Lease lease = LeaseOne();
  ASSERT_TRUE(Cancel("a1").has_value());
  ASSERT_TRUE(Release(lease).has_value());
  ExpectCancelled("a1");
  ExpectStats(0, 0);
}

TEST_P(RecoverQueueContract, RecoverCancelsWhatWasToBeCancelled) {
  SubmitFor("a", "a1");
  LeaseOne();
  ASSERT_TRUE(Cancel("a1").has_value());
  EXPECT_EQ(Recover(), 1);
  ExpectCancelled("a1");
}

TEST_P(QueueContract, AResultThatComesAfterCancelCounts) {
  SubmitFor("a", "a1");
  const job::Lease lease = LeaseOne();
  ASSERT_TRUE(Cancel("a1").has_value());
  ASSERT_TRUE(Finish(lease, Completed("just in time")).has_value());
  EXPECT_EQ(Get("a1")->status, Status::kCompleted);
  EXPECT_EQ(Get("a1")->result->stdout_data, "just in time");
}

TEST_P(QueueContract, CancelMakesRoomInTheQueue) {
  options_.max_queued = 1;
  Open();
  SubmitFor("a", "a1");
  EXPECT_FAILS(Submit("b"), ErrorKind::kExhausted);
  ASSERT_TRUE(Cancel("a1").has_value());
  EXPECT_TRUE(Submit("b").has_value());
}

TEST_P(QueueContract, CancelledJobsAreRemovedAfterTheirTtl) {
  SubmitFor("a", "a1");
  ASSERT_TRUE(Cancel("a1").has_value());
  now_ += options_.job_ttl;
  EXPECT_FAILS(Get("a1"), ErrorKind::kNotFound);
  Sweep();
  EXPECT_TRUE(Submit("a1").has_value());
}

TEST_P(QueueContract, ListsNewestFirstInPages) {
  Ids expected;
  for (int i = 0; i < 25; ++i) {
    now_ += i % 3 == 0 ? 0 : 7;  // some were created at the same time
    const std::string id = "job" + std::to_string(10 + i);
    SubmitFor("a", id);
    expected.push_back(id);
  }
  std::reverse(expected.begin(), expected.end());
  for (const int limit : {1, 4, 25, 1000}) {
    job::ListQuery query;
    query.limit = limit;
    EXPECT_EQ(ListIds(query), expected) << limit;
  }
}

TEST_P(QueueContract, AListIsMetadata) {
  SubmitFor("t", "done", 3);
  now_ += 5 * base::kMicrosecond;
  ASSERT_TRUE(Finish(LeaseOne(), Completed("large")).has_value());
  job::Outcome failure;
  failure.status = Status::kFailed;
  failure.error = "why";
  SubmitFor("t", "failed");
  ASSERT_TRUE(Finish(LeaseOne(), failure).has_value());
  const auto page = List({});
  ASSERT_TRUE(page.has_value());
  ASSERT_EQ(page->jobs.size(), 2U);
  EXPECT_EQ(page->jobs[0].error, "why");
  const job::Job& j = page->jobs[1];
  EXPECT_EQ(j.id, "done");
  EXPECT_EQ(j.tenant, "t");
  EXPECT_EQ(j.submission.language, "python");
  EXPECT_EQ(j.submission.priority, 3);
  EXPECT_EQ(j.status, Status::kCompleted);
  EXPECT_EQ(j.attempts, 1);
  EXPECT_NE(j.run, 0U);
  EXPECT_EQ(j.created_at, now_ - 5 * base::kMicrosecond);
  EXPECT_EQ(j.started_at, now_);
  EXPECT_EQ(j.finished_at, now_);
  EXPECT_EQ(j.submission.code, "");
  EXPECT_FALSE(j.result.has_value());
}

TEST_P(QueueContract, ListFilters) {
  const base::Nanos first = now_;
  SubmitFor("a", "a-done");
  SubmitFor("b", "b-runs");
  ASSERT_TRUE(Finish(LeaseOne()).has_value());
  LeaseOne();
  now_ += base::kSecond;
  job::Job go = JobOf("a", "a-go");
  go.submission.language = "go";
  ASSERT_TRUE(Submit(go).has_value());
  now_ += base::kSecond;
  SubmitFor("b", "b-gone");
  ASSERT_TRUE(Cancel("b-gone").has_value());

  const auto listed = [&](const std::function<void(job::ListQuery&)>& set) {
    job::ListQuery query;
    query.limit = 1;
    set(query);
    return ListIds(query);
  };
  EXPECT_EQ(listed([](auto&) {}), (Ids{"b-gone", "a-go", "b-runs", "a-done"}));
  EXPECT_EQ(listed([](auto& q) { q.tenant = "a"; }), (Ids{"a-go", "a-done"}));
  EXPECT_EQ(listed([](auto& q) { q.language = "go"; }), (Ids{"a-go"}));
  EXPECT_EQ(listed([](auto& q) { q.language = "g"; }), Ids{});
  EXPECT_EQ(listed([&](auto& q) { q.since = first + 1; }), (Ids{"b-gone", "a-go"}));
  EXPECT_EQ(listed([&](auto& q) { q.since = first + base::kSecond; }), (Ids{"b-gone", "a-go"}));
  EXPECT_EQ(listed([&](auto& q) { q.since = first + base::kSecond + 1; }), (Ids{"b-gone"}));
  EXPECT_EQ(listed([](auto& q) { q.status = Status::kQueued; }), (Ids{"a-go"}));
  EXPECT_EQ(listed([](auto& q) { q.status = Status::kRunning; }), (Ids{"b-runs"}));
  EXPECT_EQ(listed([](auto& q) { q.status = Status::kCompleted; }), (Ids{"a-done"}));
  EXPECT_EQ(listed([](auto& q) { q.status = Status::kCancelled; }), (Ids{"b-gone"}));
  EXPECT_EQ(listed([](auto& q) { q.status = Status::kFailed; }), Ids{});
  EXPECT_EQ(listed([](auto& q) {
              q.tenant = "a";
              q.language = "python";
              q.status = Status::kCompleted;
            }),
            (Ids{"a-done"}));
}

TEST_P(QueueContract, AListStaysInOrderWhileJobsComeAndGo) {
  for (int i = 0; i < 6; ++i) {
    ++now_;
    SubmitFor("a", "old" + std::to_string(i));
  }
  job::ListQuery query;
  query.limit = 2;
  const auto first = List(query);
  ASSERT_TRUE(first.has_value());
  ASSERT_EQ(first->jobs.size(), 2U);
  ++now_;
  SubmitFor("a", "new");
  LeaseIds(3);
  query.cursor = first->next_cursor;
  query.limit = 100;
  EXPECT_EQ(ListIds(query), (Ids{"old3", "old2", "old1", "old0"}));
}

TEST_P(QueueContract, AListHasNoExpiredJobs) {
  SubmitFor("a", "old");
  ASSERT_TRUE(Finish(LeaseOne()).has_value());
  now_ += options_.job_ttl;
  SubmitFor("a", "new");
  EXPECT_EQ(ListIds({}), (Ids{"new"}));
  Sweep();
  EXPECT_EQ(ListIds({}), (Ids{"new"}));
}

TEST_P(QueueContract, AFilteredListLooksAtABoundedNumberAndStillFindsAll) {
  SubmitFor("rare", "rare0");
  ++now_;
  SubmitMany("busy", 6000);
  job::ListQuery query;
  query.tenant = "rare";
  EXPECT_EQ(ListIds(query), (Ids{"rare0"}));
  // What it has looked at in between is not the tenant's to know.
  const auto first = List(query);
  ASSERT_TRUE(first.has_value());
  EXPECT_NE(first->next_cursor, "");
  EXPECT_EQ(first->next_cursor.find("busy"), std::string::npos);
}

TEST_P(QueueContract, AListRefusesWhatIsNone) {
  job::ListQuery query;
  query.limit = 0;
  EXPECT_FAILS(List(query), ErrorKind::kInvalidArgument);
  query.limit = job::kMaxListLimit + 1;
  EXPECT_FAILS(List(query), ErrorKind::kInvalidArgument);
  query.limit = 1;
  for (const char* cursor : {"x", "-1.a", "12", "99999999999999999999999.a", ".", " 1.a"}) {
    query.cursor = cursor;
    EXPECT_FAILS(List(query), ErrorKind::kInvalidArgument);
  }
}

}  // namespace
}  // namespace store

#include <limits>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "job/delivery_store.h"
#include "job/metadata.h"
#include "store/local_keys.h"
#include "store/output_log.h"
#include "store/rules.h"
#include "store/stores.h"
#include "store/turn_queue.h"
#include "store/watch_list.h"

namespace store {
namespace {

using base::Result;
using job::Status;

struct Record {
  job::Job job;
  Place place;         // in the queue
  uint64_t token = 0;  // 0: not leased
  base::Nanos lease_until = 0;
  bool cancel = false;      // it runs and is to be killed
  base::Nanos tell_at = 0;  // when its webhook is due, of the leases' clock; 0: never
  int told = 0;             // how often that was tried
};

class MemoryStore final : public job::Store, public job::DeliveryStore {
 public:
  MemoryStore(job::StoreOptions options, Post post, Clock clock)
      : options_(options),
        post_(std::move(post)),
        clock_(clock ? clock : base::WallNow),
        lease_clock_(clock ? clock : base::MonotonicNow),
        output_(post_, lease_clock_),
        keys_(post_, lease_clock_) {}

  void Submit(job::Job job, job::Durability /*durability*/, Callback<void> done) override {
    Answer(std::move(done), DoSubmit(std::move(job)));
  }

  void Sync(Callback<void> done) override { Answer(std::move(done), Result<void>()); }

  void Get(std::string id, Callback<job::Job> done) override {
    const Record* record = Find(id);
    if (record == nullptr || IsPastTtl(record->job, options_, clock_())) {
      Answer<job::Job>(std::move(done), NoSuchJob());
    } else {
      job::Job job = record->job;
      output_.AddUsage(&job);
      Answer<job::Job>(std::move(done), std::move(job));
    }
  }

  void List(job::ListQuery query, Callback<job::ListPage> done) override {
    Answer(std::move(done), DoList(query));
  }

  void LeaseJobs(std::string /*worker*/, int max, Callback<std::vector<job::Lease>> done) override {
    const base::Nanos now = lease_clock_();
    Requeue(now);
    std::vector<job::Lease> leases;
    while (queued_.Next() != nullptr && static_cast<int>(leases.size()) < max) {
      if (IsFull((*queued_.Next())->job)) {
        queued_.Hold((*queued_.Next())->job.tenant);
        continue;
      }
      leases.push_back(LeaseOne(*queued_.Pop(), now));
    }
    Answer<std::vector<job::Lease>>(std::move(done), std::move(leases));
  }

  void Begin(std::string /*worker*/, job::Job job, Callback<job::Lease> done) override {
    if (IsFull(job)) {
      return Answer<job::Lease>(std::move(done), TenantBusy());
    }
    Record* record = Add(std::move(job));
    Answer<job::Lease>(std::move(done), record == nullptr ? Result<job::Lease>(DuplicateId())
                                                          : LeaseOne(*record, lease_clock_()));
  }

  void Renew(std::string id, uint64_t token, Callback<void> done) override {
    Record* record = FindLeased(id, token);
    if (record != nullptr) {
      record->lease_until = lease_clock_() + options_.lease_time;
    }
    Answer(std::move(done), record != nullptr ? Result<void>() : StaleToken());
  }

  void Finish(std::string id, uint64_t token, job::Outcome outcome, Callback<void> done) override {
    Answer(std::move(done), DoFinish(id, token, std::move(outcome)));
  }

  void Release(std::string id, uint64_t token, Callback<void> done) override {
    Record* record = FindLeased(id, token);
    if (record != nullptr) {
      if (!record->cancel) {
        --record->job.attempts;
      }
      PutBack(*record);
    }
    Answer(std::move(done), record != nullptr ? Result<void>() : StaleToken());
  }

  void Cancel(std::string id, Callback<job::Job> done) override {
    Record* record = Find(id);
    if (record == nullptr || IsPastTtl(record->job, options_, clock_())) {
      return Answer<job::Job>(std::move(done), NoSuchJob());
    }
    if (record->job.status == Status::kQueued) {
      queued_.Remove(record->job.tenant, record->place);
      End(*record, Status::kCancelled, "", clock_());
    } else if (record->job.status == Status::kRunning) {
      record->cancel = true;
      events_.cancel.push_back(record->job.id);
    }
    Answer<job::Job>(std::move(done), record->job);
  }

  void OnCancel(std::function<void(std::string id)> listener) override {
    watchers_.OnCancel(std::move(listener));
  }

  void Recover(Callback<int64_t> done) override {
    Answer<int64_t>(std::move(done), Requeue(std::numeric_limits<base::Nanos>::max()));
  }

  void Sweep(Callback<void> done) override {
    const base::Nanos now = clock_();
    Requeue(lease_clock_());
    output_.Sweep();
    while (!finished_.empty() && finished_.begin()->first <= now - options_.job_ttl) {
      Remove(finished_.begin()->second);
      finished_.erase(finished_.begin());
    }
    Answer(std::move(done), Result<void>());
  }

  void Stats(Callback<job::StoreStats> done) override {
    Answer<job::StoreStats>(std::move(done),
                            job::StoreStats{static_cast<int64_t>(queued_.size()),
                                            static_cast<int64_t>(running_.size())});
  }

  WatchHandle Watch(std::string id, Watched what, std::function<void()> changed) override {
    return watchers_.Add(std::move(id), what, std::move(changed));
  }

  void Publish(std::string id, job::OutputChunk chunk) override {
    output_.Publish(id, std::move(chunk));
  }

  WatchHandle WatchOutput(std::string id, job::OutputPosition from,
                          OutputListener listener) override {
    return output_.Watch(std::move(id), from, std::move(listener));
  }

  void PublishUsage(std::string id, uint64_t run, sandbox::LiveUsage usage) override {
    output_.PublishUsage(id, run, usage);
  }

  WatchHandle WatchUsage(std::string id, UsageListener listener) override {
    return output_.WatchUsage(std::move(id), std::move(listener));
  }

  void OnQueued(std::function<void()> listener) override {
    watchers_.OnQueued(std::move(listener));
  }

  std::string_view name() const override { return "memory"; }

  job::KeyStore* keys() override { return &keys_; }

  job::DeliveryStore* deliveries() override { return this; }

  void TakeDue(int max, base::Nanos hold, Callback<std::vector<job::Delivery>> done) override {
    const base::Nanos now = lease_clock_();
    std::vector<job::Delivery> taken;
    while (!due_.empty() && due_.begin()->first <= now && static_cast<int>(taken.size()) < max) {
      Record& record = *Find(due_.begin()->second);
      const bool expired = IsPastTtl(record.job, options_, clock_());
      SetDue(record, expired ? 0 : now + hold);
      if (!expired) {
        taken.push_back({record.job, record.told});
      }
    }
    Answer<std::vector<job::Delivery>>(std::move(done), std::move(taken));
  }

  void Postpone(std::string id, int attempts, base::Nanos pause, Callback<void> done) override {
    if (Record* record = Find(id); record != nullptr && record->tell_at != 0) {
      record->told = attempts;
      SetDue(*record, lease_clock_() + pause);
    }
    Answer(std::move(done), Result<void>());
  }

  void Settle(std::string id, Callback<void> done) override {
    if (Record* record = Find(id)) {
      SetDue(*record, 0);
    }
    Answer(std::move(done), Result<void>());
  }

 private:
  // Posts the answer, then what the call changed for others.
  template <typename T>
  void Answer(Callback<T> done, Result<T> result) {
    output_.Follow(events_);
    const std::weak_ptr<bool> alive = alive_;
    const auto shared = std::make_shared<Result<T>>(std::move(result));
    post_([this, alive, done = std::move(done), shared,
           events = std::exchange(events_, {})]() mutable {
      if (!alive.expired()) {
        done(std::move(*shared));
      }
      if (!alive.expired()) {
        watchers_.Notify(events);
      }
    });
  }

  Result<void> DoSubmit(job::Job job) {
    if (static_cast<int64_t>(queued_.size()) >= options_.max_queued) {
      return QueueFull();
    }
    if (job.max_queued > 0 && static_cast<int64_t>(queued_.size(job.tenant)) >= job.max_queued) {
      return TenantQueueFull();
    }
    Record* record = Add(std::move(job));
    if (record == nullptr) {
      return DuplicateId();
    }
    queued_.Push(record->job.tenant, record->place, record);
    events_.queued = true;
    return {};
  }

  // A new record, queued nowhere yet. Null: there is one with this id.
  Record* Add(job::Job job) {
    const std::string id = job.id;
    const auto [entry, inserted] = records_.try_emplace(id);
    if (!inserted) {
      return nullptr;
    }
    Record& record = entry->second;
    record.job = std::move(job);
    record.job.status = Status::kQueued;
    record.place = {false, record.job.submission.priority, ++last_place_};
    by_time_.emplace(ListKey{record.job.created_at, id}, &record);
    return &record;
  }

  job::Lease LeaseOne(Record& record, base::Nanos now) {
    ++running_of_[record.job.tenant];
    record.token = ++last_token_;
    record.job.run = record.token;
    record.lease_until = now + options_.lease_time;
    record.job.started_at = clock_();
    ++record.job.attempts;
    running_.insert(&record);
    events_.leases.emplace_back(record.job.id, record.token);
    SetStatus(record, Status::kRunning);
    return {record.job, record.token};
  }

  using ByTime = std::map<ListKey, Record*>;

  Result<job::ListPage> DoList(const job::ListQuery& query) {
    const Result<ListKey> before = CheckListQuery(query);
    if (!before) {
      return before.error();
    }
    const base::Nanos now = clock_();
    // Few jobs run, and those that do are seldom the newest.
    ByTime running;
    if (query.status == Status::kRunning) {
      for (Record* record : running_) {
        running.emplace(ListKey{record->job.created_at, record->job.id}, record);
      }
    }
    const ByTime& records = query.status == Status::kRunning ? running : by_time_;
    job::ListPage page;
    int looked_at = 0;
    for (auto it = records.lower_bound(*before); it != records.begin();) {
      --it;
      const job::Job& job = it->second->job;
      if (job.created_at < query.since) {
        break;
      }
      if (IsListed(job, query) && !IsPastTtl(job, options_, now)) {
        page.jobs.push_back(job::Metadata(job));
      }
      if (static_cast<int>(page.jobs.size()) == query.limit || ++looked_at == kListScan) {
        page.next_cursor = it == records.begin() ? "" : CursorBehind(job, query);
        break;
      }
    }
    return page;
  }

  // `at` 0: never.
  void SetDue(Record& record, base::Nanos at) {
    if (record.tell_at != 0) {
      due_.erase({record.tell_at, record.job.id});
    }
    record.tell_at = at;
    if (at != 0) {
      due_.emplace(at, record.job.id);
    }
  }

  void Remove(const std::string& id) {
    const auto found = records_.find(id);
    SetDue(found->second, 0);
    by_time_.erase(ListKey{found->second.job.created_at, id});
    records_.erase(found);
  }

  Result<void> DoFinish(const std::string& id, uint64_t token, job::Outcome outcome) {
    if (Result<void> valid = CheckOutcome(outcome); !valid) {
      return valid;
    }
    Record* record = FindLeased(id, token);
    if (record == nullptr) {
      return StaleToken();
    }
    record->job.result = std::move(outcome.result);
    End(*record, outcome.status, std::move(outcome.error),
        outcome.finished_at != 0 ? outcome.finished_at : clock_());
    return {};
  }

  Record* Find(const std::string& id) {
    const auto found = records_.find(id);
    return found == records_.end() ? nullptr : &found->second;
  }

  Record* FindLeased(const std::string& id, uint64_t token) {
    Record* record = Find(id);
    return record != nullptr && record->token == token && token != 0 ? record : nullptr;
  }

  void SetStatus(Record& record, Status status) {
    record.job.status = status;
    events_.changed.push_back({record.job.id, job::IsFinal(status)});
  }

  void EndLease(Record& record) {
    if (running_.erase(&record) > 0) {
      events_.leases.emplace_back(record.job.id, 0);
      if (const auto of = running_of_.find(record.job.tenant); --of->second == 0) {
        running_of_.erase(of);
      }
      events_.queued = queued_.Release(record.job.tenant) || events_.queued;
    }
    record.token = 0;
    record.lease_until = 0;
  }

  // Whether as many jobs of its tenant run as may.
  bool IsFull(const job::Job& job) const {
    const auto of = running_of_.find(job.tenant);
    return job.max_running > 0 && of != running_of_.end() && of->second >= job.max_running;
  }

  // Ends the lease without an outcome.
  void PutBack(Record& record) {
    if (record.cancel) {
      return End(record, Status::kCancelled, "", clock_());
    }
    EndLease(record);
    record.job.started_at = 0;
    record.place.returned = true;
    queued_.Push(record.job.tenant, record.place, &record);
    SetStatus(record, Status::kQueued);
    events_.queued = true;
  }

  void End(Record& record, Status status, std::string error, base::Nanos finished_at) {
    EndLease(record);
    record.job.error = std::move(error);
    record.job.finished_at = finished_at;
    finished_.emplace(finished_at, record.job.id);
    if (!record.job.submission.webhook.url.empty()) {
      SetDue(record, lease_clock_());
    }
    SetStatus(record, status);
  }

  // Ends the leases that have expired at `now`, of the leases' clock; answers how many.
  int64_t Requeue(base::Nanos now) {
    std::vector<Record*> expired;
    for (Record* record : running_) {
      if (record->lease_until <= now) {
        expired.push_back(record);
      }
    }
    for (Record* record : expired) {
      if (record->job.attempts >= options_.max_attempts && !record->cancel) {
        End(*record, Status::kFailed, AttemptsUsedUp(record->job.attempts), clock_());
      } else {
        PutBack(*record);
      }
    }
    return static_cast<int64_t>(expired.size());
  }

  const job::StoreOptions options_;
  const Post post_;
  const Clock clock_;  // of the wall
  const Clock lease_clock_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  WatchList watchers_;
  OutputLog output_;
  Events events_;  // of the call being handled
  uint64_t last_place_ = 0;
  uint64_t last_token_ = 0;
  std::unordered_map<std::string, Record> records_;  // its nodes do not move
  ByTime by_time_;
  TurnQueue<Record*> queued_;
  std::set<Record*> running_;
  std::unordered_map<std::string, int64_t> running_of_;  // tenants of which jobs run: how many
  std::set<std::pair<base::Nanos, std::string>> due_;    // webhooks: when, of which job
  LocalKeys keys_;
  std::multimap<base::Nanos, std::string> finished_;
};

}  // namespace

std::unique_ptr<job::Store> MakeMemoryStore(job::StoreOptions options, Post post, Clock clock) {
  return std::make_unique<MemoryStore>(options, std::move(post), std::move(clock));
}

}  // namespace store

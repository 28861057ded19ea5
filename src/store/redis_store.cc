#include "store/redis_store.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <deque>
#include <map>
#include <unordered_map>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "job/json.h"
#include "store/redis_checks.h"
#include "store/redis_deliveries.h"
#include "store/redis_jobs.h"
#include "store/redis_keys.h"
#include "store/redis_messages.h"
#include "store/redis_output.h"
#include "store/redis_scripts.h"
#include "store/redis_usage.h"
#include "store/rules.h"
#include "store/watch_list.h"

namespace store {

using base::Result;
using std::to_string;

namespace {

constexpr int kListScanRedis = 1000;  // records a call looks at; Redis serves no one else meanwhile
constexpr base::Nanos kCancelMemory = 10 * base::kSecond;
constexpr size_t kMaxCancelMemory = 10'000;

std::string Millis(base::Nanos duration) {
  return to_string(std::max<base::Nanos>(1, duration / base::kMillisecond));
}

// What the scripts say about a call that changes a leased job.
Result<void> ToLeaseResult(const Result<RedisReply>& reply) {
  if (!reply) {
    return reply.error();
  }
  return reply->IsText("conflict") ? Result<void>(StaleToken()) : Result<void>();
}

}  // namespace

class RedisStore::Impl : public std::enable_shared_from_this<RedisStore::Impl> {
 public:
  Impl(boost::asio::io_context& loop, RedisStoreOptions options)
      : loop_(loop),
        options_(std::move(options)),
        prefix_("{" + options_.redis.prefix + "}:"),
        node_(base::RandomId(9)),
        commands_(loop, options_.redis, "code-sandbox-" + node_, CommandEvents()),
        messages_(loop, options_.redis, "code-sandbox-events-" + node_, Channels(),
                  MessageEvents()),
        output_(loop, commands_, options_.jobs.lease_time),
        usage_(commands_),
        keys_(commands_),
        deliveries_(commands_) {
    commands_.Start();
  }

  void Submit(const job::Job& job, Callback<void> done) {
    const job::Submission& s = job.submission;
    commands_.Run(
        Scripts().submit,
        {job.id, job.tenant, to_string(s.priority), s.language, to_string(job.created_at),
         job::EncodeSubmission(s), to_string(options_.jobs.max_queued), to_string(job.max_queued),
         to_string(job.max_running), s.webhook.url.empty() ? "0" : "1"},
        [done = std::move(done)](const Result<RedisReply>& reply) {
          if (!reply) {
            done(reply.error());
          } else if (reply->IsText("full")) {
            done(QueueFull());
          } else if (reply->IsText("tenant full")) {
            done(TenantQueueFull());
          } else if (reply->IsText("conflict")) {
            done(DuplicateId());
          } else {
            done({});
          }
        });
  }

  void Sync(Callback<void> done) { Post(Result<void>(), std::move(done)); }

  void Get(const std::string& id, Callback<job::Job> done) {
    commands_.Run(Scripts().get, {id}, ReadJob(id, std::move(done)));
  }

  void Cancel(const std::string& id, Callback<job::Job> done) {
    commands_.Run(Scripts().cancel, {id, Ttl()}, ReadJob(id, std::move(done)));
  }

  void List(const job::ListQuery& query, Callback<job::ListPage> done) {
    const auto key = CheckListQuery(query);
    if (!key) {
      Post<job::ListPage>(key.error(), std::move(done));
      return;
    }
    commands_.Run(Scripts().list,
                  {query.tenant, query.language,
                   query.status ? std::string(job::ToString(*query.status)) : std::string(),
                   query.cursor.empty() ? std::string() : RedisPlace(key->first, key->second),
                   RedisPlace(query.since, ""), to_string(query.limit), to_string(kListScanRedis)},
                  [done = std::move(done)](const Result<RedisReply>& reply) {
                    done(reply ? ReadRedisPage(*reply) : Result<job::ListPage>(reply.error()));
                  });
  }

  void LeaseJobs(const std::string& worker, int max, Callback<std::vector<job::Lease>> done) {
    // When the answer to the last call was lost, this one asks for it again.
    std::string call = to_string(++last_call_) + node_;
    if (const auto lost = lost_calls_.find(worker); lost != lost_calls_.end()) {
      call = lost->second;
      lost_calls_.erase(lost);
    }
    commands_.Run(Scripts().lease,
                  {worker, to_string(max), call, Millis(options_.jobs.lease_time),
                   to_string(options_.jobs.max_attempts), Ttl(), Grace(), node_},
                  [this, worker, call, done = std::move(done)](const Result<RedisReply>& reply) {
                    if (!reply) {
                      lost_calls_[worker] = call;
                      done(reply.error());
                    } else {
                      TakeLeases(*reply, done);
                    }
                  });
  }

  void Begin(const std::string& worker, const job::Job& job, Callback<job::Lease> done) {
    const job::Submission& s = job.submission;
    commands_.Run(Scripts().begin,
                  {job.id, job.tenant, to_string(s.priority), s.language, to_string(job.created_at),
                   job::EncodeSubmission(s), worker, to_string(job.max_running)},
                  [this, done = std::move(done)](const Result<RedisReply>& reply) {
                    if (!reply) {
                      done(reply.error());
                    } else if (reply->IsText("conflict")) {
                      done(DuplicateId());
                    } else if (reply->IsText("tenant busy")) {
                      done(TenantBusy());
                    } else {
                      auto lease = ReadRedisLease(*reply);
                      if (lease) {
                        held_[lease->job.id] = lease->token;
                      }
                      done(std::move(lease));
                    }
                  });
  }

  void Renew(const std::string& id, uint64_t token, Callback<void> done) {
    commands_.Run(Scripts().renew, {id, to_string(token), Millis(options_.jobs.lease_time)},
                  [this, weak = weak_from_this(), id,
                   done = std::move(done)](const Result<RedisReply>& reply) {
                    const bool cancel = reply && reply->IsText("cancel");
                    done(ToLeaseResult(reply));
                    if (cancel && !weak.expired()) {
                      NotifyCancel(id);
                    }
                  });
  }

  void Finish(const std::string& id, uint64_t token, const job::Outcome& outcome,
              Callback<void> done) {
    if (Result<void> valid = CheckOutcome(outcome); !valid) {
      Post<void>(valid.error(), std::move(done));
      return;
    }
    std::vector<std::string> arguments = {
        id,
        to_string(token),
        std::string(job::ToString(outcome.status)),
        to_string(outcome.finished_at),
        Ttl(),
        outcome.result ? job::EncodeResult(*outcome.result) : std::string(),
        outcome.error};
    EndLease(Scripts().finish, id, token, std::move(arguments), std::move(done));
  }

  void Release(const std::string& id, uint64_t token, Callback<void> done) {
    EndLease(Scripts().release, id, token, {id, to_string(token), Ttl()}, std::move(done));
  }

  void Sweep(Callback<void> done) {
    const base::Nanos until = base::MonotonicNow() - kCancelMemory;
    while (!cancelled_.empty() && cancelled_.front().first < until) {
      cancelled_.pop_front();
    }
    commands_.Run(
        Scripts().sweep,
        {Millis(options_.jobs.lease_time), to_string(options_.jobs.max_attempts), Ttl(), Grace()},
        [done = std::move(done)](const Result<RedisReply>& reply) {
          done(reply ? Result<void>() : Result<void>(reply.error()));
        });
  }

  void Stats(Callback<job::StoreStats> done) {
    commands_.Send({"HMGET", prefix_ + "state", "queued", "running"},
                   [this, done = std::move(done)](const Result<RedisReply>& reply) {
                     if (!reply) {
                       done(reply.error());
                     } else if (!messages_.listening()) {
                       done(messages_.why());
                     } else if (reply->items.size() != 2) {
                       done(base::Internal("Redis answers something else than two counts"));
                     } else {
                       done(job::StoreStats{reply->items[0].ToInt(), reply->items[1].ToInt()});
                     }
                   });
  }

  void Announce(const std::string& name, const std::string& text,
                Callback<std::vector<job::Worker>> done) {
    commands_.Run(Scripts().announce, {name, text, Millis(job::kWorkerSilence)},
                  [done = std::move(done)](const Result<RedisReply>& reply) {
                    if (!reply) {
                      done(reply.error());
                      return;
                    }
                    std::vector<job::Worker> workers;
                    for (const RedisReply& worker : reply->items) {
                      if (worker.items.size() == 2) {
                        workers.push_back(ReadWorker(worker.items[0].text, worker.items[1].text));
                      }
                    }
                    done(std::move(workers));
                  });
  }

  void Leave(const std::string& worker) {
    Announce(worker, "", [](const auto&) {});
    commands_.Send({"ZREM", prefix_ + "idle", node_}, [](const auto&) {});
  }

  void PostRecovered(Callback<int64_t> done) {
    boost::asio::post(loop_, [weak = weak_from_this(), done = std::move(done)] {
      if (!weak.expired()) {
        done(int64_t{0});
      }
    });
  }

  void Publish(const std::string& id, job::OutputChunk chunk) {
    const auto held = held_.find(id);
    const bool is_held = held != held_.end() && held->second == chunk.run;
    output_.Publish(id, std::move(chunk), is_held);
  }

  WatchList& watchers() { return watchers_; }

  RedisOutput& output() { return output_; }

  RedisUsage& usage() { return usage_; }

  RedisKeys& keys() { return keys_; }

  RedisDeliveries& deliveries() { return deliveries_; }

 private:
  // Answers what Redis need not be asked.
  template <typename T>
  void Post(Result<T> answer, Callback<T> done) {
    boost::asio::post(loop_, [weak = weak_from_this(), answer = std::move(answer),
                              done = std::move(done)]() mutable {
      if (!weak.expired()) {
        done(std::move(answer));
      }
    });
  }

  std::string Ttl() const { return Millis(options_.jobs.job_ttl); }

  std::string Grace() const { return to_string(options_.outage_grace / base::kMillisecond); }

  static RedisClient::Callback ReadJob(const std::string& id, Callback<job::Job> done) {
    return [id, done = std::move(done)](const Result<RedisReply>& reply) {
      done(reply ? ReadRedisJob(id, *reply) : Result<job::Job>(reply.error()));
    };
  }

  void TakeLeases(const RedisReply& reply, const Callback<std::vector<job::Lease>>& done) {
    std::vector<job::Lease> leases;
    Events events;
    for (const RedisReply& item : reply.items) {
      auto lease = ReadRedisLease(item);
      if (lease) {
        const std::string& id = lease->job.id;
        held_[id] = lease->token;
        if (std::any_of(cancelled_.begin(), cancelled_.end(),
                        [&](const auto& c) { return c.second == id; })) {
          events.cancel.push_back(id);
        }
        leases.push_back(std::move(*lease));
      } else {
        // Left to newer nodes: the lease ends, and after the last attempt the job fails.
        base::Log(base::LogLevel::kError, "a job cannot be run",
                  {{"error", lease.error().message}});
      }
    }
    const auto weak = weak_from_this();
    done(std::move(leases));
    if (!weak.expired()) {
      watchers_.Notify(events);
    }
  }

  void EndLease(const RedisScript& script, const std::string& id, uint64_t token,
                std::vector<std::string> arguments, Callback<void> done) {
    for (std::string& argument : output_.Take(id, token)) {
      arguments.push_back(std::move(argument));
    }
    commands_.Run(script, std::move(arguments),
                  [this, id, token, done = std::move(done)](const Result<RedisReply>& reply) {
                    const auto held = held_.find(id);
                    if (reply && held != held_.end() && held->second == token) {
                      held_.erase(held);
                    }
                    done(ToLeaseResult(reply));
                  });
  }

  RedisClient::Events CommandEvents() {
    RedisClient::Events events;
    events.up = [this] {
      checks_.Start(commands_);
      if (!std::exchange(commands_up_, true)) {
        base::Log(base::LogLevel::kInfo, "connected to Redis");
      }
      said_.clear();
      if (std::exchange(was_down_, false)) {
        messages_.Reconnect();  // it may hang on a server that is no longer the master
      }
      CatchUp();
    };
    events.down = [this](const base::Error& why) {
      commands_up_ = false;
      was_down_ = true;
      Say(why);
    };
    return events;
  }

  std::vector<std::string> Channels() const {
    std::vector<std::string> channels;
    if (options_.watches) {
      channels.emplace_back("changed");
      channels.emplace_back("output");
      channels.emplace_back("usage");
    }
    if (options_.works) {
      channels.emplace_back("queued");
      channels.emplace_back("cancel");
      channels.push_back("wake:" + node_);
    }
    return channels;
  }

  RedisMessages::Events MessageEvents() {
    RedisMessages::Events events;
    events.listening = [this] { CatchUp(); };
    events.refused = [this](const base::Error& why) { Say(why); };
    events.message = [this](const std::string& channel, const std::string& text) {
      OnMessage(channel, text);
    };
    return events;
  }

  // Once for each reason, not for each try.
  void Say(const base::Error& why) {
    if (said_ != why.message) {
      said_ = why.message;
      base::Log(base::LogLevel::kError, "Redis is away, trying again", {{"error", why.message}});
    }
  }

  // Messages may have been missed while one of the connections was away: whatever they could have
  // told is looked up.
  void CatchUp() {
    if (!commands_up_ || !messages_.listening()) {
      return;
    }
    for (const auto& [id, token] : std::map<std::string, uint64_t>(held_.begin(), held_.end())) {
      Renew(id, token, [](const auto&) {});
    }
    output_.LookForAll();
    Events events;
    for (std::string& id : watchers_.Ids()) {
      events.changed.push_back({std::move(id)});
    }
    events.queued = true;
    watchers_.Notify(events);
  }

  void OnMessage(const std::string& kind, const std::string& text) {
    Events events;
    if (kind == "changed") {
      events.changed.push_back({text});
      // What was written before the change is told before it.
      output_.Look(text, [weak = weak_from_this(), events = std::move(events)] {
        if (const auto self = weak.lock()) {
          self->watchers_.Notify(events);
        }
      });
    } else if (kind == "output") {
      output_.Look(text.substr(0, text.rfind(' ')), [] {});
    } else if (kind == "usage") {
      usage_.OnMessage(text);
    } else if (kind == "cancel") {
      NotifyCancel(text);
    } else {  // queued, wake
      events.queued = true;
      watchers_.Notify(events);
    }
  }

  void NotifyCancel(const std::string& id) {
    if (held_.count(id) > 0) {
      Events events;
      events.cancel.push_back(id);
      watchers_.Notify(events);
    } else if (cancelled_.size() < kMaxCancelMemory) {
      // The answer that leases it to this node may be on its way.
      cancelled_.emplace_back(base::MonotonicNow(), id);
    }
  }

  boost::asio::io_context& loop_;
  const RedisStoreOptions options_;
  const std::string prefix_;
  const std::string node_;
  RedisChecks checks_;
  WatchList watchers_;
  std::unordered_map<std::string, uint64_t> held_;  // tokens of the jobs leased to this node
  std::map<std::string, std::string> lost_calls_;   // by worker: LeaseJobs that had no answer
  std::deque<std::pair<base::Nanos, std::string>> cancelled_;
  uint64_t last_call_ = 0;
  bool commands_up_ = false;
  bool was_down_ = false;
  std::string said_;
  RedisClient commands_;
  RedisMessages messages_;
  RedisOutput output_;
  RedisUsage usage_;
  RedisKeys keys_;
  RedisDeliveries deliveries_;
};

RedisStore::RedisStore(boost::asio::io_context& loop, RedisStoreOptions options)
    : impl_(std::make_shared<Impl>(loop, std::move(options))) {}

RedisStore::~RedisStore() = default;

// What Redis has answered is as durable as it is going to be.
void RedisStore::Submit(job::Job job, job::Durability /*durability*/, Callback<void> done) {
  impl_->Submit(job, std::move(done));
}

void RedisStore::Sync(Callback<void> done) {
  impl_->Sync(std::move(done));
}

void RedisStore::Get(std::string id, Callback<job::Job> done) {
  impl_->Get(id, std::move(done));
}

void RedisStore::List(job::ListQuery query, Callback<job::ListPage> done) {
  impl_->List(query, std::move(done));
}

void RedisStore::LeaseJobs(std::string worker, int max, Callback<std::vector<job::Lease>> done) {
  impl_->LeaseJobs(worker, max, std::move(done));
}

void RedisStore::Begin(std::string worker, job::Job job, Callback<job::Lease> done) {
  impl_->Begin(worker, job, std::move(done));
}

void RedisStore::Renew(std::string id, uint64_t token, Callback<void> done) {
  impl_->Renew(id, token, std::move(done));
}

void RedisStore::Finish(std::string id, uint64_t token, job::Outcome outcome, Callback<void> done) {
  impl_->Finish(id, token, outcome, std::move(done));
}

void RedisStore::Release(std::string id, uint64_t token, Callback<void> done) {
  impl_->Release(id, token, std::move(done));
}

void RedisStore::Cancel(std::string id, Callback<job::Job> done) {
  impl_->Cancel(id, std::move(done));
}

void RedisStore::OnCancel(std::function<void(std::string id)> listener) {
  impl_->watchers().OnCancel(std::move(listener));
}

void RedisStore::Recover(Callback<int64_t> done) {
  impl_->PostRecovered(std::move(done));
}

void RedisStore::Sweep(Callback<void> done) {
  impl_->Sweep(std::move(done));
}

void RedisStore::Stats(Callback<job::StoreStats> done) {
  impl_->Stats(std::move(done));
}

job::Store::WatchHandle RedisStore::Watch(std::string id, Watched what,
                                          std::function<void()> changed) {
  return impl_->watchers().Add(std::move(id), what, std::move(changed));
}

void RedisStore::Publish(std::string id, job::OutputChunk chunk) {
  impl_->Publish(id, std::move(chunk));
}

job::Store::WatchHandle RedisStore::WatchOutput(std::string id, job::OutputPosition from,
                                                OutputListener listener) {
  return impl_->output().Watch(std::move(id), from, std::move(listener));
}

void RedisStore::PublishUsage(std::string id, uint64_t run, sandbox::LiveUsage usage) {
  impl_->usage().Publish(std::move(id), run, usage);
}

job::Store::WatchHandle RedisStore::WatchUsage(std::string id, UsageListener listener) {
  return impl_->usage().Watch(std::move(id), std::move(listener));
}

void RedisStore::OnQueued(std::function<void()> listener) {
  impl_->watchers().OnQueued(std::move(listener));
}

void RedisStore::TakeDue(int max, base::Nanos hold, Callback<std::vector<job::Delivery>> done) {
  impl_->deliveries().TakeDue(max, hold, std::move(done));
}

void RedisStore::Postpone(std::string id, int attempts, base::Nanos pause, Callback<void> done) {
  impl_->deliveries().Postpone(id, attempts, pause, std::move(done));
}

void RedisStore::Settle(std::string id, Callback<void> done) {
  impl_->deliveries().Settle(id, std::move(done));
}

void RedisStore::ReadKeys(std::optional<uint64_t> known, Callback<job::KeySet> done) {
  impl_->keys().Read(known, std::move(done));
}

void RedisStore::AddKey(job::Key key, Callback<void> done) {
  impl_->keys().Add(key, std::move(done));
}

void RedisStore::RemoveKey(std::string id, Callback<void> done) {
  impl_->keys().Remove(id, std::move(done));
}

void RedisStore::Secret(Callback<std::string> done) {
  impl_->keys().Secret(std::move(done));
}

void RedisStore::TakeRate(std::string name, job::Rate rate, int64_t wanted,
                          Callback<job::RateState> done) {
  impl_->keys().TakeRate(name, rate, wanted, std::move(done));
}

void RedisStore::Announce(const job::Worker& worker, Callback<void> done) {
  impl_->Announce(worker.name, WriteWorker(worker),
                  [done = std::move(done)](const Result<std::vector<job::Worker>>& workers) {
                    done(workers ? Result<void>() : Result<void>(workers.error()));
                  });
}

void RedisStore::Leave(std::string name) {
  impl_->Leave(name);
}

void RedisStore::Workers(Callback<std::vector<job::Worker>> done) {
  impl_->Announce("", "", std::move(done));
}

}  // namespace store

#include "service/service.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/text.h"
#include "base/time.h"
#include "job/hmac.h"
#include "job/key_store.h"
#include "service/validate.h"

namespace service {
namespace {

constexpr size_t kIdLength = 22;  // 128 bits in base64 without padding

bool LooksLikeId(std::string_view id) {
  return id.size() == kIdLength && std::all_of(id.begin(), id.end(), [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_';
         });
}

Refusal NotFound() {
  return {Refusal::Kind::kNotFound, "there is no such job, or it has expired", {}};
}

Refusal FromStore(const base::Error& error) {
  return service::FromStore(error, NotFound().detail, error.message + ", try again later");
}

Refusal Invalid(std::vector<job::FieldError> errors) {
  return {Refusal::Kind::kInvalid, "the submission is not valid", std::move(errors)};
}

Refusal TooFast(const job::RateState& rate) {
  return {Refusal::Kind::kOverloaded,
          "the key's rate of jobs is used up, try again later",
          {},
          rate.retry};
}

// For a body that could not be read.
Refusal FromParser(job::ParseError error) {
  if (!error.malformed) {
    return Invalid(std::move(error.errors));
  }
  std::string detail = error.errors.empty() ? "the body is not JSON" : error.errors[0].message;
  return {Refusal::Kind::kMalformed, std::move(detail), {}};
}

}  // namespace

Refusal FromStore(const base::Error& error, std::string missing, std::string full) {
  switch (error.kind) {
    case base::ErrorKind::kNotFound:
      return {Refusal::Kind::kNotFound, std::move(missing), {}};
    case base::ErrorKind::kExhausted:
      return {Refusal::Kind::kOverloaded, std::move(full), {}};
    case base::ErrorKind::kUnavailable:
    case base::ErrorKind::kDeadline:
      return {Refusal::Kind::kUnavailable, "the job store is unavailable, try again later", {}};
    case base::ErrorKind::kInvalidArgument:
    case base::ErrorKind::kConflict:
    case base::ErrorKind::kInternal:
      break;
  }
  return {Refusal::Kind::kInternal, "the job store failed", {}};
}

Service::Service(Options options, job::Store& store, const language::Registry& languages, Keys keys)
    : options_(options), store_(store), languages_(languages), keys_(std::move(keys)) {}

job::FieldError Service::WaitTooLong() const {
  return {"wait", "must be at most " + base::FormatDuration(options_.max_wait)};
}

void Service::TakeRate(const Caller& caller, int64_t jobs,
                       std::function<void(base::Result<RateLeft>)> done) {
  if (caller.key == nullptr || caller.key->rate.count == 0 || store_.keys() == nullptr) {
    done(RateLeft());
    return;
  }
  store_.keys()->TakeRate(caller.tenant, caller.key->rate, jobs,
                          [done = std::move(done)](base::Result<job::RateState> state) {
                            done(state ? base::Result<RateLeft>(RateLeft(*state)) : state.error());
                          });
}

void Service::Admit(std::string id, job::Submission submission, const Caller& caller,
                    job::Durability durability, std::function<void(base::Result<job::Job>)> done) {
  job::Job accepted;
  accepted.id = std::move(id);
  accepted.created_at = base::WallNow();
  accepted.submission.language = submission.language;
  accepted.submission.priority = submission.priority;
  job::Job stored = accepted;
  stored.submission = std::move(submission);
  stored.tenant = caller.tenant;
  if (caller.key != nullptr) {
    stored.max_queued = caller.key->max_queued;
    stored.max_running = caller.key->max_running;
  }
  store_.Submit(
      std::move(stored), durability,
      [accepted = std::move(accepted), done = std::move(done)](const base::Result<void>& result) {
        done(result ? base::Result<job::Job>(accepted) : result.error());
      });
}

void Service::Sync(std::function<void(std::optional<Refusal>)> done) {
  store_.Sync([done = std::move(done)](const base::Result<void>& result) {
    done(result ? std::nullopt : std::optional<Refusal>(FromStore(result.error())));
  });
}

struct Service::Call {
  job::Submission submission;
  base::Nanos wait = 0;
  Caller caller;
  std::string idempotency_key;
  std::string id;
  std::string request_hash;
  bool tried = false;  // to make the job
  std::shared_ptr<EndWatch> end;
  std::function<void(std::optional<Accepted>, Refusal, RateLeft)> done;

  void Refuse(Refusal refusal, const RateLeft& left = {}) const {
    done(std::nullopt, std::move(refusal), left);
  }
};

void Service::Submit(std::string_view body, const Caller& caller,
                     const std::string& idempotency_key,
                     std::function<void(std::optional<Accepted>, Refusal, RateLeft)> done) {
  job::ParsedSubmission parsed;
  job::ParseError error;
  if (!job::ParseSubmission(body, &parsed, &error)) {
    done(std::nullopt, FromParser(std::move(error)), {});
    return;
  }
  std::vector<job::FieldError> errors = Validate(options_, languages_, caller.key.get(), &parsed);
  if (parsed.wait > options_.max_wait) {
    errors.push_back(WaitTooLong());
  }
  if (!errors.empty()) {
    done(std::nullopt, Invalid(std::move(errors)), {});
    return;
  }
  const auto call = std::make_shared<Call>();
  call->submission = std::move(parsed.submission);
  call->wait = parsed.wait;
  call->caller = caller;
  call->idempotency_key = idempotency_key;
  call->done = std::move(done);
  if (idempotency_key.empty()) {
    call->id = base::RandomId();
    SubmitNew(call);
  } else {
    call->request_hash = job::HashSecret(body);
    call->submission.request_hash = call->request_hash;
    FindId(call);
  }
}

// A job with an idempotency key has an id that is derived from it. So the stores, which have each
// id once, make the job and remember the key in one step, and forget both together.
void Service::FindId(const std::shared_ptr<Call>& call) {
  if (secret_.empty() && store_.keys() != nullptr) {
    store_.keys()->Secret([this, call](const base::Result<std::string>& secret) {
      if (!secret) {
        call->Refuse(FromStore(secret.error()));
        return;
      }
      secret_ = *secret;
      FindId(call);
    });
    return;
  }
  call->id = job::DeriveId(secret_, call->caller.tenant, call->idempotency_key);
  FindEarlier(call);
}

void Service::FindEarlier(const std::shared_ptr<Call>& call) {
  store_.Get(call->id, [this, call](const base::Result<job::Job>& earlier) {
    const bool absent = !earlier && earlier.error().kind == base::ErrorKind::kNotFound;
    if (absent && !call->tried) {
      SubmitNew(call);
    } else if (absent) {
      // It has expired, and its record is about to go.
      call->Refuse({Refusal::Kind::kUnavailable,
                    "the job of this Idempotency-Key has just expired, try again later",
                    {}});
    } else if (!earlier) {
      call->Refuse(FromStore(earlier.error()));
    } else if (earlier->submission.request_hash != call->request_hash) {
      call->Refuse(
          {Refusal::Kind::kConflict, "this Idempotency-Key has come with another body before", {}});
    } else {
      call->done(Accepted{*earlier, call->wait, nullptr}, {}, {});
    }
  });
}

void Service::SubmitNew(const std::shared_ptr<Call>& call) {
  TakeRate(call->caller, 1, [this, call](base::Result<RateLeft> rate) {
    if (!rate) {
      call->Refuse(FromStore(rate.error()));
      return;
    }
    const RateLeft left = *rate;
    if (left && left->granted == 0) {
      call->Refuse(TooFast(*left), left);
      return;
    }
    call->tried = true;
    call->end = call->wait > 0 ? WatchEnd(call->id) : nullptr;
    // The id of a job with an idempotency key may be given out to another call at any time.
    const bool later = call->wait > 0 && call->idempotency_key.empty();
    Admit(call->id, std::move(call->submission), call->caller,
          later ? job::Durability::kLater : job::Durability::kAtOnce,
          [this, call, left](const base::Result<job::Job>& job) {
            if (job) {
              call->done(Accepted{*job, call->wait, std::move(call->end)}, {}, left);
            } else if (job.error().kind == base::ErrorKind::kConflict &&
                       !call->idempotency_key.empty()) {
              FindEarlier(call);  // another call with the key was faster
            } else {
              call->Refuse(FromStore(job.error()), left);
            }
          });
  });
}

void Service::Begin(std::string_view message, const Caller& caller,
                    std::function<job::SessionHost*()> host,
                    std::function<void(std::optional<Begun>, Refusal)> done) {
  job::ParsedSubmission parsed;
  job::ParseError error;
  if (!job::ParseInteractive(message, &parsed, &error)) {
    done(std::nullopt, FromParser(std::move(error)));
    return;
  }
  std::vector<job::FieldError> errors = Validate(options_, languages_, caller.key.get(), &parsed);
  if (!errors.empty()) {
    done(std::nullopt, Invalid(std::move(errors)));
    return;
  }
  job::Job job;
  job.id = base::RandomId();
  job.created_at = base::WallNow();
  job.submission = std::move(parsed.submission);
  job.tenant = caller.tenant;
  job.max_running = caller.key == nullptr ? 0 : caller.key->max_running;
  TakeRate(
      caller, 1,
      [host = std::move(host), job = std::move(job),
       done = std::move(done)](const base::Result<RateLeft>& rate) {
        if (!rate || (*rate && (*rate)->granted == 0)) {
          done(std::nullopt, rate ? TooFast(**rate) : FromStore(rate.error()));
          return;
        }
        job::SessionHost* const running = host();
        if (running == nullptr) {
          done(std::nullopt, {Refusal::Kind::kUnavailable, "this node runs no more programs", {}});
          return;
        }
        running->Begin(job,
                       [id = job.id, done](base::Result<std::shared_ptr<job::Session>> session) {
                         if (session) {
                           done(Begun{id, *std::move(session)}, {});
                         } else {
                           done(std::nullopt, FromStore(session.error()));
                         }
                       });
      });
}

// A batch that is being submitted.
struct Service::BatchUnderWay {
  Batch batch;
  std::vector<std::optional<job::Submission>> accepted;  // in their places
  size_t left = 1;                                       // what has not been answered; one is ours
  std::function<void(std::optional<Batch>, Refusal, RateLeft)> done;
  RateLeft rate;

  void Answered() {
    if (--left == 0) {
      done(std::move(batch), {}, rate);
    }
  }
};

void Service::SubmitBatch(std::string_view body, const Caller& caller,
                          std::function<void(std::optional<Batch>, Refusal, RateLeft)> done) {
  job::ParsedBatch parsed;
  job::ParseError error;
  if (!job::ParseBatch(body, &parsed, &error)) {
    done(std::nullopt, FromParser(std::move(error)), {});
    return;
  }
  if (parsed.wait > options_.max_wait) {
    done(std::nullopt, Invalid({WaitTooLong()}), {});
    return;
  }
  const auto state = std::make_shared<BatchUnderWay>();
  state->batch.jobs.resize(parsed.jobs.size());
  state->batch.wait = parsed.wait;
  state->accepted.resize(parsed.jobs.size());
  state->done = std::move(done);
  int64_t good = 0;
  for (size_t i = 0; i < parsed.jobs.size(); ++i) {
    job::ParsedSubmission& one = parsed.jobs[i].parsed;
    std::vector<job::FieldError> errors = std::move(parsed.jobs[i].errors);
    if (errors.empty()) {
      errors = Validate(options_, languages_, caller.key.get(), &one);
    }
    if (errors.empty()) {
      state->accepted[i] = std::move(one.submission);
      ++good;
    } else {
      state->batch.jobs[i].refusal = Invalid(std::move(errors));
    }
  }
  TakeRate(caller, good, [this, caller, state](base::Result<RateLeft> rate) {
    state->rate = rate ? *rate : RateLeft();
    AdmitBatch(caller, state, rate ? base::Result<void>() : rate.error());
  });
}

// `rate`: why it could not be asked.
void Service::AdmitBatch(const Caller& caller, const std::shared_ptr<BatchUnderWay>& state,
                         const base::Result<void>& rate) {
  int64_t granted = 0;
  // The store gathers what is submitted in one turn of the loop: one durable write for all.
  for (size_t i = 0; i < state->accepted.size(); ++i) {
    if (!state->accepted[i]) {
      continue;
    }
    BatchOutcome& outcome = state->batch.jobs[i];
    if (!rate) {
      outcome.refusal = FromStore(rate.error());
      continue;
    }
    if (state->rate && granted == state->rate->granted) {
      outcome.refusal = TooFast(*state->rate);
      continue;
    }
    ++granted;
    ++state->left;
    std::string id = base::RandomId();
    outcome.end = state->batch.wait > 0 ? WatchEnd(id) : nullptr;
    Admit(std::move(id), std::move(*state->accepted[i]), caller,
          state->batch.wait > 0 ? job::Durability::kLater : job::Durability::kAtOnce,
          [&outcome, state](const base::Result<job::Job>& job) {
            if (job) {
              outcome.job = *job;
            } else {
              outcome.refusal = FromStore(job.error());
            }
            state->Answered();
          });
  }
  state->Answered();
}

void Service::Get(std::string id, const Caller& caller, OnJob done) {
  if (!LooksLikeId(id)) {
    done(nullptr, NotFound());
    return;
  }
  const auto [entry, first] = readings_.try_emplace(id);
  // What is under way may have been read before the change that the caller has heard of.
  (first ? entry->second.now : entry->second.next)
      .push_back([caller, done = std::move(done)](const std::shared_ptr<const job::Job>& job,
                                                  const Refusal& refusal) {
        const bool hidden = job && !MaySee(caller, job->tenant);
        done(hidden ? nullptr : job, hidden ? NotFound() : refusal);
      });
  if (first) {
    Read(id);
  }
}

void Service::Get(const EndWatch& watch, const Caller& caller, OnJob done) {
  if (!watch.job) {
    Get(watch.id, caller, std::move(done));
  } else if (MaySee(caller, watch.job->tenant)) {
    done(watch.job, {});
  } else {
    done(nullptr, NotFound());
  }
}

void Service::Read(const std::string& id) {
  store_.Get(id, [this, id](base::Result<job::Job> result) {
    const auto entry = readings_.find(id);
    const std::vector<OnJob> answered = std::exchange(entry->second.now, {});
    entry->second.now.swap(entry->second.next);
    if (entry->second.now.empty()) {
      readings_.erase(entry);
    } else {
      Read(id);
    }
    const auto job = result ? std::make_shared<const job::Job>(std::move(*result)) : nullptr;
    const Refusal refusal = result ? Refusal{} : FromStore(result.error());
    for (const OnJob& done : answered) {
      done(job, refusal);
    }
  });
}

void Service::Cancel(std::string id, const Caller& caller,
                     std::function<void(std::optional<job::Job>, Refusal)> done) {
  // Whose a job is never changes, so that looking first is enough.
  Get(id, caller,
      [this, id, done = std::move(done)](const std::shared_ptr<const job::Job>& job,
                                         const Refusal& refusal) {
        if (!job) {
          done(std::nullopt, refusal);
          return;
        }
        store_.Cancel(id, [done](base::Result<job::Job> result) {
          if (result) {
            done(std::move(*result), {});
          } else {
            done(std::nullopt, FromStore(result.error()));
          }
        });
      });
}

void Service::List(job::ListQuery query, const Caller& caller,
                   std::function<void(std::optional<job::ListPage>, Refusal)> done) {
  if (const language::Language* found = languages_.Find(query.language); found != nullptr) {
    query.language = found->id;
  }
  query.tenant = caller.tenant;
  store_.List(std::move(query), [done = std::move(done)](base::Result<job::ListPage> result) {
    if (result) {
      done(std::move(*result), {});
    } else if (result.error().kind == base::ErrorKind::kInvalidArgument) {
      done(std::nullopt, {Refusal::Kind::kInvalid,
                          "a query parameter is not valid",
                          {{"cursor", "must be the next_cursor of a page before"}}});
    } else {
      done(std::nullopt, FromStore(result.error()));
    }
  });
}

job::Store::WatchHandle Service::WatchOutput(std::string id, job::OutputPosition from,
                                             job::Store::OutputListener listener) {
  return store_.WatchOutput(std::move(id), from, std::move(listener));
}

job::Store::WatchHandle Service::WatchUsage(std::string id, job::Store::UsageListener listener) {
  return store_.WatchUsage(std::move(id), std::move(listener));
}

job::Store::WatchHandle Service::Watch(std::string id, job::Store::Watched what,
                                       std::function<void()> changed) {
  return store_.Watch(std::move(id), what, std::move(changed));
}

std::shared_ptr<Service::EndWatch> Service::WatchEnd(std::string id) {
  auto watch = std::make_shared<EndWatch>();
  watch->id = id;
  watch->entry = ends_.Add(id, watch);
  watch->handle =
      store_.Watch(std::move(id), job::Store::Watched::kEnd, [weak = std::weak_ptr(watch)] {
        if (const auto ended = weak.lock()) {
          ended->ended = true;
          if (const auto tell = ended->on_end) {
            tell();
          }
        }
      });
  return watch;
}

void Service::OnEnd(const std::shared_ptr<const job::Job>& job) {
  for (const auto& entry : ends_.Of(job->id)) {
    const auto watched = entry.lock();
    const auto watch = watched ? watched->lock() : nullptr;
    if (watch) {
      watch->job = job;
      if (const auto tell = watch->on_end) {
        tell();
      }
    }
  }
}

void Service::Stats(std::function<void(base::Result<job::StoreStats>)> done) {
  store_.Stats(std::move(done));
}

}  // namespace service

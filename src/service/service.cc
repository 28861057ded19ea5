#include "service/service.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/text.h"
#include "base/time.h"
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
  switch (error.kind) {
    case base::ErrorKind::kNotFound:
      return NotFound();
    case base::ErrorKind::kExhausted:
      return {Refusal::Kind::kOverloaded, "the queue is full, try again later", {}};
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

Refusal Invalid(std::vector<job::FieldError> errors) {
  return {Refusal::Kind::kInvalid, "the submission is not valid", std::move(errors)};
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

Service::Service(Options options, job::Store& store, const language::Registry& languages)
    : options_(options), store_(store), languages_(languages) {}

job::FieldError Service::WaitTooLong() const {
  return {"wait", "must be at most " + base::FormatDuration(options_.max_wait)};
}

void Service::Admit(job::Submission submission, std::string tenant, base::Nanos wait,
                    std::function<void(std::optional<job::Job>, Refusal)> done) {
  job::Job accepted;
  accepted.id = base::RandomId();
  accepted.created_at = base::WallNow();
  accepted.submission.language = submission.language;
  accepted.submission.priority = submission.priority;
  job::Job stored = accepted;
  stored.submission = std::move(submission);
  stored.tenant = std::move(tenant);
  store_.Submit(
      std::move(stored), wait > 0 ? job::Durability::kLater : job::Durability::kAtOnce,
      [accepted = std::move(accepted), done = std::move(done)](base::Result<void> result) {
        if (result) {
          done(accepted, {});
        } else {
          done(std::nullopt, FromStore(result.error()));
        }
      });
}

void Service::Sync(std::function<void(std::optional<Refusal>)> done) {
  store_.Sync([done = std::move(done)](base::Result<void> result) {
    done(result ? std::nullopt : std::optional<Refusal>(FromStore(result.error())));
  });
}

void Service::Submit(std::string_view body, std::string tenant,
                     std::function<void(std::optional<Accepted>, Refusal)> done) {
  job::ParsedSubmission parsed;
  job::ParseError error;
  if (!job::ParseSubmission(body, &parsed, &error)) {
    done(std::nullopt, FromParser(std::move(error)));
    return;
  }
  std::vector<job::FieldError> errors =
      Validate(options_, languages_, &parsed.submission, parsed.has_code);
  if (parsed.wait > options_.max_wait) {
    errors.push_back(WaitTooLong());
  }
  if (!errors.empty()) {
    done(std::nullopt, Invalid(std::move(errors)));
    return;
  }
  Admit(std::move(parsed.submission), std::move(tenant), parsed.wait,
        [wait = parsed.wait, done = std::move(done)](std::optional<job::Job> job, Refusal refusal) {
          if (job) {
            done(Accepted{*std::move(job), wait}, {});
          } else {
            done(std::nullopt, std::move(refusal));
          }
        });
}

void Service::SubmitBatch(std::string_view body, std::string tenant,
                          std::function<void(std::optional<Batch>, Refusal)> done) {
  job::ParsedBatch parsed;
  job::ParseError error;
  if (!job::ParseBatch(body, &parsed, &error)) {
    done(std::nullopt, FromParser(std::move(error)));
    return;
  }
  if (parsed.wait > options_.max_wait) {
    done(std::nullopt, Invalid({WaitTooLong()}));
    return;
  }

  struct State {
    Batch batch;
    size_t left = 0;
    std::function<void(std::optional<Batch>, Refusal)> done;
  };

  const auto state = std::make_shared<State>();
  state->batch.jobs.resize(parsed.jobs.size());
  state->batch.wait = parsed.wait;
  state->done = std::move(done);
  // The store gathers what is submitted in one turn of the loop: one durable write for all.
  state->left = 1;
  const auto answered = [state] {
    if (--state->left == 0) {
      state->done(std::move(state->batch), {});
    }
  };
  for (size_t i = 0; i < parsed.jobs.size(); ++i) {
    job::ParsedSubmission& one = parsed.jobs[i].parsed;
    std::vector<job::FieldError> errors = std::move(parsed.jobs[i].errors);
    if (errors.empty()) {
      errors = Validate(options_, languages_, &one.submission, one.has_code);
    }
    BatchOutcome& outcome = state->batch.jobs[i];
    if (!errors.empty()) {
      outcome.refusal = Invalid(std::move(errors));
      continue;
    }
    ++state->left;
    Admit(std::move(one.submission), tenant, parsed.wait,
          [&outcome, answered](std::optional<job::Job> job, Refusal refusal) {
            outcome.job = std::move(job);
            outcome.refusal = std::move(refusal);
            answered();
          });
  }
  answered();
}

void Service::Get(std::string id, OnJob done) {
  if (!LooksLikeId(id)) {
    done(nullptr, NotFound());
    return;
  }
  const auto [entry, first] = readings_.try_emplace(id);
  // What is under way may have been read before the change that the caller has heard of.
  (first ? entry->second.now : entry->second.next).push_back(std::move(done));
  if (first) {
    Read(id);
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

void Service::Cancel(std::string id, std::function<void(std::optional<job::Job>, Refusal)> done) {
  if (!LooksLikeId(id)) {
    done(std::nullopt, NotFound());
    return;
  }
  store_.Cancel(std::move(id), [done = std::move(done)](base::Result<job::Job> result) {
    if (result) {
      done(std::move(*result), {});
    } else {
      done(std::nullopt, FromStore(result.error()));
    }
  });
}

void Service::List(job::ListQuery query,
                   std::function<void(std::optional<job::ListPage>, Refusal)> done) {
  if (const language::Language* found = languages_.Find(query.language); found != nullptr) {
    query.language = found->id;
  }
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

job::Store::WatchHandle Service::Watch(std::string id, std::function<void()> changed) {
  return store_.Watch(std::move(id), std::move(changed));
}

void Service::Stats(std::function<void(base::Result<job::StoreStats>)> done) {
  store_.Stats(std::move(done));
}

}  // namespace service

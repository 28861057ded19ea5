#include "service/service.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/text.h"
#include "base/time.h"

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

std::string AcceptedLanguages(const language::Registry& languages) {
  std::string ids;
  for (const language::Language& l : languages.all()) {
    if (l.available) {
      ids += (ids.empty() ? "" : ", ") + l.id;
    }
  }
  return ids.empty() ? "no language is available" : "must be one of: " + ids;
}

// Checks what depends on configuration and makes the language canonical.
std::vector<job::FieldError> Validate(const Options& options, const language::Registry& languages,
                                      job::ParsedSubmission* parsed) {
  std::vector<job::FieldError> errors;
  job::Submission& s = parsed->submission;
  const language::Language* found = languages.Find(s.language);
  if (found == nullptr) {
    errors.push_back({"language", AcceptedLanguages(languages)});
  } else if (!found->available) {
    std::string message = found->name + " is not available";
    if (!found->unavailable_reason.empty()) {
      message += ": " + found->unavailable_reason;
    }
    if (!found->install.empty()) {
      message += "; install it with: " + found->install;
    }
    errors.push_back({"language", std::move(message)});
  } else {
    s.language = found->id;
  }
  const auto check_size = [&errors](const char* field, const std::string& data, int64_t max) {
    if (static_cast<int64_t>(data.size()) > max) {
      errors.push_back({field, "must be at most " + std::to_string(max) + " bytes"});
    }
  };
  check_size("code", s.code, options.max_code_bytes);
  check_size("stdin", s.stdin_data, options.max_stdin_bytes);
  if (s.timeout > options.max_timeout) {
    errors.push_back({"timeout", "must be at most " + base::FormatDuration(options.max_timeout)});
  }
  if (parsed->wait > options.max_wait) {
    errors.push_back({"wait", "must be at most " + base::FormatDuration(options.max_wait)});
  }
  return errors;
}

}  // namespace

Service::Service(Options options, job::Store& store, const language::Registry& languages)
    : options_(options), store_(store), languages_(languages) {}

void Service::Submit(std::string_view body, std::string tenant,
                     std::function<void(std::optional<Accepted>, Refusal)> done) {
  job::ParsedSubmission parsed;
  job::ParseError error;
  if (!job::ParseSubmission(body, &parsed, &error)) {
    if (error.malformed) {
      std::string detail = error.errors.empty() ? "the body is not JSON" : error.errors[0].message;
      done(std::nullopt, {Refusal::Kind::kMalformed, std::move(detail), {}});
    } else {
      done(std::nullopt,
           {Refusal::Kind::kInvalid, "the submission is not valid", std::move(error.errors)});
    }
    return;
  }
  std::vector<job::FieldError> errors = Validate(options_, languages_, &parsed);
  if (!errors.empty()) {
    done(std::nullopt, {Refusal::Kind::kInvalid, "the submission is not valid", std::move(errors)});
    return;
  }

  Accepted accepted;
  accepted.wait = parsed.wait;
  accepted.job.id = base::RandomId();
  accepted.job.created_at = base::WallNow();
  accepted.job.submission.language = parsed.submission.language;
  job::Job stored = accepted.job;
  stored.submission = std::move(parsed.submission);
  stored.tenant = std::move(tenant);
  store_.Submit(std::move(stored), [accepted = std::move(accepted),
                                    done = std::move(done)](base::Result<void> result) {
    if (result) {
      done(accepted, {});
    } else {
      done(std::nullopt, FromStore(result.error()));
    }
  });
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

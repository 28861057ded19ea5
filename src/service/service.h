#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "job/json.h"
#include "job/store.h"
#include "language/language.h"

namespace service {

struct Options {
  base::Nanos max_timeout = 60 * base::kSecond;
  job::Limits max_limits;  // what a request may ask for
  int64_t max_code_bytes = 1LL << 20;
  int64_t max_stdin_bytes = 16LL << 20;
  int64_t max_files_bytes = 16LL << 20;       // of all files of a job together
  base::Nanos max_wait = 60 * base::kSecond;  // of the body's `wait`
};

// Why a call was refused, ready to become problem+json.
struct Refusal {
  enum class Kind { kMalformed, kInvalid, kNotFound, kOverloaded, kUnavailable, kInternal };
  Kind kind = Kind::kInternal;
  std::string detail;
  std::vector<job::FieldError> errors;
};

// The API role's rules, free of HTTP: validate, admit, store, look up. On the event loop's thread;
// the store and the languages must outlive it. Callbacks come exactly once; a refusal that needs no
// store comes from within the call.
class Service {
 public:
  Service(Options options, job::Store& store, const language::Registry& languages);

  struct Accepted {
    job::Job job;
    base::Nanos wait = 0;
  };

  // Answers once the job is stored, and, unless it has a `wait`, durable: the id of one that has is
  // given out with its outcome, or after Sync. The answer's job carries the language, not code and
  // stdin. `tenant` is whom the job is charged to.
  void Submit(std::string_view body, std::string tenant,
              std::function<void(std::optional<Accepted>, Refusal)> done);

  struct BatchOutcome {
    std::optional<job::Job> job;  // as Accepted has it; else it was refused:
    Refusal refusal;
  };

  struct Batch {
    std::vector<BatchOutcome> jobs;  // each in its place
    base::Nanos wait = 0;            // for all of them
  };

  // The same for many at once, each accepted or refused by itself. Nothing when the body is wrong
  // as a whole; else it answers once all that are accepted are stored or durable, as above.
  void SubmitBatch(std::string_view body, std::string tenant,
                   std::function<void(std::optional<Batch>, Refusal)> done);

  // Answers once the jobs that were accepted before are durable; with the reason when they cannot
  // be made so.
  void Sync(std::function<void(std::optional<Refusal>)> done);

  // Null when it is refused. Those who ask while the store is being asked for the same job share
  // one further answer, so that many who watch one job cost the store little.
  using OnJob = std::function<void(std::shared_ptr<const job::Job>, Refusal)>;
  void Get(std::string id, OnJob done);

  // Cancels a job that is not final; answers it as it is then.
  void Cancel(std::string id, std::function<void(std::optional<job::Job>, Refusal)> done);

  // `query.language` may be an alias. Refuses a cursor that is none (kInvalid).
  void List(job::ListQuery query, std::function<void(std::optional<job::ListPage>, Refusal)> done);

  // As job::Store::WatchOutput.
  job::Store::WatchHandle WatchOutput(std::string id, job::OutputPosition from,
                                      job::Store::OutputListener listener);

  // Calls `changed` after each change of the job's status until the handle is destroyed.
  job::Store::WatchHandle Watch(std::string id, std::function<void()> changed);

  void Stats(std::function<void(base::Result<job::StoreStats>)> done);

  const language::Registry& languages() const { return languages_; }

 private:
  job::FieldError WaitTooLong() const;
  void Admit(job::Submission submission, std::string tenant, base::Nanos wait,
             std::function<void(std::optional<job::Job>, Refusal)> done);
  void Read(const std::string& id);

  Options options_;
  job::Store& store_;
  const language::Registry& languages_;

  // Who gets the answer that is under way, and who came too late for it.
  struct Reading {
    std::vector<OnJob> now;
    std::vector<OnJob> next;
  };

  std::unordered_map<std::string, Reading> readings_;
};

}  // namespace service

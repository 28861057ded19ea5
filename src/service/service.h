#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/registry.h"
#include "job/json.h"
#include "job/session.h"
#include "job/store.h"
#include "language/language.h"
#include "service/keys.h"

namespace service {

struct Options {
  base::Nanos max_timeout = 60 * base::kSecond;
  job::Limits max_limits;                                // what a request may ask for
  base::Nanos max_session_timeout = 30 * base::kMinute;  // of interactive jobs
  int64_t max_code_bytes = 1LL << 20;
  int64_t max_stdin_bytes = 16LL << 20;
  int64_t max_files_bytes = 16LL << 20;       // of all files of a job together
  base::Nanos max_wait = 60 * base::kSecond;  // of the body's `wait`
  // What a job gets that asks for nothing; 0: nothing bounds it.
  base::Nanos default_timeout = 0;
  job::Limits default_limits;
  // What is wrong with a webhook; empty: there are none.
  std::function<std::vector<job::FieldError>(const job::Webhook&)> webhook_errors = {};
};

// Why a call was refused, ready to become problem+json.
struct Refusal {
  enum class Kind {
    kMalformed,
    kForbidden,
    kNotFound,
    kConflict,
    kInvalid,
    kOverloaded,
    kUnavailable,
    kInternal,
  };
  Kind kind = Kind::kInternal;
  std::string detail;
  std::vector<job::FieldError> errors;
  base::Nanos retry_after = base::kSecond;  // where trying again makes sense
};

// For what a store could not do. `missing` is said of what it does not have, `full` where it has no
// room.
Refusal FromStore(const base::Error& error, std::string missing, std::string full);

// The API role's rules, free of HTTP: validate, admit, store, look up. On the event loop's thread;
// the store and the languages must outlive it. Callbacks come exactly once; a refusal that needs no
// store comes from within the call.
class Service {
 public:
  Service(Options options, job::Store& store, const language::Registry& languages, Keys keys = {});

  // One client's watch for a job's end.
  struct EndWatch {
    std::string id;
    bool ended = false;                   // perhaps; Get tells
    std::shared_ptr<const job::Job> job;  // as it ended, where that was on this node
    std::function<void()> on_end;         // called when one of these is set; may destroy this
    job::Store::WatchHandle handle;
    std::shared_ptr<void> entry;
  };

  struct Accepted {
    job::Job job;
    base::Nanos wait = 0;
    // Of a new job with a wait, from before it was stored: until it tells of an end, there is none.
    std::shared_ptr<EndWatch> end;
  };

  // What is left of the rate of the caller's key after a submission, taken or not; nothing when it
  // has none.
  using RateLeft = std::optional<job::RateState>;

  // Answers once the job is stored, and, unless it has a `wait`, durable: the id of one that has is
  // given out with its outcome, or after Sync. The answer's job carries the language, not code and
  // stdin. With an idempotency key (empty: none) the same caller gets the same job for the same
  // body, as long as it is kept, and for another body kConflict.
  void Submit(std::string_view body, const Caller& caller, const std::string& idempotency_key,
              std::function<void(std::optional<Accepted>, Refusal, RateLeft)> done);

  struct Begun {
    std::string id;
    std::shared_ptr<job::Session> session;
  };

  // The same for an interactive job, which `host` runs at once, unless it answers null by then.
  // `message` is the client's first.
  void Begin(std::string_view message, const Caller& caller,
             std::function<job::SessionHost*()> host,
             std::function<void(std::optional<Begun>, Refusal)> done);

  struct BatchOutcome {
    std::optional<job::Job> job;    // as Accepted has it; else it was refused:
    std::shared_ptr<EndWatch> end;  // likewise
    Refusal refusal;
  };

  struct Batch {
    std::vector<BatchOutcome> jobs;  // each in its place
    base::Nanos wait = 0;            // for all of them
  };

  // The same for many at once, each accepted or refused by itself. Nothing when the body is wrong
  // as a whole; else it answers once all that are accepted are stored or durable, as above. Of a
  // rate that is not enough for all the first get what is left.
  void SubmitBatch(std::string_view body, const Caller& caller,
                   std::function<void(std::optional<Batch>, Refusal, RateLeft)> done);

  // Answers once the jobs that were accepted before are durable; with the reason when they cannot
  // be made so.
  void Sync(std::function<void(std::optional<Refusal>)> done);

  // The following answer for a job that the caller may not see as for one that does not exist.

  // Null when it is refused. Those who ask while the store is being asked for the same job share
  // one further answer, so that many who watch one job cost the store little.
  using OnJob = std::function<void(std::shared_ptr<const job::Job>, Refusal)>;
  void Get(std::string id, const Caller& caller, OnJob done);

  // The same for the job of `watch`. Does not ask the store, and calls `done` at once, when the
  // watch holds the job.
  void Get(const EndWatch& watch, const Caller& caller, OnJob done);

  // Cancels a job that is not final; answers it as it is then.
  void Cancel(std::string id, const Caller& caller,
              std::function<void(std::optional<job::Job>, Refusal)> done);

  // The caller's own. `query.language` may be an alias. Refuses a cursor that is none (kInvalid).
  void List(job::ListQuery query, const Caller& caller,
            std::function<void(std::optional<job::ListPage>, Refusal)> done);

  // As job::Store::WatchOutput. This and the next two check nothing: whoever passes on what they
  // tell calls Get first.
  job::Store::WatchHandle WatchOutput(std::string id, job::OutputPosition from,
                                      job::Store::OutputListener listener);

  // As job::Store::WatchUsage.
  job::Store::WatchHandle WatchUsage(std::string id, job::Store::UsageListener listener);

  // As job::Store::Watch.
  job::Store::WatchHandle Watch(std::string id, job::Store::Watched what,
                                std::function<void()> changed);

  // Watches for the job's end.
  std::shared_ptr<EndWatch> WatchEnd(std::string id);

  // A job that this process ran has ended and its outcome is stored: `job` is as the store answers
  // it now, of the submission language and priority only. Those who watch for its end get it
  // without reading it again.
  void OnEnd(const std::shared_ptr<const job::Job>& job);

  void Stats(std::function<void(base::Result<job::StoreStats>)> done);

  // Learns which keys the store has now; to be called every second or so, for other processes
  // change them. `done` comes once it knows, or could not learn it.
  void RefreshKeys(std::function<void()> done = [] {});

  // The three are for callers whose key says admin (kForbidden). A secret is told this once.
  void CreateKey(std::string_view body, const Caller& caller,
                 std::function<void(std::optional<job::Key>, std::string secret, Refusal)> done);
  void ListKeys(const Caller& caller,
                std::function<void(std::optional<std::vector<job::Key>>, Refusal)> done);
  // nullopt: it is no good any more on this node, and within moments on the others.
  void RevokeKey(std::string id, const Caller& caller,
                 std::function<void(std::optional<Refusal>)> done);

  const language::Registry& languages() const { return languages_; }

  Keys& keys() { return keys_; }

 private:
  job::FieldError WaitTooLong() const;
  // Takes up to `jobs` from the rate of the caller's key.
  void TakeRate(const Caller& caller, int64_t jobs,
                std::function<void(base::Result<RateLeft>)> done);
  // Answers the job as Accepted has it.
  void Admit(std::string id, job::Submission submission, const Caller& caller,
             job::Durability durability, std::function<void(base::Result<job::Job>)> done);
  static std::optional<Refusal> NotAdmin(const Caller& caller);
  // A submission under way.
  struct Call;
  void FindId(const std::shared_ptr<Call>& call);
  void FindEarlier(const std::shared_ptr<Call>& call);
  void SubmitNew(const std::shared_ptr<Call>& call);
  struct BatchUnderWay;
  void AdmitBatch(const Caller& caller, const std::shared_ptr<BatchUnderWay>& state,
                  const base::Result<void>& rate);
  void Read(const std::string& id);

  Options options_;
  job::Store& store_;
  const language::Registry& languages_;
  Keys keys_;
  std::string secret_;  // the store's; empty: not known yet

  base::Registry<std::weak_ptr<EndWatch>> ends_;

  // Who gets the answer that is under way, and who came too late for it.
  struct Reading {
    std::vector<OnJob> now;
    std::vector<OnJob> next;
  };

  std::unordered_map<std::string, Reading> readings_;
};

}  // namespace service

#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/time.h"
#include "job/session.h"
#include "job/store.h"
#include "language/language.h"
#include "sandbox/spec.h"

namespace boost::asio {
class io_context;
}

namespace executor {

class CompileCache;

struct Options {
  std::string worker;  // this process's name in the store
  int slots = 1;       // jobs run at once
  base::Nanos timeout = 3 * base::kSecond;
  base::Nanos compile_timeout = 10 * base::kSecond;
  base::Nanos judge_timeout = 10 * base::kMinute;  // of all tests of a job together
  int64_t memory_bytes = 256LL << 20;
  int64_t processes = 64;
  int64_t output_bytes = 1LL << 20;
  int64_t compile_memory_bytes = 1LL << 30;
  int64_t compile_processes = 256;
  base::Nanos lease_time = 30 * base::kSecond;  // renewed at a third of it
  // Of interactive jobs, which have no slots: they mostly wait for their clients.
  int sessions = 16;  // at once
  base::Nanos session_timeout = 30 * base::kMinute;
  base::Nanos session_cpu_time = base::kMinute;
};

// The worker role: leases jobs from the store, compiles, runs, writes the outcome. Lives on the
// event loop's thread. Store, backend, languages and the cache (null: none) must outlive it.
class Executor : public job::SessionHost {
 public:
  Executor(boost::asio::io_context& loop, Options options, job::Store& store,
           sandbox::Backend& backend, const language::Registry& languages,
           CompileCache* compile_cache = nullptr);
  ~Executor() override;  // NOLINT(bugprone-exception-escape): as in executor.cc

  // Called with each job whose outcome this has stored, as Store::Get answers it from then on, but
  // of the submission language and priority only. One listener, set before Start.
  void OnEnd(std::function<void(std::shared_ptr<const job::Job>)> listener);

  // Begins to lease.
  void Start();

  // Takes no more jobs; `drained` is called once when the running ones have finished, or, after
  // `deadline` from now, when the rest were killed and released to the queue.
  void Stop(base::Nanos deadline, std::function<void()> drained);

  int running() const;

  void Begin(job::Job job, job::Store::Callback<std::shared_ptr<job::Session>> done) override;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace executor

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "job/store.h"
#include "store/stores.h"
#include "store/watch_list.h"

namespace store {

// The output and the usage of the jobs that this process runs, for those who watch them in this
// process: Publish, WatchOutput and their siblings of job::Store. All methods are called on the
// event loop's thread. Handles may outlive it; listeners are never called from within a call, and
// not after its end.
class OutputLog {
 public:
  OutputLog(Post post, Clock clock);
  ~OutputLog();
  OutputLog(const OutputLog&) = delete;
  OutputLog& operator=(const OutputLog&) = delete;

  // A lease of the job began: nothing but its output is taken from now on.
  void Begin(const std::string& id, uint64_t run);

  // The job's lease ended; its output stays for kOutputRetention.
  void End(const std::string& id);

  // Begins and ends as the leases did.
  void Follow(const Events& events);

  void Publish(const std::string& id, job::OutputChunk chunk);
  job::Store::WatchHandle Watch(std::string id, job::OutputPosition from,
                                job::Store::OutputListener listener);

  void PublishUsage(const std::string& id, uint64_t run, const sandbox::LiveUsage& usage);
  job::Store::WatchHandle WatchUsage(std::string id, job::Store::UsageListener listener);

  // Adds what its program uses to a job that runs.
  void AddUsage(job::Job* job) const;

  // Tells at once what is still to be told: before an answer of another thread, which could
  // overtake what this one has posted. A listener may destroy this log.
  void Deliver();

  // Forgets what has ended long enough ago.
  void Sweep();

 private:
  struct State;

  void MarkBehind(const std::string& id);

  std::shared_ptr<State> state_;
};

}  // namespace store

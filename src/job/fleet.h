#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "job/store.h"

namespace job {

// What a worker tells the nodes that take submissions. Lives as text in the store, beside the jobs.
struct Worker {
  std::string name;
  std::map<std::string, std::string> languages;  // id and version of those that it can run
};

// How long after its last announcement a worker counts as gone. It announces itself at a third of
// it.
constexpr base::Nanos kWorkerSilence = 15 * base::kSecond;

// The nodes that share one store. As with Store, methods are called on the event loop's thread and
// answer there, exactly once and never from within the call.
class Fleet {
 public:
  virtual ~Fleet() = default;

  // To be repeated every kWorkerSilence / 3.
  virtual void Announce(const Worker& worker, Store::Callback<void> done) = 0;

  // This worker is about to stop: it is gone at once.
  virtual void Leave(std::string name) = 0;

  // The workers that have announced themselves lately.
  virtual void Workers(Store::Callback<std::vector<Worker>> done) = 0;
};

}  // namespace job

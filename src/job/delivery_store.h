#pragma once

#include <string>
#include <vector>

#include "base/time.h"
#include "job/store.h"

namespace job {

// A job that has ended and whose client wants to be told.
struct Delivery {
  Job job;           // with its webhook
  int attempts = 0;  // that have failed
};

// What a store keeps of webhooks. A job with a webhook is due as soon as it is final, in the same
// step, and is forgotten with its record. Called and answers as Store, whose part it is.
class DeliveryStore {
 public:
  virtual ~DeliveryStore() = default;

  // Takes up to `max` that are due, those first that have been so longest. Nobody else gets them
  // for the time of `hold`.
  virtual void TakeDue(int max, base::Nanos hold, Store::Callback<std::vector<Delivery>> done) = 0;

  // It is not due again until `pause` from now; so often it has failed.
  virtual void Postpone(std::string id, int attempts, base::Nanos pause,
                        Store::Callback<void> done) = 0;

  // It is never due again: told, or given up.
  virtual void Settle(std::string id, Store::Callback<void> done) = 0;
};

}  // namespace job
